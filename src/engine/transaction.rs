//! BEGIN, COMMIT, ROLLBACK, savepoints, and the implicit transaction of a message.
//!
//! COMMIT sends all changes of a block as one write, which becomes one epoch. Two blocks that change the
//! same row conflict: the later one fails with 40001. DDL is not transactional: it takes effect at once,
//! with a NOTICE.

use std::sync::atomic::Ordering;

use super::block::Block;
use super::response::Response;
use super::session::Session;
use crate::error::{Error, Result, SqlState};
use crate::sql::Statement;
use crate::sql::statement::TransactionModes;

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
        Block::new(explicit, self.shared.clock.now_us())
    }

    /// BEGIN and its kind.
    pub(super) async fn control(&mut self, statement: &Statement) -> Result<Response> {
        match statement {
            Statement::Begin(modes, start) => {
                self.begin(modes)?;
                Ok(Response::done(if *start { "START TRANSACTION" } else { "BEGIN" }))
            }
            Statement::Commit { chain } => self.end(true, *chain).await,
            Statement::Rollback { chain } => self.end(false, *chain).await,
            Statement::Savepoint(name) => self.savepoint(name),
            Statement::Release(name) => {
                let at = self.find_savepoint("RELEASE SAVEPOINT", name)?;
                self.explicit_block("RELEASE SAVEPOINT")?.release(at);
                Ok(Response::done("RELEASE"))
            }
            Statement::RollbackTo(name) => self.rollback_to(name),
            Statement::SetTransaction { modes, session } => self.set_modes(modes, *session),
            other => Err(Error::internal(format!("{other:?} does not control transactions"))),
        }
    }

    fn begin(&mut self, modes: &TransactionModes) -> Result<()> {
        match &mut self.block {
            Some(block) if block.explicit => self.warning(Error::new(
                SqlState::ActiveSqlTransaction,
                "there is already a transaction in progress",
            )),
            // What the message has done so far becomes part of the block, as in Postgres.
            Some(block) => block.explicit = true,
            None => self.block = Some(self.new_block(true)),
        }
        self.apply_modes(modes, true)
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
        self.shared.locks.end_block(self.id());
        self.copy = None;
        let mut block = block;
        let announcements = std::mem::take(&mut block.announcements);
        let mut written = Ok(());
        if commit && block.has_changes() {
            let write = block.into_write();
            written = match self.reserve_numbers().await {
                Ok(()) => {
                    let token = self.cancel_token();
                    let _sent = token.hold();
                    self.shared.runtime.write(write).await.map(|_| ())
                }
                Err(error) => Err(error),
            };
        }
        let committed = commit && written.is_ok();
        self.settings.end(committed);
        if committed {
            self.announce(announcements);
        }
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
        self.explicit_block("SAVEPOINT")?.save(name);
        Ok(Response::done("SAVEPOINT"))
    }

    fn find_savepoint(&mut self, verb: &str, name: &str) -> Result<usize> {
        self.explicit_block(verb)?.savepoint(name).ok_or_else(|| {
            Error::new(SqlState::InvalidSavepoint, format!("savepoint \"{name}\" does not exist"))
        })
    }

    fn rollback_to(&mut self, name: &str) -> Result<Response> {
        let at = self.find_savepoint("ROLLBACK TO SAVEPOINT", name)?;
        self.explicit_block("ROLLBACK TO SAVEPOINT")?.back_to(at);
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
        let begun = self.block.as_ref().is_some_and(Block::has_begun);
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
            Ok("repeatable read") => "repeatable read",
            Ok("read uncommitted") => "read uncommitted",
            _ => "read committed",
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
