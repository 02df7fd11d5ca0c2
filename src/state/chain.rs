//! Rows by key: an index from keys to chains of row numbers. Whose rows they are, and where their
//! values stand, is the caller's business: an arrangement's, or a delta's of one tick.

use std::ops::Range;

use itertools::Itertools;

use super::index::{NONE, RowIndex};
use super::key_bytes::KeyBytes;
use super::segmented::SegmentedVec;
use crate::types::key::{KeyBatch, KeyEncoder, Keys};

/// Pairs found by probing, as parallel vectors.
#[derive(Default, Debug)]
pub struct Matches {
    /// Row of the probing batch.
    pub probe: Vec<u32>,
    /// Row found.
    pub state: Vec<u32>,
    /// Its weight (never 0).
    pub weights: Vec<i64>,
}

impl Matches {
    /// Number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.probe.len()
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.probe.is_empty()
    }

    /// Forgets the pairs, keeps the memory.
    pub fn clear(&mut self) {
        self.probe.clear();
        self.state.clear();
        self.weights.clear();
    }
}

/// Chains of rows by key.
///
/// # Invariants
/// 1. A key is compared exactly, never by hash alone (by `find`).
/// 2. An entry's `weight` and `length` are the sum of weights and the number of its chain's rows.
/// 3. No linked row has weight 0 (kept by `push` and `add`).
#[derive(Debug)]
pub struct Chains {
    index: RowIndex,
    entries: SegmentedVec<Entry>,
    nodes: SegmentedVec<Node>,
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
    /// Number of rows; [`HOT`] is a flag for the owner.
    length: u32,
}

/// A row's place in its chain.
#[derive(Clone, Copy, Debug)]
struct Node {
    weight: i64,
    next: u32,
    prev: u32,
    entry: u32,
}

const HOT: u32 = 1 << 31;
const NO_NODE: Node = Node { weight: 0, next: NONE, prev: NONE, entry: NONE };

/// Keys looked up between looking at their chains: what is read about them is still cached then.
pub const PART: usize = 1024;

/// An enumeration of the pairs of probing rows and rows with equal keys, in bounded steps.
pub struct Cursor<'a> {
    chains: &'a Chains,
    keys: &'a KeyBatch,
    null_equals_null: bool,
    wanted: Option<Vec<bool>>,
    /// For each probing row from `first` on, up to [`PART`] of them, the rest of its chain.
    heads: Vec<u32>,
    first: usize,
    at: usize,
}

impl Cursor<'_> {
    /// Skips the probing rows for which `wanted` is false.
    #[must_use]
    pub fn only(mut self, wanted: Vec<bool>) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Appends up to `limit` further pairs to `matches`; false if there were none left.
    pub fn advance(&mut self, limit: usize, matches: &mut Matches) -> bool {
        let mut left = limit;
        loop {
            while let Some(head) = self.heads.get_mut(self.at) {
                let probe = (self.first + self.at) as u32;
                while *head != NONE {
                    if left == 0 {
                        return true;
                    }
                    left -= 1;
                    let node = &self.chains.nodes[*head];
                    matches.probe.push(probe);
                    matches.state.push(*head);
                    matches.weights.push(node.weight);
                    *head = node.next;
                }
                self.at += 1;
            }
            if !self.refill() {
                return left < limit;
            }
        }
    }

    /// Looks up the next part of the probing rows; false if there are none.
    fn refill(&mut self) -> bool {
        self.first += self.heads.len();
        self.at = 0;
        self.heads.clear();
        let part = self.first..(self.first + PART).min(self.keys.hashes.len());
        self.chains.find_part(self.keys, part.clone(), self.null_equals_null, &mut self.heads);
        for (row, head) in part.clone().zip_eq(&mut self.heads) {
            let wanted = self.wanted.as_ref().is_none_or(|wanted| wanted[row]);
            *head = if *head == NONE || !wanted { NONE } else { self.chains.entries[*head].head };
        }
        !part.is_empty()
    }
}

impl Chains {
    /// No rows, for keys of `encoder`.
    #[must_use]
    pub fn new(encoder: &KeyEncoder) -> Chains {
        Chains {
            index: RowIndex::new(),
            entries: SegmentedVec::new(),
            nodes: SegmentedVec::new(),
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
        self.index.byte_size() + self.entries.byte_size() + self.nodes.byte_size() + bytes
    }

    /// The entry of each key, or [`NONE`].
    #[must_use]
    pub fn find(&self, keys: &KeyBatch, null_equals_null: bool) -> Vec<u32> {
        let mut found = Vec::with_capacity(keys.hashes.len());
        self.find_part(keys, 0..keys.hashes.len(), null_equals_null, &mut found);
        found
    }

    fn find_part(
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
                self.index.find(hashes, equal, found);
            }
            Keys::Rows(rows) => {
                let equal = |probe, entry| {
                    self.key_bytes(entry) == rows.row(part.start + probe as usize).as_ref()
                };
                self.index.find(hashes, equal, found);
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
                |chains, probe, entry| {
                    chains.key_bytes(entry) == rows.row(first + probe as usize).as_ref()
                },
                |chains, probe| {
                    let bytes = chains.bytes.as_mut().expect("the encoder's keys are bytes");
                    let place = bytes.push(rows.row(first + probe as usize).as_ref());
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
        let Some(&last) = rows.iter().max() else { return };
        self.nodes.grow(last as usize + 1, &NO_NODE);
        for (entry, _) in entries.iter().zip_eq(rows) {
            let head = self.entries[*entry].head;
            // Reads all the old heads, whose cache misses overlap, before writing to any.
            assert!(head == NONE || self.nodes[head].entry == *entry, "a head is of its chain");
        }
        for (at, (&entry, &row)) in entries.iter().zip_eq(rows).enumerate() {
            let weight = weight(at);
            debug_assert_ne!(weight, 0, "rows of weight 0 are not kept");
            let chain = &mut self.entries[entry];
            let next = std::mem::replace(&mut chain.head, row);
            chain.weight += weight;
            chain.length += 1;
            self.nodes[row] = Node { weight, next, prev: NONE, entry };
            if next != NONE {
                self.nodes[next].prev = row;
            }
        }
    }

    /// Adds to the weight of a linked row; at 0 the row is unlinked. Returns the new weight.
    pub fn add(&mut self, row: u32, weight: i64) -> i64 {
        let node = &mut self.nodes[row];
        node.weight += weight;
        let left = node.weight;
        let entry = node.entry;
        self.entries[entry].weight += weight;
        if left == 0 {
            let Node { next, prev, .. } = std::mem::replace(&mut self.nodes[row], NO_NODE);
            self.relink(entry, prev, next, next, prev);
            self.entries[entry].length -= 1;
        }
        left
    }

    /// Lets the linked row `old` be known as `new`.
    pub fn relocate(&mut self, old: u32, new: u32) {
        self.nodes.grow(new as usize + 1, &NO_NODE);
        let node = std::mem::replace(&mut self.nodes[old], NO_NODE);
        self.nodes[new] = node;
        self.relink(node.entry, node.prev, node.next, new, new);
    }

    /// Lets the row (or head) before point to `after_prev` and the row after to `before_next`.
    fn relink(&mut self, entry: u32, prev: u32, next: u32, after_prev: u32, before_next: u32) {
        if prev == NONE {
            self.entries[entry].head = after_prev;
        } else {
            self.nodes[prev].next = after_prev;
        }
        if next != NONE {
            self.nodes[next].prev = before_next;
        }
    }

    /// The weight of `row`; 0 if it is not linked.
    #[must_use]
    pub fn weight(&self, row: u32) -> i64 {
        if row as usize >= self.nodes.len() { 0 } else { self.nodes[row].weight }
    }

    /// The entry whose chain has `row`.
    #[must_use]
    pub fn entry(&self, row: u32) -> u32 {
        self.nodes[row].entry
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
        self.entries[entry].length |= HOT;
    }

    /// The rows of `entry`, newest first.
    pub fn chain(&self, entry: u32) -> impl Iterator<Item = u32> {
        let head = self.entries[entry].head;
        std::iter::successors((head != NONE).then_some(head), |&row| {
            let next = self.nodes[row].next;
            (next != NONE).then_some(next)
        })
    }

    /// One row of each chain: the newest of each distinct key.
    pub fn heads(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry.head).filter(|&head| head != NONE)
    }

    /// The pairs of rows with these keys and rows in the chains of equal keys.
    #[must_use]
    pub fn cursor<'a>(&'a self, keys: &'a KeyBatch, null_equals_null: bool) -> Cursor<'a> {
        let (heads, first, at) = (vec![], 0, 0);
        Cursor { chains: self, keys, null_equals_null, wanted: None, heads, first, at }
    }
}
