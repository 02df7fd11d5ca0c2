//! All logs of a data directory behind one commit.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Disk;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::types::{Delta, Epoch, ObjectId};

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
pub struct Store {
    _disk: Box<dyn Disk>,
}

impl Store {
    /// Locks `disk`, reads what is there and cuts off what was never acknowledged.
    ///
    /// # Errors
    /// 55006 if another process holds the directory; XX001, naming file and offset, if bytes that
    /// were acknowledged are damaged.
    pub fn open(_disk: Box<dyn Disk>, _options: StoreOptions) -> Result<(Store, Recovered)> {
        Err(Error::internal("not there yet"))
    }

    /// Appends a definition; durable on return.
    ///
    /// # Errors
    /// 53100 if the disk is full (nothing is written), 58030 if the log is poisoned.
    pub fn append_catalog(&mut self, _record: &[u8]) -> Result<()> {
        Err(Error::internal("not there yet"))
    }

    /// Makes an empty log for a table. Call it before the table's definition is appended to the catalog.
    ///
    /// # Errors
    /// As for [`Store::append_catalog`].
    pub fn create_table(
        &mut self,
        _table: ObjectId,
        _schema: SchemaRef,
        _partitions: u32,
    ) -> Result<()> {
        Err(Error::internal("not there yet"))
    }

    /// Removes a table's log. Call it after the drop is in the catalog.
    ///
    /// # Errors
    /// If the files cannot be removed; the next start drops them as orphans.
    pub fn drop_table(&mut self, _table: ObjectId) -> Result<()> {
        Err(Error::internal("not there yet"))
    }

    /// Makes the changes of one epoch durable, all or none: table rows, and how far sources were
    /// read to make them. Positions without table changes are written but not fsynced: a source
    /// that loses its last positions just reads on from an older one.
    ///
    /// # Errors
    /// 53100 if the disk is full: nothing is written and the store goes on. 58030 if fsync failed,
    /// now or before: nothing is accepted until a restart has read back what is really there.
    pub fn commit(
        &mut self,
        _epoch: Epoch,
        _changes: &[(ObjectId, Delta)],
        _positions: &[(ObjectId, String)],
    ) -> Result<()> {
        Err(Error::internal("not there yet"))
    }

    /// Hands a table's deltas to `visit`, oldest epoch first; their sum is the table.
    ///
    /// # Errors
    /// What `visit` reports; XX001 for damaged bytes.
    pub fn replay(
        &self,
        _table: ObjectId,
        _visit: &mut dyn FnMut(Epoch, Delta) -> Result<()>,
    ) -> Result<()> {
        Err(Error::internal("not there yet"))
    }

    /// Whether [`Store::rebase`] would free segments of this table.
    #[must_use]
    pub fn retention_due(&self, _table: ObjectId, _retention: Retention) -> bool {
        false
    }

    /// Writes the table's rows as of `epoch` as the new base of its log, then drops the closed
    /// segments that `retention` does not keep.
    ///
    /// # Errors
    /// As for [`Store::commit`]; the log is then as before.
    pub fn rebase(
        &mut self,
        _table: ObjectId,
        _epoch: Epoch,
        _rows: &mut dyn Iterator<Item = Delta>,
        _retention: Retention,
    ) -> Result<()> {
        Err(Error::internal("not there yet"))
    }
}
