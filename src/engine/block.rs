//! An open transaction block: what it has changed, and what its statements read.
//!
//! Under READ COMMITTED every statement reads an epoch of its own with the block's changes on top: what
//! COMMIT would make of the tables if it came now. Where that is an error (a row that the block has
//! changed was changed by somebody else) the statement fails with it, for COMMIT could not do better.
//! Under REPEATABLE READ and SERIALIZABLE the block's first read pins all relations, and every statement
//! reads those.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::RecordBatch;
use tokio::sync::OwnedMutexGuard;

use super::channel::Action;
use super::collections::{Collections, Edit};
use crate::catalog::{Catalog, Object};
use crate::error::{Error, Result, SqlState};
use crate::runtime;
use crate::runtime::request::{ChangeKind, TableChange, Write};
use crate::types::{Delta, ObjectId};

/// Most changes, and rows changed, of a block that are done again for every statement.
const FEW: usize = 256;

/// An open transaction block.
///
/// # Invariants
/// 1. A relation in `current` has all `edits` of it applied.
/// 2. Positions in an [`Edit`] are those of `current` when it is made.
#[derive(Default)]
pub(super) struct Block {
    /// Whether `BEGIN` opened it; else it is the implicit one of a message.
    pub(super) explicit: bool,
    /// Whether a statement in it has failed.
    pub(super) failed: bool,
    /// When it began: `now()` in it.
    pub(super) now_us: i64,
    /// Tables that it has read, with their versions, if it is serializable.
    pub(super) reads: BTreeMap<ObjectId, u64>,
    /// Turns at changing tables that it holds until its end (only the implicit one of a message does).
    turns: Vec<(ObjectId, OwnedMutexGuard<()>)>,
    /// Hashes of the keys that tables have, with its own: see [`Block::note_keys`].
    keys: HashMap<ObjectId, HashSet<u64>>,
    edits: Vec<(ObjectId, Edit)>,
    /// All relations as of the one epoch that it reads, if it reads one.
    pinned: Option<Collections>,
    /// Relations as they were read last.
    current: Collections,
    /// Those of them that the running statement may use again: what it has read itself, or all of a
    /// pinned epoch.
    fresh: HashSet<ObjectId>,
    begun: bool,
    /// What it says to channels when it commits.
    pub(super) announcements: Vec<Action>,
    /// Names, and how many edits and announcements there were.
    savepoints: Vec<(String, usize, usize)>,
}

impl Block {
    /// A block that has done nothing yet.
    pub(super) fn new(explicit: bool, now_us: i64) -> Block {
        Block { explicit, now_us, ..Block::default() }
    }

    /// Whether it has read or changed anything.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether it has changed anything.
    pub(super) fn has_changes(&self) -> bool {
        !self.edits.is_empty()
    }

    fn has_changed(&self, table: ObjectId) -> bool {
        self.edits.iter().any(|(changed, _)| *changed == table)
    }

    /// A statement begins: unless the block is pinned, it reads an epoch of its own.
    pub(super) fn next_statement(&mut self) {
        if self.pinned.is_none() {
            self.forget();
        }
    }

    /// Nothing that was read may be used again without looking. Only what holds the block's own changes
    /// is kept: it may turn out to stand on what is still true.
    fn forget(&mut self) {
        self.fresh.clear();
        let changed: HashSet<ObjectId> = self.edits.iter().map(|(table, _)| *table).collect();
        self.current.keep_only(|relation| changed.contains(&relation));
    }

    /// The one epoch that it reads, if it is pinned.
    pub(super) fn pinned(&self) -> Option<&Collections> {
        self.pinned.as_ref()
    }

    /// Pins what it reads from now on.
    pub(super) fn pin(&mut self, base: Collections) {
        self.forget();
        self.pinned = Some(base);
    }

    /// Lets go of the pinned epoch: after DDL, which makes an epoch of its own.
    pub(super) fn unpin(&mut self) {
        self.pinned = None;
        self.forget();
    }

    /// Those of `relations` that must be read first.
    pub(super) fn missing(&self, relations: &[ObjectId]) -> Vec<ObjectId> {
        relations.iter().copied().filter(|relation| !self.fresh.contains(relation)).collect()
    }

    /// Takes `relations` from `base`, with its own changes on top.
    ///
    /// # Errors
    /// What COMMIT would report if it came now: 40001, 23505.
    pub(super) fn take(
        &mut self,
        catalog: &Catalog,
        relations: &[ObjectId],
        base: &Collections,
    ) -> Result<()> {
        self.begun = true;
        for &relation in relations {
            let changed = self.has_changed(relation);
            let unmoved = self.current.has(relation)
                && self.current.version(relation) == base.version(relation);
            if !changed {
                self.current.adopt(relation, base);
            } else if !unmoved {
                let rows = self.changed_rows(catalog, relation, base)?;
                self.current.adopt(relation, base);
                self.current.replace(relation, rows);
            }
            self.fresh.insert(relation);
        }
        Ok(())
    }

    /// A table's rows in `base` with its own changes.
    fn changed_rows(
        &self,
        catalog: &Catalog,
        relation: ObjectId,
        base: &Collections,
    ) -> Result<Vec<Delta>> {
        let Some(Object::Table(table)) = catalog.get(relation).map(|object| &**object) else {
            return Err(
                Error::undefined_table(&relation.to_string()).detail("The table has been dropped.")
            );
        };
        let own = self.edits.iter().filter(|(table, _)| *table == relation);
        let own: Vec<ChangeKind> = own.map(|(_, edit)| edit.clone().kind()).collect();
        runtime::preview(table, base.get(relation)?, own)
    }

    /// What it has done to a table, with the rows touched, if it is little enough to be done again on the
    /// few rows that a statement looks up.
    pub(super) fn few_edits(&self, table: ObjectId) -> Option<Vec<(&Edit, &RecordBatch)>> {
        let own = self.edits.iter().filter(|(changed, _)| *changed == table);
        let own: Option<Vec<_>> = own.map(|(_, edit)| Some((edit, edit.touched()?))).collect();
        own.filter(|own| own.iter().map(|(_, rows)| 1 + rows.num_rows()).sum::<usize>() <= FEW)
    }

    /// It has read something.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// What it has read.
    pub(super) fn collections(&self) -> &Collections {
        &self.current
    }

    /// Keeps a change, and shows it to later statements of the block.
    pub(super) fn edit(&mut self, table: ObjectId, edit: Edit) -> Result<()> {
        self.begun = true;
        self.current.edit(table, &edit)?;
        if !self.current.has(table) {
            self.fresh.remove(&table);
        }
        if !matches!(edit, Edit::Insert { .. }) {
            self.keys.remove(&table);
        }
        self.edits.push((table, edit));
        Ok(())
    }

    /// Its changes as one write.
    pub(super) fn into_write(self) -> Write {
        let change = |(table, edit): (ObjectId, Edit)| TableChange { table, kind: edit.kind() };
        let changes = self.edits.into_iter().map(change).collect();
        Write { changes, reads: self.reads.into_iter().collect() }
    }

    /// Sets a savepoint.
    pub(super) fn save(&mut self, name: &str) {
        let said = self.announcements.len();
        self.savepoints.push((name.to_owned(), self.edits.len(), said));
    }

    /// The newest savepoint of this name.
    pub(super) fn savepoint(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(saved, ..)| saved == name)
    }

    /// Forgets a savepoint and those after it.
    pub(super) fn release(&mut self, savepoint: usize) {
        self.savepoints.truncate(savepoint);
    }

    /// Takes back what was changed since a savepoint.
    pub(super) fn back_to(&mut self, savepoint: usize) {
        self.savepoints.truncate(savepoint + 1);
        let (_, edits, said) = self.savepoints[savepoint];
        self.announcements.truncate(said);
        for (table, _) in self.edits.drain(edits..) {
            self.current.remove(table);
            self.fresh.remove(&table);
        }
        self.keys.clear();
        self.failed = false;
    }

    /// Whether it holds the turn at changing a table.
    pub(super) fn has_turn(&self, table: ObjectId) -> bool {
        self.turns.iter().any(|(held, _)| *held == table)
    }

    /// Keeps a turn until its end.
    pub(super) fn keep_turn(&mut self, table: ObjectId, turn: OwnedMutexGuard<()>) {
        self.turns.push((table, turn));
    }

    /// Whether it holds any turn.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether new rows with these hashes of their keys are known to collide with nothing. Then their
    /// keys are noted; if not, one must look. Reading all keys for every INSERT of a long block would
    /// make it quadratic.
    pub(super) fn note_keys(&mut self, table: ObjectId, hashes: &[u64]) -> bool {
        let Some(known) = self.keys.get_mut(&table) else { return false };
        let before = known.len();
        let fresh = !hashes.iter().any(|hash| known.contains(hash));
        if fresh {
            known.extend(hashes);
        }
        fresh && known.len() == before + hashes.len()
    }

    /// Remembers the hashes of all keys that a table has now.
    pub(super) fn learn_keys(&mut self, table: ObjectId, hashes: HashSet<u64>) {
        self.keys.insert(table, hashes);
    }

    /// Fails for the first of `relations` that the pinned epoch does not have.
    pub(super) fn refuse_unpinned(
        base: &Collections,
        catalog: &Catalog,
        relations: &[ObjectId],
    ) -> Result<()> {
        let Some(missing) = relations.iter().find(|&&relation| !base.has(relation)) else {
            return Ok(());
        };
        let name = catalog.get(*missing).map_or("?", |object| object.name()).to_owned();
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("relation \"{name}\" could not be read yet when this transaction began"),
        )
        .hint("Read it in a new transaction."))
    }
}
