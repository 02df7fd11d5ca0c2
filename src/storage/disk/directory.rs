//! A data directory in the file system.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile, io_error, parent};
use crate::error::{Error, Result, SqlState};

/// Name of the lock file; it holds the process id of whoever has locked it.
const LOCK: &str = "LOCK";

/// A folder of the file system.
#[derive(Debug)]
pub struct DirectoryDisk {
    root: PathBuf,
    lock: Option<File>,
    /// The folder in which something was renamed last, opened before.
    renamed: Option<(String, File)>,
}

impl DirectoryDisk {
    /// The directory `root`, created if missing.
    ///
    /// # Errors
    /// 42501 or 58030 if it cannot be created or is no folder.
    pub fn open(root: &Path) -> Result<DirectoryDisk> {
        // What is in tables is for the owner only.
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(root).map_err(|error| {
            io_error(&error, &format!("create data directory \"{}\"", root.display()))
        })?;
        Ok(DirectoryDisk { root: root.to_owned(), lock: None, renamed: None })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Disk for DirectoryDisk {
    fn lock(&mut self) -> Result<()> {
        let attempt = format!("lock data directory \"{}\"", self.root.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(self.path(LOCK)).map_err(|error| io_error(&error, &attempt))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is a courtesy: without it, the refusal stands.
                let _ = file.read_to_string(&mut holder);
                let message = format!("data directory \"{}\" is in use", self.root.display());
                return Err(Error::new(SqlState::ObjectInUse, message)
                    .detail(format!("Process {} has locked it.", holder.trim()))
                    .hint("Stop that process, or use another data directory."));
            }
            Err(TryLockError::Error(error)) => return Err(io_error(&error, &attempt)),
        }
        // On a full disk the lock holds without the number in it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        self.lock = Some(file);
        Ok(())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(path))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<String>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn create_folder(&mut self, folder: &str) -> io::Result<()> {
        let path = self.path(folder);
        if folder.is_empty() || path.is_dir() {
            return Ok(());
        }
        self.create_folder(parent(folder))?;
        fs::create_dir(&path)?;
        self.sync_folder(parent(folder))
    }

    fn create(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(GrowingFile(File::create(self.path(path))?)))
    }

    fn open(&mut self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut file = OpenOptions::new().write(true).open(self.path(path))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Box::new(GrowingFile(file)))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        // ORDER: opened first: when the name has changed there must be no more reason not to sync it.
        let folder = parent(to);
        let opened = File::open(self.path(folder))?;
        fs::rename(self.path(from), self.path(to))?;
        self.renamed = Some((folder.to_owned(), opened));
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_folder(&mut self, folder: &str) -> io::Result<()> {
        match self.renamed.take() {
            Some((renamed, opened)) if renamed == folder => opened.sync_all(),
            _ => File::open(self.path(folder))?.sync_all(),
        }
    }
}

/// A file with its position always at the end.
struct GrowingFile(File);

impl DiskFile for GrowingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.0.set_len(size)?;
        self.0.seek(SeekFrom::Start(size)).map(|_| ())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = DirectoryDisk::open(&folder.path().join("data")).unwrap();
        disk.create_folder("a/b").unwrap();
        let mut file = disk.create("a/b/x").unwrap();
        file.append(b"hello").unwrap();
        file.truncate(4).unwrap();
        file.append(b"!").unwrap();
        file.sync().unwrap();
        assert_eq!(disk.read("a/b/x").unwrap(), b"hell!");
        disk.open("a/b/x").unwrap().append(b"?").unwrap();
        disk.rename("a/b/x", "a/y").unwrap();
        assert_eq!(disk.read("a/y").unwrap(), b"hell!?");
        assert_eq!(disk.list("a").unwrap(), ["b", "y"]);
        disk.remove("a").unwrap();
        disk.remove("a").unwrap();
        assert!(disk.list("a").unwrap().is_empty());
    }

    #[test]
    fn a_second_owner_is_refused_and_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = DirectoryDisk::open(folder.path()).unwrap();
        first.lock().unwrap();
        let mut second = DirectoryDisk::open(folder.path()).unwrap();
        let error = second.lock().unwrap_err();
        assert_eq!(error.state(), SqlState::ObjectInUse);
        assert!(error.detail_text().unwrap().contains(&std::process::id().to_string()));
        drop(first);
        second.lock().unwrap();
    }
}
