//! The hash index of every keyed state: hash → row number, in eight bytes a slot, probed a batch at a
//! time in passes so that cache misses overlap.
//!
//! The index stores no keys: it names candidate rows and the caller compares. What a "row" is (a
//! group, a key's entry, a row of an arrangement) is the caller's business.

use itertools::Itertools;

/// Stands for "no row" wherever row numbers are kept.
pub const NONE: u32 = u32::MAX;

const TABLES: usize = 64;
const EMPTY: u64 = u64::MAX;
/// Hashes looked up between two passes: what is kept about them fits the first-level cache.
const BATCH: usize = 512;
const SLOTS_MIN: usize = 8;
/// Entries of an index whose rows' keys do not fit the second-level cache.
const COLD: usize = 1 << 14;

/// An index from 64-bit hashes to row numbers.
///
/// Slot = 32-bit tag (the hash's high half) and 32-bit row number. Bits 8..14 of the hash choose one
/// of 64 sub-tables, the top bits of the tag the slot: all disjoint from the low eight bits, by which
/// rows are routed to workers. Sub-tables grow one at a time, in slot order, without looking at keys.
///
/// # Invariants
/// 1. A row number is below [`NONE`] (asserted on insertion).
/// 2. From an entry's home slot to the entry there is no empty slot (kept by `Table::insert` and the
///    shifting in `Table::remove`; checked by the model test).
#[derive(Clone, Debug)]
pub struct RowIndex {
    tables: Vec<Table>,
}

/// One sub-table: open addressing with linear probing.
#[derive(Clone, Debug, Default)]
struct Table {
    /// A power of two of slots, or none at all.
    slots: Vec<u64>,
    /// 32 − log2(slots): a tag shifted right by this is its home slot.
    shift: u32,
    used: usize,
}

/// What the first pass learns about a hash.
#[derive(Clone, Copy, Default)]
struct Home {
    place: u32,
    slot: u64,
}

impl Default for RowIndex {
    fn default() -> RowIndex {
        RowIndex::new()
    }
}

impl RowIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> RowIndex {
        RowIndex { tables: vec![Table::default(); TABLES] }
    }

    /// An empty index that takes about `rows` entries without growing.
    #[must_use]
    pub fn with_capacity(rows: usize) -> RowIndex {
        let slots = rows / TABLES * 2;
        if slots < SLOTS_MIN {
            return RowIndex::new();
        }
        RowIndex { tables: vec![Table::of(slots.next_power_of_two()); TABLES] }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.used).sum()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.used == 0)
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.tables.iter().map(|table| table.slots.capacity() * size_of::<u64>()).sum()
    }

    /// For each hash, appends to `out` the row for which `equal(position of the hash, row)` holds, or
    /// [`NONE`]. `key` reads something of a row's key, no matter what.
    pub fn find(
        &self,
        hashes: &[u64],
        key: impl Fn(u32) -> u64,
        mut equal: impl FnMut(u32, u32) -> bool,
        out: &mut Vec<u32>,
    ) {
        out.reserve(hashes.len());
        let cold = self.len() > COLD;
        let mut homes = [Home::default(); BATCH];
        let mut first = 0u32;
        for batch in hashes.chunks(BATCH) {
            self.touch(batch, &mut homes);
            if cold {
                touch_keys(batch, &homes, &key);
            }
            for (offset, &hash) in batch.iter().enumerate() {
                let probe = first + narrow(offset);
                let found = self.table(hash).find(homes[offset], hash, |row| equal(probe, row));
                out.push(found);
            }
            first += narrow(batch.len());
        }
    }

    /// For each hash, appends to `out` the row for which `equal(state, position, row)` holds; `key` is as for
    /// [`RowIndex::find`]. Where
    /// there is none, `on_new(state, position)` makes one, returns its number, and later equal hashes of
    /// the same call find it.
    pub fn find_or_insert<S>(
        &mut self,
        hashes: &[u64],
        state: &mut S,
        key: impl Fn(&S, u32) -> u64,
        equal: impl Fn(&S, u32, u32) -> bool,
        mut on_new: impl FnMut(&mut S, u32) -> u32,
        out: &mut Vec<u32>,
    ) {
        let mut first = 0u32;
        for batch in hashes.chunks(BATCH) {
            let start = out.len();
            let equal_at = |probe, row| equal(state, first + probe, row);
            self.find(batch, |row| key(state, row), equal_at, out);
            for (offset, &hash) in batch.iter().enumerate() {
                if out[start + offset] != NONE {
                    continue;
                }
                let probe = first + narrow(offset);
                // Once more: an earlier row of this batch may have made it.
                let table = &mut self.tables[table_of(hash)];
                table.prepare();
                out[start + offset] =
                    match table.search(table.home(hash), hash, |row| equal(state, probe, row)) {
                        Ok(row) => row,
                        Err(place) => {
                            let row = on_new(state, probe);
                            assert!(row < NONE, "row numbers end before NONE");
                            table.fill(place, slot(hash, row));
                            row
                        }
                    };
            }
            first += narrow(batch.len());
        }
    }

    /// Adds an entry, whether or not there is one with an equal hash.
    pub fn insert(&mut self, hash: u64, row: u32) {
        assert!(row < NONE, "row numbers end before NONE");
        self.tables[table_of(hash)].insert(hash, row);
    }

    /// Calls `visit` with every row whose hash has the same tag: those inserted under `hash`, and rarely
    /// others.
    pub fn candidates(&self, hash: u64, mut visit: impl FnMut(u32)) {
        let table = self.table(hash);
        table.find(table.home(hash), hash, |row| {
            visit(row);
            false
        });
    }

    /// Removes the entry of `row` under `hash`; false if there is none.
    pub fn remove(&mut self, hash: u64, row: u32) -> bool {
        self.tables[table_of(hash)].remove(hash, row)
    }

    /// Lets the entry of `old` under `hash` name `new`; false if there is none.
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        assert!(new < NONE, "row numbers end before NONE");
        let table = &mut self.tables[table_of(hash)];
        let place = table.place(hash, old);
        if let Some(place) = place {
            table.slots[place] = slot(hash, new);
        }
        place.is_some()
    }

    fn table(&self, hash: u64) -> &Table {
        &self.tables[table_of(hash)]
    }

    /// The first pass: reads the home slots of a batch. The reads do not depend on each other, so the
    /// processor overlaps their cache misses; the second pass then finds the lines in the cache.
    fn touch(&self, batch: &[u64], homes: &mut [Home; BATCH]) {
        for (home, &hash) in homes[..batch.len()].iter_mut().zip_eq(batch) {
            *home = self.table(hash).home(hash);
        }
    }
}

/// Reads the keys of rows that are likely to be compared, for the same reason.
fn touch_keys(batch: &[u64], homes: &[Home; BATCH], key: impl Fn(u32) -> u64) {
    let mut read = 0;
    for (home, &hash) in itertools::zip_eq(&homes[..batch.len()], batch) {
        if home.slot >> 32 == hash >> 32 && home.slot != EMPTY {
            read ^= key(row_of(home.slot));
        }
    }
    std::hint::black_box(read);
}

impl Table {
    /// An empty table of `length` slots, a power of two.
    fn of(length: usize) -> Table {
        Table { slots: vec![EMPTY; length], shift: 32 - length.trailing_zeros(), used: 0 }
    }

    fn home(&self, hash: u64) -> Home {
        if self.slots.is_empty() {
            return Home { place: 0, slot: EMPTY };
        }
        let place = tag(hash) >> self.shift;
        Home { place, slot: self.slots[place as usize] }
    }

    /// The first row in probing order with the tag of `hash` for which `accept` holds, or [`NONE`].
    fn find(&self, home: Home, hash: u64, accept: impl FnMut(u32) -> bool) -> u32 {
        self.search(home, hash, accept).unwrap_or(NONE)
    }

    /// The same; if there is none, where probing ended: the empty slot of a new entry.
    fn search(
        &self,
        home: Home,
        hash: u64,
        mut accept: impl FnMut(u32) -> bool,
    ) -> Result<u32, usize> {
        let (mut place, mut slot) = (home.place as usize, home.slot);
        let mask = self.slots.len().wrapping_sub(1);
        while slot != EMPTY {
            if slot >> 32 == hash >> 32 && accept(row_of(slot)) {
                return Ok(row_of(slot));
            }
            place = (place + 1) & mask;
            slot = self.slots[place];
        }
        Err(place)
    }

    /// The slot that holds `row` under `hash`.
    fn place(&self, hash: u64, row: u32) -> Option<usize> {
        let wanted = slot(hash, row);
        let Home { place, slot } = self.home(hash);
        let (mut place, mut slot) = (place as usize, slot);
        while slot != wanted {
            if slot == EMPTY {
                return None;
            }
            place = (place + 1) & (self.slots.len() - 1);
            slot = self.slots[place];
        }
        Some(place)
    }

    fn insert(&mut self, hash: u64, row: u32) {
        self.prepare();
        self.put(slot(hash, row));
        self.used += 1;
    }

    /// Makes room for one more entry.
    fn prepare(&mut self) {
        // At most three quarters full, or runs of used slots grow long.
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
    }

    /// Makes an empty slot an entry.
    fn fill(&mut self, place: usize, slot: u64) {
        debug_assert_eq!(self.slots[place], EMPTY, "where probing ended");
        self.slots[place] = slot;
        self.used += 1;
    }

    fn put(&mut self, slot: u64) {
        let mut place = self.home_of(slot);
        while self.slots[place] != EMPTY {
            place = (place + 1) & (self.slots.len() - 1);
        }
        self.slots[place] = slot;
    }

    fn home_of(&self, slot: u64) -> usize {
        (slot >> 32 >> self.shift) as usize
    }

    fn grow(&mut self) {
        let grown = Table::of((self.slots.len() * 2).max(SLOTS_MIN));
        let old = std::mem::replace(self, Table { used: self.used, ..grown }).slots;
        for slot in old {
            if slot != EMPTY {
                self.put(slot);
            }
        }
    }

    /// Empties the slot and moves later entries of its run back, so that no entry is cut off from its
    /// home.
    fn remove(&mut self, hash: u64, row: u32) -> bool {
        let Some(mut hole) = self.place(hash, row) else { return false };
        let mask = self.slots.len() - 1;
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let slot = self.slots[place];
            if slot == EMPTY {
                break;
            }
            // The entry may move into the hole if the hole is not before its home (cyclically).
            let from_home = place.wrapping_sub(self.home_of(slot)) & mask;
            if from_home >= place.wrapping_sub(hole) & mask {
                self.slots[hole] = slot;
                hole = place;
            }
        }
        self.slots[hole] = EMPTY;
        self.used -= 1;
        true
    }
}

fn table_of(hash: u64) -> usize {
    (hash >> 8) as usize & (TABLES - 1)
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn slot(hash: u64, row: u32) -> u64 {
    (hash & !0xffff_ffff) | u64::from(row)
}

fn row_of(slot: u64) -> u32 {
    (slot & 0xffff_ffff) as u32
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("a batch has fewer than 2^32 rows")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn hash(key: u64) -> u64 {
        // Few distinct tags on purpose: collisions are the interesting case.
        let spread = (key % 97).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (spread & !0xffff) | (key % 5) << 8
    }

    #[test]
    fn agrees_with_a_map_under_random_inserts_and_removals() {
        let mut random = StdRng::seed_from_u64(1);
        let mut index = RowIndex::new();
        let mut keys: Vec<u64> = vec![];
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        for _ in 0..200 {
            let batch: Vec<u64> =
                (0..random.random_range(0..1500)).map(|_| random.random_range(0..2000)).collect();
            let hashes: Vec<u64> = batch.iter().map(|&key| hash(key)).collect();
            let mut found = vec![];
            index.find_or_insert(
                &hashes,
                &mut keys,
                |keys, row| keys[row as usize],
                |keys, probe, row| keys[row as usize] == batch[probe as usize],
                |keys, probe| {
                    keys.push(batch[probe as usize]);
                    narrow(keys.len() - 1)
                },
                &mut found,
            );
            for (&key, &row) in itertools::zip_eq(&batch, &found) {
                assert_eq!(*model.entry(key).or_insert(row), row);
            }
            for key in (0..random.random_range(0..500)).map(|_| random.random_range(0..2000)) {
                let row = model.remove(&key);
                assert_eq!(row.is_some(), row.is_some_and(|row| index.remove(hash(key), row)));
            }
            assert_eq!(index.len(), model.len());
        }
        let all: Vec<u64> = (0..2000).collect();
        let hashes: Vec<u64> = all.iter().map(|&key| hash(key)).collect();
        let mut found = vec![];
        let key = |row: u32| keys[row as usize];
        index.find(
            &hashes,
            key,
            |probe, row| keys[row as usize] == all[probe as usize],
            &mut found,
        );
        let expected: Vec<u32> =
            all.iter().map(|key| model.get(key).copied().unwrap_or(NONE)).collect();
        assert_eq!(found, expected);
    }
}
