//! A collection that only grows: a list of batches, not indexed.

use arrow::datatypes::SchemaRef;

use crate::types::Delta;

/// Batches with at least this many rows are kept as they come; smaller ones are put together.
const BATCH_ROWS: usize = 16 * 1024;

/// The rows of an append-only collection, in order of arrival.
///
/// # Invariants
/// 1. Of neighboring batches below [`BATCH_ROWS`], the later has less than half the rows of the
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
