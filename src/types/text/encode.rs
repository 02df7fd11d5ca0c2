//! Columns to text.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};

use super::{Cells, Style, encode_composite, encode_number, encode_time};
use crate::error::{Error, Result};
use crate::types::pg_type;

/// Encodes a column; `field` tells what the Arrow type alone does not.
pub fn encode(array: &ArrayRef, field: &Field, style: &Style) -> Result<Cells> {
    let array = &canonical(array)?;
    Ok(match array.data_type() {
        DataType::Null => {
            let nulls = array.logical_nulls();
            let mut cells = Cells::with_capacity(array.len(), nulls.as_ref());
            (0..array.len()).for_each(|_| cells.finish());
            cells
        }
        DataType::Boolean => {
            each(array.as_boolean(), |value, out| out.push(if value { b't' } else { b'f' }))
        }
        DataType::Int16 => each(array.as_primitive::<Int16Type>(), display),
        DataType::Int32 => each(array.as_primitive::<Int32Type>(), display),
        DataType::Int64 => each(array.as_primitive::<Int64Type>(), display),
        DataType::Float32 => each(array.as_primitive::<Float32Type>(), |value, out| {
            encode_number::float4(value, style.float_digits_lost, out);
        }),
        DataType::Float64 => each(array.as_primitive::<Float64Type>(), |value, out| {
            encode_number::float8(value, style.float_digits_lost, out);
        }),
        DataType::Decimal128(_, scale) => {
            let bare = is_bare_numeric(array.data_type(), field);
            each(array.as_primitive::<Decimal128Type>(), |value, out| {
                encode_number::numeric(value, *scale, bare, out);
            })
        }
        DataType::Utf8 => {
            each(array.as_string::<i32>(), |value, out| out.extend_from_slice(value.as_bytes()))
        }
        DataType::Binary => {
            each(array.as_binary::<i32>(), |value, out| bytea(value, style.bytea_escape, out))
        }
        DataType::FixedSizeBinary(16) => each(array.as_fixed_size_binary(), uuid),
        DataType::FixedSizeBinary(_) => {
            each(array.as_fixed_size_binary(), |value, out| bytea(value, style.bytea_escape, out))
        }
        DataType::Date32 => each(array.as_primitive::<Date32Type>(), encode_time::date),
        DataType::Time64(_) => {
            each(array.as_primitive::<Time64MicrosecondType>(), encode_time::time)
        }
        DataType::Timestamp(_, zone) => {
            let values = array.as_primitive::<TimestampMicrosecondType>();
            match zone {
                None => each(values, encode_time::timestamp),
                Some(_) => each(values, |value, out| {
                    encode_time::timestamptz(value, style.timezone, out);
                }),
            }
        }
        DataType::Interval(_) => {
            each(array.as_primitive::<IntervalMonthDayNanoType>(), encode_time::interval)
        }
        DataType::List(item) => encode_composite::list(array.as_list::<i32>(), item, field, style)?,
        DataType::Struct(fields) => encode_composite::record(array.as_struct(), fields, style)?,
        other => return Err(Error::unsupported(format!("showing values of type {other}"))),
    })
}

/// Whether a column is a numeric without a declared scale, whose zeros at the end do not count.
pub fn is_bare_numeric(data_type: &DataType, field: &Field) -> bool {
    *data_type == DataType::Decimal128(38, 10) && !field.metadata().contains_key(pg_type::PG_TYPMOD)
}

/// Brings a column to the one Arrow type that stands for its Postgres type, so that encoders have
/// few cases. Columns that are so already are not copied.
pub fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    let to = match array.data_type() {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, *scale),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => {
            DataType::Time64(TimeUnit::Microsecond)
        }
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Duration(_)
        | DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::clone(item))
        }
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::RunEndEncoded(_, value) => value.data_type().clone(),
        _ => return Ok(Arc::clone(array)),
    };
    canonical(&cast(array, &to)?)
}

/// Encodes every value that is not null with `write`.
pub fn each<A: ArrayAccessor>(array: A, mut write: impl FnMut(A::Item, &mut Vec<u8>)) -> Cells {
    let mut cells = Cells::with_capacity(array.len(), array.nulls());
    for row in 0..array.len() {
        if array.is_valid(row) {
            write(array.value(row), &mut cells.bytes);
        }
        cells.finish();
    }
    cells
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("writing to memory does not fail");
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(
        bytes.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    );
}

fn bytea(value: &[u8], escape: bool, out: &mut Vec<u8>) {
    if !escape {
        out.extend_from_slice(b"\\x");
        hex(value, out);
        return;
    }
    for byte in value {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(*byte),
            _ => out.extend([b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]),
        }
    }
}

fn uuid(value: &[u8], out: &mut Vec<u8>) {
    for (index, part) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        hex(&value[part], out);
    }
}
