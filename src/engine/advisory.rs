//! Advisory locks: names that clients lock by agreement among themselves. They protect nothing of ours;
//! migration tools and job queues rely on them.
//!
//! A lock belongs to a session, until it is unlocked as often as it was locked, or to its transaction.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What is locked: one `bigint`, or two `int`s, which never mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// `pg_advisory_lock(bigint)`
    One(i64),
    /// `pg_advisory_lock(int, int)`
    Two(i32, i32),
}

/// How a lock is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    /// Whether others may hold it in the same mode.
    pub shared: bool,
    /// Whether it ends with the transaction.
    pub block: bool,
}

#[derive(Debug)]
struct Holder {
    session: u32,
    mode: Mode,
    times: u32,
}

/// The advisory locks of an engine.
#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<HashMap<Key, Vec<Holder>>>,
    freed: Notify,
}

impl Locks {
    /// Takes a lock, if nobody else holds it in a way that forbids it.
    pub fn try_lock(&self, session: u32, key: Key, mode: Mode) -> bool {
        let mut held = self.held.lock();
        let holders = held.entry(key).or_default();
        let forbids =
            |holder: &Holder| holder.session != session && !(holder.mode.shared && mode.shared);
        if holders.iter().any(forbids) {
            return false;
        }
        let own = |holder: &&mut Holder| holder.session == session && holder.mode == mode;
        match holders.iter_mut().find(own) {
            Some(holder) => holder.times += 1,
            None => holders.push(Holder { session, mode, times: 1 }),
        }
        true
    }

    /// Takes a lock, as soon as it is free.
    pub async fn lock(&self, session: u32, key: Key, mode: Mode) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Taken into the queue before looking, so that no wake-up falls in between.
            freed.as_mut().enable();
            if self.try_lock(session, key, mode) {
                return;
            }
            freed.await;
        }
    }

    /// Gives back a lock of the session once; false if it does not hold it.
    pub fn unlock(&self, session: u32, key: Key, shared: bool) -> bool {
        let mut held = self.held.lock();
        let Some(holders) = held.get_mut(&key) else { return false };
        let mode = Mode { shared, block: false };
        let own = |holder: &Holder| holder.session == session && holder.mode == mode;
        let Some(index) = holders.iter().position(own) else { return false };
        holders[index].times -= 1;
        if holders[index].times == 0 {
            holders.swap_remove(index);
        }
        drop(held);
        self.freed.notify_waiters();
        true
    }

    /// Gives back all locks of a session.
    pub fn unlock_all(&self, session: u32) {
        self.give_back(|holder| holder.session == session && !holder.mode.block);
    }

    /// Gives back the locks of a session's transaction, which is over.
    pub fn end_block(&self, session: u32) {
        self.give_back(|holder| holder.session == session && holder.mode.block);
    }

    /// Gives back everything that a session holds, which is over.
    pub fn end_session(&self, session: u32) {
        self.give_back(|holder| holder.session == session);
    }

    /// Every lock: its key, who holds it, and whether it is shared.
    pub fn list(&self) -> Vec<(Key, u32, bool)> {
        let held = self.held.lock();
        let each = |(key, holders): (&Key, &Vec<Holder>)| {
            let key = *key;
            let each = |holder: &Holder| (key, holder.session, holder.mode.shared);
            holders.iter().map(each).collect::<Vec<_>>()
        };
        held.iter().flat_map(each).collect()
    }

    fn give_back(&self, which: impl Fn(&Holder) -> bool) {
        let mut held = self.held.lock();
        if held.is_empty() {
            return;
        }
        held.retain(|_, holders| {
            holders.retain(|holder| !which(holder));
            !holders.is_empty()
        });
        drop(held);
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCLUSIVE: Mode = Mode { shared: false, block: false };
    const SHARED: Mode = Mode { shared: true, block: false };

    #[test]
    fn a_lock_is_given_back_as_often_as_it_was_taken() {
        let (locks, key) = (Locks::default(), Key::One(1));
        assert!(locks.try_lock(1, key, EXCLUSIVE) && locks.try_lock(1, key, EXCLUSIVE));
        assert!(!locks.try_lock(2, key, SHARED) && locks.try_lock(2, Key::Two(0, 1), SHARED));
        assert!(locks.unlock(1, key, false) && !locks.try_lock(2, key, SHARED));
        assert!(locks.unlock(1, key, false) && !locks.unlock(1, key, false));
        assert!(locks.try_lock(2, key, SHARED) && locks.try_lock(1, key, SHARED));
    }

    #[test]
    fn a_transaction_s_lock_ends_with_it() {
        let (locks, key) = (Locks::default(), Key::One(1));
        assert!(locks.try_lock(1, key, Mode { shared: false, block: true }));
        locks.unlock_all(1);
        assert!(!locks.try_lock(2, key, EXCLUSIVE));
        locks.end_block(1);
        assert!(locks.try_lock(2, key, EXCLUSIVE));
        locks.end_session(2);
        assert!(locks.list().is_empty());
    }
}
