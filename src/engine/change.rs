//! Changes of tables on their way out: sent at once, or kept in a block.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{
    concat_batches, filter_record_batch, interleave_record_batch, take_record_batch,
};
use tokio::sync::OwnedMutexGuard;

use super::collections::{Edit, Position};
use super::keys::{SameKey, duplicate_key, key_hashes, same_key};
use super::session::Session;
use crate::catalog::Table;
use crate::error::{Error, Result, SqlState};
use crate::runtime::request::{Conflict, TableChange, Write};
use crate::types::definition::{ConflictPolicy, TableDefinition};
use crate::types::{Delta, ObjectId};

/// How often a statement outside a block is tried again when a concurrent one was faster.
pub(super) const ATTEMPTS: usize = 10;
/// How long a message that has a turn waits for another one.
const TURN_MAX: Duration = Duration::from_secs(1);

impl Session {
    /// Inserts complete rows; returns how many went in (or replaced one) and those rows.
    pub(super) async fn insert_rows(
        &mut self,
        table: &Table,
        rows: RecordBatch,
        conflict: Conflict,
    ) -> Result<(u64, RecordBatch)> {
        if rows.num_rows() == 0 {
            return Ok((0, rows));
        }
        if self.block.is_some() {
            return self.insert_in_block(table, rows, conflict).await;
        }
        let schema = rows.schema();
        let edit = Edit::Insert { rows, conflict };
        let written = self.send(vec![(table.id, edit)]).await?;
        let count = written.counts.first().copied().unwrap_or(0);
        let rows = written.rows.into_iter().next().flatten();
        Ok((count, rows.unwrap_or_else(|| RecordBatch::new_empty(schema))))
    }

    /// In a block keys are looked up when the statement runs, so that it fails and not the COMMIT.
    async fn insert_in_block(
        &mut self,
        table: &Table,
        rows: RecordBatch,
        conflict: Conflict,
    ) -> Result<(u64, RecordBatch)> {
        let catalog = self.shared.catalog();
        self.pin_block(&catalog, &[table.id]).await?;
        let mut rows = rows;
        let simple = matches!(conflict, Conflict::Error | Conflict::Ignore);
        let hashes = key_hashes(table, &rows)?;
        let fresh_for_sure =
            simple && self.block.as_mut().is_some_and(|block| block.note_keys(table.id, &hashes));
        if !table.definition.primary_key.is_empty() && !fresh_for_sure {
            let by_key = self.with_keys_of(table, &rows).await?;
            let looked_up = by_key.is_some();
            let stored = match by_key {
                Some(rows) => rows,
                None => self.read(&[table.id]).await?.get(table.id)?.to_vec(),
            };
            let same = same_key(table, &stored, &rows)?;
            if simple
                && !looked_up
                && let Some(block) = &mut self.block
            {
                let mut known = HashSet::with_capacity(rows.num_rows());
                for delta in &stored {
                    known.extend(key_hashes(table, &delta.batch)?);
                }
                known.extend(&hashes);
                block.learn_keys(table.id, known);
            }
            match conflict {
                Conflict::Error | Conflict::Raced => refuse_duplicates(table, &rows, &same)?,
                Conflict::Ignore => rows = fresh(&rows, &same)?,
                Conflict::Overwrite => {
                    return self.overwrite(table, &stored, &rows, &same, looked_up);
                }
                Conflict::UpdateNonNull | Conflict::Newer(_) => {
                    return Err(Error::unsupported(format!(
                        "inserting into table \"{}\" with its conflict policy in a transaction block",
                        table.name.name
                    ))
                    .hint("Insert outside of a block."));
                }
            }
        }
        let count = rows.num_rows() as u64;
        self.keep(table.id, Edit::Insert { rows: rows.clone(), conflict })?;
        Ok((count, rows))
    }

    /// The turn at computing a change of a table from what is stored: statements that do so follow each
    /// other. Outside of a block it is held as long as the value lives; the implicit block of a message
    /// keeps it to its end; an explicit one, whose end may be far, takes none.
    pub(super) async fn take_turn(&mut self, table: ObjectId) -> Option<OwnedMutexGuard<()>> {
        let gate = self.shared.gate(table);
        let Some(block) = &mut self.block else { return Some(gate.lock_owned().await) };
        if block.explicit || block.has_turn(table) {
            return None;
        }
        let turn = if block.has_turns() {
            // Two messages may take turns in opposite order: better a conflict than a deadlock.
            tokio::time::timeout(TURN_MAX, gate.lock_owned()).await.ok()
        } else {
            Some(gate.lock_owned().await)
        };
        if let Some(turn) = turn {
            block.keep_turn(table, turn);
        }
        None
    }

    fn overwrite(
        &mut self,
        table: &Table,
        stored: &[Delta],
        rows: &RecordBatch,
        same: &SameKey,
        looked_up: bool,
    ) -> Result<(u64, RecordBatch)> {
        // Of several new rows with one key the last one stays.
        let mut last: Vec<Option<u32>> = vec![None; rows.num_rows()];
        for (row, &first) in same.first.iter().enumerate() {
            last[first] = u32::try_from(row).ok();
        }
        let kept: UInt32Array = last.into_iter().flatten().collect();
        let new = take_record_batch(rows, &kept)?;
        let old: Vec<Position> =
            kept.values().iter().filter_map(|&row| same.stored[row as usize]).collect();
        let edit = replace(stored, old, new.clone())?;
        self.keep(table.id, if looked_up { edit.by_key() } else { edit })?;
        Ok((rows.num_rows() as u64, new))
    }

    /// Keeps a change until COMMIT.
    pub(super) fn keep(&mut self, table: ObjectId, edit: Edit) -> Result<()> {
        match &mut self.block {
            Some(block) => block.edit(table, edit),
            None => Err(Error::internal("a change is kept only in a block")),
        }
    }

    /// Sends changes as one write, which becomes one epoch.
    pub(super) async fn send(
        &self,
        edits: Vec<(ObjectId, Edit)>,
    ) -> Result<crate::runtime::request::Written> {
        let change = |(table, edit): (ObjectId, Edit)| TableChange { table, kind: edit.kind() };
        let write = Write { changes: edits.into_iter().map(change).collect(), reads: vec![] };
        self.reserve_numbers().await?;
        let token = self.cancel_token();
        let _sent = token.hold();
        self.shared.runtime.write(write).await
    }

    /// Keeps changes in the block, or sends them; `true` if a concurrent statement was faster and this
    /// one must be computed again.
    pub(super) async fn keep_or_send(&mut self, edits: Vec<(ObjectId, Edit)>) -> Result<bool> {
        if self.block.is_some() {
            let tables: Vec<ObjectId> = edits.iter().map(|(table, _)| *table).collect();
            let catalog = self.shared.catalog();
            self.pin_block(&catalog, &tables).await?;
            for (table, edit) in edits {
                self.keep(table, edit)?;
            }
            return Ok(false);
        }
        match self.send(edits).await {
            Ok(_) => Ok(false),
            Err(error) if error.state() == SqlState::SerializationFailure => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// What a table does about existing keys where the statement does not say.
pub(super) fn policy(definition: &TableDefinition) -> Conflict {
    match (definition.version_column, definition.conflict) {
        (Some(column), _) => Conflict::Newer(column),
        (None, ConflictPolicy::Error) => Conflict::Error,
        (None, ConflictPolicy::Ignore) => Conflict::Ignore,
        (None, ConflictPolicy::Overwrite) => Conflict::Overwrite,
        (None, ConflictPolicy::UpdateNonNull) => Conflict::UpdateNonNull,
    }
}

fn refuse_duplicates(table: &Table, rows: &RecordBatch, same: &SameKey) -> Result<()> {
    let duplicate = |&row: &usize| same.stored[row].is_some() || same.first[row] != row;
    match (0..rows.num_rows()).find(duplicate) {
        Some(row) => Err(duplicate_key(table, rows, row)),
        None => Ok(()),
    }
}

/// The rows whose key does not exist yet, each key once.
pub(super) fn fresh(rows: &RecordBatch, same: &SameKey) -> Result<RecordBatch> {
    let fresh = |row: usize| same.stored[row].is_none() && same.first[row] == row;
    let mask: BooleanArray = (0..rows.num_rows()).map(|row| Some(fresh(row))).collect();
    Ok(filter_record_batch(rows, &mask)?)
}

/// The stored rows at `positions`.
pub(super) fn rows_at(stored: &[Delta], positions: &[Position]) -> Result<RecordBatch> {
    let batches: Vec<&RecordBatch> = stored.iter().map(|delta| &delta.batch).collect();
    Ok(interleave_record_batch(&batches, positions)?)
}

/// The change that takes the rows at `old` away and puts `new` in their place.
pub(super) fn replace(stored: &[Delta], old: Vec<Position>, new: RecordBatch) -> Result<Edit> {
    let schema = new.schema();
    if old.is_empty() {
        let delta = Delta::insert(new.clone());
        return Ok(Edit::Replace { old: Some(old), new, delta });
    }
    let gone = rows_at(stored, &old)?;
    let gone = RecordBatch::try_new(Arc::clone(&schema), gone.columns().to_vec())?;
    let weights = old.iter().map(|&(delta, row)| -stored[delta].weight(row));
    let weights = weights.chain(std::iter::repeat_n(1, new.num_rows())).collect();
    let batch = concat_batches(&schema, [&gone, &new])?;
    Ok(Edit::Replace { old: Some(old), new, delta: Delta::new(batch, weights) })
}
