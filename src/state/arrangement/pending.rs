//! Rows that are not indexed yet.
//!
//! A large insertion is stored at once but linked to its keys only when a key is asked for that may be
//! among them. It waits in *runs*, each of which knows the range of its keys and a Bloom filter of their
//! hashes. Where keys come with time, as in most streams, what is asked for is near what is new, and most
//! runs are never indexed; where they do not, a run is indexed by the first keys that ask for it, and all
//! that was lost is the making of its filter. As long as no key in the range of a run has been asked for, not
//! even filters are made.
//!
//! # Invariants
//! 1. A row of a run has weight 1 and is in no chain; a stored row of weight other than 0 that is in no
//!    chain is in exactly one run (checked by the model test).
//! 2. A run lies within one chunk.
//! 3. After [`Arrangement::index_for`] the chains of the keys asked for are complete.

use std::ops::Range;

use super::Arrangement;
use crate::state::bloom::Bloom;
use crate::state::chain::PART;
use crate::state::chunk::Chunks;
use crate::state::segmented::{BLOCK_BITS, BLOCK_ROWS};
use crate::types::key::{KeyBatch, KeyEncoder};

/// Smaller insertions are indexed at once. Where assertions are on, as in tests, nearly none is.
const ROWS_MIN: usize = if cfg!(debug_assertions) { 4 } else { 1024 };
/// Rows of a run: what one key that is asked for makes to be indexed.
const RUN_ROWS: usize = if cfg!(debug_assertions) { 64 } else { 4096 };
/// Keys that a run is asked for in vain, per row, before it is indexed after all: a fraction of what
/// indexing costs, by estimate.
const CHECKS_PER_ROW: usize = 8;

/// Neighboring rows that are in no chain.
pub(super) struct Run {
    rows: Range<u32>,
    /// Least and greatest rank of their keys.
    ranks: (i64, i64),
    /// Made when a key of the range is first asked for.
    bloom: Option<Bloom>,
    /// Keys that it was asked for in vain.
    checks: usize,
}

/// Keys that are asked for: some rows of a batch.
struct Wanted<'a, R> {
    keys: &'a KeyBatch,
    rows: R,
    ranks: (i64, i64),
}

impl Run {
    /// Rows `rows`, with keys `part` of `keys`.
    fn new(rows: Range<u32>, keys: &KeyBatch, part: Range<usize>, filtered: bool) -> Run {
        let bloom = filtered.then(|| Bloom::new(&keys.hashes[part.clone()]));
        Run { rows, ranks: keys.ranks_in(part), bloom, checks: 0 }
    }

    /// Whether the run is to be indexed: it may have a key, or has been asked in vain too often. `hashes` are
    /// those of its rows' keys.
    fn due(
        &mut self,
        wanted: &Wanted<'_, impl Iterator<Item = usize> + Clone>,
        hashes: impl Fn(Range<u32>) -> Vec<u64>,
    ) -> bool {
        let (low, high) = self.ranks;
        if wanted.ranks.1 < low || wanted.ranks.0 > high {
            return false;
        }
        let within = |row: &usize| (low..=high).contains(&wanted.keys.rank(*row));
        for row in wanted.rows.clone().filter(within) {
            let rows = self.rows.clone();
            let bloom = self.bloom.get_or_insert_with(|| Bloom::new(&hashes(rows)));
            if bloom.may_have(wanted.keys.hashes[row]) {
                return true;
            }
            self.checks += 1;
        }
        self.checks > self.rows.len() * CHECKS_PER_ROW
    }

    pub(super) fn byte_size(&self) -> usize {
        size_of::<Run>() + self.bloom.as_ref().map_or(0, Bloom::byte_size)
    }
}

impl Arrangement {
    /// Whether `rows` insertions may wait.
    pub(super) fn may_wait(&self, rows: usize) -> bool {
        rows >= ROWS_MIN && !self.key.is_empty()
    }

    /// Lets stored rows of weight 1 with these keys wait. Within a chunk their numbers are successive.
    pub(super) fn defer(&mut self, numbers: &[u32], keys: &KeyBatch) {
        let mut done = 0;
        while let Some(&first) = numbers.get(done) {
            let of_chunk = BLOCK_ROWS - (first as usize & (BLOCK_ROWS - 1));
            let part = done..(done + RUN_ROWS.min(of_chunk)).min(numbers.len());
            let rows = first..first + part.len() as u32;
            debug_assert_eq!(rows.end - 1, numbers[part.end - 1], "stored rows are neighbors");
            self.count(first).live += part.len();
            done = part.end;
            self.pending.push(Run::new(rows, keys, part, self.filtered));
        }
        self.live += numbers.len();
    }

    /// Completes the chains of the given keys (`rows` of `keys`), so that they can be probed.
    pub fn index_for(&mut self, keys: &KeyBatch, rows: impl Iterator<Item = usize> + Clone) {
        if self.pending.is_empty() {
            return;
        }
        let ranks = keys.ranks(rows.clone());
        let wanted = Wanted { keys, rows, ranks };
        let (chunks, encoder) = (&self.chunks, &self.encoder);
        let hashes =
            |rows| keys_of(chunks, encoder, &self.key, rows).flat_map(|k| k.hashes).collect();
        let due: Vec<Run> = self.pending.extract_if(.., |run| run.due(&wanted, hashes)).collect();
        self.filtered |= !due.is_empty() || self.pending.iter().any(|run| run.bloom.is_some());
        due.into_iter().for_each(|run| self.index(run.rows));
    }

    /// Indexes all rows of `chunk`.
    pub(super) fn index_chunk(&mut self, chunk: u32) {
        let of_chunk = |run: &mut Run| run.rows.start >> BLOCK_BITS == chunk;
        let due: Vec<Run> = self.pending.extract_if(.., of_chunk).collect();
        due.into_iter().for_each(|run| self.index(run.rows));
    }

    /// Links rows that are in no chain.
    fn index(&mut self, rows: Range<u32>) {
        let mut number = rows.start;
        for keys in keys_of(&self.chunks, &self.encoder, &self.key, rows) {
            let rows = keys.hashes.len();
            for first in (0..rows).step_by(PART) {
                let part = first..(first + PART).min(rows);
                let numbers: Vec<u32> = (number..).take(part.len()).collect();
                number += part.len() as u32;
                let entries = self.chains.find_or_insert(&keys, part);
                self.chains.push(&entries, &numbers, |_| 1);
            }
        }
    }
}

/// The keys, columns `key`, of stored rows.
fn keys_of(
    chunks: &Chunks,
    encoder: &KeyEncoder,
    key: &[usize],
    rows: Range<u32>,
) -> impl Iterator<Item = KeyBatch> {
    let parts = chunks.slices(rows, key);
    let parts = parts.expect("keys of fewer rows than were staged fit an array");
    parts.into_iter().map(|columns| {
        let keys = encoder.encode(&columns, columns[0].len());
        keys.expect("these rows have been encoded before")
    })
}
