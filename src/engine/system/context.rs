//! What system relations and functions are made from.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::engine::activity::{Activity, SessionInfo};
use crate::engine::advisory::Locks;
use crate::engine::channel::Action;
use crate::engine::cursor::CursorInfo;
use crate::engine::sequence::Sequences;
use crate::engine::statements::Statements;

/// Changes of settings: name, value, whether for the transaction only.
pub type SettingChanges = Arc<Mutex<Vec<(String, String, bool)>>>;

/// Messages to channels.
pub type Announcements = Arc<Mutex<Vec<Action>>>;

/// What system relations and functions are made from, for one statement.
#[derive(Clone, Debug)]
pub struct Context {
    /// The catalog that the statement sees.
    pub catalog: Arc<Catalog>,
    /// `current_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// The session's number: `pg_backend_pid()`.
    pub session: u32,
    /// The schemas searched for unqualified names.
    pub search_path: Vec<String>,
    /// The session's settings: name, value, description.
    pub settings: Vec<(String, String, &'static str)>,
    /// The session's prepared statements.
    pub statements: Statements,
    /// The session's cursors.
    pub cursors: Vec<CursorInfo>,
    /// All sessions.
    pub activity: Vec<SessionInfo>,
    /// The same, to be acted on.
    pub sessions: Arc<Activity>,
    /// The advisory locks of all sessions.
    pub locks: Arc<Locks>,
    /// Where sequences stand.
    pub sequences: Arc<Sequences>,
    /// What `pg_notify` is to say when the statement has run.
    pub announcements: Announcements,
    /// What `set_config` is to change when the statement has run.
    pub changes: SettingChanges,
}

impl Context {
    /// The value of a setting.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let same = |(known, _, _): &&(String, String, &str)| known.eq_ignore_ascii_case(name);
        self.settings.iter().find(same).map(|(_, value, _)| value.as_str())
    }
}
