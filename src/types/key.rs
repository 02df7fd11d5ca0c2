//! Row keys: the columns by which rows are routed, indexed and grouped, hashed and made comparable a
//! batch at a time.
//!
//! Hashes are stable for ever: vnodes in saved state depend on them.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, PrimitiveArray, RecordBatch,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::row::{RowConverter, Rows, SortField};
use xxhash_rust::xxh3::xxh3_64;

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
    /// arrow-row bytes; nulls are part of the bytes.
    Rows(Rows),
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
        !matches!(self.form, Form::Rows(_))
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
            Form::Rows(converter) => {
                let normal: Vec<ArrayRef> = columns.iter().map(normalize).collect();
                let encoded = converter.convert_columns(&normal)?;
                let hashes = encoded.iter().map(|row| KeyEncoder::hash_row(row.data())).collect();
                Ok(KeyBatch { hashes, keys: Keys::Rows(encoded), nulls })
            }
        }
    }

    /// The keys of columns `columns` of `batch`.
    ///
    /// # Errors
    /// As [`KeyEncoder::encode`].
    pub fn encode_batch(&self, batch: &RecordBatch, columns: &[usize]) -> Result<KeyBatch> {
        let arrays: Vec<_> = columns.iter().map(|&column| ArrayRef::clone(batch.column(column))).collect();
        self.encode(&arrays, batch.num_rows())
    }

    /// The hash of a fixed key, `None` being null.
    #[must_use]
    pub fn hash_fixed(key: Option<u64>) -> u64 {
        key.map_or(NULL_HASH, mix)
    }

    /// The hash of a key in arrow-row bytes.
    #[must_use]
    pub fn hash_row(bytes: &[u8]) -> u64 {
        xxh3_64(bytes)
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
            Form::Rows(_) => unreachable!("keys in rows are decoded from their bytes"),
        }
    }

    /// The key columns back from arrow-row bytes (one slice per row), for encoders that are not
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
        let Form::Rows(converter) = &self.form else {
            unreachable!("fixed keys are decoded by narrowing, not from rows")
        };
        let parser = converter.parser();
        Ok(converter.convert_rows(rows.into_iter().map(|bytes| parser.parse(bytes)))?)
    }
}

const NULL_HASH: u64 = 0x6b43_a9b5_4f0c_2d91;

/// Whether a column of this type is kept as [`Keys::Fixed`] when it is the only key column.
fn fixed(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Date32
            | DataType::Time64(TimeUnit::Microsecond)
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

/// A bijective mixer (the finalizer of splitmix64): every output bit depends on every input bit.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn ints<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<u64>
where
    T::Native: Into<i64>,
{
    let values: &PrimitiveArray<T> = array.as_primitive();
    values.values().iter().map(|&value| value.into().cast_unsigned()).collect()
}

/// The values of a fixed column as 64 bits; arbitrary where null.
fn widen(array: &ArrayRef) -> Vec<u64> {
    match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            (0..values.len()).map(|row| u64::from(values.value(row))).collect()
        }
        DataType::Int8 => ints::<Int8Type>(array),
        DataType::Int16 => ints::<Int16Type>(array),
        DataType::Int32 => ints::<Int32Type>(array),
        DataType::Date32 => ints::<Date32Type>(array),
        DataType::Int64 => ints::<Int64Type>(array),
        DataType::Time64(_) => ints::<Time64MicrosecondType>(array),
        DataType::Timestamp(_, _) => ints::<TimestampMicrosecondType>(array),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            values.values().iter().map(|&value| u64::from(normal_f32(value).to_bits())).collect()
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            values.values().iter().map(|&value| normal_f64(value).to_bits()).collect()
        }
        other => unreachable!("{other} is not a fixed key type"),
    }
}

/// The inverse of [`widen`].
fn narrow(data_type: &DataType, keys: Vec<u64>, nulls: Option<NullBuffer>) -> ArrayRef {
    macro_rules! narrowed {
        ($type:ty, $key:ident => $native:expr) => {{
            let values = keys.into_iter().map(|$key| $native).collect::<Vec<_>>();
            let array = PrimitiveArray::<$type>::new(values.into(), nulls);
            std::sync::Arc::new(array.with_data_type(data_type.clone()))
        }};
    }
    // Casts undo the widening; keys at null rows may be anything.
    match data_type {
        DataType::Boolean => {
            let values = keys.into_iter().map(|key| key != 0).collect::<Vec<_>>();
            std::sync::Arc::new(BooleanArray::new(values.into(), nulls))
        }
        DataType::Int8 => narrowed!(Int8Type, key => key as i8),
        DataType::Int16 => narrowed!(Int16Type, key => key as i16),
        DataType::Int32 => narrowed!(Int32Type, key => key as i32),
        DataType::Date32 => narrowed!(Date32Type, key => key as i32),
        DataType::Int64 => narrowed!(Int64Type, key => key as i64),
        DataType::Time64(_) => narrowed!(Time64MicrosecondType, key => key as i64),
        DataType::Timestamp(_, _) => narrowed!(TimestampMicrosecondType, key => key as i64),
        DataType::Float32 => narrowed!(Float32Type, key => f32::from_bits(key as u32)),
        DataType::Float64 => narrowed!(Float64Type, key => f64::from_bits(key)),
        other => unreachable!("{other} is not a fixed key type"),
    }
}

fn normal_f64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

fn normal_f32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

/// Floats with one zero and one NaN; other columns unchanged.
#[must_use]
pub fn normalize(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            let values: &Float64Array = array.as_primitive();
            std::sync::Arc::new(values.unary::<_, Float64Type>(normal_f64))
        }
        DataType::Float32 => {
            let values: &Float32Array = array.as_primitive();
            std::sync::Arc::new(values.unary::<_, Float32Type>(normal_f32))
        }
        _ => std::sync::Arc::clone(array),
    }
}
