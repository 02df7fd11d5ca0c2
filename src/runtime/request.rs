//! What the engine asks of the coordinator.

use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::sync::{mpsc, oneshot};

use crate::catalog::{Catalog, Change};
use crate::dataflow::operator::ErrorRow;
use crate::error::{Error, Result};
use crate::plan::node::Node;
use crate::types::{Delta, Epoch, ObjectId};

/// A transaction's changes: all of them become one epoch, or none.
#[derive(Clone, Debug, Default)]
pub struct Write {
    /// Changes, in order.
    pub changes: Vec<TableChange>,
    /// Tables that the transaction has read, with the versions it saw: if one has changed since, the
    /// write fails with 40001.
    pub reads: Vec<(ObjectId, u64)>,
}

/// A change of one table.
#[derive(Clone, Debug)]
pub struct TableChange {
    /// The table.
    pub table: ObjectId,
    /// What happens to it.
    pub kind: ChangeKind,
}

/// What happens to a table.
#[derive(Clone, Debug)]
pub enum ChangeKind {
    /// New rows, complete (defaults and generated columns filled in) and checked (NOT NULL, CHECK).
    Insert {
        /// The rows, in the table's schema.
        rows: RecordBatch,
        /// What to do where the primary key exists already.
        conflict: Conflict,
    },
    /// Retractions of existing rows and insertions, computed from a snapshot. A retraction of a row
    /// that is not there fails the write with 40001.
    Delta(Delta),
    /// Every row goes.
    Truncate,
}

/// What an insertion does where the primary key exists already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conflict {
    /// Fails the write with 23505.
    Error,
    /// Fails the write with 40001: the statement has looked for the key, and somebody else was faster.
    Raced,
    /// The new row is left out.
    Ignore,
    /// The new row replaces the old one.
    Overwrite,
    /// The new row's non-null columns replace the old row's.
    UpdateNonNull,
    /// The new row replaces the old one unless its version column (by index) is smaller.
    Newer(usize),
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Written {
    /// The epoch in which it became visible.
    pub epoch: Epoch,
    /// Per change: rows inserted, replaced or deleted (what the command tag counts).
    pub counts: Vec<u64>,
    /// Per change: the rows as they stand in the table after an insertion (for RETURNING).
    pub rows: Vec<Option<RecordBatch>>,
}

/// Collections as of one epoch.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The epoch.
    pub epoch: Epoch,
    /// Per relation asked for: its rows; weights are positive once the deltas are summed, and no
    /// retraction stands among them.
    pub relations: Vec<(ObjectId, Vec<Delta>)>,
    /// Per table among them: its version, for [`Write::reads`].
    pub versions: Vec<(ObjectId, u64)>,
}

/// A change of the catalog, and what it means for the operator graph.
#[derive(Default)]
pub struct Definition {
    /// Catalog changes, in order; logged as one record.
    pub changes: Vec<Change>,
    /// The catalog after them.
    pub catalog: Option<Catalog>,
    /// Plans of the materialized views among them.
    pub plans: Vec<(ObjectId, String, Arc<Node>)>,
    /// Views of the catalog that cannot be planned any more, and why.
    pub failed: Vec<(ObjectId, Error)>,
    /// First rows of the tables among them (`CREATE TABLE AS`).
    pub write: Option<Write>,
}

/// One item of a subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionItem {
    /// The epoch.
    pub epoch: Epoch,
    /// The contents (first item) or the change of that epoch.
    pub deltas: Vec<Delta>,
}

/// What the engine is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Last committed epoch.
    pub epoch: Epoch,
    /// Every running source.
    pub sources: Vec<SourceStatus>,
    /// Every materialized view.
    pub views: Vec<ViewStatus>,
    /// Every table.
    pub tables: Vec<TableStatus>,
}

/// What a source has done since the engine started.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The source.
    pub source: ObjectId,
    /// Rows put into ticks.
    pub rows: u64,
    /// Records that could not be decoded.
    pub bad: u64,
    /// Position of the next record.
    pub position: String,
    /// Whether it has come to its end.
    pub done: bool,
    /// Why it stopped, if it failed.
    pub error: Option<Error>,
}

/// A materialized view's state.
#[derive(Clone, Debug)]
pub struct ViewStatus {
    /// The view.
    pub view: ObjectId,
    /// Whether it can be read.
    pub ready: bool,
    /// Rows fed so far while it is being filled.
    pub filled_rows: u64,
    /// Rows held by its operators (shared ones count for each view).
    pub state_rows: u64,
    /// Bytes held by its operators.
    pub state_bytes: u64,
    /// Why it failed, if it did.
    pub error: Option<Error>,
}

/// A table's size.
#[derive(Clone, Debug)]
pub struct TableStatus {
    /// The table.
    pub table: ObjectId,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A call, with the place for its answer.
pub(super) enum Request {
    /// [`super::Runtime::write`].
    Write { write: Write, reply: oneshot::Sender<Result<Written>> },
    /// [`super::Runtime::read`].
    Read {
        relations: Vec<ObjectId>,
        /// More of them, if they can be read.
        others: Vec<ObjectId>,
        reply: oneshot::Sender<Result<Snapshot>>,
    },
    /// [`super::Runtime::lookup`].
    Lookup { table: ObjectId, keys: RecordBatch, reply: oneshot::Sender<Result<Snapshot>> },
    /// [`super::Runtime::define`].
    Define { definition: Definition, reply: oneshot::Sender<Result<Epoch>> },
    /// [`super::Runtime::subscribe`].
    Subscribe {
        relation: ObjectId,
        reply: oneshot::Sender<Result<mpsc::Receiver<Result<SubscriptionItem>>>>,
    },
    /// [`super::Runtime::filled`].
    Filled { view: ObjectId, reply: oneshot::Sender<Result<()>> },
    /// [`super::Runtime::errors`].
    Errors { view: ObjectId, reply: oneshot::Sender<Result<Vec<ErrorRow>>> },
    /// [`super::Runtime::settle`].
    Settle { reply: oneshot::Sender<Result<Epoch>> },
    /// [`super::Runtime::status`].
    Status { reply: oneshot::Sender<Status> },
    /// [`super::Runtime::source_position`].
    SourcePosition { source: ObjectId, reply: oneshot::Sender<Option<String>> },
    /// [`super::Runtime::shutdown`].
    Shutdown { reply: oneshot::Sender<()> },
    /// [`super::Runtime::crash`].
    Crash,
    /// A source has something to give.
    Nudge,
}
