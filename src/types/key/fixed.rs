//! Columns of at most eight bytes a value, as 64-bit keys and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, PrimitiveArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};

/// Whether values of this type are 64-bit keys.
pub(super) fn fixed(data_type: &DataType) -> bool {
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

fn ints<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<u64>
where
    T::Native: Into<i64>,
{
    let values: &PrimitiveArray<T> = array.as_primitive();
    values.values().iter().map(|&value| value.into().cast_unsigned()).collect()
}

/// The values of a fixed column as 64 bits; arbitrary where null.
pub(super) fn widen(array: &ArrayRef) -> Vec<u64> {
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
pub(super) fn narrow(data_type: &DataType, keys: Vec<u64>, nulls: Option<NullBuffer>) -> ArrayRef {
    macro_rules! narrowed {
        ($type:ty, $key:ident => $native:expr) => {{
            let values = keys.into_iter().map(|$key| $native).collect::<Vec<_>>();
            let array = PrimitiveArray::<$type>::new(values.into(), nulls);
            Arc::new(array.with_data_type(data_type.clone()))
        }};
    }
    // Casts undo the widening; keys at null rows may be anything.
    match data_type {
        DataType::Boolean => {
            let values = keys.into_iter().map(|key| key != 0).collect::<Vec<_>>();
            Arc::new(BooleanArray::new(values.into(), nulls))
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
            Arc::new(values.unary::<_, Float64Type>(normal_f64))
        }
        DataType::Float32 => {
            let values: &Float32Array = array.as_primitive();
            Arc::new(values.unary::<_, Float32Type>(normal_f32))
        }
        _ => Arc::clone(array),
    }
}
