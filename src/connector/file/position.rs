//! Where a file source stands, and how to know the file again.

use std::fs::File;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::file_error;
use crate::connector::Position;
use crate::error::{Error, Result, SqlState};

/// Bytes at the beginning of a file by which it is known again.
const HEAD_SIZE: u64 = 1024;

/// A position in a sequence of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    /// The file being read; none before the first.
    pub(super) file: Option<String>,
    /// Bytes read of it, or rows for files of columns.
    pub(super) at: u64,
    /// Rows read of all files, good and bad.
    pub(super) row: u64,
    /// How the file begins.
    pub(super) head: Head,
}

/// The first bytes of a file, as size and hash: unlike an inode it survives a copy of the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    size: u64,
    hash: u64,
}

impl Head {
    /// Of the first bytes of `file`, at most `size`.
    pub(super) fn read(file: &File, size: u64, path: &str) -> Result<Head> {
        let mut bytes = vec![0; usize::try_from(size.min(HEAD_SIZE)).expect("at most a kilobyte")];
        let mut filled = 0;
        while filled < bytes.len() {
            let read = file.read_at(&mut bytes[filled..], filled as u64);
            match read.map_err(|error| file_error(&error, "read", path))? {
                0 => break,
                count => filled += count,
            }
        }
        let hash = xxhash_rust::xxh3::xxh3_64(&bytes[..filled]);
        Ok(Head { size: filled as u64, hash })
    }

    /// Whether it need not be read again when more of the file is known.
    pub(super) fn complete(&self) -> bool {
        self.size == HEAD_SIZE
    }

    /// Whether `file` begins like this.
    pub(super) fn matches(&self, file: &File, path: &str) -> Result<bool> {
        Ok(Head::read(file, self.size, path)? == *self)
    }
}

impl FilePosition {
    pub(super) fn parse(position: &Position) -> Result<FilePosition> {
        serde_json::from_str(&position.0).map_err(|error| {
            let message = "the recorded position of a file source cannot be read";
            Error::new(SqlState::DataCorrupted, message).detail(error.to_string())
        })
    }

    pub(super) fn encode(&self) -> Position {
        Position(serde_json::to_string(self).expect("numbers and text make JSON"))
    }
}
