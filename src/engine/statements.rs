//! A session's prepared statements by name. SQL's PREPARE and the protocol's Parse share them: what one
//! has made the other may run and forget.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::session::{Prepared, Session};
use crate::error::{Error, Result, SqlState};

/// Prepared statements by name; cheap to copy, for statements that list them.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    named: Arc<BTreeMap<String, Kept>>,
}

/// A prepared statement under its name.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The statement; `None` for an empty one.
    pub prepared: Option<Arc<Prepared>>,
    /// The text that made it.
    pub text: String,
    /// Whether PREPARE made it.
    pub from_sql: bool,
    /// When, microseconds since the Unix epoch.
    pub prepared_us: i64,
}

impl Statements {
    /// The statement of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Kept> {
        self.named.get(name)
    }

    /// Keeps a statement.
    pub(super) fn insert(&mut self, name: String, kept: Kept) {
        Arc::make_mut(&mut self.named).insert(name, kept);
    }

    /// Forgets a statement; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.named.contains_key(name) && Arc::make_mut(&mut self.named).remove(name).is_some()
    }

    /// Forgets all statements.
    pub(super) fn clear(&mut self) {
        *self = Statements::default();
    }

    /// All statements, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Kept)> {
        self.named.iter()
    }
}

impl Session {
    /// The prepared statement of this name; `Some(None)` is an empty one.
    #[must_use]
    pub fn statement(&self, name: &str) -> Option<Option<Arc<Prepared>>> {
        self.prepared.get(name).map(|kept| kept.prepared.clone())
    }

    /// Fails if the name of a new prepared statement is taken.
    ///
    /// # Errors
    /// `42P05`.
    pub fn statement_name_is_free(&self, name: &str) -> Result<()> {
        match self.prepared.get(name) {
            None => Ok(()),
            Some(_) => Err(Error::new(
                SqlState::DuplicatePreparedStatement,
                format!("prepared statement \"{name}\" already exists"),
            )),
        }
    }

    /// Keeps a statement that the protocol has prepared under a name.
    pub fn keep_statement(&mut self, name: String, prepared: Option<Arc<Prepared>>, text: String) {
        let prepared_us = self.shared.clock.now_us();
        self.prepared.insert(name, Kept { prepared, text, from_sql: false, prepared_us });
    }

    /// Forgets a prepared statement; one that does not exist is no error.
    pub fn forget_statement(&mut self, name: &str) {
        self.prepared.remove(name);
    }
}
