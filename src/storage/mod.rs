//! Durable bytes: the logs of tables, the catalog's log, the epoch records, on a [`Disk`].
//!
//! One thread owns a [`Store`]; every call is synchronous. What [`Store::commit`] has acknowledged
//! survives a crash at any instruction; what it has refused is not there afterwards.

pub mod disk;
pub mod store;

pub use disk::Disk;
pub use store::{Recovered, Retention, Store, StoreOptions};
