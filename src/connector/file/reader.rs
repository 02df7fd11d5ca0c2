//! Reads the files of a source one after the other.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use super::content::{Content, Piece};
use super::listing::Listing;
use super::position::{FilePosition, Head};
use super::table::TableContent;
use super::text::TextContent;
use super::{Encoding, file_error, open_file};
use crate::connector::metadata::Assembler;
use crate::connector::pace::Pace;
use crate::connector::{BadRow, OnError, Polled, Position, SourceReader};
use crate::error::{Error, Result, SqlState};

/// Time between two looks at files that may have grown.
const FOLLOW_INTERVAL_US: i64 = 100_000;
/// Most pieces (files, chunks) taken into one poll.
const PIECES_MAX: usize = 64;
/// Most rows of one poll, whatever is asked for: bounds the memory of a reader.
const POLL_ROWS_MAX: usize = 65_536;

/// Reads files from a position to the end, or to another position.
pub(super) struct FileReader {
    listing: Listing,
    encoding: Encoding,
    assembler: Assembler,
    on_error: OnError,
    pace: Pace,
    position: FilePosition,
    until: Option<FilePosition>,
    current: Option<Current>,
}

/// The file being read.
struct Current {
    content: Box<dyn Content>,
    /// A second handle, for the file's head and size.
    file: File,
    path: String,
}

impl Current {
    /// Whether another file has taken its name.
    fn rotated(&self) -> Result<bool> {
        let ours = self.file.metadata();
        let ours = ours.map_err(|error| file_error(&error, "read", &self.path))?;
        // While there is none of the name, the file may still grow.
        let Ok(theirs) = std::fs::metadata(&self.path) else { return Ok(false) };
        Ok((ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()))
    }
}

impl FileReader {
    pub(super) fn new(
        listing: Listing,
        encoding: Encoding,
        assembler: Assembler,
        on_error: OnError,
        rate: Option<f64>,
    ) -> FileReader {
        FileReader {
            listing,
            encoding,
            assembler,
            on_error,
            pace: Pace::new(rate),
            position: FilePosition::default(),
            until: None,
            current: None,
        }
    }

    /// Goes to `position`, and opens the file there, so that what is wrong with it shows now.
    pub(super) fn seek(
        &mut self,
        position: Option<&Position>,
        until: Option<&Position>,
    ) -> Result<()> {
        self.until = until.map(FilePosition::parse).transpose()?;
        let position = position.map(FilePosition::parse).transpose()?.unwrap_or_default();
        self.position = position.clone();
        match &position.file {
            Some(path) => {
                let current = self.open(path, position.at)?;
                if !position.head.matches(&current.file, path)? {
                    return Err(replaced(path));
                }
                self.current = Some(current);
            }
            None if self.finished() => {}
            None => self.advance(None).map(|_| ())?,
        }
        Ok(())
    }

    /// Whether reading has come to `until`.
    fn finished(&self) -> bool {
        self.until.as_ref().is_some_and(|until| {
            until.file.is_none()
                || (until.file == self.position.file && until.at <= self.position.at)
        })
    }

    fn open(&self, path: &str, at: u64) -> Result<Current> {
        let file = open_file(path)?;
        let until = self.until.as_ref().filter(|until| until.file.as_deref() == Some(path));
        if until.is_some_and(|until| !until.head.matches(&file, path).unwrap_or(false)) {
            return Err(replaced(path));
        }
        let limit = until.map(|until| until.at);
        let size = file.metadata().map_err(|error| file_error(&error, "read", path))?.len();
        let handle = file.try_clone().map_err(|error| file_error(&error, "open", path))?;
        let schema = self.assembler.decoded();
        let content: Box<dyn Content> = match &self.encoding {
            Encoding::Text(format) => {
                if at.max(limit.unwrap_or(0)) > size {
                    return Err(replaced(path));
                }
                Box::new(TextContent::open(handle, path, format.clone(), at, limit)?)
            }
            Encoding::Parquet => Box::new(TableContent::parquet(handle, path, &schema, at, limit)?),
            Encoding::Arrow => Box::new(TableContent::arrow(handle, path, &schema, at, limit)?),
        };
        Ok(Current { content, file, path: path.to_owned() })
    }

    /// Opens the file after `current`; false if there is none now.
    fn advance(&mut self, current: Option<&str>) -> Result<bool> {
        let Some(path) = self.listing.after(current)? else { return Ok(false) };
        let until = self.until.as_ref().and_then(|until| until.file.as_ref());
        if let Some(until) = until.filter(|until| path > **until) {
            return Err(replaced(until));
        }
        let opened = self.open(&path, 0)?;
        self.begin(opened)?;
        Ok(true)
    }

    fn begin(&mut self, current: Current) -> Result<()> {
        self.position.at = current.content.at();
        self.position.file = Some(current.path.clone());
        self.current = Some(current);
        self.note_head()
    }

    /// Remembers how the current file begins, as far as it was read.
    fn note_head(&mut self) -> Result<()> {
        let Some(current) = &self.current else { return Ok(()) };
        let size = match self.encoding {
            Encoding::Text(_) => self.position.at,
            Encoding::Parquet | Encoding::Arrow => u64::MAX,
        };
        self.position.head = Head::read(&current.file, size, &current.path)?;
        Ok(())
    }

    /// The next piece of the current file or those after it; none if there is nothing now.
    fn piece(&mut self, rows_max: usize) -> Result<Option<Piece>> {
        loop {
            if self.finished() {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                if !self.advance(None)? {
                    return Ok(None);
                }
                continue;
            };
            let path = current.path.clone();
            // ORDER: look for a successor first, so that nothing is added to the file in between.
            let limited =
                self.until.as_ref().is_some_and(|until| until.file.as_ref() == Some(&path));
            let rotated = !limited && self.listing.follow() && current.rotated()?;
            let next = if limited { None } else { self.listing.after(Some(&path))? };
            let last = limited || rotated || next.is_some() || !self.listing.follow();
            let from = current.content.at();
            let piece = Piece { from, ..current.content.read(rows_max, last)? };
            let at = current.content.at();
            if at != self.position.at {
                self.position.at = at;
                if !self.position.head.complete() {
                    self.note_head()?;
                }
            }
            if piece.rows > 0 {
                return Ok(Some(piece));
            }
            if rotated {
                self.position.head = Head::default();
                let opened = self.open(&path, 0)?;
                self.begin(opened)?;
            } else if next.is_none() || !self.advance(Some(&path))? {
                return Ok(None);
            }
        }
    }

    /// A truncated file has lost rows that were read: they cannot be read again.
    fn check_size(&self) -> Result<()> {
        let (Some(current), Encoding::Text(_)) = (&self.current, &self.encoding) else {
            return Ok(());
        };
        let size = current.file.metadata().map(|metadata| metadata.len());
        let size = size.map_err(|error| file_error(&error, "read", &current.path))?;
        if size < self.position.at { Err(replaced(&current.path)) } else { Ok(()) }
    }

    /// Where a bad row is an error: reads the rows before it again, without it, so that they count
    /// whatever the sizes of the polls. If it is the first one, it is the error.
    fn before_bad(&mut self, piece: Piece) -> Result<Piece> {
        let first = match piece.bad.first() {
            Some((first, _, _)) if self.on_error == OnError::Fail => *first,
            _ => return Ok(piece),
        };
        self.go_back(piece.from)?;
        if first == 0 {
            let (at, payload, error) = piece.bad.into_iter().next().expect("there is a first");
            return Err(self.bad_row(at, payload, &error).error.hint(
                "With ON ERROR SKIP, or ON ERROR DEAD LETTER INTO a table, reading goes on without \
                 such rows.",
            ));
        }
        let current = self.current.as_mut().expect("just opened");
        let before = current.content.read(first, true)?;
        self.position.at = current.content.at();
        Ok(before)
    }

    /// Reads the current file on from `at`.
    fn go_back(&mut self, at: u64) -> Result<()> {
        let path = self.position.file.clone().unwrap_or_default();
        self.current = Some(self.open(&path, at)?);
        self.position.at = at;
        Ok(())
    }

    fn bad_row(&self, at: usize, payload: String, error: &Error) -> BadRow {
        let offset = self.position.row + at as u64;
        let path = self.position.file.as_deref().unwrap_or_default();
        let detail = format!("Row {offset} of the source, in file \"{path}\": {payload}");
        BadRow { payload, error: error.clone().detail(detail), offset }
    }

    /// Adds a piece's rows to the poll.
    fn take(&mut self, piece: Piece, now_us: i64, taken: &mut Taken) -> Result<()> {
        let first = self.position.row;
        let path = self.position.file.as_deref().unwrap_or_default();
        for (at, rows) in &piece.good {
            let offsets = first + *at as u64..;
            taken.batches.push(self.assembler.assemble(rows, offsets, path, now_us)?);
        }
        for (at, payload, error) in piece.bad {
            taken.bad.push(self.bad_row(at, payload, &error));
        }
        self.position.row += piece.rows as u64;
        taken.rows += piece.rows;
        Ok(())
    }
}

/// What one poll has gathered.
#[derive(Default)]
struct Taken {
    batches: Vec<RecordBatch>,
    bad: Vec<BadRow>,
    rows: usize,
}

impl SourceReader for FileReader {
    fn poll(&mut self, rows_max: usize, now_us: i64) -> Result<Polled> {
        self.check_size()?;
        let rows_max = rows_max.min(POLL_ROWS_MAX).min(self.pace.allowance(now_us));
        let mut taken = Taken::default();
        let mut idle = false;
        for _ in 0..PIECES_MAX {
            if taken.rows >= rows_max {
                break;
            }
            let Some(piece) = self.piece(rows_max - taken.rows)? else {
                idle = true;
                break;
            };
            let fails = self.on_error == OnError::Fail
                && piece.bad.first().is_some_and(|(first, _, _)| *first == 0);
            if fails && taken.rows > 0 {
                // It is the error of the next poll, when the rows before it have been delivered.
                self.go_back(piece.from)?;
                break;
            }
            let piece = self.before_bad(piece)?;
            self.take(piece, now_us, &mut taken)?;
        }
        self.pace.took(taken.rows);
        let batch = match taken.batches.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [first, ..] => Some(concat_batches(&first.schema(), &taken.batches)?),
        };
        let done = (idle && (!self.listing.follow() || self.until.is_some())) || self.finished();
        let next_poll_us = match self.pace.next_poll_us(now_us) {
            _ if done => None,
            None if idle => Some(now_us + FOLLOW_INTERVAL_US),
            paced => paced,
        };
        if let Some(until) =
            self.until.as_ref().filter(|until| done && until.row != self.position.row)
        {
            return Err(replaced(until.file.as_deref().unwrap_or_default()));
        }
        let position = self.position.encode();
        Ok(Polled { batch, position, bad: taken.bad, done, next_poll_us })
    }
}

fn replaced(path: &str) -> Error {
    let message = format!("file \"{path}\" is not the one that was read before");
    Error::new(SqlState::ObjectNotInPrerequisiteState, message)
        .detail("It was cut or replaced, so its earlier rows cannot be read again.")
        .hint("Drop the source with its views and create them again, or put the file back.")
}
