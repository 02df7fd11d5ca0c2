//! The rows of one partition in order, with multiplicities before and after a tick: what rankings walk.
//!
//! A partition of few rows is one sorted vector; a larger one is a list of blocks, each with the number
//! of rows in it, so that a position is found without visiting every row.

use std::cmp::Ordering;

use crate::state::groups::ByteStore;

/// Entries of a block before it is split in two.
const BLOCK_ENTRIES: usize = 512;

/// A row in its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first twelve bytes of the row's order-preserving bytes: most comparisons end here.
    prefix: (u64, u32),
    /// Number of the row in its [`ByteStore`].
    pub row: u32,
    /// Multiplicity before this tick; negative only for a while, as `new`.
    pub old: i64,
    /// Multiplicity now.
    pub new: i64,
}

/// Where an entry is or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    block: usize,
    index: usize,
}

/// Rows in order.
///
/// # Invariants
/// 1. Entries ascend strictly, and no block is empty (kept by `change` and `settle`).
/// 2. A block's `rows` is the sum of its entries' positive `new`, `open` the number of entries whose
///    `old` and `new` differ (kept by `change` and `settle`).
#[derive(Clone, Debug, Default)]
pub struct OrderedRows {
    blocks: Vec<Block>,
}

/// A run of entries.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// In order.
    pub entries: Vec<Entry>,
    /// Rows in it now.
    pub rows: i64,
    /// Entries that this tick has changed.
    pub open: usize,
}

/// A row's place in the order, before it is known whether the row is there.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    prefix: (u64, u32),
    bytes: &'a [u8],
}

impl<'a> Probe<'a> {
    /// For a row's order-preserving bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Probe<'a> {
        let mut first = [0; 12];
        let size = bytes.len().min(12);
        first[..size].copy_from_slice(&bytes[..size]);
        let (high, low) = first.split_at(8);
        let high = u64::from_be_bytes(high.try_into().expect("eight bytes"));
        let low = u32::from_be_bytes(low.try_into().expect("four bytes"));
        Probe { prefix: (high, low), bytes }
    }

    /// How the row compares with an entry.
    #[must_use]
    pub fn compare(&self, entry: &Entry, store: &ByteStore) -> Ordering {
        self.prefix.cmp(&entry.prefix).then_with(|| self.bytes.cmp(store.get(entry.row)))
    }
}

impl OrderedRows {
    /// The place of a row, or where it would be.
    ///
    /// # Errors
    /// The latter.
    pub fn search(&self, probe: &Probe<'_>, store: &ByteStore) -> Result<Place, Place> {
        let before = |block: &Block| {
            let first = block.entries.first().expect("no block is empty");
            probe.compare(first, store) != Ordering::Less
        };
        let block = self.blocks.partition_point(before).saturating_sub(1);
        let Some(entries) = self.blocks.get(block).map(|block| &block.entries) else {
            return Err(Place { block: 0, index: 0 });
        };
        match entries.binary_search_by(|entry| probe.compare(entry, store).reverse()) {
            Ok(index) => Ok(Place { block, index }),
            Err(index) => Err(Place { block, index }),
        }
    }

    /// Adds `weight` to the multiplicity of a row, which goes to the store if it is new; returns the
    /// number under which it is there, if it still is.
    pub fn change(&mut self, probe: &Probe<'_>, weight: i64, store: &mut ByteStore) -> u32 {
        let (place, row) = match self.search(probe, store) {
            Ok(place) => (place, self.blocks[place.block].entries[place.index].row),
            Err(place) => {
                let row = store.insert(probe.bytes);
                (self.insert(place, Entry { prefix: probe.prefix, row, old: 0, new: 0 }), row)
            }
        };
        let block = &mut self.blocks[place.block];
        let entry = &mut block.entries[place.index];
        let (was_open, before) = (entry.old != entry.new, entry.new.max(0));
        entry.new += weight;
        block.rows += entry.new.max(0) - before;
        block.open = block.open + usize::from(entry.old != entry.new) - usize::from(was_open);
        if entry.old == 0 && entry.new == 0 {
            // It came and went within the tick: nothing would look at it again.
            block.entries.remove(place.index);
            store.remove(row);
            if block.entries.is_empty() {
                self.blocks.remove(place.block);
            }
        }
        row
    }

    fn insert(&mut self, place: Place, entry: Entry) -> Place {
        if self.blocks.is_empty() {
            // Partitions of one row are common, and many.
            self.blocks.reserve_exact(1);
            self.blocks.push(Block { entries: Vec::with_capacity(1), rows: 0, open: 0 });
        }
        self.blocks[place.block].entries.insert(place.index, entry);
        if self.blocks[place.block].entries.len() <= BLOCK_ENTRIES {
            return place;
        }
        let half = BLOCK_ENTRIES / 2;
        let entries = self.blocks[place.block].entries.split_off(half);
        self.blocks.insert(place.block + 1, Block { entries, rows: 0, open: 0 });
        self.blocks[place.block].recount();
        self.blocks[place.block + 1].recount();
        match place.index.checked_sub(half) {
            None => place,
            Some(index) => Place { block: place.block + 1, index },
        }
    }

    /// The blocks in order.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The block at a place, and the index in it.
    #[must_use]
    pub fn at(&self, place: Place) -> (usize, usize) {
        (place.block, place.index)
    }

    /// The first entry that this tick has changed.
    #[must_use]
    pub fn first_open(&self) -> Option<(usize, usize)> {
        let block = self.blocks.iter().position(|block| block.open > 0)?;
        let entries = &self.blocks[block].entries;
        let index = entries.iter().position(|entry| entry.old != entry.new);
        Some((block, index.expect("the block counts its open entries")))
    }

    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.blocks.iter().map(|block| block.rows).sum()
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<&Entry> {
        self.blocks.last().and_then(|block| block.entries.last())
    }

    /// Ends the tick: what is new becomes old, and rows of multiplicity zero go.
    pub fn settle(&mut self, store: &mut ByteStore) {
        for block in self.blocks.iter_mut().filter(|block| block.open > 0) {
            block.entries.retain_mut(|entry| {
                entry.old = entry.new;
                if entry.new == 0 {
                    store.remove(entry.row);
                }
                entry.new != 0
            });
            block.open = 0;
        }
        self.blocks.retain(|block| !block.entries.is_empty());
    }

    /// Drops the rows from `index` of block `block` on.
    pub fn truncate(&mut self, block: usize, index: usize, store: &mut ByteStore) {
        for dropped in self.blocks.drain(block + 1..).flat_map(|block| block.entries) {
            store.remove(dropped.row);
        }
        if let Some(last) = self.blocks.get_mut(block) {
            last.entries.drain(index..).for_each(|entry| store.remove(entry.row));
            last.recount();
            if last.entries.is_empty() {
                self.blocks.pop();
            }
        }
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Bytes held, beside the store.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let entries = self.blocks.iter().map(|block| block.entries.capacity() * size_of::<Entry>());
        entries.sum::<usize>() + self.blocks.capacity() * size_of::<Block>()
    }
}

impl Block {
    fn recount(&mut self) {
        self.rows = self.entries.iter().map(|entry| entry.new.max(0)).sum();
        self.open = self.entries.iter().filter(|entry| entry.old != entry.new).count();
    }
}
