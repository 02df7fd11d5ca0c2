//! The only door to the data directory's files: the contract, and its implementations.
//!
//! Paths are relative to the directory, with `/` between names. What a crash keeps is what POSIX
//! promises: bytes of a file after its [`DiskFile::sync`], names after [`Disk::sync_folder`] of their
//! folder, and a rename wholly or not at all.

mod directory;
mod faulty;
mod memory;

use std::collections::BTreeMap;
use std::io;

pub use directory::DirectoryDisk;
pub use faulty::{Fault, FaultyDisk};
pub use memory::MemoryDisk;

use crate::error::{Error, Result, SqlState};

/// A data directory.
pub trait Disk: Send {
    /// Takes the directory for this process, until the disk is dropped.
    ///
    /// # Errors
    /// 55006, naming the holder, if another process or engine has it.
    fn lock(&mut self) -> Result<()>;

    /// The whole contents of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// Names in a folder, sorted; none if there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes a folder and those above it, durably.
    fn create_folder(&mut self, folder: &str) -> io::Result<()>;

    /// Makes an empty file, in place of any that is there.
    fn create(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file of `size` bytes to append to it.
    fn open(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file, in place of any that is there, or a folder with everything in it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, or a folder with everything in it; nothing happens if it is not there.
    fn remove(&mut self, path: &str) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&mut self, folder: &str) -> io::Result<()>;
}

/// A file that grows at its end.
pub trait DiskFile: Send {
    /// Appends all of `bytes`. After an error, some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to `size` bytes.
    fn truncate(&mut self, size: u64) -> io::Result<()>;
    /// Makes the bytes durable. After an error nobody knows which are, not even after a later success.
    fn sync(&mut self) -> io::Result<()>;
}

/// An I/O error of the data directory as a client sees it.
pub(super) fn io_error(error: &io::Error, attempt: &str) -> Error {
    let state = match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge
        | io::ErrorKind::WriteZero => SqlState::DiskFull,
        io::ErrorKind::PermissionDenied => SqlState::InsufficientPrivilege,
        io::ErrorKind::NotFound => SqlState::UndefinedFile,
        _ => SqlState::IoError,
    };
    Error::new(state, format!("could not {attempt}: {error}"))
}

/// The folder that a path is in; empty for the directory itself.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `path`, or a path below it.
fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Gives what is at `from`, or below it, its new name.
fn rename_within<T>(files: &mut BTreeMap<String, T>, from: &str, to: &str) -> io::Result<()> {
    let names: Vec<String> = files.keys().filter(|name| within(name, from)).cloned().collect();
    if names.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    for name in names {
        if let Some(file) = files.remove(&name) {
            files.insert(format!("{to}{}", &name[from.len()..]), file);
        }
    }
    Ok(())
}

/// Names directly in `folder` among `paths`, sorted, once each.
fn names_in<'a>(paths: impl Iterator<Item = &'a String>, folder: &str) -> Vec<String> {
    let mut names: Vec<String> = paths
        .filter(|path| folder.is_empty() || (within(path, folder) && path.len() > folder.len()))
        .map(|path| if folder.is_empty() { path.as_str() } else { &path[folder.len() + 1..] })
        .filter_map(|rest| rest.split('/').next().map(str::to_owned))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
