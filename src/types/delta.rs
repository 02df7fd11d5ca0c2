//! The change of a collection in one epoch: rows with signed weights.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{concat_batches, filter_record_batch, interleave, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::error::Result;

/// The weights of a delta's rows.
///
/// # Invariants
/// 1. `Each` has exactly as many entries as the batch has rows (checked by [`Delta::new`]).
/// 2. A weight of zero is allowed and means nothing; consumers must not rely on its absence.
#[derive(Clone, Debug)]
pub enum Weights {
    /// Every row has weight +1: an insert-only delta, nothing is stored.
    One,
    /// One weight per row.
    Each(ScalarBuffer<i64>),
}

/// Rows with weights, all of one epoch. Insert is +1, delete -1, update both.
///
/// The sum of the weights of equal rows over all deltas so far is the row's multiplicity in the
/// collection. A delta need not be consolidated: equal rows may stand in it several times.
#[derive(Clone, Debug)]
pub struct Delta {
    /// The rows; columns as in the plan node's schema, no weight column.
    pub batch: RecordBatch,
    /// Their weights.
    pub weights: Weights,
}

impl Delta {
    /// A delta with explicit weights.
    ///
    /// # Panics
    /// If the number of weights is not the number of rows.
    #[must_use]
    pub fn new(batch: RecordBatch, weights: Vec<i64>) -> Delta {
        assert_eq!(batch.num_rows(), weights.len(), "one weight per row");
        Delta { batch, weights: Weights::Each(weights.into()) }
    }

    /// A delta of insertions only.
    #[must_use]
    pub fn insert(batch: RecordBatch) -> Delta {
        Delta { batch, weights: Weights::One }
    }

    /// A delta of deletions only.
    #[must_use]
    pub fn delete(batch: RecordBatch) -> Delta {
        let weights = vec![-1; batch.num_rows()];
        Delta::new(batch, weights)
    }

    /// No rows of `schema`.
    #[must_use]
    pub fn empty(schema: SchemaRef) -> Delta {
        Delta::insert(RecordBatch::new_empty(schema))
    }

    /// Number of rows (not the sum of weights).
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Whether every weight is +1 by construction (cheap: does not look at stored weights).
    #[must_use]
    pub fn insert_only(&self) -> bool {
        matches!(self.weights, Weights::One)
    }

    /// The weight of row `row`.
    #[must_use]
    pub fn weight(&self, row: usize) -> i64 {
        match &self.weights {
            Weights::One => 1,
            Weights::Each(weights) => weights[row],
        }
    }

    /// Column `index`.
    #[must_use]
    pub fn column(&self, index: usize) -> &ArrayRef {
        self.batch.column(index)
    }

    /// The same weights over another batch with as many rows (a projection).
    #[must_use]
    pub fn with_batch(&self, batch: RecordBatch) -> Delta {
        assert_eq!(batch.num_rows(), self.rows(), "a projection keeps the rows");
        Delta { batch, weights: self.weights.clone() }
    }

    /// The same rows with all weights negated.
    #[must_use]
    pub fn negated(&self) -> Delta {
        let weights = (0..self.rows()).map(|row| -self.weight(row)).collect();
        Delta::new(self.batch.clone(), weights)
    }

    /// The rows where `mask` is true (null counts as false), with their weights.
    ///
    /// # Errors
    /// Only what Arrow's filter kernel reports for a malformed batch.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Delta> {
        let batch = filter_record_batch(&self.batch, mask)?;
        let weights = match &self.weights {
            Weights::One => Weights::One,
            Weights::Each(weights) => {
                let kept = (0..mask.len()).filter(|&row| mask.is_valid(row) && mask.value(row));
                Weights::Each(kept.map(|row| weights[row]).collect())
            }
        };
        Ok(Delta { batch, weights })
    }

    /// The rows named by `indices`, in that order, with their weights.
    ///
    /// # Errors
    /// Only what Arrow's take kernel reports for a malformed batch.
    pub fn take(&self, indices: &UInt32Array) -> Result<Delta> {
        let batch = take_rows(&self.batch, indices)?;
        let weights = match &self.weights {
            Weights::One => Weights::One,
            Weights::Each(weights) => {
                Weights::Each(indices.values().iter().map(|&row| weights[row as usize]).collect())
            }
        };
        Ok(Delta { batch, weights })
    }

    /// The columns `columns`, as batches of `schema`, without copying.
    ///
    /// # Errors
    /// If the columns' types are not those of `schema`.
    pub fn select(&self, columns: &[usize], schema: &SchemaRef) -> Result<Delta> {
        let arrays = columns.iter().map(|&column| Arc::clone(self.column(column))).collect();
        self.with_columns(arrays, schema)
    }

    /// The same weights over other columns, as a batch of `schema`.
    ///
    /// # Errors
    /// If the columns' types are not those of `schema`, or their length is not the number of rows.
    pub fn with_columns(&self, columns: Vec<ArrayRef>, schema: &SchemaRef) -> Result<Delta> {
        // The row count is explicit because a batch may have no columns at all (`count(*)`).
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        Ok(Delta { batch, weights: self.weights.clone() })
    }

    /// Rows `offset..offset + length`, without copying.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Delta {
        let weights = match &self.weights {
            Weights::One => Weights::One,
            Weights::Each(weights) => Weights::Each(weights.slice(offset, length)),
        };
        Delta { batch: self.batch.slice(offset, length), weights }
    }

    /// All rows of `deltas`, which share `schema`, as one delta.
    ///
    /// # Errors
    /// Only what Arrow's concat kernel reports (offset overflow of a string column).
    pub fn concat(schema: &SchemaRef, deltas: &[Delta]) -> Result<Delta> {
        if let [one] = deltas {
            return Ok(one.clone());
        }
        let batch = concat_batches(schema, deltas.iter().map(|delta| &delta.batch))?;
        if deltas.iter().all(Delta::insert_only) {
            return Ok(Delta::insert(batch));
        }
        let weights =
            deltas.iter().flat_map(|delta| (0..delta.rows()).map(|row| delta.weight(row)));
        Ok(Delta::new(batch, weights.collect()))
    }

    /// The rows `places` (a delta's index in `deltas`, which share a schema, and a row of it), in that order, as
    /// one delta; as several where a column would be too long for an Arrow array.
    ///
    /// # Errors
    /// Only what Arrow's interleave kernel reports for malformed batches.
    ///
    /// # Panics
    /// If there are no deltas.
    pub fn gather(deltas: &[Delta], places: &[(usize, usize)]) -> Result<Vec<Delta>> {
        let schema = deltas[0].batch.schema();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for index in 0..schema.fields().len() {
            let arrays: Vec<&dyn Array> =
                deltas.iter().map(|delta| delta.column(index).as_ref()).collect();
            match interleave(&arrays, places) {
                Ok(column) => columns.push(column),
                Err(ArrowError::OffsetOverflowError(_)) if places.len() > 1 => {
                    let (low, high) = places.split_at(places.len() / 2);
                    return Ok([Delta::gather(deltas, low)?, Delta::gather(deltas, high)?].concat());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        if deltas.iter().all(Delta::insert_only) {
            return Ok(vec![Delta::insert(batch)]);
        }
        let weights = places.iter().map(|&(delta, row)| deltas[delta].weight(row));
        Ok(vec![Delta::new(batch, weights.collect())])
    }

    /// Bytes of the rows' buffers, as Arrow counts them.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.batch.get_array_memory_size()
    }
}

/// The rows of `batch` named by `indices`, in that order; also where it has no columns, which Arrow's
/// own function refuses.
///
/// # Errors
/// If a column of the result would be too long for an Arrow array.
pub fn take_rows(batch: &RecordBatch, indices: &UInt32Array) -> Result<RecordBatch> {
    if batch.num_columns() == 0 {
        return empty_columns(batch.schema(), indices.len());
    }
    Ok(take_record_batch(batch, indices)?)
}

/// A batch without columns: only its number of rows says anything.
fn empty_columns(schema: SchemaRef, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, vec![], &options)?)
}
