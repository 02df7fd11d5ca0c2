//! The only door to files: the contract, and its implementations.

use std::io;

/// A data directory. Paths are relative, with `/` between names.
pub trait Disk: Send {
    /// Takes the directory for this process until the disk is dropped.
    fn lock(&mut self) -> crate::error::Result<()>;
    /// The whole contents of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}
