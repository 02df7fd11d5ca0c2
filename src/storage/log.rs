//! A log: segments of records in one folder, the last of them open for appending.
//!
//! # Invariants
//! 1. A segment's name appears only after its header is durable (written under another name, renamed).
//! 2. All records of one epoch in one log are in one segment: a new one is begun between epochs only.
//! 3. Only the last segment can have a torn or uncommitted tail; it is cut off, durably, at open.

use super::disk::{Disk, DiskFile, io_error};
use super::record::{COMMIT, FLOOR, FRAME_SIZE, Found, Header, Kind, Record, damaged, record_at};
use super::tail::record_behind;
use crate::error::{Error, Result};
use crate::types::Epoch;

/// Name of a segment while it is being made.
const TEMPORARY: &str = "new.tmp";

/// Why an append did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing, or something that a rollback removes, was written.
    Refused(Error),
    /// Nobody knows what is durable.
    Unknown(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Refused(error)
    }
}

/// A segment that is in the folder.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    /// Bytes of the file, committed records only.
    pub(super) size: u64,
}

/// Where a log ended before an append.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    size: u64,
    next_offset: u64,
}

/// What is known about the ends of logs.
#[derive(Clone, Copy)]
pub(super) struct Tail<'a> {
    /// The logs were closed in order: nothing is torn, so what is unreadable is damage.
    pub(super) clean: bool,
    /// Whether an epoch is complete where its records do not say so themselves.
    pub(super) committed: &'a dyn Fn(Epoch) -> bool,
}

/// A log open for appending.
pub(super) struct Log {
    folder: String,
    /// Closed segments, oldest first.
    pub(super) closed: Vec<Segment>,
    active: Segment,
    /// The active segment's file, while it is being written to: there may be more logs than a process may
    /// have files.
    file: Option<Box<dyn DiskFile>>,
    next_offset: u64,
}

impl Log {
    /// Makes an empty log in `folder`.
    pub(super) fn create(
        disk: &mut dyn Disk,
        folder: &str,
        kind: Kind,
        schema: Vec<u8>,
        now_us: i64,
    ) -> Result<Log, Failure> {
        disk.create_folder(folder).map_err(|error| refused(&error, "create", folder))?;
        let log_id = uuid::Uuid::new_v4().as_u64_pair().0;
        let header = Header { kind, log_id, base_offset: 0, created_us: now_us, schema };
        let (active, _) = new_segment(disk, folder, header, &[])?;
        let folder = folder.to_owned();
        Ok(Log { folder, closed: Vec::new(), active, file: None, next_offset: 0 })
    }

    /// Opens the log in `folder`: checks every record, cuts off the tail that was never
    /// acknowledged, and hands the rest to `visit`. None if there is no segment.
    ///
    /// # Errors
    /// XX001 if anything but the tail is damaged.
    pub(super) fn open(
        disk: &mut dyn Disk,
        folder: &str,
        tail: Tail<'_>,
        visit: &mut dyn FnMut(&Found, &[u8]) -> Result<()>,
    ) -> Result<Option<Log>> {
        let mut segments: Vec<Segment> = Vec::new();
        let names = segment_names(disk, folder)?;
        let mut next_offset = 0;
        for (index, name) in names.iter().enumerate() {
            let path = format!("{folder}/{name}");
            let last = index + 1 == names.len();
            let bytes = read(disk, &path)?;
            let header = Header::decode(&bytes, &path)?;
            let first = segments.first().map_or(&header, |segment| &segment.header);
            let base_offset = if index == 0 { header.base_offset } else { next_offset };
            if (header.log_id, header.kind) != (first.log_id, first.kind) {
                return Err(damaged(&path, 16, "it belongs to another log"));
            }
            if header.base_offset != base_offset || segment_name(base_offset) != *name {
                return Err(damaged(&path, 24, "the segment before it is missing"));
            }
            next_offset = base_offset;
            let mut scan = Scan { path: &path, bytes: &bytes, header: &header, next_offset };
            let end = scan.run(last, tail, visit)?;
            next_offset = scan.next_offset;
            if end < bytes.len() {
                cut(disk, &path, end)?;
            }
            segments.push(Segment { header, size: end as u64 });
        }
        let Some(active) = segments.pop() else { return Ok(None) };
        let folder = folder.to_owned();
        Ok(Some(Log { folder, closed: segments, active, file: None, next_offset }))
    }

    /// The file that records are appended to.
    fn writing(&mut self, disk: &mut dyn Disk) -> Result<&mut dyn DiskFile, Failure> {
        if self.file.is_none() {
            let path = format!("{}/{}", self.folder, segment_name(self.active.header.base_offset));
            self.file = Some(disk.open(&path).map_err(|error| refused(&error, "open", &path))?);
        }
        Ok(&mut **self.file.as_mut().expect("just opened"))
    }

    /// Closes the file that records are appended to, until the next ones come.
    pub(super) fn release(&mut self) {
        self.file = None;
    }

    /// Schema of the newest segment.
    pub(super) fn schema(&self) -> &[u8] {
        &self.active.header.schema
    }

    /// Offset of the first row that is still there.
    pub(super) fn first_offset(&self) -> u64 {
        self.closed.first().unwrap_or(&self.active).header.base_offset
    }

    /// Bytes of all segments.
    pub(super) fn size(&self) -> u64 {
        self.closed.iter().map(|segment| segment.size).sum::<u64>() + self.active.size
    }

    /// When segment `index` of the closed ones was written to last.
    pub(super) fn closed_us(&self, index: usize) -> i64 {
        self.closed.get(index + 1).unwrap_or(&self.active).header.created_us
    }

    /// Where the log ends now.
    pub(super) fn mark(&self) -> Mark {
        Mark { size: self.active.size, next_offset: self.next_offset }
    }

    /// Where the log ended before `found`, its last record.
    pub(super) fn mark_before(&self, found: &Found) -> Mark {
        let next_offset = found.offset;
        Mark { size: (found.payload.start - FRAME_SIZE) as u64, next_offset }
    }

    /// Begins a new segment if the last one has reached `size_max`; `first` opens the new one.
    pub(super) fn roll(
        &mut self,
        disk: &mut dyn Disk,
        size_max: u64,
        now_us: i64,
        first: &[Record],
    ) -> Result<bool, Failure> {
        if self.active.size < size_max || self.next_offset == self.active.header.base_offset {
            return Ok(false);
        }
        let header = Header {
            base_offset: self.next_offset,
            created_us: now_us,
            ..self.active.header.clone()
        };
        let (active, file) = new_segment(disk, &self.folder, header, first)?;
        self.file = Some(file);
        self.next_offset += first.iter().map(|record| u64::from(record.count)).sum::<u64>();
        self.closed.push(std::mem::replace(&mut self.active, active));
        Ok(true)
    }

    /// Appends records with one write; not durable yet.
    pub(super) fn append(
        &mut self,
        disk: &mut dyn Disk,
        records: &[Record],
    ) -> Result<(), Failure> {
        let (bytes, next_offset) = encode(&self.active.header, self.next_offset, records)?;
        let written = self.writing(disk)?.append(&bytes);
        written.map_err(|error| refused(&error, "write to", &self.folder))?;
        self.active.size += bytes.len() as u64;
        self.next_offset = next_offset;
        Ok(())
    }

    /// Makes appended records durable.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        let synced = self.file.as_mut().map_or(Ok(()), |file| file.sync());
        synced.map_err(|error| unknown(&error, "sync", &self.folder))
    }

    /// Removes what was appended since `mark`, durably.
    pub(super) fn rollback(&mut self, mark: Mark) -> Result<(), Failure> {
        self.active.size = mark.size;
        self.next_offset = mark.next_offset;
        // Without a file nothing was appended.
        let Some(file) = &mut self.file else { return Ok(()) };
        let cut = file.truncate(mark.size).and_then(|()| file.sync());
        cut.map_err(|error| unknown(&error, "roll back", &self.folder))
    }

    /// Removes what has been there since `mark`, durably, before anything is appended.
    pub(super) fn cut_back(&mut self, disk: &mut dyn Disk, mark: Mark) -> Result<(), Failure> {
        self.writing(disk)?;
        self.rollback(mark)
    }

    /// Removes the oldest `count` closed segments. One that cannot be removed now is harmless, as long
    /// as none behind it goes: a gap would be damage. So each is gone for good before the next one.
    pub(super) fn drop_closed(&mut self, disk: &mut dyn Disk, count: usize) -> Result<()> {
        for _ in 0..count {
            let Some(oldest) = self.closed.first() else { break };
            let path = format!("{}/{}", self.folder, segment_name(oldest.header.base_offset));
            disk.remove(&path).map_err(|error| io_error(&error, &format!("remove {path}")))?;
            disk.sync_folder(&self.folder).map_err(|error| io_error(&error, "sync a folder"))?;
            self.closed.remove(0);
        }
        Ok(())
    }

    /// Paths of all segments and their sizes, oldest first.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, u64)> {
        self.closed.iter().chain(std::iter::once(&self.active)).map(|segment| {
            let name = segment_name(segment.header.base_offset);
            (format!("{}/{name}", self.folder), segment.size)
        })
    }
}

/// Walks the records of one segment.
struct Scan<'a> {
    path: &'a str,
    bytes: &'a [u8],
    header: &'a Header,
    next_offset: u64,
}

impl Scan<'_> {
    /// Visits the committed records; the byte where they end.
    fn run(
        &mut self,
        last: bool,
        tail: Tail<'_>,
        visit: &mut dyn FnMut(&Found, &[u8]) -> Result<()>,
    ) -> Result<usize> {
        let seed = self.header.seed();
        let mut at = self.header.size();
        let mut end = at;
        let mut offset = self.next_offset;
        let mut pending: Vec<Found> = Vec::new();
        let may_be_torn = last && !tail.clean;
        while at < self.bytes.len() {
            let Some(found) = record_at(self.bytes, at, seed) else {
                if !may_be_torn || record_behind(self.bytes, at, seed) {
                    return Err(damaged(self.path, at, "the checksum of a record is wrong"));
                }
                tracing::warn!(file = self.path, at, "cutting off a torn record");
                break;
            };
            if found.offset != offset {
                return Err(damaged(self.path, at, "a record is missing before it"));
            }
            if pending.first().is_some_and(|open| open.epoch != found.epoch) {
                return Err(damaged(self.path, end, "its epoch was never completed"));
            }
            at = found.end;
            offset += u64::from(found.count);
            let complete = found.flags & (COMMIT | FLOOR) != 0 || (tail.committed)(found.epoch);
            pending.push(found);
            if complete {
                for found in pending.drain(..) {
                    visit(&found, &self.bytes[found.payload.clone()])?;
                }
                (end, self.next_offset) = (at, offset);
            }
        }
        if end < at && !may_be_torn {
            return Err(damaged(self.path, end, "its epoch was never completed"));
        }
        Ok(end)
    }
}

/// The committed records of segment `path`, which [`Log::open`] has checked, with the file's bytes.
pub(super) fn read_segment(disk: &dyn Disk, path: &str) -> Result<(Header, Vec<u8>, Vec<Found>)> {
    let bytes = read(disk, path)?;
    let header = Header::decode(&bytes, path)?;
    let (mut at, mut records) = (header.size(), Vec::new());
    while at < bytes.len() {
        let found = record_at(&bytes, at, header.seed())
            .ok_or_else(|| damaged(path, at, "the checksum of a record is wrong"))?;
        at = found.end;
        records.push(found);
    }
    Ok((header, bytes, records))
}

/// Writes a segment under a temporary name, makes it durable, and names it by its first offset.
fn new_segment(
    disk: &mut dyn Disk,
    folder: &str,
    header: Header,
    records: &[Record],
) -> Result<(Segment, Box<dyn DiskFile>), Failure> {
    let name = segment_name(header.base_offset);
    write_file(disk, folder, &name, header, &mut |_, _| Ok(None), records)
}

/// Like a new segment, with any name, and with more records from `more` until it returns none.
pub(super) fn write_file(
    disk: &mut dyn Disk,
    folder: &str,
    name: &str,
    header: Header,
    more: &mut dyn FnMut(&Header, u64) -> Result<Option<Record>>,
    records: &[Record],
) -> Result<(Segment, Box<dyn DiskFile>), Failure> {
    let (temporary, path) = (format!("{folder}/{TEMPORARY}"), format!("{folder}/{name}"));
    let mut file = disk.create(&temporary).map_err(|error| refused(&error, "create", &path))?;
    let mut bytes = header.encode();
    let (first, mut offset) = encode(&header, header.base_offset, records)?;
    bytes.extend_from_slice(&first);
    let mut size = 0;
    loop {
        let written = file.append(&bytes);
        if let Err(error) = written {
            // Its name says that it is nothing; the next new segment overwrites it.
            let _ = disk.remove(&temporary);
            return Err(refused(&error, "write", &path));
        }
        size += bytes.len() as u64;
        let Some(record) = more(&header, offset)? else { break };
        (bytes, offset) = encode(&header, offset, &[record])?;
    }
    file.sync().map_err(|error| unknown(&error, "sync", &path))?;
    disk.rename(&temporary, &path).map_err(|error| refused(&error, "rename", &path))?;
    disk.sync_folder(folder).map_err(|error| unknown(&error, "sync", folder))?;
    Ok((Segment { header, size }, file))
}

fn encode(header: &Header, mut offset: u64, records: &[Record]) -> Result<(Vec<u8>, u64)> {
    let mut bytes = Vec::new();
    for record in records {
        record.encode(header.seed(), offset, &mut bytes)?;
        offset += u64::from(record.count);
    }
    Ok((bytes, offset))
}

fn cut(disk: &mut dyn Disk, path: &str, size: usize) -> Result<()> {
    tracing::info!(file = path, size, "cutting off what was never acknowledged");
    let cut = disk.open(path).and_then(|mut file| {
        file.truncate(size as u64)?;
        file.sync()
    });
    cut.map_err(|error| io_error(&error, &format!("cut {path}")))
}

fn read(disk: &dyn Disk, path: &str) -> Result<Vec<u8>> {
    disk.read(path).map_err(|error| io_error(&error, &format!("read {path}")))
}

fn segment_name(base_offset: u64) -> String {
    format!("{base_offset:020}.seg")
}

fn segment_names(disk: &dyn Disk, folder: &str) -> Result<Vec<String>> {
    let names = disk.list(folder).map_err(|error| io_error(&error, &format!("list {folder}")))?;
    Ok(names.into_iter().filter(|name| name.ends_with(".seg") && name.len() == 24).collect())
}

fn refused(error: &std::io::Error, attempt: &str, path: &str) -> Failure {
    Failure::Refused(io_error(error, &format!("{attempt} {path}")))
}

fn unknown(error: &std::io::Error, attempt: &str, path: &str) -> Failure {
    Failure::Unknown(io_error(error, &format!("{attempt} {path}")))
}
