//! Keys as bytes: arrow-row's, or columns of at most eight bytes packed one behind the other.

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::row::Rows;
use itertools::Itertools;

use super::fixed::{narrow, widen};
use super::mix;

/// Bytes of a packed value.
const VALUE: usize = size_of::<u64>();

/// Keys as bytes, one row each; equal bytes, equal keys.
#[derive(Debug)]
pub enum KeyRows {
    /// As arrow-row encodes them.
    Arrow(Rows),
    /// Of equal size, one behind the other: every column's value, then a bit per column that is null.
    Packed {
        /// Number of keys.
        rows: usize,
        /// Size of a key.
        size: usize,
        /// The keys.
        bytes: Vec<u8>,
    },
}

impl KeyRows {
    /// The key of row `row`.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> &[u8] {
        match self {
            KeyRows::Arrow(rows) => rows.row(row).data(),
            KeyRows::Packed { size, bytes, .. } => &bytes[row * size..(row + 1) * size],
        }
    }

    /// The keys in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let rows = match self {
            KeyRows::Arrow(rows) => rows.num_rows(),
            KeyRows::Packed { rows, .. } => *rows,
        };
        (0..rows).map(|row| self.row(row))
    }
}

/// Size of packed keys of so many columns.
pub(super) fn packed_size(columns: usize) -> usize {
    columns * VALUE + columns.div_ceil(8)
}

/// Columns of types that fit 64 bits, as the parts of packed keys.
pub(super) struct Packing {
    rows: usize,
    /// By column, 0 where null. Signed numbers are in their order, for the ranks of keys.
    values: Vec<Vec<u64>>,
    /// By eight columns: a bit for each that is null, of all rows, if any is.
    nulls: Vec<Option<Vec<u8>>>,
}

impl Packing {
    /// Columns of `rows` rows each.
    pub(super) fn new(columns: &[ArrayRef], rows: usize) -> Packing {
        let mut packing = Packing { rows, values: vec![], nulls: vec![] };
        for eight in columns.chunks(8) {
            let mut masks: Option<Vec<u8>> = None;
            for (bit, column) in eight.iter().enumerate() {
                let mut values = widen(column);
                values.iter_mut().for_each(|value| *value ^= 1 << 63);
                if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
                    let masks = masks.get_or_insert_with(|| vec![0; rows]);
                    for ((value, mask), valid) in values.iter_mut().zip_eq(masks).zip_eq(&nulls) {
                        if !valid {
                            (*value, *mask) = (0, *mask | 1 << bit);
                        }
                    }
                }
                packing.values.push(values);
            }
            packing.nulls.push(masks);
        }
        packing
    }

    /// The keys.
    pub(super) fn keys(&self) -> KeyRows {
        let size = packed_size(self.values.len());
        let mut bytes = vec![0; self.rows * size];
        for (index, values) in self.values.iter().enumerate() {
            for (key, value) in bytes.chunks_exact_mut(size).zip_eq(values) {
                // Greatest byte first, for the ranks of keys.
                key[index * VALUE..][..VALUE].copy_from_slice(&value.to_be_bytes());
            }
        }
        for (index, masks) in self.nulls.iter().enumerate() {
            for (key, mask) in bytes.chunks_exact_mut(size).zip(masks.iter().flatten()) {
                key[self.values.len() * VALUE + index] = *mask;
            }
        }
        KeyRows::Packed { rows: self.rows, size, bytes }
    }

    /// The hashes of the keys, each as [`hash_packed`] of the key.
    pub(super) fn hashes(&self) -> Vec<u64> {
        let mut hashes = vec![0; self.rows];
        for values in &self.values {
            hashes.iter_mut().zip_eq(values).for_each(|(hash, value)| *hash = mix(*hash ^ value));
        }
        for masks in self.nulls.iter().flatten() {
            hashes
                .iter_mut()
                .zip_eq(masks)
                .for_each(|(hash, mask)| *hash = with_nulls(*hash, *mask));
        }
        hashes
    }
}

/// The hash of a packed key of so many columns: its values, and nulls if there are any, mixed one after the
/// other.
pub(super) fn hash_packed(key: &[u8], columns: usize) -> u64 {
    let (values, nulls) = key.split_at(columns * VALUE);
    let (values, _) = values.as_chunks();
    let hash = values.iter().fold(0, |hash, value| mix(hash ^ u64::from_be_bytes(*value)));
    nulls.iter().fold(hash, |hash, mask| with_nulls(hash, *mask))
}

fn with_nulls(hash: u64, mask: u8) -> u64 {
    if mask == 0 { hash } else { mix(hash ^ u64::from(mask)) }
}

/// The columns of packed keys.
pub(super) fn unpack<'a>(
    types: &[DataType],
    rows: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<ArrayRef> {
    let rows: Vec<&[u8]> = rows.into_iter().collect();
    let column = |index: usize| {
        let value = |row: &&[u8]| {
            let bytes = row[index * VALUE..].first_chunk().expect("a value of every column");
            u64::from_be_bytes(*bytes) ^ 1 << 63
        };
        let values = rows.iter().map(value).collect();
        let mut valid = BooleanBufferBuilder::new(rows.len());
        let null = |row: &[u8]| row[types.len() * VALUE + index / 8] >> (index % 8) & 1 == 1;
        rows.iter().for_each(|row| valid.append(!null(row)));
        let nulls = NullBuffer::new(valid.finish());
        narrow(&types[index], values, Some(nulls).filter(|nulls| nulls.null_count() > 0))
    };
    (0..types.len()).map(column).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int64Array};

    use super::*;
    use crate::types::key::{KeyEncoder, Keys};

    #[test]
    fn packed_keys_are_equal_where_values_are_and_come_back() {
        let integers = Int64Array::from(vec![Some(-1), None, Some(0), Some(0), Some(i64::MAX)]);
        let floats = Float64Array::from(vec![Some(-0.0), Some(0.0), None, Some(0.0), None]);
        let booleans = BooleanArray::from(vec![None, Some(true), None, Some(false), None]);
        let columns: Vec<ArrayRef> = vec![Arc::new(integers), Arc::new(floats), Arc::new(booleans)];
        let types: Vec<DataType> =
            columns.iter().map(|column| column.data_type().clone()).collect();
        let encoder = KeyEncoder::new(&types).unwrap();
        let keys = encoder.encode(&columns, 5).unwrap();
        let Keys::Rows(rows @ KeyRows::Packed { .. }) = &keys.keys else { panic!("not packed") };
        assert_eq!(encoder.decode_rows(rows.iter()).unwrap()[0].as_ref(), columns[0].as_ref());
        assert_eq!(encoder.decode_rows(rows.iter()).unwrap()[2].as_ref(), columns[2].as_ref());
        let distinct: std::collections::BTreeSet<&[u8]> = rows.iter().collect();
        assert_eq!(distinct.len(), 5);
        assert_eq!(keys.rank(0), -1);
        // More than eight columns, and hashes that the bytes have, too.
        for columns in [columns.clone(), [&*columns, &*columns, &*columns].concat()] {
            let types: Vec<DataType> =
                columns.iter().map(|column| column.data_type().clone()).collect();
            let encoder = KeyEncoder::new(&types).unwrap();
            let keys = encoder.encode(&columns, 5).unwrap();
            let Keys::Rows(rows) = &keys.keys else { panic!("not packed") };
            assert_eq!(encoder.decode_rows(rows.iter()).unwrap().last(), columns.last());
            let hashes: Vec<u64> = rows.iter().map(|row| encoder.hash_row(row)).collect();
            assert_eq!(hashes, keys.hashes);
            assert_eq!(hashes, encoder.hashes(&columns, 5).unwrap());
        }
        // One zero, and null is not zero.
        let zero = |value: Option<f64>| -> Vec<ArrayRef> {
            let integer = Arc::new(Int64Array::from(vec![Some(7)]));
            vec![integer, Arc::new(Float64Array::from(vec![value]))]
        };
        let encoder = KeyEncoder::new(&[DataType::Int64, DataType::Float64]).unwrap();
        let bytes = |value| match encoder.encode(&zero(value), 1).unwrap().keys {
            Keys::Rows(rows) => rows.row(0).to_vec(),
            Keys::Fixed(_) => panic!("two columns"),
        };
        assert_eq!(bytes(Some(0.0)), bytes(Some(-0.0)));
        assert_ne!(bytes(Some(0.0)), bytes(None));
    }
}
