//! Relations as of one epoch, with a transaction's own changes on top.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};

use crate::error::{Error, Result};
use crate::runtime::request::{ChangeKind, Conflict, Snapshot};
use crate::types::{Delta, ObjectId};

/// Relations as of one epoch. Clones share their buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Collections {
    relations: HashMap<ObjectId, Arc<Vec<Delta>>>,
    versions: HashMap<ObjectId, u64>,
}

/// Where a row stands: delta of the collection, row of the delta.
pub(super) type Position = (usize, usize);

/// A change of one table.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// New rows, checked. Rows whose key exists have been refused or left out already; `conflict` says
    /// what happens if one has come into being until COMMIT.
    Insert {
        /// The rows.
        rows: RecordBatch,
        /// What to do about existing keys.
        conflict: Conflict,
    },
    /// Rows replaced or deleted.
    Replace {
        /// Where the old rows stand; `None` if they were looked up by key.
        old: Option<Vec<Position>>,
        /// The new rows.
        new: RecordBatch,
        /// Both, as a delta.
        delta: Delta,
    },
    /// Every row goes.
    Truncate,
}

impl Edit {
    /// As the runtime takes it.
    pub(super) fn kind(self) -> ChangeKind {
        match self {
            Edit::Insert { rows, conflict } => ChangeKind::Insert { rows, conflict },
            Edit::Replace { delta, .. } => ChangeKind::Delta(delta),
            Edit::Truncate => ChangeKind::Truncate,
        }
    }
}

impl Edit {
    /// The same change, of rows that were looked up by key.
    pub(super) fn by_key(self) -> Edit {
        match self {
            Edit::Replace { new, delta, .. } => Edit::Replace { old: None, new, delta },
            other => other,
        }
    }

    /// The rows that it takes away and brings, as far as it says which.
    pub(super) fn touched(&self) -> Option<&RecordBatch> {
        match self {
            Edit::Insert { rows, .. } => Some(rows),
            Edit::Replace { delta, .. } => Some(&delta.batch),
            Edit::Truncate => None,
        }
    }
}

impl Collections {
    /// The relation's rows; no retraction stands among them.
    pub(super) fn get(&self, relation: ObjectId) -> Result<&[Delta]> {
        let deltas = self.relations.get(&relation).map(|deltas| deltas.as_slice());
        deltas.ok_or_else(|| Error::internal(format!("relation {relation} was not read")))
    }

    /// Whether the relation is among them.
    pub(super) fn has(&self, relation: ObjectId) -> bool {
        self.relations.contains_key(&relation)
    }

    /// A table's version.
    pub(super) fn version(&self, table: ObjectId) -> Option<u64> {
        self.versions.get(&table).copied()
    }

    /// Adds a relation that is not kept by the runtime.
    pub(super) fn add(&mut self, relation: ObjectId, deltas: Vec<Delta>) {
        self.relations.insert(relation, Arc::new(deltas));
    }

    /// Takes a relation as it is in `other`; if it is not there, it is gone here too.
    pub(super) fn adopt(&mut self, relation: ObjectId, other: &Collections) {
        self.remove(relation);
        if let Some(deltas) = other.relations.get(&relation) {
            self.relations.insert(relation, Arc::clone(deltas));
        }
        if let Some(version) = other.version(relation) {
            self.versions.insert(relation, version);
        }
    }

    /// Other rows of the same version.
    pub(super) fn replace(&mut self, relation: ObjectId, deltas: Vec<Delta>) {
        self.relations.insert(relation, Arc::new(deltas));
    }

    /// Takes a relation out.
    pub(super) fn remove(&mut self, relation: ObjectId) {
        self.relations.remove(&relation);
        self.versions.remove(&relation);
    }

    /// Takes out all others.
    pub(super) fn keep_only(&mut self, keep: impl Fn(ObjectId) -> bool) {
        self.relations.retain(|relation, _| keep(*relation));
        self.versions.retain(|relation, _| keep(*relation));
    }

    /// The collections after a change.
    pub(super) fn edit(&mut self, table: ObjectId, edit: &Edit) -> Result<()> {
        let Some(deltas) = self.relations.get_mut(&table) else { return Ok(()) };
        let deltas = Arc::make_mut(deltas);
        match edit {
            Edit::Insert { rows, .. } => deltas.push(Delta::insert(rows.clone())),
            Edit::Replace { old: None, .. } => self.remove(table),
            Edit::Replace { old: Some(old), new, .. } => {
                remove(deltas, old)?;
                if new.num_rows() > 0 {
                    deltas.push(Delta::insert(new.clone()));
                }
            }
            Edit::Truncate => deltas.clear(),
        }
        Ok(())
    }
}

impl From<Snapshot> for Collections {
    fn from(snapshot: Snapshot) -> Collections {
        let shared = |(id, deltas)| (id, Arc::new(deltas));
        Collections {
            relations: snapshot.relations.into_iter().map(shared).collect(),
            versions: snapshot.versions.into_iter().collect(),
        }
    }
}

/// Takes rows out of a collection.
fn remove(deltas: &mut [Delta], positions: &[Position]) -> Result<()> {
    let mut masks: HashMap<usize, Vec<bool>> = HashMap::new();
    for &(delta, row) in positions {
        let kept = masks.entry(delta).or_insert_with(|| vec![true; deltas[delta].rows()]);
        kept[row] = false;
    }
    for (delta, kept) in masks {
        deltas[delta] = deltas[delta].filter(&BooleanArray::from(kept))?;
    }
    Ok(())
}
