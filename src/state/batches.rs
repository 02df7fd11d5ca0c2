//! A collection that only grows: a list of batches, not indexed.

use arrow::datatypes::SchemaRef;

use crate::types::Delta;

/// Batches with at least this many rows are kept as they come; smaller ones are put together.
const BATCH_ROWS: usize = 1024;

/// The rows of an append-only collection, in order of arrival.
///
/// # Invariants
/// 1. Of neighboring batches below `BATCH_ROWS`, the later has less than half the rows of the
///    earlier: a row is copied a logarithmic number of times, then never again (checked by a test).
pub struct Batches {
    schema: SchemaRef,
    batches: Vec<Delta>,
}

impl Batches {
    /// No rows of `schema`.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Batches {
        Batches { schema, batches: vec![] }
    }

    /// Appends `delta`, keeping the sizes of small batches apart by powers of two.
    pub fn push(&mut self, delta: Delta) {
        let mut newest = delta;
        while let Some(last) = self.batches.pop_if(|last| {
            last.rows() < BATCH_ROWS
                && newest.rows() < BATCH_ROWS
                && last.rows() / 2 <= newest.rows()
        }) {
            match Delta::concat(&self.schema, &[last.clone(), newest.clone()]) {
                Ok(merged) => newest = merged,
                // Strings beyond the offsets of one array: they stay apart.
                Err(_) => {
                    self.batches.push(last);
                    break;
                }
            }
        }
        self.batches.push(newest);
    }

    /// The rows; buffers are shared.
    #[must_use]
    pub fn contents(&self) -> &[Delta] {
        &self.batches
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(Delta::rows).sum()
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.batches.iter().map(Delta::byte_size).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn small_batches_are_put_together_and_large_ones_kept() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let mut batches = Batches::new(Arc::clone(&schema));
        let mut next = 0;
        for rows in
            (0..500).map(|at| [1, 7, 100, BATCH_ROWS + 1][if at % 100 == 99 { 3 } else { at % 3 }])
        {
            let numbers = Int64Array::from_iter_values(next..next + rows as i64);
            next += rows as i64;
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers)]);
            batches.push(Delta::insert(batch.expect("one column")));
        }
        let of = |delta: &Delta| delta.column(0).as_primitive::<Int64Type>().values().to_vec();
        let values: Vec<i64> = batches.contents().iter().flat_map(of).collect();
        assert_eq!(values, (0..next).collect::<Vec<_>>());
        assert!(batches.contents().len() < 60, "{} batches", batches.contents().len());
        for pair in batches.contents().windows(2) {
            let (earlier, later) = (pair[0].rows(), pair[1].rows());
            assert!(earlier.max(later) >= BATCH_ROWS || later < earlier, "{earlier}, {later}");
        }
    }
}
