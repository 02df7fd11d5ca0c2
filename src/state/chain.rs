//! Rows by key: an index from keys to chains of row numbers. Whose rows they are, and where their
//! values stand, is the caller's business: an arrangement's, or a delta's of one tick.

use super::index::{NONE, RowIndex};
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

/// Where an enumeration of matches stands, so that it can go on after a bounded number of them.
#[derive(Debug)]
pub struct Cursor {
    /// For each probing row the rest of its chain.
    heads: Vec<u32>,
    at: usize,
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
        let entries = chains.find_or_insert(keys);
        for (row, &entry) in entries.iter().enumerate() {
            if weight(row) != 0 {
                chains.push(entry, row as u32, weight(row));
            }
        }
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
        let mut found = vec![];
        match (&keys.keys, &self.bytes) {
            (Keys::Fixed(values), None) => self.index.find(
                &keys.hashes,
                |probe, entry| self.equal_fixed(keys, values, probe, entry),
                &mut found,
            ),
            (Keys::Rows(rows), Some(bytes)) => self.index.find(
                &keys.hashes,
                |probe, entry| {
                    bytes.get(self.entries[entry].key) == rows.row(probe as usize).as_ref()
                },
                &mut found,
            ),
            _ => unreachable!("keys of another encoder"),
        }
        if let Some(nulls) = keys.nulls.as_ref().filter(|_| !null_equals_null) {
            for (row, entry) in found.iter_mut().enumerate() {
                if nulls.is_null(row) {
                    *entry = NONE;
                }
            }
        }
        found
    }

    fn equal_fixed(&self, keys: &KeyBatch, values: &[u64], probe: u32, entry: u32) -> bool {
        let null = keys.nulls.as_ref().is_some_and(|nulls| nulls.is_null(probe as usize));
        if null || entry == self.null_entry {
            return null && entry == self.null_entry;
        }
        self.entries[entry].key == values[probe as usize]
    }

    /// The entry of each key, null keys included; new ones start with an empty chain.
    pub fn find_or_insert(&mut self, keys: &KeyBatch) -> Vec<u32> {
        let mut found = vec![];
        // Apart from `self` while it grows, so that comparing may look at the rest.
        let mut index = std::mem::take(&mut self.index);
        match &keys.keys {
            Keys::Fixed(values) => index.find_or_insert(
                &keys.hashes,
                self,
                |chains, probe, entry| chains.equal_fixed(keys, values, probe, entry),
                |chains, probe| {
                    let entry = chains.new_entry(values[probe as usize]);
                    if keys.nulls.as_ref().is_some_and(|nulls| nulls.is_null(probe as usize)) {
                        chains.null_entry = entry;
                    }
                    entry
                },
                &mut found,
            ),
            Keys::Rows(rows) => index.find_or_insert(
                &keys.hashes,
                self,
                |chains, probe, entry| chains.key_bytes(entry) == rows.row(probe as usize).as_ref(),
                |chains, probe| {
                    let bytes = chains.bytes.as_mut().expect("the encoder's keys are bytes");
                    let place = bytes.push(rows.row(probe as usize).as_ref());
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

    /// Links `row` into the chain of `entry`.
    pub fn push(&mut self, entry: u32, row: u32, weight: i64) {
        debug_assert_ne!(weight, 0, "rows of weight 0 are not kept");
        self.nodes.grow(row as usize + 1, &NO_NODE);
        let chain = &mut self.entries[entry];
        let next = std::mem::replace(&mut chain.head, row);
        chain.weight += weight;
        chain.length += 1;
        self.nodes[row] = Node { weight, next, prev: NONE, entry };
        if next != NONE {
            self.nodes[next].prev = row;
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

    /// A cursor over all pairs of probing rows and rows of the entries found for them.
    #[must_use]
    pub fn cursor(&self, mut entries: Vec<u32>) -> Cursor {
        for entry in &mut entries {
            if *entry != NONE {
                *entry = self.entries[*entry].head;
            }
        }
        Cursor { heads: entries, at: 0 }
    }

    /// Appends up to `limit` further pairs to `matches`; false if there are no more.
    pub fn advance(&self, cursor: &mut Cursor, limit: usize, matches: &mut Matches) -> bool {
        let mut left = limit;
        while let Some(&head) = cursor.heads.get(cursor.at) {
            let mut row = head;
            while row != NONE {
                if left == 0 {
                    cursor.heads[cursor.at] = row;
                    return true;
                }
                left -= 1;
                let node = &self.nodes[row];
                matches.probe.push(cursor.at as u32);
                matches.state.push(row);
                matches.weights.push(node.weight);
                row = node.next;
            }
            cursor.at += 1;
        }
        limit > left
    }
}

/// The bytes of keys, each behind its length.
#[derive(Debug, Default)]
struct KeyBytes {
    blocks: Vec<Vec<u8>>,
    used: usize,
    garbage: usize,
}

impl KeyBytes {
    const NOWHERE: u64 = u64::MAX;
    const BLOCK_SIZE: usize = 1 << 18;
    const LENGTH_SIZE: usize = 4;

    fn get(&self, place: u64) -> &[u8] {
        let block = &self.blocks[(place >> 32) as usize][(place & 0xffff_ffff) as usize..];
        let (length, rest) = block
            .split_first_chunk::<{ KeyBytes::LENGTH_SIZE }>()
            .expect("a key starts with its length");
        &rest[..u32::from_le_bytes(*length) as usize]
    }

    fn push(&mut self, key: &[u8]) -> u64 {
        let size = key.len() + KeyBytes::LENGTH_SIZE;
        if self.blocks.last().is_none_or(|block| block.len() + size > KeyBytes::BLOCK_SIZE) {
            // The first block grows with the state; a key longer than a block has one to itself.
            let capacity =
                if self.blocks.is_empty() { size } else { KeyBytes::BLOCK_SIZE.max(size) };
            self.blocks.push(Vec::with_capacity(capacity));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let place = (number as u64) << 32 | block.len() as u64;
        block.extend_from_slice(
            &u32::try_from(key.len()).expect("a key is below 4 GB").to_le_bytes(),
        );
        block.extend_from_slice(key);
        self.used += size;
        place
    }

    fn forget(&mut self, place: u64) {
        self.garbage += self.get(place).len() + KeyBytes::LENGTH_SIZE;
    }

    fn mostly_garbage(&self) -> bool {
        self.garbage > KeyBytes::BLOCK_SIZE && self.garbage * 2 > self.used
    }

    fn byte_size(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }
}
