//! All logs of a data directory behind one commit.
//!
//! # How an epoch becomes durable
//! 1. Its records are appended to the log of every table that it changes, and the logs are synced.
//! 2. If that is one file, its last record carries the commit. Otherwise a record in the epoch log,
//!    written and synced after all of them, is the commit.
//! 3. What a crash leaves without its commit is cut off at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::disk::{Disk, io_error};
use super::epoch_log::{self, EpochLog};
use super::log::{Failure, Log, Mark, Tail};
use super::record::{COMMIT, Kind, Record, damaged};
use super::table_log::{self, TableLog};
use crate::clock::Clock;
use crate::error::{Error, Result, SqlState};
use crate::types::{Delta, Epoch, ObjectId};

/// Most tables whose files are kept open.
const OPEN_MAX: usize = 128;

/// Folder of the catalog's log.
const CATALOG: &str = "catalog";

/// Settings of a [`Store`].
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Size in bytes after which a log segment is closed and a new one begun.
    pub segment_size_max: u64,
    /// Dates segments, for [`Retention::age_us`].
    pub clock: Arc<dyn Clock>,
}

/// What `RETAIN LOG` keeps of a table's log beyond the table's live rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Closed segments whose last record is older than this many microseconds may go.
    pub age_us: Option<i64>,
    /// The oldest closed segments may go while the log is larger than this many bytes.
    pub size: Option<u64>,
}

/// What [`Store::open`] found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Records of [`Store::append_catalog`], in order.
    pub catalog: Vec<Vec<u8>>,
    /// The last committed epoch.
    pub epoch: Epoch,
    /// Last recorded position of each source.
    pub source_positions: Vec<(ObjectId, String)>,
    /// Tables that have a log. Those that the catalog does not know were being created or dropped at
    /// the crash: drop them.
    pub tables: Vec<ObjectId>,
}

/// The durable part of an engine.
///
/// # Invariants
/// 1. After a failed sync nothing is accepted any more (`poisoned`; the crash tests).
/// 2. After any other failure the logs are as before the call (the crash tests).
pub struct Store {
    disk: Box<dyn Disk>,
    options: StoreOptions,
    catalog: Log,
    epochs: EpochLog,
    tables: BTreeMap<ObjectId, TableLog>,
    /// Tables of which files are open.
    open: BTreeSet<ObjectId>,
    last: Epoch,
    poisoned: Option<Error>,
    abandoned: bool,
}

impl Store {
    /// Locks `disk`, reads what is there and cuts off what was never acknowledged.
    ///
    /// # Errors
    /// 55006 if another process holds the directory; XX001, naming file and offset, if bytes that
    /// were acknowledged are damaged.
    pub fn open(mut disk: Box<dyn Disk>, options: StoreOptions) -> Result<(Store, Recovered)> {
        disk.lock()?;
        refuse_missing(&*disk)?;
        let now_us = options.clock.now_us();
        let mut epochs = EpochLog::open(&mut *disk, now_us).map_err(reason)?;
        let clean = epochs.closed().is_some();
        let mut records = Vec::new();
        let tail = Tail { clean, committed: &|_| false };
        let catalog = Log::open(&mut *disk, CATALOG, tail, &mut |_, payload| {
            records.push(payload.to_vec());
            Ok(())
        })?;
        let catalog = match catalog {
            Some(catalog) => catalog,
            None => Log::create(&mut *disk, CATALOG, Kind::Catalog, Vec::new(), now_us)
                .map_err(reason)?,
        };
        let names = disk.list("log").map_err(|error| io_error(&error, "list the logs"))?;
        for half in names.iter().filter(|name| name.ends_with(table_log::DROPPED)) {
            let path = format!("log/{half}");
            disk.remove(&path).map_err(|error| io_error(&error, &format!("remove {path}")))?;
        }
        let ids: Vec<_> = names.iter().filter_map(|name| name.parse().ok().map(ObjectId)).collect();
        let mut tables = BTreeMap::new();
        for &table in &ids {
            let committed = |epoch| epochs.committed(epoch);
            let tail = Tail { clean, committed: &committed };
            if let Some(log) = TableLog::open(&mut *disk, table, tail)? {
                tables.insert(table, log);
            }
        }
        if let Some(files) = epochs.closed() {
            let logs = tables.values().flat_map(TableLog::files).chain(catalog.files());
            refuse_shorter(files, &logs.collect())?;
        }
        // ORDER: after all logs were checked, or a second start would take damage for a torn tail.
        epochs.reopen(&mut *disk).map_err(reason)?;
        let last = tables.values().map(|table| table.last).max().unwrap_or_default();
        let last = last.max(epochs.last());
        let source_positions =
            epochs.positions.iter().map(|(id, text)| (*id, text.clone())).collect();
        let recovered = Recovered { catalog: records, epoch: last, source_positions, tables: ids };
        let store = Store {
            disk,
            options,
            catalog,
            epochs,
            tables,
            open: BTreeSet::new(),
            last,
            poisoned: None,
            abandoned: false,
        };
        Ok((store, recovered))
    }

    /// Appends a definition; durable on return.
    ///
    /// # Errors
    /// 53100 if the disk is full (nothing is written), 58030 if the log is poisoned.
    pub fn append_catalog(&mut self, record: &[u8]) -> Result<()> {
        self.check_poison()?;
        let mark = self.catalog.mark();
        let record = Record { epoch: self.last, count: 1, flags: COMMIT, payload: record.to_vec() };
        let appended = self.catalog.append(&mut *self.disk, &[record]);
        let appended = appended.and_then(|()| self.catalog.sync());
        let undone = match appended {
            Err(Failure::Refused(_)) => self.catalog.rollback(mark),
            _ => Ok(()),
        };
        self.settle(appended, undone)
    }

    /// Makes an empty log for a table. Call it before the definition is appended to the catalog.
    ///
    /// # Errors
    /// As for [`Store::append_catalog`].
    pub fn create_table(
        &mut self,
        table: ObjectId,
        schema: &SchemaRef,
        partitions: u32,
    ) -> Result<()> {
        self.check_poison()?;
        let now_us = self.options.clock.now_us();
        let created = TableLog::create(&mut *self.disk, table, schema, partitions, now_us);
        let result = created.map(|log| {
            self.tables.insert(table, log);
        });
        self.settle(result, Ok(()))
    }

    /// Removes a table's log. Call it after the drop is in the catalog.
    ///
    /// # Errors
    /// If the files cannot be removed; the next start finds them as orphans.
    pub fn drop_table(&mut self, table: ObjectId) -> Result<()> {
        self.tables.remove(&table);
        let folder = table_log::folder(table);
        let dropped = format!("{folder}{}", table_log::DROPPED);
        // ORDER: renamed first: with some of its files left a table would look damaged.
        let renamed = match self.disk.rename(&folder, &dropped) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => self.disk.sync_folder("log"),
        };
        let removed = renamed.and_then(|()| self.disk.remove(&dropped));
        removed.map_err(|error| io_error(&error, &format!("remove {folder}")))
    }

    /// Makes the changes of one epoch durable, all or none: table rows, and how far sources were
    /// read to make them (an empty position forgets a source). Positions without table changes are
    /// written but not synced: a source that loses its last positions reads on from older ones.
    ///
    /// # Errors
    /// 53100 if the disk is full: nothing is written and the store goes on. 58030 if a sync failed,
    /// now or before: nothing is accepted until a restart has read back what is really there.
    pub fn commit(
        &mut self,
        epoch: Epoch,
        changes: &[(ObjectId, Delta)],
        positions: &[(ObjectId, String)],
    ) -> Result<()> {
        self.check_poison()?;
        if epoch <= self.last {
            return Err(Error::internal(format!("epoch {epoch} is committed already")));
        }
        let mut touched: BTreeMap<ObjectId, Vec<&Delta>> = BTreeMap::new();
        for (table, delta) in changes.iter().filter(|(_, delta)| !delta.is_empty()) {
            touched.entry(*table).or_default().push(delta);
        }
        if touched.is_empty() && positions.is_empty() {
            return Ok(());
        }
        let mut marks = Vec::new();
        let written = self.write(epoch, &touched, positions, &mut marks);
        let undone = match &written {
            Err(Failure::Refused(_)) => self.rollback(epoch, &marks),
            _ => Ok(()),
        };
        self.settle(written, undone)?;
        self.last = epoch;
        if self.commits_in_epoch_log(touched.len(), positions) {
            self.epochs.completed(epoch, positions);
        }
        for table in touched.keys() {
            self.tables.get_mut(table).expect("it was written to").last = epoch;
        }
        self.release_files(&touched.into_keys().collect());
        Ok(())
    }

    /// Hands a table's deltas to `visit`, oldest epoch first; their sum is the table.
    ///
    /// # Errors
    /// What `visit` reports; XX001 for damaged bytes or a log that is missing.
    pub fn replay(
        &self,
        table: ObjectId,
        visit: &mut dyn FnMut(Epoch, Delta) -> Result<()>,
    ) -> Result<()> {
        self.table(table)?.replay(&*self.disk, visit)
    }

    /// Whether [`Store::rebase`] would free enough segments of this table to be worth its cost.
    #[must_use]
    pub fn retention_due(&self, table: ObjectId, retention: Retention) -> bool {
        let now_us = self.options.clock.now_us();
        self.tables.get(&table).is_some_and(|table| table.retention_due(retention, now_us))
    }

    /// Writes the table's rows as of `epoch`, the last one committed, as the new base of its log,
    /// then drops the closed segments that `retention` does not keep.
    ///
    /// # Errors
    /// As for [`Store::commit`]; the table's rows are then as before.
    pub fn rebase(
        &mut self,
        table: ObjectId,
        epoch: Epoch,
        rows: &mut dyn Iterator<Item = Delta>,
        retention: Retention,
    ) -> Result<()> {
        self.check_poison()?;
        let now_us = self.options.clock.now_us();
        if epoch < self.table(table)?.last {
            return Err(Error::internal("a base must hold everything in its table's log"));
        }
        let log = self.tables.get_mut(&table).expect("just found");
        let written = log.rebase(&mut *self.disk, epoch, rows, retention, now_us);
        self.settle(written, Ok(()))
    }

    /// Lets go of the directory as a killed process does: nothing further is written.
    pub fn abandon(mut self) {
        self.abandoned = true;
    }

    /// The steps of a commit; `marks` says where logs ended before it.
    fn write(
        &mut self,
        epoch: Epoch,
        touched: &BTreeMap<ObjectId, Vec<&Delta>>,
        positions: &[(ObjectId, String)],
        marks: &mut Vec<(Option<ObjectId>, Mark)>,
    ) -> Result<(), Failure> {
        let (size_max, now_us) = (self.options.segment_size_max, self.options.clock.now_us());
        let in_epoch_log = self.commits_in_epoch_log(touched.len(), positions);
        let mut encoded = Vec::new();
        for (table, deltas) in touched {
            encoded.push((*table, self.table(*table)?.encode(epoch, deltas, !in_epoch_log)?));
        }
        for (table, records) in &encoded {
            let log = self.tables.get_mut(table).expect("just found").partition(epoch);
            log.roll(&mut *self.disk, size_max, now_us, &[])?;
            marks.push((Some(*table), log.mark()));
            log.append(&mut *self.disk, records)?;
        }
        for (table, _) in &encoded {
            self.tables.get_mut(table).expect("just found").partition(epoch).sync()?;
        }
        if in_epoch_log {
            self.epochs.roll(&mut *self.disk, size_max, now_us, self.last)?;
            marks.push((None, self.epochs.log.mark()));
            self.epochs.append(&mut *self.disk, epoch, positions)?;
            if !touched.is_empty() {
                self.epochs.log.sync()?;
            }
        }
        Ok(())
    }

    fn commits_in_epoch_log(&self, tables: usize, positions: &[(ObjectId, String)]) -> bool {
        tables != 1 || !positions.is_empty()
    }

    /// Closes the files of tables that were not `written` to just now, if too many are open.
    fn release_files(&mut self, written: &BTreeSet<ObjectId>) {
        self.open.extend(written);
        if self.open.len() <= OPEN_MAX {
            return;
        }
        for table in std::mem::replace(&mut self.open, written.clone()).difference(written) {
            self.tables.get_mut(table).into_iter().for_each(TableLog::release);
        }
    }

    /// Takes back what a refused commit has written.
    fn rollback(
        &mut self,
        epoch: Epoch,
        marks: &[(Option<ObjectId>, Mark)],
    ) -> Result<(), Failure> {
        // ORDER: the epoch log first, or a crash in between leaves an epoch in part.
        for (table, mark) in marks.iter().rev() {
            match table {
                Some(table) => {
                    let table = self.tables.get_mut(table).expect("it was written to");
                    table.partition(epoch).rollback(*mark)?;
                }
                None => self.epochs.log.rollback(*mark)?,
            }
        }
        Ok(())
    }

    fn table(&self, table: ObjectId) -> Result<&TableLog> {
        self.tables.get(&table).ok_or_else(|| {
            let message = format!("the log of table {table} is missing");
            Error::new(SqlState::DataCorrupted, message)
                .hint("Restore the data directory from a backup.")
        })
    }

    fn check_poison(&self) -> Result<()> {
        let Some(cause) = &self.poisoned else { return Ok(()) };
        Err(Error::new(SqlState::IoError, "the log takes no more writes after a failed sync")
            .detail(format!("The failure was: {cause}."))
            .hint("Check the disk, then restart: recovery finds out what is really there."))
    }

    /// Turns an outcome into the caller's; poisons the store if nobody knows what is durable.
    fn settle(&mut self, written: Result<(), Failure>, undone: Result<(), Failure>) -> Result<()> {
        let error = match (written, undone) {
            (Ok(()), Ok(())) => return Ok(()),
            (Err(Failure::Refused(error)), Ok(())) => return Err(error),
            (_, Err(failure)) | (Err(failure), _) => reason(failure),
        };
        tracing::error!(%error, "the log takes no more writes until a restart");
        self.poisoned = Some(error.clone());
        let message = format!("it is unknown whether the change is durable: {error}");
        Err(Error::new(SqlState::IoError, message).hint("Check the disk, then restart."))
    }
}

impl Drop for Store {
    /// Closes the logs in order, so that the next start can tell damage from a torn tail.
    fn drop(&mut self) {
        if self.abandoned || self.poisoned.is_some() || std::thread::panicking() {
            return;
        }
        let logs = self.tables.values().flat_map(TableLog::files).chain(self.catalog.files());
        let files: Vec<(String, u64)> = logs.collect();
        if let Err(failure) = self.epochs.close(&mut *self.disk, self.last, &files) {
            tracing::warn!(error = %reason(failure), "the logs could not be closed in order");
        }
    }
}

/// A directory that has lost one of its logs must not pass for a new one.
fn refuse_missing(disk: &dyn Disk) -> Result<()> {
    let there = |folder: &str| {
        let names = disk.list(folder).map_err(|error| io_error(&error, &format!("list {folder}")));
        names.map(|names| !names.is_empty())
    };
    let (epochs, catalog, tables) = (there(epoch_log::FOLDER)?, there(CATALOG)?, there("log")?);
    let lost = match (epochs, catalog, tables) {
        (false, true, _) | (false, _, true) => epoch_log::FOLDER,
        (_, false, true) => CATALOG,
        _ => return Ok(()),
    };
    Err(missing(lost))
}

/// No file may be shorter than it was when the logs were closed, or be gone.
fn refuse_shorter(closed: &[(String, u64)], found: &BTreeMap<String, u64>) -> Result<()> {
    for (path, size) in closed {
        match found.get(path) {
            None => return Err(missing(path)),
            Some(found) if found == size => {}
            Some(&found) => {
                let at = usize::try_from(found.min(*size)).unwrap_or(usize::MAX);
                return Err(damaged(path, at, "it does not end where it ended"));
            }
        }
    }
    Ok(())
}

/// XX001 for something that is not there.
fn missing(path: &str) -> Error {
    Error::new(SqlState::DataCorrupted, format!("\"{path}\" of the data directory is missing"))
        .hint("Restore the data directory from a backup, and check the disk.")
}

fn reason(failure: Failure) -> Error {
    match failure {
        Failure::Refused(error) | Failure::Unknown(error) => error,
    }
}

#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod tests;
