//! Files of text records: read in chunks, cut into records, decoded together.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::content::{Content, Piece};
use super::file_error;
use crate::connector::format::{TextFormat, line_end};
use crate::error::Result;

/// Bytes read at a time.
const CHUNK_SIZE: u64 = 256 << 10;
/// A record longer than this is a mistake, such as a quote that is never closed: its first line is
/// taken for a bad row, and reading goes on behind it.
const RECORD_SIZE_MAX: usize = 16 << 20;
/// Most characters of a bad row that are reported.
const PAYLOAD_MAX: usize = 1000;

/// Reads a file of records.
pub(super) struct TextContent {
    file: File,
    path: String,
    format: TextFormat,
    /// The header is still to be read.
    headless: bool,
    /// Bytes read; those from `start` on, which stand at `at` in the file, are not used yet.
    buffer: Vec<u8>,
    start: usize,
    at: u64,
    /// Nothing behind this byte is read.
    limit: u64,
}

impl TextContent {
    /// Reads `file` from byte `at` up to `limit`.
    pub(super) fn open(
        file: File,
        path: &str,
        format: TextFormat,
        at: u64,
        limit: Option<u64>,
    ) -> Result<TextContent> {
        let headless = format.header();
        let mut content = TextContent {
            file,
            path: path.to_owned(),
            format,
            headless,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            limit: limit.unwrap_or(u64::MAX),
        };
        if headless {
            content.read_header(at > 0)?;
        }
        if at > content.at {
            content.at = at;
            content.start = 0;
            content.buffer.clear();
        }
        Ok(content)
    }

    /// Binds the format to the header, if it is there as a whole.
    fn read_header(&mut self, last: bool) -> Result<()> {
        let records = self.records(1, last)?;
        if let [header] = records.as_slice() {
            self.format.bind(&self.buffer[header.clone()], &self.path)?;
            let end = header.end;
            self.consume(end);
            self.headless = false;
        }
        Ok(())
    }

    /// Goes behind byte `end` of the buffer.
    fn consume(&mut self, end: usize) {
        self.at += (end - self.start) as u64;
        self.start = end;
    }

    /// Reads one more chunk; false at the end of the file. Moves what is in the buffer to its front.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let old = self.buffer.len();
        let from = self.at + old as u64;
        let error = |error: &std::io::Error| file_error(error, "read", &self.path);
        let size = self.file.metadata().map_err(|cause| error(&cause))?.len();
        let room = size.min(self.limit).saturating_sub(from).min(CHUNK_SIZE);
        self.buffer.resize(old + usize::try_from(room).expect("at most a chunk"), 0);
        let read = self.file.read_at(&mut self.buffer[old..], from).map_err(|cause| error(&cause));
        self.buffer.truncate(old + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// Where the next records are in the buffer, with their line breaks, blank lines left out.
    fn records(&mut self, rows_max: usize, last: bool) -> Result<Vec<Range<usize>>> {
        let mut records = Vec::new();
        loop {
            let mut from = self.start;
            while records.len() < rows_max {
                let Some(end) = self.format.record_end(&self.buffer, from) else { break };
                self.push(&mut records, from..end);
                from = end;
            }
            if !records.is_empty() {
                return Ok(records);
            }
            // Only blank lines so far: they belong to nothing.
            self.consume(from);
            let ended = !self.fill()?;
            let endless = self.buffer.len() > RECORD_SIZE_MAX;
            if !ended && !endless {
                continue;
            }
            if self.buffer.is_empty() || !(last || endless) {
                return Ok(records);
            }
            // What no record's end was found for: its first line stands for it.
            let end = line_end(&self.buffer, 0).unwrap_or(self.buffer.len());
            self.push(&mut records, 0..end);
            if !records.is_empty() {
                return Ok(records);
            }
            self.consume(end);
        }
    }

    fn push(&self, records: &mut Vec<Range<usize>>, record: Range<usize>) {
        if !self.buffer[record.clone()].trim_ascii().is_empty() {
            records.push(record);
        }
    }
}

impl Content for TextContent {
    fn read(&mut self, rows_max: usize, last: bool) -> Result<Piece> {
        if self.headless {
            self.read_header(last)?;
            if self.headless {
                return Ok(Piece::default());
            }
        }
        let records = self.records(rows_max, last)?;
        let Some(end) = records.last().map(|record| record.end) else {
            return Ok(Piece::default());
        };
        let (buffer, format) = (&self.buffer, &self.format);
        let decode = |range: Range<usize>| {
            let bytes = records[range.start].start..records[range.end - 1].end;
            format.decode(&buffer[bytes], range.len())
        };
        let payload = |row: usize| {
            let text = String::from_utf8_lossy(&buffer[records[row].clone()]);
            text.trim_end_matches(['\n', '\r']).chars().take(PAYLOAD_MAX).collect()
        };
        let piece = Piece::decode(records.len(), decode, payload);
        self.consume(end);
        Ok(piece)
    }

    fn at(&self) -> u64 {
        self.at
    }
}
