//! Which session a cancel request means: by the process id and key that its client was given.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::CancelToken;

/// The sessions that can be cancelled.
#[derive(Default)]
pub struct CancelRegistry {
    sessions: Mutex<HashMap<i32, (i32, CancelToken)>>,
}

/// Takes a session out of the registry when it ends.
pub(super) struct Registered {
    registry: Arc<CancelRegistry>,
    process: i32,
}

impl CancelRegistry {
    /// Enters a session; the key is made up here and known to its client only.
    pub(super) fn enter(self: &Arc<Self>, process: i32, token: CancelToken) -> (Registered, i32) {
        let random = uuid::Uuid::new_v4().into_bytes();
        let key = i32::from_be_bytes([random[0], random[1], random[2], random[3]]);
        self.sessions.lock().insert(process, (key, token));
        (Registered { registry: Arc::clone(self), process }, key)
    }

    /// Cancels what a session is doing, if the key is right; a wrong one is silently ignored, as
    /// the protocol demands.
    pub(super) fn cancel(&self, process: i32, key: i32) {
        if let Some((known, token)) = self.sessions.lock().get(&process)
            && *known == key
        {
            token.cancel();
        }
    }

    /// Cancels what every session is doing.
    pub fn cancel_all(&self) {
        self.sessions.lock().values().for_each(|(_, token)| token.cancel());
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.sessions.lock().remove(&self.process);
    }
}
