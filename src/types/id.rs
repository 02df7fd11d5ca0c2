//! Small numbers with a meaning: object ids, epochs, virtual nodes.

use serde::{Deserialize, Serialize};

/// Identity of a catalog object (table, source, view, schema); never reused within a data directory.
/// It doubles as the object's Postgres OID, so it starts at [`ObjectId::FIRST_USER`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ObjectId(pub u32);

impl ObjectId {
    /// The first id given to a user's object, as in Postgres (`FirstNormalObjectId`).
    pub const FIRST_USER: ObjectId = ObjectId(16384);
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Number of a tick: the unit of commit. Epoch 0 is the empty engine; the first tick is epoch 1.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Virtual node: the unit by which keyed state is split, moved and restored. The low eight bits of
/// a row key's hash (see [`crate::types::key`]); worker `v % workers` owns vnode `v`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Vnode(pub u8);

impl Vnode {
    /// How many virtual nodes there are, for ever: checkpoints name state by vnode.
    pub const COUNT: usize = 256;

    /// The vnode of a key with hash `hash`.
    #[must_use]
    pub fn of_hash(hash: u64) -> Vnode {
        Vnode((hash & 0xff) as u8)
    }

    /// The worker, of `workers`, that owns this vnode.
    #[must_use]
    pub fn worker(self, workers: usize) -> usize {
        usize::from(self.0) % workers
    }
}
