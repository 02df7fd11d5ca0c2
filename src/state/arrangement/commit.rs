//! Applying staged deltas.
//!
//! Insertions are appended without looking for equal rows: a collection that only grows pays nothing
//! for consolidation. Only a row with a negative weight is *looked up*: it cancels equal rows in its
//! key's chain. Insertions are looked up too while rows of negative weight are present, and for *hot*
//! keys, whose chains are so long that their rows are indexed by the hash of the whole row.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp::not_distinct;
use xxhash_rust::xxh3::xxh3_64;

use super::{Arrangement, ChunkCount, Staged};
use crate::error::{Error, Result};
use crate::state::chain::PART;
use crate::types::key::KeyBatch;
use crate::types::{Delta, Selection};

/// A chain longer than this makes its key hot at the next lookup.
const CHAIN_MAX: u32 = 32;
/// Lookups settled at once: with their candidates, a moderate amount of memory.
const LOOKUPS: usize = 4096;
/// Rows of a key that becomes hot read at once.
const HEAT_ROWS: usize = 1 << 14;

/// A staged row that must find equal rows.
struct Lookup {
    row: u32,
    entry: u32,
    /// What of its weight is still to be applied.
    weight: i64,
    /// Hash of the whole row, if the key is hot.
    hash: u64,
}

/// Candidates for lookups: parallel vectors.
#[derive(Default)]
struct Candidates {
    lookup: Vec<u32>,
    state: Vec<u32>,
}

impl Arrangement {
    /// Makes staged deltas permanent.
    pub fn commit(&mut self) {
        self.staged_rows = 0;
        let staged = std::mem::take(&mut self.staged);
        // ORDER: all appending before all looking up, so that a deletion finds the insertion of the
        // same epoch, whichever delta came first.
        let lookups: Vec<Vec<Lookup>> = staged.iter().map(|staged| self.append(staged)).collect();
        let mut touched = vec![];
        for (staged, mut lookups) in itertools::zip_eq(&staged, lookups) {
            self.index_for(&staged.keys, lookups.iter().map(|lookup| lookup.row as usize));
            touched.extend(lookups.iter().map(|l| (staged.keys.hashes[l.row as usize], l.entry)));
            for block in lookups.chunks_mut(LOOKUPS) {
                self.settle(&staged.rows, block);
                self.append_rest(&staged.rows, block);
            }
        }
        // ORDER: keys go last, since lookups name their entries.
        for (hash, entry) in touched {
            self.chains.remove_if_empty(hash, entry);
        }
    }

    /// Appends the rows of a delta that need no lookup, and returns the others.
    fn append(&mut self, Staged { rows: staged, keys }: &Staged) -> Vec<Lookup> {
        if self.negative == 0 && self.hot.is_empty() && positive(staged) {
            self.append_all(staged, keys);
            return vec![];
        }
        let entries = self.chains.find_or_insert(keys, 0..staged.rows());
        let (mut rows, mut lookups) = (vec![], vec![]);
        for (row, &entry) in entries.iter().enumerate() {
            let weight = staged.weight(row);
            if weight > 0 && self.negative == 0 && !self.chains.hot(entry) {
                rows.push(row as u32);
            } else {
                lookups.push(Lookup { row: row as u32, entry, weight, hash: 0 });
            }
        }
        let at = |row: usize| rows[row] as usize;
        let entries: Vec<u32> = rows.iter().map(|&row| entries[row as usize]).collect();
        let numbers = self.store(&take_rows(staged, &rows));
        self.link(&entries, &numbers, |row| staged.weight(at(row)));
        lookups
    }

    /// Appends a delta without lookups: key by key the fewest cache misses, or later.
    fn append_all(&mut self, staged: &Selection, keys: &KeyBatch) {
        let numbers = self.store_selection(staged);
        if staged.insert_only() && self.may_wait(staged.rows()) {
            return self.defer(&numbers, keys);
        }
        for first in (0..staged.rows()).step_by(PART) {
            let part = first..(first + PART).min(staged.rows());
            let entries = self.chains.find_or_insert(keys, part.clone());
            self.link(&entries, &numbers[part], |row| staged.weight(first + row));
        }
    }

    /// Adds the values of rows, and returns their numbers.
    pub(super) fn store(&mut self, batch: &RecordBatch) -> Vec<u32> {
        self.store_selection(&Delta::insert(batch.clone()).into())
    }

    fn store_selection(&mut self, rows: &Selection) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(rows.rows());
        self.chunks.append(rows, &mut numbers);
        self.counts.resize(self.chunks.count() as usize, ChunkCount::default());
        numbers
    }

    /// Adds stored rows to their keys' chains.
    fn link(&mut self, entries: &[u32], numbers: &[u32], weight: impl Fn(usize) -> i64) {
        self.chains.push(entries, numbers, &weight);
        for (at, &number) in numbers.iter().enumerate() {
            let weight = weight(at);
            let count = self.count(number);
            count.live += 1;
            count.odd += usize::from(weight != 1);
            self.negative += usize::from(weight < 0);
        }
        self.live += numbers.len();
    }

    /// Applies lookups to the equal rows that there are.
    fn settle(&mut self, staged: &Selection, lookups: &mut [Lookup]) {
        let candidates = self.candidates(staged, lookups);
        if candidates.lookup.is_empty() {
            return;
        }
        let probes: Vec<u32> =
            candidates.lookup.iter().map(|&lookup| lookups[lookup as usize].row).collect();
        let mut equal = Vec::with_capacity(probes.len());
        self.equal(staged, &probes, &candidates.state, &mut equal);
        for (pair, _) in equal.iter().enumerate().filter(|(_, equal)| **equal) {
            let state = candidates.state[pair];
            let lookup = &mut lookups[candidates.lookup[pair] as usize];
            let present = self.chains.weight(state);
            if lookup.weight == 0 || present == 0 {
                continue;
            }
            let cancels = (present < 0) != (lookup.weight < 0);
            let part = if cancels {
                lookup.weight.signum() * present.abs().min(lookup.weight.abs())
            } else {
                lookup.weight
            };
            lookup.weight -= part;
            let hot = self.chains.hot(lookup.entry);
            if self.reweigh(lookup.entry, state, part) == 0 && hot {
                self.hot.remove(lookup.hash, state);
            }
        }
    }

    /// Adds to the weight of a live row of `entry` and returns what it is then.
    fn reweigh(&mut self, entry: u32, row: u32, weight: i64) -> i64 {
        let old = self.chains.weight(row);
        let new = self.chains.add(entry, row, weight);
        self.negative += usize::from(new < 0);
        self.negative -= usize::from(old < 0);
        self.live -= usize::from(new == 0);
        let count = self.count(row);
        count.live -= usize::from(new == 0);
        count.odd += usize::from(new != 0 && new != 1);
        count.odd -= usize::from(old != 1);
        new
    }

    /// Rows that may equal the looked up rows: all of a short chain, those of equal hash of a hot key.
    fn candidates(&mut self, staged: &Selection, lookups: &mut [Lookup]) -> Candidates {
        self.heat_long(lookups.iter().map(|lookup| lookup.entry).collect());
        self.hash_hot(staged, lookups);
        let mut candidates = Candidates::default();
        for (at, lookup) in lookups.iter().enumerate().filter(|(_, lookup)| lookup.weight != 0) {
            if self.chains.hot(lookup.entry) {
                self.hot.candidates(lookup.hash, |row| candidates.state.push(row));
            } else {
                candidates.state.extend(self.chains.chain(lookup.entry));
            }
            candidates.lookup.resize(candidates.state.len(), at as u32);
        }
        candidates
    }

    /// Fills in the hashes of lookups with hot keys, also where all their rows have gone: what is left of
    /// a lookup is put in under its hash.
    fn hash_hot(&self, staged: &Selection, lookups: &mut [Lookup]) {
        let hot = lookups.iter_mut().filter(|lookup| self.chains.hot(lookup.entry));
        let mut hot: Vec<&mut Lookup> = hot.collect();
        if hot.is_empty() {
            return;
        }
        let rows: Vec<u32> = hot.iter().map(|lookup| lookup.row).collect();
        let hashes = self.row_hashes(&take_rows(staged, &rows));
        for (lookup, hash) in itertools::zip_eq(&mut hot, hashes) {
            lookup.hash = hash;
        }
    }

    /// Makes those of `entries` hot whose chains are too long to be walked.
    pub(super) fn heat_long(&mut self, mut entries: Vec<u32>) {
        entries.retain(|&entry| self.chains.length(entry) > CHAIN_MAX && !self.chains.hot(entry));
        entries.sort_unstable();
        entries.dedup();
        self.heat(&entries);
    }

    /// Makes keys hot: indexes the rows of `entries` by whole row, adding up equal ones.
    fn heat(&mut self, entries: &[u32]) {
        let rows: Vec<(u32, u32)> = entries
            .iter()
            .flat_map(|&entry| self.chains.chain(entry).map(move |row| (entry, row)))
            .collect();
        // ORDER: before the first row of a long chain is unlinked.
        for &entry in entries {
            self.chains.heat(entry);
        }
        let mut seen: HashMap<u64, u32> = HashMap::new();
        for block in rows.chunks(HEAT_ROWS) {
            self.heat_rows(block, &mut seen);
        }
    }

    /// Indexes `rows`, each with its entry.
    fn heat_rows(&mut self, rows: &[(u32, u32)], seen: &mut HashMap<u64, u32>) {
        let numbers: Vec<u32> = rows.iter().map(|&(_, row)| row).collect();
        let batch = match self.gather_batch(&numbers) {
            Ok(batch) => batch,
            Err(error) => {
                let (low, high) = halves(rows, &error);
                self.heat_rows(low, seen);
                return self.heat_rows(high, seen);
            }
        };
        let hashes = self.row_hashes(&batch);
        // Rows of equal hash, as positions in `rows`, and the row seen first.
        let (mut doubles, mut firsts) = (vec![], vec![]);
        for (at, (&hash, &row)) in itertools::zip_eq(&hashes, &numbers).enumerate() {
            let first = *seen.entry(hash).or_insert(row);
            if first == row {
                self.hot.insert(hash, row);
            } else {
                doubles.push(at as u32);
                firsts.push(first);
            }
        }
        let mut equal = Vec::with_capacity(doubles.len());
        let batch = Selection::from(Delta::insert(batch));
        self.equal(&batch, &doubles, &firsts, &mut equal);
        for (&at, (first, equal)) in itertools::zip_eq(&doubles, itertools::zip_eq(firsts, equal)) {
            let (entry, row) = rows[at as usize];
            if equal {
                // Equal rows are of one key.
                let weight = self.chains.weight(row);
                self.reweigh(entry, first, weight);
                self.reweigh(entry, row, -weight);
            } else {
                self.hot.insert(hashes[at as usize], row);
            }
        }
    }

    /// Appends whether row `probe[i]` of `rows` equals row `state[i]`, for each i.
    fn equal(&self, rows: &Selection, probe: &[u32], state: &[u32], out: &mut Vec<bool>) {
        match self.try_equal(rows, probe, state) {
            Ok(equal) => out.extend(equal),
            Err(error) => {
                let (low, high) = halves(state, &error);
                self.equal(rows, &probe[..low.len()], low, out);
                self.equal(rows, &probe[low.len()..], high, out);
            }
        }
    }

    fn try_equal(&self, rows: &Selection, probe: &[u32], state: &[u32]) -> Result<Vec<bool>> {
        let mut equal = vec![true; probe.len()];
        // What one column tells apart, the next need not look at; so cheap and telling ones go first.
        let mut pairs: Vec<usize> = (0..probe.len()).collect();
        let fields = self.schema().fields();
        let mut columns: Vec<usize> = (0..fields.len()).collect();
        columns.sort_by_key(|&column| {
            (self.key.contains(&column), !fields[column].data_type().is_primitive())
        });
        for column in columns {
            let ours: Vec<u32> = pairs.iter().map(|&pair| probe[pair]).collect();
            let left = rows.gather(&ours, &[column])?.remove(0);
            let theirs: Vec<u32> = pairs.iter().map(|&pair| state[pair]).collect();
            let right = self.chunks.gather(&theirs, &[column])?.remove(0);
            let same = equal_values(&left, &right)?;
            for (&pair, same) in itertools::zip_eq(&pairs, same) {
                equal[pair] = same;
            }
            pairs.retain(|&pair| equal[pair]);
        }
        Ok(equal)
    }

    /// Appends what is left of lookups, equal rows added up.
    fn append_rest(&mut self, staged: &Selection, lookups: &[Lookup]) {
        let rest: Vec<&Lookup> = lookups.iter().filter(|lookup| lookup.weight != 0).collect();
        if rest.is_empty() {
            return;
        }
        let rows: Vec<u32> = rest.iter().map(|lookup| lookup.row).collect();
        let bytes = self.row_bytes(&take_rows(staged, &rows));
        let mut sums: Vec<(&Lookup, i64)> = vec![];
        let mut seen: HashMap<&[u8], usize> = HashMap::new();
        for (at, lookup) in rest.iter().enumerate() {
            let place = *seen.entry(bytes.get(at)).or_insert_with(|| {
                sums.push((lookup, 0));
                sums.len() - 1
            });
            sums[place].1 += lookup.weight;
        }
        sums.retain(|(_, weight)| *weight != 0);
        let rows: Vec<u32> = sums.iter().map(|(lookup, _)| lookup.row).collect();
        let entries: Vec<u32> = sums.iter().map(|(lookup, _)| lookup.entry).collect();
        let numbers = self.store(&take_rows(staged, &rows));
        self.link(&entries, &numbers, |row| sums[row].1);
        for ((lookup, _), number) in itertools::zip_eq(&sums, numbers) {
            if self.chains.hot(lookup.entry) {
                self.hot.insert(lookup.hash, number);
            }
        }
    }

    pub(super) fn row_hashes(&self, batch: &RecordBatch) -> Vec<u64> {
        let bytes = self.row_bytes(batch);
        (0..batch.num_rows()).map(|row| xxh3_64(bytes.get(row))).collect()
    }

    fn row_bytes(&self, batch: &RecordBatch) -> RowBytes {
        RowBytes(self.form.as_ref().map(|form| {
            form.convert_columns(batch.columns()).expect("stage has checked the column types")
        }))
    }
}

/// Whole rows in comparable form.
struct RowBytes(Option<arrow::row::Rows>);

impl RowBytes {
    fn get(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

fn positive(rows: &Selection) -> bool {
    rows.insert_only() || (0..rows.rows()).all(|row| rows.weight(row) > 0)
}

/// Where two columns are equal bit by bit, nulls equal to nulls.
fn equal_values(left: &ArrayRef, right: &ArrayRef) -> Result<Vec<bool>> {
    if left.data_type().is_nested() {
        let compare = make_comparator(left, right, SortOptions::default())?;
        return Ok((0..left.len()).map(|row| compare(row, row).is_eq()).collect());
    }
    let equal: BooleanArray = not_distinct(left, right)?;
    Ok(equal.values().iter().collect())
}

fn take_rows(staged: &Selection, rows: &[u32]) -> RecordBatch {
    staged.take_rows(rows).expect("distinct rows of a batch are no longer than it is")
}

/// Two halves of `rows`, whose values did not fit one array: fewer will.
pub(super) fn halves<'a, T>(rows: &'a [T], error: &Error) -> (&'a [T], &'a [T]) {
    assert!(rows.len() > 1, "one row always fits: {error}");
    rows.split_at(rows.len() / 2)
}
