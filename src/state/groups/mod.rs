//! Keys that own state: a table of keys with dense numbers, and the store of bytes below it.

mod bytes;
mod sized;
mod table;

pub use bytes::ByteStore;
pub use table::GroupTable;
