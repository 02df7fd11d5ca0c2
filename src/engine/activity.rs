//! Which sessions there are and what they are doing: the rows of `pg_stat_activity`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::cancel::CancelToken;

/// The sessions of an engine.
#[derive(Debug, Default)]
pub struct Activity {
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    last_id: u32,
    open: BTreeMap<u32, Arc<Entry>>,
}

/// What is known of a session from outside.
#[derive(Debug)]
pub(super) struct Entry {
    user: String,
    started_us: i64,
    cancel: CancelToken,
    now: Mutex<Doing>,
}

#[derive(Clone, Debug, Default)]
struct Doing {
    application: String,
    state: &'static str,
    query: String,
    query_started_us: i64,
    /// Counts statements.
    statement: u64,
}

/// Says, when it is dropped, that a statement is over: its rows have been read or given up.
#[derive(Debug)]
pub(super) struct Ending {
    entry: Arc<Entry>,
    statement: u64,
    state: &'static str,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut now = self.entry.now.lock();
        // Rows of a portal may outlive the next statement's beginning.
        if now.statement == self.statement {
            now.state = self.state;
        }
    }
}

/// A session as `pg_stat_activity` shows it.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its number, which clients see as the process id.
    pub id: u32,
    /// Its user.
    pub user: String,
    /// `application_name`.
    pub application: String,
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: &'static str,
    /// The running or last statement.
    pub query: String,
    /// When that began, microseconds since the Unix epoch.
    pub query_started_us: i64,
}

impl Activity {
    /// Takes a new session into the list and gives it its number.
    pub(super) fn open(&self, user: &str, now_us: i64, cancel: CancelToken) -> (u32, Arc<Entry>) {
        let entry = Arc::new(Entry {
            user: user.to_owned(),
            started_us: now_us,
            cancel,
            now: Mutex::new(Doing { state: "idle", ..Doing::default() }),
        });
        let mut sessions = self.sessions.lock();
        sessions.last_id += 1;
        let id = sessions.last_id;
        sessions.open.insert(id, Arc::clone(&entry));
        (id, entry)
    }

    /// Takes a session out of the list.
    pub(super) fn close(&self, id: u32) {
        self.sessions.lock().open.remove(&id);
    }

    /// Number of open sessions.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sessions.lock().open.len()
    }

    /// All sessions by number.
    #[must_use]
    pub fn list(&self) -> Vec<SessionInfo> {
        let sessions = self.sessions.lock();
        let info = |(id, entry): (&u32, &Arc<Entry>)| {
            let now = entry.now.lock().clone();
            SessionInfo {
                id: *id,
                user: entry.user.clone(),
                application: now.application,
                started_us: entry.started_us,
                state: now.state,
                query: now.query,
                query_started_us: now.query_started_us,
            }
        };
        sessions.open.iter().map(info).collect()
    }

    /// Cancels what a session is doing; false if there is no such session.
    pub fn cancel(&self, id: u32) -> bool {
        let entry = self.sessions.lock().open.get(&id).cloned();
        entry.inspect(|entry| entry.cancel.cancel()).is_some()
    }

    /// Ends a session; false if there is no such session.
    pub fn terminate(&self, id: u32) -> bool {
        let entry = self.sessions.lock().open.get(&id).cloned();
        entry.inspect(|entry| entry.cancel.terminate()).is_some()
    }
}

impl Entry {
    /// A statement begins.
    pub(super) fn begin(&self, query: &str, application: &str, now_us: i64) {
        let mut now = self.now.lock();
        query.clone_into(&mut now.query);
        application.clone_into(&mut now.application);
        now.state = "active";
        now.statement += 1;
        now.query_started_us = now_us;
    }

    /// The running statement is over when the value is dropped; `state` is the session's then.
    pub(super) fn ending(self: &Arc<Self>, state: &'static str) -> Ending {
        let statement = self.now.lock().statement;
        Ending { entry: Arc::clone(self), statement, state }
    }
}
