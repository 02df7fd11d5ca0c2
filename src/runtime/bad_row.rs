//! Records that could not be decoded: counted, and kept in the source's dead letter table if it has one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use tokio::sync::oneshot;

use super::coordinator::Coordinator;
use super::request::{ChangeKind, Conflict, TableChange, Write, Written};
use crate::catalog::Object;
use crate::connector::BadRow;
use crate::error::Result;
use crate::types::ObjectId;
use crate::types::definition::OnError;

/// Most undecodable records that are logged one by one, per epoch and source.
const LOGGED_MAX: usize = 10;

impl Coordinator {
    /// The dead letters to be written in this step: of what sources have read, or those that the log
    /// refused before. Sources stand still until these are written: what was met is not lost.
    pub(super) fn dead_letters_due(&mut self) -> Vec<Write> {
        match std::mem::take(&mut self.undelivered) {
            refused if refused.is_empty() => self.poll_feeds(),
            refused => refused,
        }
    }

    /// Keeps dead letters that the log has refused.
    pub(super) fn keep_refused(
        &mut self,
        letters: Vec<(Write, oneshot::Receiver<Result<Written>>)>,
    ) {
        for (write, mut answer) in letters {
            let Ok(Err(error)) = answer.try_recv() else { continue };
            // A table that is gone took its source with it.
            if write.changes.iter().all(|change| self.tables.contains_key(&change.table)) {
                tracing::error!(%error, "dead letters cannot be written; their sources wait");
                self.undelivered.push(write);
            }
        }
    }

    /// The writes that keep undecodable records where their sources say so.
    pub(super) fn bad_rows(&self, rows: Vec<(ObjectId, BadRow)>) -> Vec<Write> {
        let mut by_source: Vec<(ObjectId, Vec<BadRow>)> = vec![];
        for (source, row) in rows {
            match by_source.iter_mut().find(|(id, _)| *id == source) {
                Some((_, rows)) => rows.push(row),
                None => by_source.push((source, vec![row])),
            }
        }
        by_source
            .into_iter()
            .filter_map(|(source, rows)| self.dead_letters(source, &rows))
            .collect()
    }

    /// A row per record, by the columns that the table has: `source`, `payload`, `error`, `sqlstate`,
    /// `offset`, `at`. That they fit was checked when the source was created.
    fn dead_letters(&self, source: ObjectId, rows: &[BadRow]) -> Option<Write> {
        let Some(Object::Source(object)) = self.catalog.get(source).map(Arc::as_ref) else {
            return None;
        };
        for row in rows.iter().take(LOGGED_MAX) {
            tracing::warn!(source = %object.name, offset = row.offset, error = %row.error,
                "a record cannot be decoded");
        }
        if let Some(more) = rows.len().checked_sub(LOGGED_MAX).filter(|more| *more > 0) {
            tracing::warn!(source = %object.name, more, "more records cannot be decoded");
        }
        if !matches!(object.definition.on_error, OnError::DeadLetter { .. }) {
            return None;
        }
        // By id: the table may have been renamed since.
        let id = *object.dependencies.first()?;
        let table = self.tables.get(&id)?;
        let schema = Arc::clone(&table.schema);
        let conflict = match table.primary_key.is_empty() {
            true => Conflict::Error,
            false => Conflict::Overwrite,
        };
        let texts = |text: &dyn Fn(&BadRow) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
        };
        let columns = schema.fields().iter().map(|field| {
            let value: ArrayRef = match field.name().as_str() {
                "source" => texts(&|_| object.name.to_string()),
                "payload" => texts(&|row| row.payload.clone()),
                "error" => texts(&|row| row.error.message().to_owned()),
                "sqlstate" => texts(&|row| row.error.state().code().to_owned()),
                "offset" => Arc::new(Int64Array::from_iter_values(
                    rows.iter().map(|row| i64::try_from(row.offset).unwrap_or(i64::MAX)),
                )),
                "at" => {
                    Arc::new(TimestampMicrosecondArray::from_value(self.clock.now_us(), rows.len()))
                }
                _ => arrow::array::new_null_array(&DataType::Null, rows.len()),
            };
            cast(&value, field.data_type())
        });
        let batch = columns
            .collect::<std::result::Result<Vec<_>, _>>()
            .and_then(|columns| RecordBatch::try_new(Arc::clone(&schema), columns));
        match batch {
            Ok(rows) => Some(Write {
                changes: vec![TableChange {
                    table: id,
                    kind: ChangeKind::Insert { rows, conflict },
                }],
                reads: vec![],
            }),
            Err(error) => {
                tracing::error!(%error, table = table.name, "the dead letter table does not fit");
                None
            }
        }
    }
}
