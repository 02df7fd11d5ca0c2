//! The words every other folder speaks: deltas, ids, epochs, row keys, SQL types.

pub mod delta;
pub mod id;
pub mod key;
pub mod pg_type;

pub use delta::{Delta, Weights};
pub use id::{Epoch, ObjectId, Vnode};
