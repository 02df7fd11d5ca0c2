//! Which epochs are complete, and how far sources were read by then.
//!
//! A record with a payload of positions commits its epoch. When the log is rolled, the new segment
//! begins with a floor: all epochs so far, and all positions; the older segments go. The last record of
//! an engine that ended in order says so: then whatever is unreadable in any log is damage.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::Disk;
use super::log::{Failure, Log, Mark, Tail};
use super::record::{CLOSED, COMMIT, FLOOR, Kind, Record};
use crate::error::{Error, Result, SqlState};
use crate::types::{Epoch, ObjectId};

const FOLDER: &str = "epochs";

/// The epoch log, and what it says.
pub(super) struct EpochLog {
    pub(super) log: Log,
    /// Last recorded position of each source.
    pub(super) positions: BTreeMap<ObjectId, String>,
    /// Where the log ended before it was closed in order.
    closed: Option<Mark>,
    floor: Epoch,
    complete: BTreeSet<Epoch>,
}

impl EpochLog {
    pub(super) fn open(disk: &mut dyn Disk, now_us: i64) -> Result<EpochLog, Failure> {
        let mut positions = BTreeMap::new();
        let (mut floor, mut complete, mut last) = (Epoch(0), BTreeSet::new(), None);
        let tail = Tail { clean: false, committed: &|_| true };
        let log = Log::open(disk, FOLDER, tail, &mut |found, payload| {
            last = Some(found.clone());
            if found.has(CLOSED) {
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
        let closed = last.filter(|found| found.has(CLOSED)).map(|found| log.mark_before(&found));
        Ok(EpochLog { log, positions, closed, floor, complete })
    }

    /// Whether all logs were closed in order.
    pub(super) fn closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Takes back that the logs are closed: before anything is written to them. Needs no space.
    pub(super) fn reopen(&mut self) -> Result<(), Failure> {
        self.closed.take().map_or(Ok(()), |mark| self.log.rollback(mark))
    }

    /// Says that all logs are closed.
    pub(super) fn close(&mut self, last: Epoch) -> Result<(), Failure> {
        let payload = encode(&[])?;
        self.log.append(&[Record { epoch: last, count: 1, flags: COMMIT | CLOSED, payload }])?;
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
        epoch: Epoch,
        positions: &[(ObjectId, String)],
    ) -> Result<(), Failure> {
        let payload = encode(positions)?;
        self.log.append(&[Record { epoch, count: 1, flags: COMMIT, payload }])
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

fn encode(positions: &[(ObjectId, String)]) -> Result<Vec<u8>> {
    serde_json::to_vec(positions).map_err(|error| Error::internal(error.to_string()))
}

fn decode(payload: &[u8]) -> Result<Vec<(ObjectId, String)>> {
    serde_json::from_slice(payload).map_err(|error| {
        Error::new(SqlState::DataCorrupted, "a record of the epoch log cannot be decoded")
            .detail(error.to_string())
    })
}
