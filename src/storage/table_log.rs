//! The log of one table: a folder with a log per partition, and at most one base in use.
//!
//! A base holds the table's rows as of one epoch, so that segments with nothing later may go. It
//! counts from the rename that names it; replay begins with the newest one.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Retention;
use super::codec::Codec;
use super::disk::{Disk, io_error};
use super::log::{Failure, Log, Tail, read_segment, write_file};
use super::record::{COMMIT, Found, Header, Kind, Record, damaged};
use crate::error::Result;
use crate::types::{Delta, Epoch, ObjectId};

/// Ending of the folder of a table that is being removed.
pub(super) const DROPPED: &str = ".dropped";

/// The log of one table.
pub(super) struct TableLog {
    folder: String,
    pub(super) partitions: Vec<Log>,
    codec: Codec,
    base: Option<(Epoch, String)>,
    base_size: u64,
    /// Last epoch that changed the table.
    pub(super) last: Epoch,
}

/// The folder of a table's log.
pub(super) fn folder(table: ObjectId) -> String {
    format!("log/{table}")
}

impl TableLog {
    pub(super) fn create(
        disk: &mut dyn Disk,
        table: ObjectId,
        schema: &SchemaRef,
        partitions: u32,
        now_us: i64,
    ) -> Result<TableLog, Failure> {
        let folder = folder(table);
        // A crash may have left a table of this number that never came into the catalog.
        disk.remove(&folder).map_err(|error| io_error(&error, &format!("remove {folder}")))?;
        let codec = Codec::new(Arc::clone(schema));
        let encoded = codec.encode_schema()?;
        let mut logs = Vec::new();
        for partition in 0..partitions.max(1) {
            let folder = format!("{folder}/{partition}");
            logs.push(Log::create(disk, &folder, Kind::Table, encoded.clone(), now_us)?);
        }
        let last = Epoch(0);
        Ok(TableLog { folder, partitions: logs, codec, base: None, base_size: 0, last })
    }

    /// None if the folder holds nothing: the table was being created or dropped.
    pub(super) fn open(
        disk: &mut dyn Disk,
        table: ObjectId,
        tail: Tail<'_>,
    ) -> Result<Option<TableLog>> {
        let folder = folder(table);
        let names = disk.list(&folder).map_err(|error| io_error(&error, "list a folder"))?;
        let mut partitions = Vec::new();
        let mut last = Epoch(0);
        for partition in 0..names.iter().filter(|name| name.parse::<u32>().is_ok()).count() {
            let path = format!("{folder}/{partition}");
            let log = Log::open(disk, &path, tail, &mut |found, _| {
                last = last.max(found.epoch);
                Ok(())
            })?;
            let Some(log) = log else { return Ok(None) };
            partitions.push(log);
        }
        let Some(first) = partitions.first() else { return Ok(None) };
        let codec = Codec::decode_schema(first.schema())?;
        let base = names.iter().filter_map(|name| base_epoch(name)).max();
        let base = base.map(|epoch| (epoch, format!("{folder}/{}", base_name(epoch))));
        if base.is_none() && partitions.iter().any(|log| log.first_offset() > 0) {
            let what = "the base that holds the rows of older segments is missing";
            return Err(damaged(&folder, 0, what));
        }
        last = base.as_ref().map_or(last, |(epoch, _)| last.max(*epoch));
        let base_size = match &base {
            Some((_, path)) => read_segment(disk, path)?.1.len() as u64,
            None => 0,
        };
        Ok(Some(TableLog { folder, partitions, codec, base, base_size, last }))
    }

    /// Paths of all files and their sizes.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, u64)> {
        let base = self.base.iter().map(|(_, path)| (path.clone(), self.base_size));
        self.partitions.iter().flat_map(Log::files).chain(base)
    }

    /// The records of one epoch's deltas; the last of them completes the epoch if `alone`.
    pub(super) fn encode(
        &self,
        epoch: Epoch,
        deltas: &[&Delta],
        alone: bool,
    ) -> Result<Vec<Record>> {
        let records = deltas.iter().map(|delta| self.codec.encode(epoch, delta));
        let mut records = records.collect::<Result<Vec<Record>>>()?;
        if let Some(last) = records.last_mut().filter(|_| alone) {
            last.flags |= COMMIT;
        }
        Ok(records)
    }

    /// The partition that an epoch's changes go to: one file to sync, whatever the number of rows.
    pub(super) fn partition(&mut self, epoch: Epoch) -> &mut Log {
        let count = self.partitions.len() as u64;
        let index = usize::try_from(epoch.0 % count).expect("below the number of partitions");
        &mut self.partitions[index]
    }

    /// Closes the files that are open for appending.
    pub(super) fn release(&mut self) {
        self.partitions.iter_mut().for_each(Log::release);
    }

    /// Hands all deltas to `visit`, oldest epoch first.
    pub(super) fn replay(
        &self,
        disk: &dyn Disk,
        visit: &mut dyn FnMut(Epoch, Delta) -> Result<()>,
    ) -> Result<()> {
        let mut since = Epoch(0);
        if let Some((epoch, path)) = &self.base {
            since = *epoch;
            let mut base = Cursor::new([path.clone()].into());
            while base.peek(disk)?.is_some() {
                visit(since, base.next()?)?;
            }
        }
        let mut cursors: Vec<Cursor> = self
            .partitions
            .iter()
            .map(|log| Cursor::new(log.files().map(|f| f.0).collect()))
            .collect();
        loop {
            let mut oldest: Option<(Epoch, usize)> = None;
            for (index, cursor) in cursors.iter_mut().enumerate() {
                let next = cursor.peek(disk)?.map(|epoch| (epoch, index));
                oldest = [oldest, next].into_iter().flatten().min();
            }
            let Some((epoch, index)) = oldest else { return Ok(()) };
            let delta = cursors[index].next()?;
            if epoch > since {
                visit(epoch, delta)?;
            }
        }
    }

    /// How many of the oldest closed segments of each partition may go, and their bytes.
    fn expired(&self, retention: Retention, now_us: i64) -> (Vec<usize>, u64) {
        let share = retention.size.map(|size| size / self.partitions.len() as u64);
        let mut bytes = 0;
        let counts = self.partitions.iter().map(|log| {
            let mut kept = log.size();
            let old = (0..log.closed.len()).take_while(|&index| {
                let since = |age: i64| now_us.saturating_sub(age);
                let aged = retention.age_us.is_some_and(|age| log.closed_us(index) < since(age));
                let gone = aged || share.is_some_and(|share| kept > share);
                kept -= log.closed[index].size;
                gone
            });
            let count = old.count();
            bytes += log.closed[..count].iter().map(|segment| segment.size).sum::<u64>();
            count
        });
        (counts.collect(), bytes)
    }

    /// Whether a new base frees at least as many bytes as the last one had: so the cost of bases
    /// stays in proportion to what is written.
    pub(super) fn retention_due(&self, retention: Retention, now_us: i64) -> bool {
        let (_, bytes) = self.expired(retention, now_us);
        bytes > 0 && bytes >= self.base_size
    }

    /// Writes a base as of `epoch` and drops what `retention` does not keep.
    pub(super) fn rebase(
        &mut self,
        disk: &mut dyn Disk,
        epoch: Epoch,
        rows: &mut dyn Iterator<Item = Delta>,
        retention: Retention,
        now_us: i64,
    ) -> Result<(), Failure> {
        let header = Header {
            kind: Kind::Base,
            log_id: uuid::Uuid::new_v4().as_u64_pair().0,
            base_offset: 0,
            created_us: now_us,
            schema: self.codec.encode_schema()?,
        };
        let name = base_name(epoch);
        let mut more =
            |_: &Header, _| rows.next().map(|rows| self.codec.encode(epoch, &rows)).transpose();
        let (segment, _) = write_file(disk, &self.folder, &name, header, &mut more, &[])?;
        let path = format!("{}/{name}", self.folder);
        self.base_size = segment.size;
        self.base = Some((epoch, path));
        // All others, also what a crash has left: the newest one is all that is read.
        let names = disk.list(&self.folder).map_err(|error| io_error(&error, "list a folder"))?;
        for old in names.iter().filter(|old| base_epoch(old).is_some() && **old != name) {
            let old = format!("{}/{old}", self.folder);
            disk.remove(&old).map_err(|error| io_error(&error, &format!("remove {old}")))?;
        }
        let (counts, _) = self.expired(retention, now_us);
        for (log, count) in itertools::zip_eq(&mut self.partitions, counts) {
            log.drop_closed(disk, count)?;
        }
        Ok(())
    }
}

/// Reads records of a list of segments, one file at a time.
struct Cursor {
    paths: VecDeque<String>,
    path: String,
    bytes: Vec<u8>,
    codec: Option<Codec>,
    records: VecDeque<Found>,
}

impl Cursor {
    fn new(paths: VecDeque<String>) -> Cursor {
        let (path, bytes, records) = (String::new(), Vec::new(), VecDeque::new());
        Cursor { paths, path, bytes, codec: None, records }
    }

    /// The epoch of the next record.
    fn peek(&mut self, disk: &dyn Disk) -> Result<Option<Epoch>> {
        while self.records.is_empty() {
            let Some(path) = self.paths.pop_front() else { return Ok(None) };
            let (header, bytes, records) = read_segment(disk, &path)?;
            self.codec = Some(Codec::decode_schema(&header.schema)?);
            (self.path, self.bytes, self.records) = (path, bytes, records.into());
        }
        Ok(self.records.front().map(|found| found.epoch))
    }

    fn next(&mut self) -> Result<Delta> {
        let found = self.records.pop_front().expect("peek has found a record");
        let codec = self.codec.as_ref().expect("peek has read a header");
        let payload = &self.bytes[found.payload.clone()];
        codec
            .decode(found.flags, payload)
            .map_err(|error| damaged(&self.path, found.payload.start, error.message()))
    }
}

fn base_name(epoch: Epoch) -> String {
    format!("base-{:020}.seg", epoch.0)
}

fn base_epoch(name: &str) -> Option<Epoch> {
    name.strip_prefix("base-")?.strip_suffix(".seg")?.parse().ok().map(Epoch)
}
