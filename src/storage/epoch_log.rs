//! Which epochs are complete, and how far sources were read by then.
//!
//! A record with a payload of positions commits its epoch. When the log is rolled, the new segment
//! begins with a floor: all epochs so far, and all positions; the older segments go. The last record of
//! an engine that ended in order says so: then whatever is unreadable in any log is damage.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::Disk;
use super::log::{Failure, Log, Mark, Tail};
use super::record::{CLOSED, COMMIT, FLOOR, Kind, Record};
use crate::error::{Error, Result, SqlState};
use crate::types::{Epoch, ObjectId};

/// Folder of the epoch log.
pub(super) const FOLDER: &str = "epochs";

/// The epoch log, and what it says.
pub(super) struct EpochLog {
    pub(super) log: Log,
    /// Last recorded position of each source.
    pub(super) positions: BTreeMap<ObjectId, String>,
    /// If it was closed in order: where it ended before, and the files of the other logs with their sizes.
    closed: Option<(Mark, Vec<(String, u64)>)>,
    floor: Epoch,
    complete: BTreeSet<Epoch>,
}

impl EpochLog {
    pub(super) fn open(disk: &mut dyn Disk, now_us: i64) -> Result<EpochLog, Failure> {
        let mut positions = BTreeMap::new();
        let (mut floor, mut complete, mut closing) = (Epoch(0), BTreeSet::new(), None);
        let tail = Tail { clean: false, committed: &|_| true };
        let log = Log::open(disk, FOLDER, tail, &mut |found, payload| {
            closing = None;
            if found.has(CLOSED) {
                closing = Some((found.clone(), decode(payload)?));
                return Ok(());
            }
            if found.has(FLOOR) {
                floor = found.epoch;
                complete.clear();
                positions.clear();
            } else {
                complete.insert(found.epoch);
            }
            merge(&mut positions, decode(payload)?);
            Ok(())
        })?;
        let log = match log {
            Some(log) => log,
            None => Log::create(disk, FOLDER, Kind::Epochs, Vec::new(), now_us)?,
        };
        let closed = closing.map(|(found, files)| (log.mark_before(&found), files));
        Ok(EpochLog { log, positions, closed, floor, complete })
    }

    /// Whether all logs were closed in order; then their files, with the sizes that they had.
    pub(super) fn closed(&self) -> Option<&[(String, u64)]> {
        self.closed.as_ref().map(|(_, files)| files.as_slice())
    }

    /// Takes back that the logs are closed: before anything is written to them. Needs no space.
    pub(super) fn reopen(&mut self, disk: &mut dyn Disk) -> Result<(), Failure> {
        self.closed.take().map_or(Ok(()), |(mark, _)| self.log.cut_back(disk, mark))
    }

    /// Says that all logs are closed, and which `files` with which sizes they consist of.
    pub(super) fn close(
        &mut self,
        disk: &mut dyn Disk,
        last: Epoch,
        files: &[(String, u64)],
    ) -> Result<(), Failure> {
        let payload = encode(&files)?;
        self.log
            .append(disk, &[Record { epoch: last, count: 1, flags: COMMIT | CLOSED, payload }])?;
        self.log.sync()
    }

    /// Whether all records of an epoch are to be kept.
    pub(super) fn committed(&self, epoch: Epoch) -> bool {
        epoch <= self.floor || self.complete.contains(&epoch)
    }

    /// The last epoch in this log.
    pub(super) fn last(&self) -> Epoch {
        self.complete.last().copied().unwrap_or_default().max(self.floor)
    }

    /// Begins a new segment if it is time; `last` is the last committed epoch of all logs.
    pub(super) fn roll(
        &mut self,
        disk: &mut dyn Disk,
        size_max: u64,
        now_us: i64,
        last: Epoch,
    ) -> Result<(), Failure> {
        let all: Vec<_> = self.positions.iter().map(|(id, text)| (*id, text.clone())).collect();
        let payload = encode(&all)?;
        let floor = Record { epoch: last, count: 1, flags: FLOOR, payload };
        if self.log.roll(disk, size_max, now_us, &[floor])? {
            self.floor = last;
            self.complete.clear();
            // What stays behind if this fails says nothing that the floor does not say.
            self.log.drop_closed(disk, self.log.closed.len())?;
        }
        Ok(())
    }

    /// Appends the record that completes `epoch`; not durable yet.
    pub(super) fn append(
        &mut self,
        disk: &mut dyn Disk,
        epoch: Epoch,
        positions: &[(ObjectId, String)],
    ) -> Result<(), Failure> {
        let payload = encode(&positions)?;
        self.log.append(disk, &[Record { epoch, count: 1, flags: COMMIT, payload }])
    }

    /// The appended record stands.
    pub(super) fn completed(&mut self, epoch: Epoch, positions: &[(ObjectId, String)]) {
        self.complete.insert(epoch);
        merge(&mut self.positions, positions.to_vec());
    }
}

/// An empty position forgets a source.
fn merge(all: &mut BTreeMap<ObjectId, String>, new: Vec<(ObjectId, String)>) {
    for (source, position) in new {
        if position.is_empty() {
            all.remove(&source);
        } else {
            all.insert(source, position);
        }
    }
}

fn encode(content: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(content).map_err(|error| Error::internal(error.to_string()))
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(|error| {
        Error::new(SqlState::DataCorrupted, "a record of the epoch log cannot be decoded")
            .detail(error.to_string())
    })
}
