//! Compaction: chunks of mostly dead rows are emptied, a few rows per tick, by moving the live ones
//! to new places; rows of a key move together.

use arrow::array::UInt32Array;

use super::commit::halves;
use super::{Arrangement, ChunkCount};
use crate::state::segmented::{BLOCK_BITS, BLOCK_ROWS};
use crate::types::take_rows;

impl Arrangement {
    /// Drops dead rows, with about `budget` rows' worth of work.
    ///
    /// # Panics
    /// If called while deltas are staged.
    pub fn maintain(&mut self, budget: usize) {
        assert!(self.staged.is_empty(), "rows do not move within a tick");
        let mut left = budget;
        while left > 0 {
            let Some(chunk) = self.victim.or_else(|| self.choose_victim()) else { return };
            self.victim = Some(chunk);
            let moved = self.evacuate(chunk, left);
            left = left.saturating_sub(moved.max(1));
        }
    }

    /// A full chunk of which at least half is dead.
    fn choose_victim(&self) -> Option<u32> {
        (0..self.chunks.count()).find(|&chunk| {
            let rows = self.chunks.rows(chunk);
            let live = self.counts[chunk as usize].live;
            self.chunks.sealed(chunk) && rows > 0 && live * 2 <= rows
        })
    }

    /// Moves up to `limit` live rows out of `chunk`, and frees it when there are no more.
    fn evacuate(&mut self, chunk: u32, limit: usize) -> usize {
        self.index_chunk(chunk);
        let first = chunk << BLOCK_BITS;
        let live = (first..first + BLOCK_ROWS as u32).filter(|&row| self.chains.weight(row) != 0);
        let rows: Vec<u32> = live.take(limit).collect();
        self.relocate(&rows);
        if self.counts[chunk as usize].live == 0 {
            self.chunks.release(chunk);
            self.chains.clear_block(chunk);
            self.counts[chunk as usize] = ChunkCount::default();
            self.victim = None;
        }
        rows.len()
    }

    fn relocate(&mut self, rows: &[u32]) {
        if rows.is_empty() {
            return;
        }
        let batch = match self.gather_batch(rows) {
            Ok(batch) => batch,
            Err(error) => {
                let (low, high) = halves(rows, &error);
                self.relocate(low);
                return self.relocate(high);
            }
        };
        let keys = self.encoder.encode_batch(&batch, &self.key);
        let entries = self.chains.find(&keys.expect("these rows have been encoded before"), true);
        self.heat_long(entries.clone());
        // Heating adds up equal rows: some may have gone.
        let mut moving: Vec<usize> =
            (0..rows.len()).filter(|&at| self.chains.weight(rows[at]) != 0).collect();
        moving.sort_by_key(|&at| entries[at]);
        let order: UInt32Array = moving.iter().map(|&at| at as u32).collect();
        let batch = take_rows(&batch, &order).expect("no more rows than fitted before");
        let moved = self.store(&batch);
        let hashes = if self.hot.is_empty() { vec![] } else { self.row_hashes(&batch) };
        for (place, (&at, &new)) in itertools::zip_eq(&moving, &moved).enumerate() {
            let (entry, old) = (entries[at], rows[at]);
            let odd = usize::from(self.chains.weight(old) != 1);
            for (row, sign) in [(old, -1), (new, 1)] {
                let count = self.count(row);
                count.live = count.live.wrapping_add_signed(sign);
                count.odd = count.odd.wrapping_add_signed(sign * odd as isize);
            }
            self.chains.relocate(entry, old, new);
            if self.chains.hot(entry) {
                self.hot.replace(hashes[place], old, new);
            }
        }
    }
}
