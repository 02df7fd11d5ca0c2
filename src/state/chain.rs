//! Rows by key: an index from keys to chains of row numbers. Whose rows they are, and where their
//! values stand, is the caller's business: an arrangement's, or a delta's of one tick.
//!
//! A chain is linked in one direction, newest row first: four bytes a row, and appending a row touches
//! nothing but its key's entry. Rows that go are found by walking the chain, which is short; the rows of
//! a long one, a *hot* key's, are linked backwards, too, from its first lookup on.

use std::ops::Range;

use itertools::Itertools;

use super::cursor::Cursor;
use super::index::{NONE, RowIndex};
use super::key_bytes::KeyBytes;
use super::segmented::SegmentedVec;
use super::sparse::Sparse;
use crate::types::key::{KeyBatch, KeyEncoder, Keys};

/// Keys looked up between looking at their chains: what is read about them is still cached then.
pub const PART: usize = 1024;

/// Chains of rows by key.
///
/// # Invariants
/// 1. A key is compared exactly, never by hash alone (by `find`).
/// 2. An entry's `weight` and `length` are the sum of weights and the number of its chain's rows.
/// 3. No linked row has weight 0 (kept by `push` and `add`).
/// 4. `before` names the row before each row of a hot chain (kept by all that link; checked by the model
///    test of arrangements).
#[derive(Debug)]
pub struct Chains {
    index: RowIndex,
    entries: SegmentedVec<Entry>,
    /// By row: the next older row of its key.
    next: Sparse<u32>,
    /// By row of a hot key: the next newer row.
    before: Sparse<u32>,
    /// By row; 1 for rows that were never linked.
    weights: Sparse<i64>,
    /// Bytes of keys that are not fixed.
    bytes: Option<KeyBytes>,
    /// The entry of the null key, where keys are fixed: its `key` says nothing.
    null_entry: u32,
    /// Entries of keys that are gone.
    free: Vec<u32>,
}

/// A key and its chain.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The key if fixed, else its place in [`KeyBytes`].
    key: u64,
    weight: i64,
    head: u32,
    /// Number of rows; [`HOT`] is a flag.
    length: u32,
}

const HOT: u32 = 1 << 31;

impl Chains {
    /// No rows, for keys of `encoder`.
    #[must_use]
    pub fn new(encoder: &KeyEncoder) -> Chains {
        Chains {
            index: RowIndex::new(),
            entries: SegmentedVec::new(),
            next: Sparse::new(NONE),
            before: Sparse::new(NONE),
            weights: Sparse::new(1),
            bytes: (!encoder.fixed()).then(KeyBytes::default),
            null_entry: NONE,
            free: vec![],
        }
    }

    /// Chains of the rows `0..` of a batch with these keys and weights, for one tick.
    #[must_use]
    pub fn of_batch(
        encoder: &KeyEncoder,
        keys: &KeyBatch,
        weight: impl Fn(usize) -> i64,
    ) -> Chains {
        let mut chains = Chains::new(encoder);
        chains.index = RowIndex::with_capacity(keys.hashes.len());
        chains.entries = SegmentedVec::with_capacity(keys.hashes.len());
        let entries = chains.find_or_insert(keys, 0..keys.hashes.len());
        let rows: Vec<u32> =
            (0..entries.len() as u32).filter(|&row| weight(row as usize) != 0).collect();
        let entries: Vec<u32> = rows.iter().map(|&row| entries[row as usize]).collect();
        chains.push(&entries, &rows, |at| weight(rows[at] as usize));
        chains
    }

    /// Number of distinct keys.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let bytes = self.bytes.as_ref().map_or(0, KeyBytes::byte_size);
        let rows = self.next.byte_size() + self.before.byte_size() + self.weights.byte_size();
        self.index.byte_size() + self.entries.byte_size() + rows + bytes
    }

    /// The entry of each key, or [`NONE`].
    #[must_use]
    pub fn find(&self, keys: &KeyBatch, null_equals_null: bool) -> Vec<u32> {
        let mut found = Vec::with_capacity(keys.hashes.len());
        self.find_part(keys, 0..keys.hashes.len(), null_equals_null, &mut found);
        found
    }

    pub(super) fn find_part(
        &self,
        keys: &KeyBatch,
        part: Range<usize>,
        null_equals_null: bool,
        found: &mut Vec<u32>,
    ) {
        let (hashes, start) = (&keys.hashes[part.clone()], found.len());
        match &keys.keys {
            Keys::Fixed(values) => {
                let equal = |probe, entry| {
                    self.equal_fixed(keys, values, part.start + probe as usize, entry)
                };
                self.index.find(hashes, |entry| self.entries[entry].key, equal, found);
            }
            Keys::Rows(rows) => {
                let equal =
                    |probe, entry| self.key_bytes(entry) == rows.row(part.start + probe as usize);
                self.index.find(hashes, |entry| self.first_byte(entry), equal, found);
            }
        }
        if let Some(nulls) = keys.nulls.as_ref().filter(|_| !null_equals_null) {
            for (row, entry) in part.zip_eq(&mut found[start..]) {
                if nulls.is_null(row) {
                    *entry = NONE;
                }
            }
        }
    }

    fn equal_fixed(&self, keys: &KeyBatch, values: &[u64], probe: usize, entry: u32) -> bool {
        let null = keys.nulls.as_ref().is_some_and(|nulls| nulls.is_null(probe));
        if null || entry == self.null_entry {
            return null && entry == self.null_entry;
        }
        self.entries[entry].key == values[probe]
    }

    /// The entry of each key of `part`, null keys included; new ones start with an empty chain.
    pub fn find_or_insert(&mut self, keys: &KeyBatch, part: Range<usize>) -> Vec<u32> {
        let (hashes, first) = (&keys.hashes[part.clone()], part.start);
        let mut found = Vec::with_capacity(hashes.len());
        // Apart from `self` while it grows, so that comparing may look at the rest.
        let mut index = std::mem::take(&mut self.index);
        match &keys.keys {
            Keys::Fixed(values) => index.find_or_insert(
                hashes,
                self,
                |chains, entry| chains.entries[entry].key,
                |chains, probe, entry| {
                    chains.equal_fixed(keys, values, first + probe as usize, entry)
                },
                |chains, probe| {
                    let row = first + probe as usize;
                    let entry = chains.new_entry(values[row]);
                    if keys.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                        chains.null_entry = entry;
                    }
                    entry
                },
                &mut found,
            ),
            Keys::Rows(rows) => index.find_or_insert(
                hashes,
                self,
                |chains, entry| chains.first_byte(entry),
                |chains, probe, entry| chains.key_bytes(entry) == rows.row(first + probe as usize),
                |chains, probe| {
                    let bytes = chains.bytes.as_mut().expect("the encoder's keys are bytes");
                    let place = bytes.push(rows.row(first + probe as usize));
                    chains.new_entry(place)
                },
                &mut found,
            ),
        }
        self.index = index;
        found
    }

    fn key_bytes(&self, entry: u32) -> &[u8] {
        let bytes = self.bytes.as_ref().expect("the encoder's keys are bytes");
        bytes.get(self.entries[entry].key)
    }

    fn first_byte(&self, entry: u32) -> u64 {
        self.key_bytes(entry).first().map_or(0, |&byte| byte.into())
    }

    fn new_entry(&mut self, key: u64) -> u32 {
        let entry = Entry { key, weight: 0, head: NONE, length: 0 };
        if let Some(number) = self.free.pop() {
            self.entries[number] = entry;
            return number;
        }
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).expect("no more keys than rows")
    }

    /// Forgets the key of `entry`, with hash `hash`, if its chain is empty.
    pub fn remove_if_empty(&mut self, hash: u64, entry: u32) {
        if self.entries[entry].head != NONE || !self.index.remove(hash, entry) {
            return;
        }
        if self.null_entry == entry {
            self.null_entry = NONE;
        }
        self.free.push(entry);
        let Some(bytes) = &mut self.bytes else { return };
        bytes.forget(self.entries[entry].key);
        self.entries[entry].key = KeyBytes::NOWHERE;
        if bytes.mostly_garbage() {
            self.rewrite_bytes();
        }
    }

    /// Copies the keys that are left, when most are not.
    fn rewrite_bytes(&mut self) {
        let Some(old) = self.bytes.take() else { return };
        let mut new = KeyBytes::default();
        for entry in 0..self.entries.len() as u32 {
            let key = self.entries[entry].key;
            if key != KeyBytes::NOWHERE {
                self.entries[entry].key = new.push(old.get(key));
            }
        }
        self.bytes = Some(new);
    }

    /// Links rows of numbers `rows` into the chains of `entries`, with weights other than 0.
    pub fn push(&mut self, entries: &[u32], rows: &[u32], weight: impl Fn(usize) -> i64) {
        for (at, (&entry, &row)) in entries.iter().zip_eq(rows).enumerate() {
            let weight = weight(at);
            debug_assert_ne!(weight, 0, "rows of weight 0 are not kept");
            let chain = &mut self.entries[entry];
            let next = std::mem::replace(&mut chain.head, row);
            chain.weight += weight;
            chain.length += 1;
            self.next.set(row, next);
            if weight != 1 {
                self.weights.set(row, weight);
            }
            if chain.length & HOT != 0 {
                self.before.set(row, NONE);
                if next != NONE {
                    self.before.set(next, row);
                }
            }
        }
    }

    /// Adds to the weight of a row in the chain of `entry`; at 0 the row is unlinked. Returns the new
    /// weight.
    pub fn add(&mut self, entry: u32, row: u32, weight: i64) -> i64 {
        let left = self.weights.get(row) + weight;
        self.weights.set(row, left);
        self.entries[entry].weight += weight;
        if left == 0 {
            let (before, next) = (self.before(entry, row), self.next.get(row));
            self.relink(entry, before, next, next, before);
            self.entries[entry].length -= 1;
        }
        left
    }

    /// Lets the row `old` in the chain of `entry` be known as `new`.
    pub fn relocate(&mut self, entry: u32, old: u32, new: u32) {
        let (before, next) = (self.before(entry, old), self.next.get(old));
        self.next.set(new, next);
        if self.hot(entry) {
            self.before.set(new, before);
        }
        self.weights.set(new, self.weights.get(old));
        self.weights.set(old, 0);
        self.relink(entry, before, next, new, new);
    }

    /// The rows of a block of 64 K, none of them linked, are new ones from now on.
    pub fn clear_block(&mut self, block: u32) {
        self.next.clear_block(block);
        self.before.clear_block(block);
        self.weights.clear_block(block);
    }

    /// The row before `row` in the chain of `entry`.
    fn before(&self, entry: u32, row: u32) -> u32 {
        if self.hot(entry) {
            return self.before.get(row);
        }
        let (mut before, mut at) = (NONE, self.entries[entry].head);
        while at != row {
            assert_ne!(at, NONE, "the row is in the chain of its entry");
            before = at;
            at = self.next.get(at);
        }
        before
    }

    /// Lets the row (or head) before point to `after`, and the row `next` back to `back`.
    fn relink(&mut self, entry: u32, before: u32, next: u32, after: u32, back: u32) {
        if before == NONE {
            self.entries[entry].head = after;
        } else {
            self.next.set(before, after);
        }
        if next != NONE && self.hot(entry) {
            self.before.set(next, back);
        }
    }

    /// The weight of `row`; 0 if it has gone, 1 if it was never linked.
    #[must_use]
    #[inline]
    pub fn weight(&self, row: u32) -> i64 {
        self.weights.get(row)
    }

    /// The next older row of the same key.
    #[must_use]
    #[inline]
    pub(super) fn after(&self, row: u32) -> u32 {
        self.next.get(row)
    }

    /// The newest row of `entry`, or [`NONE`].
    #[must_use]
    #[inline]
    pub(super) fn head(&self, entry: u32) -> u32 {
        self.entries[entry].head
    }

    /// The sum of weights of each entry's rows; 0 for [`NONE`].
    #[must_use]
    pub fn sums(&self, entries: &[u32]) -> Vec<i64> {
        let sum = |&entry: &u32| if entry == NONE { 0 } else { self.entries[entry].weight };
        entries.iter().map(sum).collect()
    }

    /// Number of rows in the chain of `entry`.
    #[must_use]
    pub fn length(&self, entry: u32) -> u32 {
        self.entries[entry].length & !HOT
    }

    /// Whether `entry` has been marked by [`Chains::heat`].
    #[must_use]
    pub fn hot(&self, entry: u32) -> bool {
        self.entries[entry].length & HOT != 0
    }

    /// Marks `entry` as one whose rows its owner finds by other means than the chain.
    pub fn heat(&mut self, entry: u32) {
        let (mut before, mut at) = (NONE, self.entries[entry].head);
        while at != NONE {
            self.before.set(at, before);
            before = at;
            at = self.next.get(at);
        }
        self.entries[entry].length |= HOT;
    }

    /// The rows of `entry`, newest first.
    pub fn chain(&self, entry: u32) -> impl Iterator<Item = u32> {
        let present = |row: u32| (row != NONE).then_some(row);
        std::iter::successors(present(self.head(entry)), move |&row| present(self.after(row)))
    }

    /// One row of each chain: the newest of each distinct key.
    pub fn heads(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry.head).filter(|&head| head != NONE)
    }

    /// The pairs of rows with these keys and rows in the chains of equal keys.
    #[must_use]
    pub fn cursor<'a>(&'a self, keys: &'a KeyBatch, null_equals_null: bool) -> Cursor<'a> {
        Cursor::new(self, keys, null_equals_null)
    }
}
