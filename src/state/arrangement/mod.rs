//! Arrangements: a collection indexed by key columns, columnar, shared by every operator that reads
//! the same collection by the same key.
//!
//! Values stand in [`Chunks`], keys and weights in [`Chains`]. Within a tick an arrangement only takes
//! note of deltas; [`Arrangement::commit`] (in `commit`) applies them. `pending` puts indexing off until a
//! key is asked for; `compact` frees dead rows.

mod commit;
mod compact;
mod pending;
mod store;

pub use store::{ArrangementId, Arrangements};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;

use self::pending::Run;
use super::Saved;
use super::chain::Chains;
use super::chunk::Chunks;
use super::cursor::Matches;
use super::index::RowIndex;
use super::segmented::BLOCK_BITS;
use crate::error::{Error, Result, SqlState};
use crate::types::key::{KeyBatch, KeyEncoder};
use crate::types::{Delta, Selection};

/// A collection indexed by key columns.
///
/// # Invariants
/// 1. Between commits, equal rows are never present with both signs (by `commit`; checked by the model
///    test). Equal rows may be present several times.
/// 2. What is staged is not visible (nothing but `commit` reads `staged`).
/// 3. `commit` cannot fail: everything fallible is done by `stage`, or has a fallback.
pub struct Arrangement {
    key: Vec<usize>,
    encoder: KeyEncoder,
    chunks: Chunks,
    chains: Chains,
    /// Counts per chunk.
    counts: Vec<ChunkCount>,
    /// Whole rows as bytes, to tell them apart and to index those of hot keys; `None` without columns.
    form: Option<RowConverter>,
    /// Rows of hot keys by the hash of the whole row. See [`commit`].
    hot: RowIndex,
    /// Rows that are in no chain yet. See [`pending`].
    pending: Vec<Run>,
    /// Whether runs are asked for their keys.
    filtered: bool,
    staged: Vec<Staged>,
    staged_rows: usize,
    /// Rows with a weight other than 0.
    live: usize,
    /// Of those, rows with a weight below 0: only while a view is being filled.
    negative: usize,
    /// The chunk that is being emptied, if any. See [`compact`].
    victim: Option<u32>,
}

struct Staged {
    rows: Selection,
    keys: Arc<KeyBatch>,
}

#[derive(Clone, Copy, Default)]
struct ChunkCount {
    live: usize,
    /// Live rows with a weight other than 1.
    odd: usize,
}

impl Arrangement {
    /// An empty arrangement of rows of `schema`, indexed by columns `key`.
    ///
    /// # Errors
    /// If a column type cannot be kept as a key.
    pub fn new(schema: SchemaRef, key: Vec<usize>) -> Result<Arrangement> {
        let encoder = KeyEncoder::for_columns(&schema, &key)?;
        let fields: Vec<SortField> =
            schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let form = if fields.is_empty() { None } else { Some(RowConverter::new(fields)?) };
        Ok(Arrangement {
            key,
            chains: Chains::new(&encoder),
            encoder,
            chunks: Chunks::new(schema),
            counts: vec![],
            form,
            hot: RowIndex::new(),
            pending: vec![],
            filtered: false,
            staged: vec![],
            staged_rows: 0,
            live: 0,
            negative: 0,
            victim: None,
        })
    }

    /// Columns of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.chunks.schema()
    }

    /// The columns it is indexed by.
    #[must_use]
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// Takes rows of the open epoch, and returns their keys; they are not visible to `probe` before
    /// `commit`.
    ///
    /// # Errors
    /// If their columns are not the arrangement's, or there is no room for so many rows.
    pub fn stage(&mut self, rows: impl Into<Selection>) -> Result<Arc<KeyBatch>> {
        let rows: Selection = rows.into();
        let theirs = rows.shared().schema_ref().fields().iter().map(|field| field.data_type());
        if !itertools::equal(theirs, self.schema().fields().iter().map(|field| field.data_type())) {
            return Err(Error::internal("rows with other columns than their arrangement"));
        }
        let places = (self.chunks.count() as usize) << BLOCK_BITS;
        if places + self.staged_rows + rows.rows() > Chunks::ROWS_MAX {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                "an arrangement holds at most 4 billion rows per worker",
            ));
        }
        let keys = rows.keys(&self.key, &self.encoder)?;
        self.staged_rows += rows.rows();
        self.staged.push(Staged { rows, keys: Arc::clone(&keys) });
        Ok(keys)
    }

    /// All committed rows with the given keys: appends to `matches`. Rows of `keys` whose key is null
    /// match nothing unless `null_equals_null`. Use [`Chains::cursor`] where there may be very many.
    pub fn probe(&mut self, keys: &KeyBatch, null_equals_null: bool, matches: &mut Matches) {
        self.index_for(keys, 0..keys.hashes.len());
        self.chains.cursor(keys, null_equals_null).advance(usize::MAX, matches);
    }

    /// Its rows by key, as of the last commit; complete for keys that were given to
    /// [`Arrangement::index_for`].
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.chains
    }

    /// Columns `columns` of the given committed rows.
    ///
    /// # Errors
    /// If a column of the result would be too long for an Arrow array.
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        self.chunks.gather(rows, columns)
    }

    /// The given committed rows, all columns.
    ///
    /// # Errors
    /// As [`Arrangement::gather`].
    pub fn gather_batch(&self, rows: &[u32]) -> Result<RecordBatch> {
        let columns: Vec<usize> = (0..self.schema().fields().len()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let columns = self.gather(rows, &columns)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(self.schema()), columns, &options)?)
    }

    /// The committed collection; buffers are shared where no row has died, not copied.
    ///
    /// # Errors
    /// Only what Arrow's filter kernel reports.
    pub fn contents(&self) -> Result<Vec<Delta>> {
        self.deltas(|weight| weight > 0)
    }

    fn deltas(&self, wanted: impl Fn(i64) -> bool) -> Result<Vec<Delta>> {
        let mut deltas = vec![];
        for chunk in (0..self.chunks.count()).filter(|&chunk| self.counts[chunk as usize].live > 0)
        {
            let count = self.counts[chunk as usize];
            let plain = count.odd == 0 && count.live == self.chunks.rows(chunk);
            for (first, piece) in self.chunks.pieces(chunk)? {
                if plain {
                    deltas.push(Delta::insert(piece));
                    continue;
                }
                let weights = (first..).take(piece.num_rows()).map(|row| self.chains.weight(row));
                let weights: Vec<i64> = weights.collect();
                let mask: BooleanArray =
                    weights.iter().map(|&weight| Some(wanted(weight))).collect();
                if mask.true_count() > 0 {
                    let weights = weights.into_iter().filter(|&weight| wanted(weight)).collect();
                    deltas.push(weighted(filter_record_batch(&piece, &mask)?, weights));
                }
            }
        }
        Ok(deltas)
    }

    /// Number of live rows; equal rows may count once or several times.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.live
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let pending: usize = self.pending.iter().map(Run::byte_size).sum();
        self.chunks.byte_size() + self.chains.byte_size() + self.hot.byte_size() + pending
    }

    /// Writes the collection as part `name`: its columns and the weight.
    ///
    /// # Errors
    /// Only what Arrow's kernels report.
    pub fn save(&self, name: &'static str, to: &mut Saved) -> Result<()> {
        for delta in self.deltas(|weight| weight != 0)? {
            let hashes = self.encoder.encode_batch(&delta.batch, &self.key)?.hashes;
            let weights: Int64Array = (0..delta.rows()).map(|row| delta.weight(row)).collect();
            let mut fields = delta.batch.schema().fields().to_vec();
            fields.push(Arc::new(Field::new("weight", DataType::Int64, false)));
            let mut columns = delta.batch.columns().to_vec();
            columns.push(Arc::new(weights));
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
            to.put(name, &batch, &hashes)?;
        }
        Ok(())
    }

    /// Adds what [`Arrangement::save`] wrote.
    ///
    /// # Errors
    /// If its columns are not this arrangement's.
    pub fn restore(&mut self, name: &str, from: &Saved) -> Result<()> {
        for batch in from.part(name) {
            let Some(last) = batch.num_columns().checked_sub(1) else {
                return Err(Error::internal("a saved arrangement without weights"));
            };
            let weights = batch.column(last).as_primitive_opt::<Int64Type>();
            let weights = weights.ok_or_else(|| Error::internal("saved weights are not int8"))?;
            let columns: Vec<usize> = (0..last).collect();
            let rows = batch.project(&columns)?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let columns = rows.columns().to_vec();
            let rows =
                RecordBatch::try_new_with_options(Arc::clone(self.schema()), columns, &options)?;
            self.stage(weighted(rows, weights.values().to_vec()))?;
        }
        self.commit();
        Ok(())
    }

    /// The counts of the chunk of `row`.
    fn count(&mut self, row: u32) -> &mut ChunkCount {
        &mut self.counts[(row >> BLOCK_BITS) as usize]
    }
}

/// `batch` with weights; as insertions where they are all 1.
fn weighted(batch: RecordBatch, weights: Vec<i64>) -> Delta {
    if weights.iter().all(|&weight| weight == 1) {
        Delta::insert(batch)
    } else {
        Delta::new(batch, weights)
    }
}

#[cfg(test)]
mod tests;
