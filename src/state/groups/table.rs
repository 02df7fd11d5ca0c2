//! Keys with dense numbers: the table behind every grouped state.

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use itertools::Itertools;

use super::ByteStore;
use super::sized::SizedStore;
use crate::error::Result;
use crate::state::SegmentedVec;
use crate::state::index::RowIndex;
use crate::types::key::{KeyBatch, KeyEncoder, Keys, Runs};

/// Gives every distinct key a small number, by which per-key state is kept in columns.
///
/// A table may be *owned*: its keys are then pairs of an owner (a group of another table) and a value,
/// as the distinct values of every group are.
///
/// # Invariants
/// 1. Equal keys (nulls included) have one number for as long as the number is not released.
/// 2. Released numbers are given again; the user resets what it keeps by number.
#[derive(Debug)]
pub struct GroupTable {
    encoder: KeyEncoder,
    index: RowIndex,
    entries: Entries,
}

#[derive(Debug)]
struct Entries {
    keys: Stored,
    /// By number, in an owned table.
    owners: Option<SegmentedVec<u32>>,
    /// Numbers given to new keys by the last assignment.
    created: Vec<u32>,
}

#[derive(Debug)]
enum Stored {
    Fixed { values: SegmentedVec<u64>, null: Option<u32>, free: Vec<u32> },
    Sized(SizedStore),
    Rows(ByteStore),
}

impl GroupTable {
    /// A table of keys of these types.
    ///
    /// # Errors
    /// If a type cannot be a key.
    pub fn new(types: &[DataType]) -> Result<GroupTable> {
        let encoder = KeyEncoder::new(types)?;
        let keys = match encoder.size() {
            _ if encoder.fixed() => {
                Stored::Fixed { values: SegmentedVec::new(), null: None, free: vec![] }
            }
            Some(size) => Stored::Sized(SizedStore::new(size)),
            None => Stored::Rows(ByteStore::default()),
        };
        let entries = Entries { keys, owners: None, created: vec![] };
        Ok(GroupTable { encoder, index: RowIndex::new(), entries })
    }

    /// A table of pairs of an owner and a value of this type. Values are not null.
    ///
    /// # Errors
    /// If the type cannot be a key.
    pub fn owned(value: &DataType) -> Result<GroupTable> {
        let mut table = GroupTable::new(std::slice::from_ref(value))?;
        table.entries.owners = Some(SegmentedVec::new());
        Ok(table)
    }

    /// Whether columns of equal keys are equal bit by bit.
    #[must_use]
    pub fn verbatim(&self) -> bool {
        self.encoder.verbatim()
    }

    /// The numbers of the keys in `columns`, arrays of length `rows`; new keys get new numbers.
    ///
    /// # Errors
    /// If the arrays' types are not the table's.
    pub fn assign(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        if let Some(runs) = Runs::of(columns)? {
            let keys = self.encoder.encode(&runs.columns, runs.ranges.len())?;
            let mut numbers = Vec::with_capacity(rows);
            let of_runs = self.assign_keys(&keys, &keys.hashes, &[]);
            for (range, number) in runs.ranges.into_iter().zip_eq(of_runs) {
                numbers.resize(range.end, number);
            }
            return Ok(numbers);
        }
        let keys = self.encoder.encode(columns, rows)?;
        Ok(self.assign_keys(&keys, &keys.hashes, &[]))
    }

    /// The numbers of the pairs of `owners` and `values`, in an owned table.
    ///
    /// # Errors
    /// If the array's type is not the table's.
    pub fn assign_owned(&mut self, owners: &[u32], values: &ArrayRef) -> Result<Vec<u32>> {
        let keys = self.encoder.encode(std::slice::from_ref(values), values.len())?;
        assert!(
            keys.nulls.is_none_or(|nulls| nulls.null_count() == 0),
            "owned values are not null"
        );
        let keys = KeyBatch { nulls: None, ..keys };
        let hashes: Vec<u64> = keys
            .hashes
            .iter()
            .zip_eq(owners)
            .map(|(hash, owner)| with_owner(*hash, *owner))
            .collect();
        Ok(self.assign_keys(&keys, &hashes, owners))
    }

    fn assign_keys(&mut self, keys: &KeyBatch, hashes: &[u64], owners: &[u32]) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(hashes.len());
        let (index, entries) = (&mut self.index, &mut self.entries);
        entries.created.clear();
        // One comparison per case, so that the common ones have no branch on the case inside.
        match (&keys.keys, &keys.nulls, owners) {
            (Keys::Fixed(batch), None, []) => index.find_or_insert(
                hashes,
                entries,
                |entries, number| entries.fixed(number),
                |entries, row, number| {
                    entries.fixed(number) == batch[row as usize] && !entries.null(number)
                },
                |entries, row| entries.insert_fixed(Some(batch[row as usize]), None),
                &mut numbers,
            ),
            (Keys::Fixed(batch), Some(nulls), []) => index.find_or_insert(
                hashes,
                entries,
                |entries, number| entries.fixed(number),
                |entries, row, number| {
                    let null = nulls.is_null(row as usize);
                    null == entries.null(number)
                        && (null || entries.fixed(number) == batch[row as usize])
                },
                |entries, row| {
                    let valid = nulls.is_valid(row as usize);
                    entries.insert_fixed(valid.then(|| batch[row as usize]), None)
                },
                &mut numbers,
            ),
            (Keys::Fixed(batch), _, owners) => index.find_or_insert(
                hashes,
                entries,
                |entries, number| entries.fixed(number),
                |entries, row, number| {
                    entries.fixed(number) == batch[row as usize]
                        && entries.owner(number) == Some(owners[row as usize])
                },
                |entries, row| {
                    entries.insert_fixed(Some(batch[row as usize]), Some(owners[row as usize]))
                },
                &mut numbers,
            ),
            (Keys::Rows(batch), _, owners) => index.find_or_insert(
                hashes,
                entries,
                |entries, number| entries.row(number).first().map_or(0, |&byte| byte.into()),
                |entries, row, number| {
                    entries.row(number) == batch.row(row as usize)
                        && entries.owner(number) == owners.get(row as usize).copied()
                },
                |entries, row| {
                    let bytes = batch.row(row as usize);
                    entries.insert_row(bytes, owners.get(row as usize).copied())
                },
                &mut numbers,
            ),
        }
        numbers
    }

    /// The numbers that the last assignment gave to new keys.
    #[must_use]
    pub fn created(&self) -> &[u32] {
        &self.entries.created
    }

    /// The key columns of the given numbers.
    ///
    /// # Errors
    /// If stored bytes cannot be decoded, which would be a bug.
    pub fn columns(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.entries.keys {
            Stored::Fixed { values, null, .. } => {
                let keys = numbers.iter().map(|&number| values[number]).collect();
                let nulls = null.map(|null| {
                    let mut valid = BooleanBufferBuilder::new(numbers.len());
                    numbers.iter().for_each(|&number| valid.append(number != null));
                    NullBuffer::new(valid.finish())
                });
                Ok(self.encoder.decode_fixed(keys, nulls.filter(|nulls| nulls.null_count() > 0)))
            }
            _ => {
                let bytes = numbers.iter().map(|&number| self.entries.row(number));
                self.encoder.decode_rows(bytes)
            }
        }
    }

    /// The owner of a number of an owned table.
    ///
    /// # Panics
    /// If the table is not owned.
    #[must_use]
    pub fn owner(&self, number: u32) -> u32 {
        self.entries.owner(number).expect("the table is owned")
    }

    /// The hash of a number's key, without its owner; its vnode is that of the key columns.
    #[must_use]
    pub fn hash(&self, number: u32) -> u64 {
        match &self.entries.keys {
            Stored::Fixed { values, null, .. } => {
                KeyEncoder::hash_fixed((*null != Some(number)).then(|| values[number]))
            }
            _ => self.encoder.hash_row(self.entries.row(number)),
        }
    }

    /// Forgets keys; their numbers will name other keys.
    pub fn release(&mut self, numbers: &[u32]) {
        for &number in numbers {
            let hash = self.hash(number);
            let hash = self.entries.owner(number).map_or(hash, |owner| with_owner(hash, owner));
            let removed = self.index.remove(hash, number);
            assert!(removed, "a number is released once");
            match &mut self.entries.keys {
                Stored::Fixed { null, free, .. } => {
                    *null = null.filter(|null| *null != number);
                    free.push(number);
                }
                Stored::Sized(store) => store.remove(number),
                Stored::Rows(store) => store.remove(number),
            }
        }
    }

    /// One more than the greatest number ever given: the length that state by number needs.
    #[must_use]
    pub fn numbers(&self) -> usize {
        match &self.entries.keys {
            Stored::Fixed { values, .. } => values.len(),
            Stored::Sized(store) => store.numbers(),
            Stored::Rows(store) => store.numbers(),
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The types of the key columns.
    #[must_use]
    pub fn types(&self) -> &[DataType] {
        self.encoder.types()
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let owners = self.entries.owners.as_ref().map_or(0, SegmentedVec::byte_size);
        let keys = match &self.entries.keys {
            Stored::Fixed { values, .. } => values.byte_size(),
            Stored::Sized(store) => store.byte_size(),
            Stored::Rows(store) => store.byte_size(),
        };
        self.index.byte_size() + owners + keys
    }
}

/// Mixes the owner into the bits that the index uses.
fn with_owner(hash: u64, owner: u32) -> u64 {
    let mixed = (hash ^ u64::from(owner)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

impl Entries {
    #[inline]
    fn fixed(&self, number: u32) -> u64 {
        let Stored::Fixed { values, .. } = &self.keys else { unreachable!("keys of one form") };
        values[number]
    }

    #[inline]
    fn null(&self, number: u32) -> bool {
        let Stored::Fixed { null, .. } = &self.keys else { unreachable!("keys of one form") };
        *null == Some(number)
    }

    #[inline]
    fn row(&self, number: u32) -> &[u8] {
        match &self.keys {
            Stored::Sized(store) => store.get(number),
            Stored::Rows(store) => store.get(number),
            Stored::Fixed { .. } => unreachable!("keys of one form"),
        }
    }

    #[inline]
    fn owner(&self, number: u32) -> Option<u32> {
        self.owners.as_ref().map(|owners| owners[number])
    }

    fn insert_fixed(&mut self, key: Option<u64>, owner: Option<u32>) -> u32 {
        let Stored::Fixed { values, null, free } = &mut self.keys else {
            unreachable!("keys of one form")
        };
        let value = key.unwrap_or_default();
        let number = if let Some(number) = free.pop() {
            values[number] = value;
            number
        } else {
            values.push(value);
            last(values.len())
        };
        if key.is_none() {
            *null = Some(number);
        }
        self.note(number, owner);
        number
    }

    fn insert_row(&mut self, bytes: &[u8], owner: Option<u32>) -> u32 {
        let number = match &mut self.keys {
            Stored::Sized(store) => store.insert(bytes),
            Stored::Rows(store) => store.insert(bytes),
            Stored::Fixed { .. } => unreachable!("keys of one form"),
        };
        self.note(number, owner);
        number
    }

    fn note(&mut self, number: u32, owner: Option<u32>) {
        self.created.push(number);
        if let (Some(owners), Some(owner)) = (&mut self.owners, owner) {
            owners.grow(number as usize + 1, &0);
            owners[number] = owner;
        }
    }
}

fn last(length: usize) -> u32 {
    u32::try_from(length - 1).expect("fewer than 2^32 keys")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int32Array, StringArray};
    use arrow::datatypes::Int32Type;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn numbers_follow_keys_through_releases() {
        let mut rng = StdRng::seed_from_u64(3);
        for types in [vec![DataType::Int32], vec![DataType::Int32, DataType::Utf8]] {
            let mut table = GroupTable::new(&types).unwrap();
            let mut model: BTreeMap<Option<i32>, u32> = BTreeMap::new();
            for _ in 0..50 {
                let keys: Int32Array = (0..rng.random_range(0..200))
                    .map(|_| rng.random_bool(0.9).then(|| rng.random_range(-150..150)))
                    .collect();
                let strings: StringArray = keys
                    .iter()
                    .map(|key| key.map(|key| "x".repeat(key.unsigned_abs() as usize)))
                    .collect();
                let columns: Vec<ArrayRef> = vec![Arc::new(keys.clone()), Arc::new(strings)];
                let columns = &columns[..types.len()];
                let numbers = table.assign(columns, keys.len()).unwrap();
                for (key, &number) in itertools::zip_eq(&keys, &numbers) {
                    assert_eq!(*model.entry(key).or_insert(number), number);
                }
                assert_eq!(&table.columns(&numbers).unwrap(), columns);
                let hashes = KeyEncoder::new(&types).unwrap().encode(columns, keys.len()).unwrap();
                let kept: Vec<u64> = numbers.iter().map(|&number| table.hash(number)).collect();
                assert_eq!(kept, hashes.hashes);
                let gone: Vec<Option<i32>> =
                    model.keys().copied().filter(|_| rng.random_bool(0.4)).collect();
                let gone: Vec<u32> = gone.iter().map(|key| model.remove(key).unwrap()).collect();
                table.release(&gone);
                assert_eq!(table.len(), model.len());
            }
            assert!(table.numbers() <= 301, "numbers are used again");
        }
    }

    #[test]
    fn an_owned_value_is_apart_for_every_owner() {
        let mut table = GroupTable::owned(&DataType::Int32).unwrap();
        let values: ArrayRef = Arc::new(Int32Array::from(vec![7, 7, 8, 7]));
        let numbers = table.assign_owned(&[1, 2, 1, 1], &values).unwrap();
        assert_eq!(numbers[0], numbers[3]);
        assert_eq!((table.len(), table.created().len()), (3, 3));
        assert_eq!(numbers.iter().map(|&number| table.owner(number)).collect_vec(), [1, 2, 1, 1]);
        table.release(&numbers[1..3]);
        assert_eq!(
            table.columns(&numbers[..1]).unwrap()[0].as_primitive::<Int32Type>().value(0),
            7
        );
        assert_eq!(table.assign_owned(&[2], &values.slice(0, 1)).unwrap().len(), 1);
        assert_eq!(table.len(), 2);
    }
}
