//! Row keys: the columns by which rows are routed, indexed and grouped, hashed and made comparable a
//! batch at a time.
//!
//! Hashes are stable for ever: vnodes in saved state depend on them.

mod fixed;
mod rows;
mod runs;

pub use fixed::normalize;
pub use rows::KeyRows;
pub use runs::Runs;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_64;

use self::fixed::{fixed, narrow, widen};
use self::rows::{Packing, hash_packed, packed_size, unpack};

use crate::error::Result;

/// Turns key columns into [`KeyBatch`]es.
///
/// # Invariants
/// 1. Equal keys have equal hashes and equal representations; `-0.0` equals `0.0` and every NaN equals
///    every NaN, as Postgres groups and joins them.
/// 2. The hash depends on the values and types only, not on the process, worker or batch.
#[derive(Debug)]
pub struct KeyEncoder {
    types: Vec<DataType>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// No key column: one key for all rows.
    Unit,
    /// One column of at most eight bytes.
    Fixed,
    /// Several columns of at most eight bytes each, one behind the other: several times faster than
    /// arrow-row, and all that some groups and joins cost.
    Packed,
    /// Anything else, as arrow-row bytes.
    Rows(RowConverter),
}

/// The keys of a batch's rows.
#[derive(Debug)]
pub struct KeyBatch {
    /// One stable 64-bit hash per row. Low 8 bits: vnode. High 32 bits: index tag.
    pub hashes: Vec<u64>,
    /// What to compare when hashes agree.
    pub keys: Keys,
    /// Validity per row: null where *any* key column is null (SQL's `=` never matches there).
    pub nulls: Option<NullBuffer>,
}

/// Comparable keys.
#[derive(Debug)]
pub enum Keys {
    /// Keys of at most eight bytes, widened; `KeyBatch::nulls` tells null from zero.
    Fixed(Vec<u64>),
    /// Bytes; nulls are part of them.
    Rows(KeyRows),
}

impl KeyBatch {
    /// Whether equal hashes are of equal keys: the mixer of fixed keys is bijective.
    #[must_use]
    #[inline]
    pub fn told_by_hash(&self) -> bool {
        matches!(self.keys, Keys::Fixed(_)) && self.nulls.is_none()
    }

    /// Whether two rows are of one key, nulls equal to nulls.
    #[must_use]
    #[inline]
    pub fn same(&self, one: usize, other: usize) -> bool {
        match &self.keys {
            Keys::Fixed(values) => {
                let null = |row| self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                null(one) == null(other) && (values[one] == values[other] || null(one))
            }
            Keys::Rows(rows) => rows.row(one) == rows.row(other),
        }
    }

    /// The least and the greatest rank of some rows.
    #[must_use]
    pub fn ranks(&self, rows: impl Iterator<Item = usize>) -> (i64, i64) {
        rows.map(|row| self.rank(row))
            .fold((i64::MAX, i64::MIN), |(low, high), rank| (low.min(rank), high.max(rank)))
    }

    /// As [`KeyBatch::ranks`], of neighboring rows.
    #[must_use]
    pub fn ranks_in(&self, rows: Range<usize>) -> (i64, i64) {
        match (&self.keys, &self.nulls) {
            (Keys::Fixed(values), None) => {
                values[rows].iter().fold((i64::MAX, i64::MIN), |(low, high), value| {
                    (low.min(value.cast_signed()), high.max(value.cast_signed()))
                })
            }
            _ => self.ranks(rows),
        }
    }

    /// A number that is equal for equal keys and mostly near for near ones: the value of a fixed key, else
    /// the first bytes of its row.
    #[must_use]
    #[inline]
    pub fn rank(&self, row: usize) -> i64 {
        match &self.keys {
            Keys::Fixed(_) if self.nulls.as_ref().is_some_and(|n| n.is_null(row)) => i64::MIN,
            Keys::Fixed(values) => values[row].cast_signed(),
            Keys::Rows(rows) => first_bytes(rows.row(row)),
        }
    }
}

/// The first eight bytes as a number of the same order.
fn first_bytes(bytes: &[u8]) -> i64 {
    let mut first = [0; 8];
    let size = bytes.len().min(8);
    first[..size].copy_from_slice(&bytes[..size]);
    (u64::from_be_bytes(first) ^ 1 << 63).cast_signed()
}

impl KeyEncoder {
    /// An encoder for key columns of these types, in order.
    ///
    /// # Errors
    /// If a type cannot be a key (maps, unions).
    pub fn new(types: &[DataType]) -> Result<KeyEncoder> {
        let form = match types {
            [] => Form::Unit,
            [one] if fixed(one) => Form::Fixed,
            several if several.iter().all(fixed) => Form::Packed,
            several => {
                let fields = several.iter().cloned().map(SortField::new).collect();
                Form::Rows(RowConverter::new(fields)?)
            }
        };
        Ok(KeyEncoder { types: types.to_vec(), form })
    }

    /// An encoder for columns `columns` of batches like `schema`.
    ///
    /// # Errors
    /// As [`KeyEncoder::new`].
    pub fn for_columns(schema: &arrow::datatypes::Schema, columns: &[usize]) -> Result<KeyEncoder> {
        let types: Vec<_> =
            columns.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        KeyEncoder::new(&types)
    }

    /// Whether keys are [`Keys::Fixed`].
    #[must_use]
    pub fn fixed(&self) -> bool {
        matches!(self.form, Form::Unit | Form::Fixed)
    }

    /// Whether values of equal keys are equal bit by bit, as zeros of two signs are not.
    #[must_use]
    pub fn verbatim(&self) -> bool {
        let plain = |data_type: &DataType| {
            !data_type.is_floating() && !data_type.is_nested() && !is_interval(data_type)
        };
        self.types.iter().all(plain)
    }

    /// The keys of `columns`, arrays of equal length `rows`.
    ///
    /// # Errors
    /// If the arrays' types are not the encoder's.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<KeyBatch> {
        let nulls = columns.iter().fold(None, |nulls, column| {
            NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref())
        });
        match &self.form {
            Form::Unit => Ok(KeyBatch {
                hashes: vec![mix(0); rows],
                keys: Keys::Fixed(vec![0; rows]),
                nulls: None,
            }),
            Form::Fixed => {
                let values = widen(&columns[0]);
                let hashes = match &nulls {
                    None => values.iter().map(|&value| mix(value)).collect(),
                    Some(nulls) => (0..rows)
                        .map(|row| KeyEncoder::hash_fixed(nulls.is_valid(row).then(|| values[row])))
                        .collect(),
                };
                Ok(KeyBatch { hashes, keys: Keys::Fixed(values), nulls })
            }
            Form::Packed => {
                let packing = Packing::new(columns, rows);
                let (hashes, keys) = (packing.hashes(), Keys::Rows(packing.keys()));
                Ok(KeyBatch { hashes, keys, nulls })
            }
            Form::Rows(converter) => {
                let normal: Vec<ArrayRef> = columns.iter().map(normalize).collect();
                let rows = KeyRows::Arrow(converter.convert_columns(&normal)?);
                let hashes = rows.iter().map(xxh3_64).collect();
                Ok(KeyBatch { hashes, keys: Keys::Rows(rows), nulls })
            }
        }
    }

    /// The hashes of the keys of `columns`, arrays of equal length `rows`, alone.
    ///
    /// # Errors
    /// As [`KeyEncoder::encode`].
    pub fn hashes(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
        match &self.form {
            Form::Packed => Ok(Packing::new(columns, rows).hashes()),
            Form::Fixed if columns[0].null_count() == 0 => {
                let mut hashes = widen(&columns[0]);
                hashes.iter_mut().for_each(|hash| *hash = mix(*hash));
                Ok(hashes)
            }
            _ => Ok(self.encode(columns, rows)?.hashes),
        }
    }

    /// The keys of columns `columns` of `batch`.
    ///
    /// # Errors
    /// As [`KeyEncoder::encode`].
    pub fn encode_batch(&self, batch: &RecordBatch, columns: &[usize]) -> Result<KeyBatch> {
        let arrays: Vec<_> =
            columns.iter().map(|&column| Arc::clone(batch.column(column))).collect();
        self.encode(&arrays, batch.num_rows())
    }

    /// The hash of a fixed key, `None` being null.
    #[must_use]
    pub fn hash_fixed(key: Option<u64>) -> u64 {
        key.map_or(NULL_HASH, mix)
    }

    /// The hash of a key in bytes, for encoders that are not [`KeyEncoder::fixed`].
    #[must_use]
    pub fn hash_row(&self, bytes: &[u8]) -> u64 {
        match self.form {
            Form::Packed => hash_packed(bytes, self.types.len()),
            _ => xxh3_64(bytes),
        }
    }

    /// The size of keys in bytes, if they are all of one.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        matches!(self.form, Form::Packed).then(|| packed_size(self.types.len()))
    }

    /// The types of the key columns.
    #[must_use]
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The key columns (one, or none of the unit key) back from fixed keys, for encoders that are
    /// [`KeyEncoder::fixed`].
    ///
    /// # Panics
    /// If the encoder is not fixed.
    #[must_use]
    pub fn decode_fixed(&self, keys: Vec<u64>, nulls: Option<NullBuffer>) -> Vec<ArrayRef> {
        match &self.form {
            Form::Unit => vec![],
            Form::Fixed => vec![narrow(&self.types[0], keys, nulls)],
            Form::Packed | Form::Rows(_) => {
                unreachable!("keys in rows are decoded from their bytes")
            }
        }
    }

    /// The key columns back from bytes (one slice per row), for encoders that are not
    /// [`KeyEncoder::fixed`].
    ///
    /// # Errors
    /// If the bytes were not made by this encoder.
    ///
    /// # Panics
    /// If the encoder is fixed.
    pub fn decode_rows<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>> {
        match &self.form {
            Form::Packed => Ok(unpack(&self.types, rows)),
            Form::Rows(converter) => {
                let parser = converter.parser();
                Ok(converter.convert_rows(rows.into_iter().map(|bytes| parser.parse(bytes)))?)
            }
            Form::Unit | Form::Fixed => {
                unreachable!("fixed keys are decoded by narrowing, not from rows")
            }
        }
    }
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

const NULL_HASH: u64 = 0x6b43_a9b5_4f0c_2d91;

/// A bijective mixer (the finalizer of splitmix64): every output bit depends on every input bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
