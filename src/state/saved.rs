//! The saved form of operator state: named Arrow batches by vnode. Independent of the number of
//! workers, so that state moves and restarts by vnode.

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, UInt32Array};

use crate::error::Result;
use crate::types::key::KeyEncoder;
use crate::types::{Vnode, take_rows};

/// Saved state of one operator (of one worker, or gathered from several).
///
/// # Invariants
/// 1. A part has one schema, whatever the vnode (checked by the restoring operator).
/// 2. Saving on `n` workers and merging gives the same rows as saving on one (checked by the
///    round-trip tests).
#[derive(Clone, Debug, Default)]
pub struct Saved {
    parts: BTreeMap<(&'static str, Vnode), Vec<RecordBatch>>,
}

impl Saved {
    /// Adds `batch` to part `name`, row `i` belonging to the vnode of `hashes[i]`.
    ///
    /// # Errors
    /// Only what Arrow's take kernel reports.
    pub fn put(&mut self, name: &'static str, batch: &RecordBatch, hashes: &[u64]) -> Result<()> {
        assert_eq!(batch.num_rows(), hashes.len(), "one hash per row");
        let mut by_vnode: BTreeMap<Vnode, Vec<u32>> = BTreeMap::new();
        for (row, hash) in (0u32..).take(hashes.len()).map(|row| (row, hashes[row as usize])) {
            by_vnode.entry(Vnode::of_hash(hash)).or_default().push(row);
        }
        for (vnode, rows) in by_vnode {
            let piece = take_rows(batch, &UInt32Array::from(rows))?;
            self.parts.entry((name, vnode)).or_default().push(piece);
        }
        Ok(())
    }

    /// Adds `batch` to part `name`, each row belonging to the vnode of its columns `placed`.
    ///
    /// # Errors
    /// If a column cannot be a key.
    pub fn put_by(
        &mut self,
        name: &'static str,
        batch: &RecordBatch,
        placed: &[usize],
    ) -> Result<()> {
        let encoder = KeyEncoder::for_columns(&batch.schema(), placed)?;
        self.put(name, batch, &encoder.encode_batch(batch, placed)?.hashes)
    }

    /// The batches of part `name`, all vnodes in order.
    pub fn part(&self, name: &str) -> impl Iterator<Item = &RecordBatch> {
        self.parts.iter().filter(move |((part, _), _)| *part == name).flat_map(|(_, b)| b)
    }

    /// Adds everything of `other`: gathering the workers of an operator.
    pub fn merge(&mut self, other: Saved) {
        for (key, mut batches) in other.parts {
            self.parts.entry(key).or_default().append(&mut batches);
        }
    }

    /// What worker `worker` of `workers` owns of this.
    #[must_use]
    pub fn owned_by(&self, worker: usize, workers: usize) -> Saved {
        let owned = self.parts.iter().filter(|((_, vnode), _)| vnode.worker(workers) == worker);
        Saved { parts: owned.map(|(key, batches)| (*key, batches.clone())).collect() }
    }
}
