//! What the engine asks of the coordinator.

use arrow::array::RecordBatch;

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
