//! A data directory in memory: it survives its engine, not its process.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile, names_in, rename_within, within};
use crate::error::{Error, Result, SqlState};

type Contents = Arc<Mutex<Vec<u8>>>;

#[derive(Debug, Default)]
struct Files {
    files: BTreeMap<String, Contents>,
    locked: bool,
}

/// Files in memory. Clones share them, so that a test can open a second engine on the first one's files.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    shared: Arc<Mutex<Files>>,
    holds_lock: bool,
}

impl Clone for MemoryDisk {
    fn clone(&self) -> MemoryDisk {
        MemoryDisk { shared: Arc::clone(&self.shared), holds_lock: false }
    }
}

impl Drop for MemoryDisk {
    fn drop(&mut self) {
        if self.holds_lock {
            self.shared.lock().locked = false;
        }
    }
}

impl MemoryDisk {
    /// Puts a file there, as a test prepares it.
    pub fn write(&self, path: &str, bytes: Vec<u8>) {
        self.shared.lock().files.insert(path.to_owned(), Arc::new(Mutex::new(bytes)));
    }

    fn file(&self, path: &str) -> io::Result<Contents> {
        let shared = self.shared.lock();
        shared.files.get(path).map(Arc::clone).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    fn lock(&mut self) -> Result<()> {
        let mut shared = self.shared.lock();
        if shared.locked {
            return Err(Error::new(SqlState::ObjectInUse, "the data directory is in use"));
        }
        shared.locked = true;
        self.holds_lock = true;
        Ok(())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(path)?.lock().clone())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(names_in(self.shared.lock().files.keys(), folder))
    }

    fn create_folder(&mut self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn create(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.write(path, Vec::new());
        self.open(path)
    }

    fn open(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile(self.file(path)?)))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        rename_within(&mut self.shared.lock().files, from, to)
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.shared.lock().files.retain(|name, _| !within(name, path));
        Ok(())
    }

    fn sync_folder(&mut self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

struct MemoryFile(Contents);

impl DiskFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.lock().truncate(size);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
