//! Which files a path means, in the order in which they are read: by name.

use std::collections::BTreeSet;
use std::path::Path;

use super::{file_error, open_file};
use crate::error::{Error, Result, SqlState};

/// The files of a source.
pub(super) struct Listing {
    path: String,
    follow: bool,
    kind: Kind,
    files: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Glob,
    Folder,
}

impl Listing {
    /// Lists the files.
    ///
    /// # Errors
    /// 58P01 if there is none, unless new ones are waited for; 42501 if it cannot be read.
    pub(super) fn open(path: &str, follow: bool) -> Result<Listing> {
        let kind = if path.contains(['*', '?', '[']) && !Path::new(path).exists() {
            Kind::Glob
        } else if Path::new(path).is_dir() {
            Kind::Folder
        } else {
            Kind::Single
        };
        let mut listing = Listing { path: path.to_owned(), follow, kind, files: BTreeSet::new() };
        listing.files = listing.list()?;
        let Some(first) = listing.files.first() else {
            if follow {
                return Ok(listing);
            }
            let message = format!("no file matches \"{path}\"");
            return Err(Error::new(SqlState::UndefinedFile, message)
                .hint("Relative paths start at the server's working directory."));
        };
        open_file(first).map_err(|error| match error.state() {
            SqlState::UndefinedFile => {
                error.hint("Relative paths start at the server's working directory.")
            }
            _ => error,
        })?;
        Ok(listing)
    }

    /// Whether more files and rows are waited for.
    pub(super) fn follow(&self) -> bool {
        self.follow
    }

    /// The file to be read after `current`, or the first one.
    ///
    /// # Errors
    /// 55000 if a file has appeared that sorts before `current`: its turn is over.
    pub(super) fn after(&mut self, current: Option<&str>) -> Result<Option<String>> {
        if let Some(next) = self.next(current) {
            return Ok(Some(next));
        }
        if !self.follow || self.kind == Kind::Single {
            return Ok(None);
        }
        let files = self.list()?;
        let missed = files
            .difference(&self.files)
            .find(|file| current.is_some_and(|current| file.as_str() < current));
        if let (Some(missed), Some(current)) = (missed, current) {
            let message = format!("file \"{missed}\" has come after \"{current}\" was read");
            return Err(Error::new(SqlState::ObjectNotInPrerequisiteState, message)
                .detail("Files are read in the order of their names.")
                .hint("Give new files names that sort behind the others."));
        }
        self.files = files;
        Ok(self.next(current))
    }

    fn next(&self, current: Option<&str>) -> Option<String> {
        match current {
            None => self.files.first().cloned(),
            Some(current) => self
                .files
                .range::<str, _>((std::ops::Bound::Excluded(current), std::ops::Bound::Unbounded))
                .next()
                .cloned(),
        }
    }

    fn list(&self) -> Result<BTreeSet<String>> {
        let folder_error = |error: &std::io::Error| file_error(error, "list", &self.path);
        match self.kind {
            Kind::Single => Ok(BTreeSet::from([self.path.clone()])),
            Kind::Glob => {
                let paths = glob::glob(&self.path).map_err(|error| {
                    Error::invalid_parameter(format!("invalid pattern \"{}\"", self.path))
                        .detail(error.to_string())
                })?;
                let mut files = BTreeSet::new();
                for path in paths {
                    let path = path.map_err(|error| folder_error(error.error()))?;
                    if path.is_file() {
                        files.insert(path.to_string_lossy().into_owned());
                    }
                }
                Ok(files)
            }
            Kind::Folder => {
                let mut files = BTreeSet::new();
                for entry in std::fs::read_dir(&self.path).map_err(|error| folder_error(&error))? {
                    let entry = entry.map_err(|error| folder_error(&error))?;
                    let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                    if !hidden && entry.path().is_file() {
                        files.insert(entry.path().to_string_lossy().into_owned());
                    }
                }
                Ok(files)
            }
        }
    }
}
