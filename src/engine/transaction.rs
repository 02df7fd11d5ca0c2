//! Transaction blocks: one epoch to read, changes kept until COMMIT.
//!
//! A block pins all collections at its first read, so every statement in it sees the same epoch, plus
//! its own changes. (The implicit block of a message pins only what its statements read; each relation
//! is as of its first reading.) COMMIT sends all changes as one write, which becomes one epoch. Two blocks that change
//! the same row conflict: the later COMMIT fails with 40001. DDL is not transactional: it takes effect at
//! once, with a NOTICE.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use tokio::sync::OwnedMutexGuard;

use super::collections::{Collections, Edit};
use super::response::Response;
use super::session::Session;
use crate::error::{Error, Result, SqlState};
use crate::runtime::request::{TableChange, Write};
use crate::sql::Statement;
use crate::sql::statement::TransactionModes;
use crate::types::ObjectId;

/// An open transaction block.
///
/// # Invariants
/// 1. `current` is `base` with `edits` applied; both are `None` until the block's first read.
/// 2. Edits made before the first read do not depend on what is stored (see [`Edit::independent`]).
#[derive(Default)]
pub(super) struct Block {
    /// Whether `BEGIN` opened it; else it is the implicit one of a message.
    pub(super) explicit: bool,
    /// Whether a statement in it has failed.
    pub(super) failed: bool,
    /// Whether only some relations are pinned, each as of its first reading.
    partial: bool,
    /// When it began: `now()` in it.
    pub(super) now_us: i64,
    /// Tables that it has read, with their versions, if it is serializable.
    pub(super) reads: BTreeMap<ObjectId, u64>,
    /// Turns at changing tables that it holds until its end (only the implicit one of a message does).
    turns: Vec<(ObjectId, OwnedMutexGuard<()>)>,
    /// Hashes of the keys that tables have, with its own: see [`Block::note_keys`].
    keys: HashMap<ObjectId, HashSet<u64>>,
    edits: Vec<(ObjectId, Edit)>,
    base: Option<Collections>,
    current: Option<Collections>,
    savepoints: Vec<Savepoint>,
}

/// What to go back to.
struct Savepoint {
    name: String,
    edits: usize,
    current: Option<Collections>,
}

impl Block {
    /// What it reads, once it has read.
    pub(super) fn collections(&self) -> Option<&Collections> {
        self.current.as_ref()
    }

    /// Pins what it reads from now on.
    pub(super) fn pin(&mut self, base: Collections) -> Result<&Collections> {
        let current = self.replayed(&base, self.edits.len())?;
        self.base = Some(base);
        Ok(self.current.insert(current))
    }

    /// Whether its first read pins everything: not if it began as the implicit block of a message and
    /// has read already.
    pub(super) fn pins_whole(&self) -> bool {
        self.explicit && !self.partial
    }

    /// Reads further relations, in the implicit block of a message.
    pub(super) fn extend(&mut self, more: Collections) -> Result<&Collections> {
        let mut edited = more.clone();
        for (table, edit) in &self.edits {
            edited.edit(*table, edit)?;
        }
        self.partial = true;
        self.base.get_or_insert_default().extend(more);
        let current = self.current.get_or_insert_default();
        current.extend(edited);
        Ok(current)
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

    /// Lets go of the pinned collections: after DDL, which makes an epoch of its own.
    pub(super) fn unpin(&mut self) {
        if self.edits.is_empty() {
            (self.base, self.current, self.partial) = (None, None, false);
        }
    }

    /// `base` with this block's first `count` edits.
    pub(super) fn replayed(&self, base: &Collections, count: usize) -> Result<Collections> {
        let mut collections = base.clone();
        for (table, edit) in &self.edits[..count] {
            collections.edit(*table, edit)?;
        }
        Ok(collections)
    }

    /// `base`, which holds one table, with this block's edits of that table.
    pub(super) fn edited(&self, base: Collections) -> Result<Collections> {
        self.replayed(&base, self.edits.len())
    }

    /// Keeps a change, and shows it to later statements of the block.
    pub(super) fn edit(&mut self, table: ObjectId, edit: Edit) -> Result<()> {
        if let Some(current) = &mut self.current {
            current.edit(table, &edit)?;
        }
        if !matches!(edit, Edit::Insert { .. }) {
            self.keys.remove(&table);
        }
        self.edits.push((table, edit));
        Ok(())
    }

    /// Whether it has changed anything.
    pub(super) fn has_changes(&self) -> bool {
        !self.edits.is_empty()
    }
}

impl Session {
    /// Opens the implicit transaction of a message with several statements (or of a pipeline).
    pub fn begin_message(&mut self) {
        if self.block.is_none() {
            self.block = Some(self.new_block(false));
        }
    }

    /// Ends the message: its implicit transaction, if it still stands, is committed, or given up if a
    /// statement has failed.
    ///
    /// # Errors
    /// What committing reports.
    pub async fn end_message(&mut self) -> Result<()> {
        self.note_failed_rows();
        match &self.block {
            Some(block) if !block.explicit => {
                let failed = block.failed;
                self.end_block(!failed).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// A statement has failed, also while its rows were being read: its block has failed with it.
    pub fn fail(&mut self) {
        self.copy = None;
        if let Some(block) = &mut self.block {
            block.failed = true;
        }
    }

    /// Fails the block if rows of one of its statements could not be read to their end.
    pub(super) fn note_failed_rows(&mut self) {
        if self.rows_failed.swap(false, Ordering::SeqCst) {
            self.fail();
        }
    }

    pub(super) fn refuse_in_failed_block(&self, statement: &Statement) -> Result<()> {
        let ends = matches!(
            statement,
            Statement::Commit { .. } | Statement::Rollback { .. } | Statement::RollbackTo(_)
        );
        match &self.block {
            Some(block) if block.failed && !ends => Err(Error::new(
                SqlState::InFailedSqlTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            _ => Ok(()),
        }
    }

    /// Fails where a transaction is read-only.
    pub(super) fn refuse_read_only(&self, verb: &str) -> Result<()> {
        let setting = if self.block.is_some() {
            "transaction_read_only"
        } else {
            "default_transaction_read_only"
        };
        match self.settings.get(setting).as_deref() {
            Ok("on") => Err(Error::new(
                SqlState::ReadOnlySqlTransaction,
                format!("cannot execute {verb} in a read-only transaction"),
            )),
            _ => Ok(()),
        }
    }

    fn new_block(&mut self, explicit: bool) -> Block {
        self.settings.begin();
        self.rows_failed.store(false, Ordering::SeqCst);
        for (of_block, default) in [
            ("transaction_isolation", "default_transaction_isolation"),
            ("transaction_read_only", "default_transaction_read_only"),
        ] {
            let value = self.settings.get(default).unwrap_or_default();
            // The defaults have been checked when they were set.
            self.settings.set(of_block, &[value], true).ok();
        }
        Block { explicit, now_us: self.shared.clock.now_us(), ..Block::default() }
    }

    /// BEGIN and its kind.
    pub(super) async fn control(&mut self, statement: &Statement) -> Result<Response> {
        match statement {
            Statement::Begin(modes) => self.begin(modes),
            Statement::Commit { chain } => self.end(true, *chain).await,
            Statement::Rollback { chain } => self.end(false, *chain).await,
            Statement::Savepoint(name) => self.savepoint(name),
            Statement::Release(name) => {
                let at = self.find_savepoint("RELEASE SAVEPOINT", name)?;
                self.explicit_block("RELEASE SAVEPOINT")?.savepoints.truncate(at);
                Ok(Response::done("RELEASE"))
            }
            Statement::RollbackTo(name) => self.rollback_to(name),
            Statement::SetTransaction { modes, session } => self.set_modes(modes, *session),
            other => Err(Error::internal(format!("{other:?} does not control transactions"))),
        }
    }

    fn begin(&mut self, modes: &TransactionModes) -> Result<Response> {
        match &mut self.block {
            Some(block) if block.explicit => self.warning(Error::new(
                SqlState::ActiveSqlTransaction,
                "there is already a transaction in progress",
            )),
            // What the message has done so far becomes part of the block, as in Postgres.
            Some(block) => block.explicit = true,
            None => self.block = Some(self.new_block(true)),
        }
        self.apply_modes(modes, true)?;
        Ok(Response::done("BEGIN"))
    }

    async fn end(&mut self, commit: bool, chain: bool) -> Result<Response> {
        let verb = if commit { "COMMIT" } else { "ROLLBACK" };
        let explicit = self.block.as_ref().is_some_and(|block| block.explicit);
        if !explicit {
            if chain {
                return Err(Error::new(
                    SqlState::NoActiveSqlTransaction,
                    format!("{verb} AND CHAIN can only be used in transaction blocks"),
                ));
            }
            self.warning(Error::new(
                SqlState::NoActiveSqlTransaction,
                "there is no transaction in progress",
            ));
        }
        let failed = self.block.as_ref().is_some_and(|block| block.failed);
        let modes = self.current_modes();
        let ended = self.end_block(commit && !failed).await;
        if chain {
            self.block = Some(self.new_block(true));
            self.apply_modes(&modes, true)?;
        }
        ended?;
        Ok(Response::done(if commit && !failed { "COMMIT" } else { "ROLLBACK" }))
    }

    /// Ends the block, if there is one; true: what it changed is sent.
    pub(super) async fn end_block(&mut self, commit: bool) -> Result<()> {
        let Some(block) = self.block.take() else { return Ok(()) };
        self.copy = None;
        let mut written = Ok(());
        if commit && block.has_changes() {
            let change = |(table, edit): (ObjectId, Edit)| TableChange { table, kind: edit.kind() };
            let changes = block.edits.into_iter().map(change).collect();
            let write = Write { changes, reads: block.reads.into_iter().collect() };
            let token = self.cancel_token();
            let _sent = token.hold();
            written = self.shared.runtime.write(write).await.map(|_| ());
        }
        let committed = commit && written.is_ok();
        self.settings.end(committed);
        self.cursors.retain(|_, cursor| cursor.outlives_block(committed));
        written
    }

    fn explicit_block(&mut self, verb: &str) -> Result<&mut Block> {
        match &mut self.block {
            Some(block) if block.explicit => Ok(block),
            _ => Err(Error::new(
                SqlState::NoActiveSqlTransaction,
                format!("{verb} can only be used in transaction blocks"),
            )),
        }
    }

    fn savepoint(&mut self, name: &str) -> Result<Response> {
        let block = self.explicit_block("SAVEPOINT")?;
        let savepoint = Savepoint {
            name: name.to_owned(),
            edits: block.edits.len(),
            current: block.current.clone(),
        };
        block.savepoints.push(savepoint);
        Ok(Response::done("SAVEPOINT"))
    }

    fn find_savepoint(&mut self, verb: &str, name: &str) -> Result<usize> {
        let block = self.explicit_block(verb)?;
        block.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| {
            Error::new(SqlState::InvalidSavepoint, format!("savepoint \"{name}\" does not exist"))
        })
    }

    fn rollback_to(&mut self, name: &str) -> Result<Response> {
        let at = self.find_savepoint("ROLLBACK TO SAVEPOINT", name)?;
        let block = self.explicit_block("ROLLBACK TO SAVEPOINT")?;
        block.savepoints.truncate(at + 1);
        let savepoint = &block.savepoints[at];
        let current = match (&savepoint.current, &block.base) {
            (Some(then), _) => Some(then.clone()),
            // Pinned after the savepoint: the block must not move to another epoch.
            (None, Some(base)) => Some(block.replayed(base, savepoint.edits)?),
            (None, None) => None,
        };
        block.edits.truncate(savepoint.edits);
        block.keys.clear();
        block.current = current;
        block.failed = false;
        Ok(Response::done("ROLLBACK"))
    }

    fn set_modes(&mut self, modes: &TransactionModes, session: bool) -> Result<Response> {
        if !session && self.block.is_none() {
            self.warning(Error::new(
                SqlState::NoActiveSqlTransaction,
                "SET TRANSACTION can only be used in transaction blocks",
            ));
            return Ok(Response::done("SET"));
        }
        if session {
            for (name, value) in settings_of(modes, "default_transaction_") {
                self.settings.set(&name, &[value], false)?;
            }
        } else {
            self.apply_modes(modes, false)?;
        }
        Ok(Response::done("SET"))
    }

    fn apply_modes(&mut self, modes: &TransactionModes, fresh: bool) -> Result<()> {
        let begun = self.block.as_ref().is_some_and(|block| block.collections().is_some());
        if modes.isolation.is_some() && begun && !fresh {
            return Err(Error::new(
                SqlState::ActiveSqlTransaction,
                "SET TRANSACTION ISOLATION LEVEL must be called before any query",
            ));
        }
        for (name, value) in settings_of(modes, "transaction_") {
            self.settings.set(&name, &[value], true)?;
        }
        Ok(())
    }

    fn current_modes(&self) -> TransactionModes {
        let read_only = self.settings.get("transaction_read_only").is_ok_and(|value| value == "on");
        let isolation = match self.settings.get("transaction_isolation").as_deref() {
            Ok("serializable") => "serializable",
            Ok("read committed") => "read committed",
            Ok("read uncommitted") => "read uncommitted",
            _ => "repeatable read",
        };
        TransactionModes {
            isolation: Some(isolation),
            read_only: Some(read_only),
            deferrable: None,
        }
    }
}

/// The settings that modes stand for, with this prefix.
fn settings_of(modes: &TransactionModes, prefix: &str) -> Vec<(String, String)> {
    let switch = |on: bool| (if on { "on" } else { "off" }).to_owned();
    [
        ("isolation", modes.isolation.map(str::to_owned)),
        ("read_only", modes.read_only.map(switch)),
        ("deferrable", modes.deferrable.map(switch)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((format!("{prefix}{name}"), value?)))
    .collect()
}
