//! The rows of a batch by key: what is looked up for a key is looked up once for all its rows, and what
//! comes of them comes in runs of equal keys.

use std::ops::Range;

use super::index::NONE;
use crate::types::key::{KeyBatch, Keys};

/// Rows looked at to guess whether keys repeat.
const SAMPLE: usize = if cfg!(debug_assertions) { 4 } else { 512 };
/// Rows are grouped if there are at least this many per key in the sample: below, grouping costs more than
/// the lookups it saves.
const ROWS_PER_KEY: usize = 2;
/// Numbers are grouped by counting if between the least and the greatest there are at most this many per
/// row: so it is with ids that come in order, and with the few of a dimension.
const RANGE_PER_ROW: usize = 2;

/// The rows of a batch, those of one key together.
///
/// # Invariants
/// 1. Every row of the batch is in one group, and rows of a group are of equal keys, nulls equal to nulls
///    (by construction in `of`).
#[derive(Debug)]
pub struct KeyGroups {
    /// A row of each key.
    firsts: Vec<u32>,
    /// All rows, in the order of `firsts`.
    rows: Vec<u32>,
    /// Where in `rows` the rows of each key end.
    ends: Vec<u32>,
}

impl KeyGroups {
    /// The groups of `keys`, if a sample tells that keys repeat.
    #[must_use]
    pub fn of(keys: &KeyBatch) -> Option<KeyGroups> {
        let length = keys.hashes.len();
        if length < SAMPLE {
            return None;
        }
        let mut grouping = Grouping::new(length);
        grouping.number(keys, 0..SAMPLE);
        if grouping.firsts.len() * ROWS_PER_KEY > SAMPLE {
            return None;
        }
        if let Some(groups) = KeyGroups::by_value(keys) {
            return Some(groups);
        }
        grouping.number(keys, SAMPLE..length);
        Some(grouping.into_groups())
    }

    /// The groups of numbers in a narrow range, in the numbers' order: counted, not looked up.
    fn by_value(keys: &KeyBatch) -> Option<KeyGroups> {
        let Keys::Fixed(values) = &keys.keys else { return None };
        let (low, high) = keys.ranks_in(0..values.len());
        let range = usize::try_from(high.abs_diff(low)).ok()?.checked_add(1)?;
        if keys.nulls.is_some() || range > values.len() * RANGE_PER_ROW {
            return None;
        }
        let number = |value: u64| value.wrapping_sub(low.cast_unsigned()) as u32;
        let (mut ends, rows) = sorted(values.iter().map(|&value| number(value)), range);
        let mut firsts = vec![];
        let mut start = 0;
        ends.retain(|&end| {
            let used = end > start;
            if used {
                firsts.push(rows[start as usize]);
                start = end;
            }
            used
        });
        Some(KeyGroups { firsts, rows, ends })
    }

    /// A row of each key.
    #[must_use]
    pub fn firsts(&self) -> &[u32] {
        &self.firsts
    }

    /// The rows of the key that is in place `key` of `firsts`.
    #[must_use]
    #[inline]
    pub fn rows(&self, key: usize) -> &[u32] {
        let start = key.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start as usize..self.ends[key] as usize]
    }
}

/// Groups being made: a hash table that lives for one batch, small enough for the caches, with the hashes
/// in its slots.
struct Grouping {
    /// A power of two of slots, at most half of them used.
    slots: Vec<Slot>,
    firsts: Vec<u32>,
    /// For each row, the place of its key in `firsts`.
    numbers: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    /// The place of the key in `firsts`, or [`NONE`].
    number: u32,
}

const EMPTY: Slot = Slot { hash: 0, number: NONE };

impl Grouping {
    fn new(rows: usize) -> Grouping {
        let slots = vec![EMPTY; (2 * SAMPLE).next_power_of_two()];
        Grouping { slots, firsts: vec![], numbers: Vec::with_capacity(rows) }
    }

    fn number(&mut self, keys: &KeyBatch, part: Range<usize>) {
        for row in part {
            let hash = keys.hashes[row];
            let mut place = self.home(hash);
            loop {
                let slot = self.slots[place];
                if slot.number == NONE {
                    self.add(hash, row, place);
                    break;
                }
                if slot.hash == hash
                    && (keys.told_by_hash()
                        || keys.same(row, self.firsts[slot.number as usize] as usize))
                {
                    self.numbers.push(slot.number);
                    break;
                }
                place = (place + 1) & (self.slots.len() - 1);
            }
        }
    }

    /// Where a hash belongs: by its high bits, since the low ones are those by which rows came to this
    /// worker.
    fn home(&self, hash: u64) -> usize {
        (hash >> (u64::BITS - self.slots.len().trailing_zeros())) as usize
    }

    fn add(&mut self, hash: u64, row: usize, place: usize) {
        let number = self.firsts.len() as u32;
        self.slots[place] = Slot { hash, number };
        self.firsts.push(row as u32);
        self.numbers.push(number);
        if self.firsts.len() * 2 > self.slots.len() {
            let grown = vec![EMPTY; self.slots.len() * 2];
            for slot in std::mem::replace(&mut self.slots, grown) {
                if slot.number != NONE {
                    let mut place = self.home(slot.hash);
                    while self.slots[place].number != NONE {
                        place = (place + 1) & (self.slots.len() - 1);
                    }
                    self.slots[place] = slot;
                }
            }
        }
    }

    fn into_groups(self) -> KeyGroups {
        let (ends, rows) = sorted(self.numbers.iter().copied(), self.firsts.len());
        KeyGroups { firsts: self.firsts, rows, ends }
    }
}

/// Rows sorted by their numbers, which are below `range`, by counting: where those of each number end, and the
/// rows.
fn sorted(
    numbers: impl ExactSizeIterator<Item = u32> + Clone,
    range: usize,
) -> (Vec<u32>, Vec<u32>) {
    let mut ends = vec![0; range];
    for number in numbers.clone() {
        ends[number as usize] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    // Now the starts; each moves to its end as its rows are put in.
    let mut rows = vec![0; numbers.len()];
    for (row, number) in numbers.enumerate() {
        let place = &mut ends[number as usize];
        rows[*place as usize] = row as u32;
        *place += 1;
    }
    (ends, rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::DataType;
    use itertools::Itertools;

    use super::*;
    use crate::types::key::KeyEncoder;

    #[test]
    fn rows_of_a_group_are_all_of_one_key() {
        let numbers: Int64Array =
            (0..1000).map(|n| (n / 3 % 7 != 1).then_some(n / 3 % 7)).collect();
        let texts: StringArray = (0..1000).map(|n| Some((n / 100 % 3).to_string())).collect();
        // Narrow, wide, and with nulls.
        let narrow: Int64Array = (0..1000).map(|n| Some(n / 3 % 7 - 3)).collect();
        let wide: Int64Array = (0..1000).map(|n| Some((n / 3 % 7 - 3) << 60)).collect();
        let columns: [Vec<ArrayRef>; 4] = [
            vec![Arc::new(narrow)],
            vec![Arc::new(wide)],
            vec![Arc::new(numbers.clone())],
            vec![Arc::new(numbers), Arc::new(texts)],
        ];
        for (columns, keys) in columns.into_iter().zip_eq([7, 7, 7, 21]) {
            let types = columns.iter().map(|column| column.data_type().clone()).collect_vec();
            let batch = KeyEncoder::new(&types).unwrap().encode(&columns, 1000).unwrap();
            let groups = KeyGroups::of(&batch).unwrap();
            assert_eq!(groups.firsts().len(), keys);
            let all = (0..keys).flat_map(|key| groups.rows(key)).sorted().copied().collect_vec();
            assert_eq!(all, (0..1000).collect_vec());
            for (key, &first) in groups.firsts().iter().enumerate() {
                let same = |&row: &u32| batch.same(row as usize, first as usize);
                assert!(groups.rows(key).iter().all(same));
            }
        }
        let own: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = KeyEncoder::new(&[DataType::Int64]).unwrap().encode(&[own], 1000).unwrap();
        assert!(KeyGroups::of(&batch).is_none());
    }
}
