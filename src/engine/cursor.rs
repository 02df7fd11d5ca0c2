//! DECLARE, FETCH, MOVE, CLOSE.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::arguments::Arguments;
use super::response::{Response, RowStream};
use super::session::Session;
use crate::error::{Error, Result, SqlState};
use crate::sql::statement::{Declare, Fetch, FetchDirection};
use crate::sql::{Parsed, Statement};

/// An open cursor. It reads the collections of the moment of its DECLARE, whatever happens later.
pub(super) struct Cursor {
    hold: bool,
    /// Whether its block has been committed.
    kept: bool,
    schema: SchemaRef,
    rows: Rows,
    info: CursorInfo,
}

/// A cursor as `pg_cursors` shows it.
#[derive(Clone, Debug)]
pub struct CursorInfo {
    /// Its name.
    pub name: String,
    /// The statement that declared it.
    pub statement: String,
    /// Whether it may outlive its block.
    pub holdable: bool,
    /// Whether it was declared BINARY.
    pub binary: bool,
    /// Whether it may move backwards.
    pub scrollable: bool,
    /// When it was declared, microseconds since the Unix epoch.
    pub created_us: i64,
}

enum Rows {
    /// Rows are made as they are fetched.
    Forward {
        /// In a lock only so that a session can be shared between threads; it is never contended.
        stream: Mutex<RowStream>,
        /// The rest of a batch.
        pending: Option<RecordBatch>,
    },
    /// All rows are there; `position` is 0 before the first row and `n + 1` after the last.
    Scroll { rows: RecordBatch, position: i64 },
}

impl Cursor {
    /// Columns of its rows.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Whether it stays open when its block ends.
    pub(super) fn outlives_block(&mut self, committed: bool) -> bool {
        self.kept |= self.hold && committed;
        self.kept
    }

    async fn fetch(&mut self, direction: FetchDirection) -> Result<RecordBatch> {
        match &mut self.rows {
            Rows::Scroll { rows, position } => scroll(rows, position, direction),
            Rows::Forward { stream, pending } => {
                let count = match direction {
                    FetchDirection::Relative(count) if count >= 0 => Some(count),
                    FetchDirection::RelativeRow(1) => Some(1),
                    FetchDirection::All => None,
                    _ => {
                        return Err(Error::new(
                            SqlState::ObjectNotInPrerequisiteState,
                            "cursor can only scan forward",
                        )
                        .hint("Declare it with SCROLL option to enable backward scan."));
                    }
                };
                forward(&self.schema, stream.get_mut(), pending, count).await
            }
        }
    }
}

async fn forward(
    schema: &SchemaRef,
    stream: &mut RowStream,
    pending: &mut Option<RecordBatch>,
    count: Option<i64>,
) -> Result<RecordBatch> {
    let mut left = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(0));
    let mut taken = vec![];
    while left > 0 {
        let batch = match pending.take() {
            Some(batch) => batch,
            None => match stream.next().await {
                Some(batch) => batch?,
                None => break,
            },
        };
        let rows = batch.num_rows().min(left);
        if rows < batch.num_rows() {
            *pending = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        taken.push(batch.slice(0, rows));
        left -= rows;
    }
    Ok(concat_batches(schema, &taken)?)
}

fn scroll(
    rows: &RecordBatch,
    position: &mut i64,
    direction: FetchDirection,
) -> Result<RecordBatch> {
    let count = i64::try_from(rows.num_rows()).unwrap_or(i64::MAX - 1);
    let clamp = |position: i64| position.clamp(0, count + 1);
    let from = *position;
    // The positions of the rows fetched, in order, and where the cursor stands then.
    let (wanted, to): (Vec<i64>, i64) = match direction {
        FetchDirection::Relative(0) => (vec![from], from),
        FetchDirection::Relative(steps) if steps > 0 => {
            let to = clamp(from.saturating_add(steps));
            ((from + 1..=to).collect(), to)
        }
        FetchDirection::Relative(steps) => {
            let to = clamp(from.saturating_add(steps));
            ((to..from).rev().collect(), to)
        }
        FetchDirection::All => ((from + 1..=count).collect(), count + 1),
        FetchDirection::BackwardAll => ((1..from).rev().collect(), 0),
        FetchDirection::RelativeRow(steps) => {
            let to = clamp(from.saturating_add(steps));
            (vec![to], to)
        }
        FetchDirection::Absolute(row) => {
            let to = clamp(if row < 0 { count + 1 + row } else { row });
            (vec![to], to)
        }
    };
    *position = to;
    let indices = wanted.into_iter().filter(|row| (1..=count).contains(row));
    let indices: UInt32Array = indices.map(|row| u32::try_from(row - 1).ok()).collect();
    Ok(take_record_batch(rows, &indices)?)
}

impl Session {
    /// DECLARE, FETCH, MOVE and CLOSE.
    pub(super) async fn cursor(
        &mut self,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        match &parsed.statement {
            Statement::Declare(declare) => self.declare(declare, parsed, arguments).await,
            Statement::Fetch(fetch) => self.fetch(fetch).await,
            Statement::Close(Some(name)) => {
                self.find_cursor(name)?;
                self.cursors.remove(name);
                Ok(Response::done("CLOSE CURSOR"))
            }
            Statement::Close(None) => {
                self.cursors.clear();
                Ok(Response::done("CLOSE CURSOR ALL"))
            }
            other => Err(Error::internal(format!("{other:?} is not about cursors"))),
        }
    }

    /// The open cursor of this name.
    pub(super) fn find_cursor(&self, name: &str) -> Result<&Cursor> {
        self.cursors.get(name).ok_or_else(|| no_cursor(name))
    }

    async fn declare(
        &mut self,
        declare: &Declare,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        if !declare.hold && self.block.is_none() {
            return Err(Error::new(
                SqlState::NoActiveSqlTransaction,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if self.cursors.contains_key(&declare.name) {
            return Err(Error::new(
                SqlState::DuplicateCursor,
                format!("cursor \"{}\" already exists", declare.name),
            ));
        }
        let select = arguments.bind(self.plan_query(&declare.query, parsed, arguments)?)?;
        let schema = Arc::clone(&select.schema);
        let stream = self.run_select(&select, std::collections::HashMap::new()).await?;
        let rows = if declare.scroll == Some(true) {
            let batches: Vec<RecordBatch> = stream.try_collect().await?;
            Rows::Scroll { rows: concat_batches(&schema, &batches)?, position: 0 }
        } else {
            Rows::Forward { stream: Mutex::new(stream), pending: None }
        };
        let kept = self.block.is_none();
        let info = CursorInfo {
            name: declare.name.clone(),
            statement: parsed.text.clone(),
            holdable: declare.hold,
            binary: declare.binary,
            scrollable: declare.scroll == Some(true),
            created_us: self.shared.clock.now_us(),
        };
        let cursor = Cursor { hold: declare.hold, kept, schema, rows, info };
        self.cursors.insert(declare.name.clone(), cursor);
        Ok(Response::done("DECLARE CURSOR"))
    }

    /// Columns of an open cursor: it can be described like a portal.
    #[must_use]
    pub fn cursor_schema(&self, name: &str) -> Option<SchemaRef> {
        self.cursors.get(name).map(Cursor::schema)
    }

    /// The open cursors.
    pub(super) fn cursor_infos(&self) -> Vec<CursorInfo> {
        self.cursors.values().map(|cursor| cursor.info.clone()).collect()
    }

    /// Closes a cursor, as it is closed like a portal; one that does not exist is no error.
    pub fn close_cursor(&mut self, name: &str) {
        self.cursors.remove(name);
    }

    async fn fetch(&mut self, fetch: &Fetch) -> Result<Response> {
        let cursor = self.cursors.get_mut(&fetch.cursor).ok_or_else(|| no_cursor(&fetch.cursor))?;
        let rows = cursor.fetch(fetch.direction).await?;
        if fetch.is_move {
            return Ok(Response::done(format!("MOVE {}", rows.num_rows())));
        }
        Ok(Response::batch(rows, "FETCH", true))
    }
}

fn no_cursor(name: &str) -> Error {
    Error::new(SqlState::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}
