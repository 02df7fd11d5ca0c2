//! Arrangements: a collection indexed by key columns, columnar, shared by every operator that reads
//! the same collection by the same key.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use super::Saved;
use crate::error::Result;
use crate::types::Delta;
use crate::types::key::KeyBatch;

/// Names an arrangement within a worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ArrangementId(pub u32);

/// All arrangements of a worker.
#[derive(Default)]
pub struct Arrangements {}

/// Pairs found by [`Arrangement::probe`], as parallel vectors.
#[derive(Default, Debug)]
pub struct Matches {
    /// Row of the probing batch.
    pub probe: Vec<u32>,
    /// Row of the arrangement, for [`Arrangement::gather`].
    pub state: Vec<u32>,
    /// Its weight in the arrangement (never 0).
    pub weights: Vec<i64>,
}

/// A collection indexed by key columns.
pub struct Arrangement {}

impl Arrangements {
    /// Adds an arrangement of rows of `schema` keyed by `key`, with one user: the caller.
    pub fn create(&mut self, _schema: SchemaRef, _key: Vec<usize>) -> Result<ArrangementId> {
        unimplemented!()
    }
    /// Counts one more user of an arrangement.
    pub fn retain(&mut self, _id: ArrangementId) {
        unimplemented!()
    }
    /// Counts one user less; the last one frees the arrangement.
    pub fn release(&mut self, _id: ArrangementId) {
        unimplemented!()
    }
    /// Reads one.
    pub fn get(&self, _id: ArrangementId) -> &Arrangement {
        unimplemented!()
    }
    /// Changes one.
    pub fn get_mut(&mut self, _id: ArrangementId) -> &mut Arrangement {
        unimplemented!()
    }
}

impl Arrangement {
    /// Takes a delta of the open epoch; it is not visible to `probe` before `commit`.
    pub fn stage(&mut self, _delta: &Delta) -> Result<()> {
        unimplemented!()
    }
    /// The same with the delta's keys, already encoded by this arrangement's key columns.
    pub fn stage_keyed(&mut self, _delta: &Delta, _keys: &KeyBatch) -> Result<()> {
        unimplemented!()
    }
    /// Makes staged deltas permanent.
    pub fn commit(&mut self) {
        unimplemented!()
    }
    /// All committed rows with the given keys: appends to `matches`. Rows of `keys` whose key is null
    /// match nothing unless `null_equals_null`.
    pub fn probe(
        &self,
        _keys: &KeyBatch,
        _null_equals_null: bool,
        _matches: &mut Matches,
    ) -> Result<()> {
        unimplemented!()
    }
    /// Columns `columns` of the given committed rows.
    pub fn gather(&self, _rows: &[u32], _columns: &[usize]) -> Result<Vec<ArrayRef>> {
        unimplemented!()
    }
    /// The committed collection; buffers are shared, not copied.
    pub fn contents(&self) -> Result<Vec<Delta>> {
        unimplemented!()
    }
    /// Number of live rows.
    pub fn rows(&self) -> usize {
        unimplemented!()
    }
    /// Bytes held.
    pub fn byte_size(&self) -> usize {
        unimplemented!()
    }
    /// Re-clusters and drops dead rows, about `budget` rows' worth of work.
    pub fn maintain(&mut self, _budget: usize) {
        unimplemented!()
    }
    /// Writes the collection as part `name`.
    pub fn save(&self, _name: &'static str, _to: &mut Saved) -> Result<()> {
        unimplemented!()
    }
    /// Reads it back.
    pub fn restore(&mut self, _name: &str, _from: &Saved) -> Result<()> {
        unimplemented!()
    }
}
