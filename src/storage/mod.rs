//! Durable bytes: the logs of tables, the catalog's log, the epoch log, on a [`Disk`].
//!
//! One thread owns a [`Store`]; every call is synchronous. What [`Store::commit`] has acknowledged
//! survives a crash at any instruction; what it has refused is not there afterwards. The bytes are
//! drawn in `docs/disk-format.md`.

mod codec;
pub mod disk;
mod epoch_log;
mod log;
mod record;
mod store;
mod table_log;
mod tail;

pub use disk::{DirectoryDisk, Disk, Fault, FaultyDisk, MemoryDisk};
pub use store::{Recovered, Retention, Store, StoreOptions};
