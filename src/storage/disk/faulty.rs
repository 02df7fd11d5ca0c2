//! A disk that fails when told to and forgets what was not synced: for crash tests.
//!
//! It keeps two worlds: what the running process sees, and what a power cut would leave. A sync moves
//! a file's bytes, or a folder's names, from the first into the second.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile, MemoryDisk, names_in, parent, rename_within, within};
use crate::error::Result;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this operation and all later ones fail. An append leaves its first bytes.
    Cut,
    /// Appends write half of their bytes and report a full disk, from now until [`FaultyDisk::heal`].
    Full,
    /// One append writes half of its bytes and reports an I/O error.
    Write,
    /// One sync fails, and the bytes it should have saved never become durable, whatever later syncs
    /// report: what Linux does.
    Sync,
    /// One removal fails and nothing is removed.
    Remove,
}

#[derive(Clone, Debug, Default)]
struct FaultyContents {
    live: Vec<u8>,
    durable: Vec<u8>,
    lost: bool,
}

#[derive(Debug, Default)]
struct Worlds {
    files: Vec<FaultyContents>,
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    /// Folders renamed since the folder that they are in was synced.
    renamed: Vec<(String, String)>,
    operations: usize,
    planned: Option<(usize, Fault)>,
    dead: bool,
    full: bool,
}

impl Worlds {
    /// Counts an operation; the fault that strikes it, if any.
    fn strike(&mut self, fits: fn(Fault) -> bool) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(io::Error::other("power cut"));
        }
        self.operations += 1;
        let due = self.planned.filter(|(at, fault)| self.operations >= *at && fits(*fault));
        let Some((_, fault)) = due else { return Ok(None) };
        self.planned = None;
        match fault {
            Fault::Cut => self.dead = true,
            Fault::Full => self.full = true,
            Fault::Write | Fault::Sync | Fault::Remove => {}
        }
        Ok(Some(fault))
    }

    /// Counts an operation that only a power cut can stop.
    fn step(&mut self) -> io::Result<()> {
        match self.strike(|fault| fault == Fault::Cut)? {
            Some(_) => Err(io::Error::other("power cut")),
            None => Ok(()),
        }
    }

    fn append(&mut self, file: usize, bytes: &[u8]) -> io::Result<()> {
        let fault = self.strike(|fault| !matches!(fault, Fault::Sync | Fault::Remove))?;
        let failed = fault.is_some() || self.full;
        let written = if failed { &bytes[..bytes.len() / 2] } else { bytes };
        self.files[file].live.extend_from_slice(written);
        match fault {
            _ if self.full => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Cut) => Err(io::Error::other("power cut")),
            Some(_) => Err(io::Error::other("input/output error")),
            None => Ok(()),
        }
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        let fault = self.strike(|fault| matches!(fault, Fault::Cut | Fault::Sync))?;
        let contents = &mut self.files[file];
        if let Some(fault) = fault {
            contents.lost |= fault == Fault::Sync;
            return Err(io::Error::other("input/output error"));
        }
        if !contents.lost {
            contents.durable = contents.live.clone();
        }
        Ok(())
    }
}

/// Files in memory that fail when told to. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk {
    worlds: Arc<Mutex<Worlds>>,
}

impl FaultyDisk {
    /// Plans a fault for the first fitting operation from the `after`-th on, counted from 0.
    pub fn plan(&self, after: usize, fault: Fault) {
        let mut worlds = self.worlds.lock();
        worlds.planned = Some((worlds.operations + after + 1, fault));
    }

    /// Nothing fails any more (a power cut stays one).
    pub fn heal(&self) {
        let mut worlds = self.worlds.lock();
        worlds.planned = None;
        worlds.full = false;
    }

    /// Number of operations so far that a fault could have struck.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.worlds.lock().operations
    }

    /// What a power cut now would leave: durable names and bytes, and of each file's later bytes the
    /// first `torn`.
    #[must_use]
    pub fn after_cut(&self, torn: usize) -> MemoryDisk {
        let worlds = self.worlds.lock();
        let disk = MemoryDisk::default();
        for (name, &file) in &worlds.durable {
            let contents = &worlds.files[file];
            let mut bytes = contents.durable.clone();
            if contents.live.starts_with(&bytes) && !contents.lost {
                let later = &contents.live[bytes.len()..];
                bytes.extend_from_slice(&later[..torn.min(later.len())]);
            }
            disk.write(name, bytes);
        }
        disk
    }
}

impl Disk for FaultyDisk {
    fn lock(&mut self) -> Result<()> {
        Ok(())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let worlds = self.worlds.lock();
        let file = worlds.live.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(worlds.files[*file].live.clone())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(names_in(self.worlds.lock().live.keys(), folder))
    }

    fn create_folder(&mut self, _folder: &str) -> io::Result<()> {
        self.worlds.lock().step()
    }

    fn create(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut worlds = self.worlds.lock();
        worlds.step()?;
        worlds.files.push(FaultyContents::default());
        let file = worlds.files.len() - 1;
        worlds.live.insert(path.to_owned(), file);
        Ok(Box::new(FaultyFile { worlds: Arc::clone(&self.worlds), file }))
    }

    fn open(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.worlds.lock().live.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FaultyFile { worlds: Arc::clone(&self.worlds), file }))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut worlds = self.worlds.lock();
        worlds.step()?;
        rename_within(&mut worlds.live, from, to)?;
        if worlds.durable.keys().any(|name| name.starts_with(&format!("{from}/"))) {
            worlds.renamed.push((from.to_owned(), to.to_owned()));
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let mut worlds = self.worlds.lock();
        match worlds.strike(|fault| matches!(fault, Fault::Cut | Fault::Remove))? {
            Some(Fault::Cut) => return Err(io::Error::other("power cut")),
            Some(_) => return Err(io::ErrorKind::PermissionDenied.into()),
            None => {}
        }
        worlds.live.retain(|name, _| !within(name, path));
        Ok(())
    }

    fn sync_folder(&mut self, folder: &str) -> io::Result<()> {
        let mut guard = self.worlds.lock();
        let worlds = &mut *guard;
        worlds.step()?;
        for (from, to) in std::mem::take(&mut worlds.renamed) {
            if parent(&from) == folder {
                rename_within(&mut worlds.durable, &from, &to)?;
            } else {
                worlds.renamed.push((from, to));
            }
        }
        worlds.durable.retain(|name, _| parent(name) != folder);
        let named = worlds.live.iter().filter(|(name, _)| parent(name) == folder);
        worlds.durable.extend(named.map(|(name, file)| (name.clone(), *file)));
        Ok(())
    }
}

struct FaultyFile {
    worlds: Arc<Mutex<Worlds>>,
    file: usize,
}

impl DiskFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.worlds.lock().append(self.file, bytes)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        let mut worlds = self.worlds.lock();
        worlds.step()?;
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        worlds.files[self.file].live.truncate(size);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.worlds.lock().sync(self.file)
    }
}
