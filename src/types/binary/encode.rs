//! Columns in Postgres's binary format, which drivers ask for.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Fields, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use crate::error::{Error, Result};
use crate::types::pg_type;
use crate::types::text::{Cells, Style, canonical, each, encode as encode_text, is_bare_numeric};

/// Days from 1970-01-01 to 2000-01-01, where Postgres counts from.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_US: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// A column of numbers in the network's byte order.
macro_rules! big_endian {
    ($array:expr, $kind:ty) => {
        each($array.as_primitive::<$kind>(), |value, out| out.extend(value.to_be_bytes()))
    };
}

/// Encodes a column in binary.
///
/// # Errors
/// `0A000` for values that have no binary form here.
pub fn encode(array: &ArrayRef, field: &Field) -> Result<Cells> {
    let array = &canonical(array)?;
    Ok(match array.data_type() {
        DataType::Null => encode_text(array, field, &Style::default())?,
        DataType::Boolean => each(array.as_boolean(), |value, out| out.push(u8::from(value))),
        DataType::Int16 => big_endian!(array, Int16Type),
        DataType::Int32 => big_endian!(array, Int32Type),
        DataType::Int64 => int8(array, field)?,
        DataType::Float32 => big_endian!(array, Float32Type),
        DataType::Float64 => big_endian!(array, Float64Type),
        DataType::Decimal128(_, scale) => {
            // As in text: a column without a declared scale shows the digits that count.
            let bare = is_bare_numeric(array.data_type(), field);
            each(array.as_primitive::<Decimal128Type>(), |value, out| {
                let (value, scale) = if bare { trimmed(value, *scale) } else { (value, *scale) };
                numeric(value, scale, out);
            })
        }
        DataType::Utf8 => {
            let jsonb = pg_type::of_field(field) == pg_type::JSONB;
            each(array.as_string::<i32>(), |value, out| {
                if jsonb {
                    out.push(1);
                }
                out.extend_from_slice(value.as_bytes());
            })
        }
        DataType::Binary => {
            each(array.as_binary::<i32>(), |value, out| out.extend_from_slice(value))
        }
        DataType::FixedSizeBinary(_) => {
            each(array.as_fixed_size_binary(), |value, out| out.extend_from_slice(value))
        }
        DataType::Date32 => each(array.as_primitive::<Date32Type>(), |value, out| {
            let days = match value {
                i32::MAX | i32::MIN => value,
                _ => value.saturating_sub(EPOCH_DAYS),
            };
            out.extend(days.to_be_bytes());
        }),
        DataType::Time64(_) => big_endian!(array, Time64MicrosecondType),
        DataType::Timestamp(_, _) => {
            each(array.as_primitive::<TimestampMicrosecondType>(), |value, out| {
                let micros = match value {
                    i64::MAX | i64::MIN => value,
                    _ => value.saturating_sub(EPOCH_US),
                };
                out.extend(micros.to_be_bytes());
            })
        }
        DataType::Interval(_) => {
            each(array.as_primitive::<IntervalMonthDayNanoType>(), |value, out| {
                out.extend((value.nanoseconds / 1000).to_be_bytes());
                out.extend(value.days.to_be_bytes());
                out.extend(value.months.to_be_bytes());
            })
        }
        DataType::List(_) => list(array.as_list::<i32>(), field)?,
        DataType::Struct(fields) => record(array.as_struct(), fields)?,
        other => {
            return Err(Error::unsupported(format!("sending values of type {other} in binary")));
        }
    })
}

/// `bigint`, or `oid`, which is four bytes on the wire.
fn int8(array: &ArrayRef, field: &Field) -> Result<Cells> {
    let values = array.as_primitive::<Int64Type>();
    if pg_type::of_field(field).size == 8 {
        return Ok(each(values, |value, out| out.extend(value.to_be_bytes())));
    }
    #[expect(clippy::cast_possible_truncation, reason = "object ids are 32 bits")]
    #[expect(clippy::cast_sign_loss, reason = "object ids are not negative")]
    Ok(each(values, |value, out| out.extend((value as u32).to_be_bytes())))
}

/// The same number with as few digits after the point as it needs.
fn trimmed(mut value: i128, mut scale: i8) -> (i128, i8) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}

/// Digits to the base 10000, those before the point and those after it apart.
fn numeric(value: i128, scale: i8, out: &mut Vec<u8>) {
    let magnitude = value.unsigned_abs();
    let scale = u32::from(scale.max(0).unsigned_abs());
    // The fraction is filled up with zeros to whole groups of four digits.
    let padding = (4 - scale % 4) % 4;
    let divisor = 10_u128.pow(scale);
    let (mut whole, fraction) = (magnitude / divisor, magnitude % divisor);
    let mut fraction = fraction * 10_u128.pow(padding);
    let mut groups: Vec<u16> = Vec::with_capacity(12);
    for _ in 0..scale.div_ceil(4) {
        groups.push(u16::try_from(fraction % 10_000).expect("below 10000"));
        fraction /= 10_000;
    }
    let mut weight = -1_i16;
    while whole > 0 {
        groups.push(u16::try_from(whole % 10_000).expect("below 10000"));
        whole /= 10_000;
        weight += 1;
    }
    groups.reverse();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    groups.truncate(groups.len() - trailing);
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight = if groups.is_empty() {
        0
    } else {
        weight - i16::try_from(leading).expect("a numeric has few digits")
    };
    let count = u16::try_from(groups.len()).expect("a numeric has few digits");
    out.extend(count.to_be_bytes());
    out.extend(weight.to_be_bytes());
    let sign: u16 = if value < 0 { 0x4000 } else { 0 };
    out.extend(sign.to_be_bytes());
    out.extend(u16::try_from(scale).expect("a scale is at most 38").to_be_bytes());
    groups.iter().for_each(|group| out.extend(group.to_be_bytes()));
}

fn put_size(out: &mut Vec<u8>, size: usize) {
    out.extend(i32::try_from(size).unwrap_or(i32::MAX).to_be_bytes());
}

fn put_cell(cell: Option<&[u8]>, out: &mut Vec<u8>) {
    match cell {
        None => out.extend((-1_i32).to_be_bytes()),
        Some(bytes) => {
            put_size(out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

/// Dimensions, whether there are nulls, element type, length and lower bound of each dimension, elements.
/// Arrays of arrays are one array of several dimensions.
fn list(array: &ListArray, outer: &Field) -> Result<Cells> {
    let mut levels = vec![array];
    while let Some(inner) = levels[levels.len() - 1].values().as_list_opt::<i32>() {
        levels.push(inner);
    }
    let leaves = levels[levels.len() - 1].values();
    let item = Field::new("item", leaves.data_type().clone(), true)
        .with_metadata(outer.metadata().clone());
    let parts = encode(leaves, &item)?;
    let mut cells = Cells::with_capacity(array.len(), array.nulls());
    for row in 0..array.len() {
        if array.is_valid(row) {
            let (lengths, range) = shape(&levels, row)?;
            let out = cells.bytes_mut();
            put_size(out, lengths.len());
            let nulls = range.clone().any(|part| parts.get(part).is_none());
            out.extend(i32::from(nulls).to_be_bytes());
            out.extend(pg_type::of_field(outer).oid.to_be_bytes());
            for length in lengths {
                put_size(out, length);
                out.extend(1_i32.to_be_bytes());
            }
            range.for_each(|part| put_cell(parts.get(part), out));
        }
        cells.finish();
    }
    Ok(cells)
}

/// The length of each dimension of an array, none if it is empty, and where its elements stand.
fn shape(levels: &[&ListArray], row: usize) -> Result<(Vec<usize>, Range<usize>)> {
    let index = |offset: i32| usize::try_from(offset).expect("offsets are not negative");
    let mut range = row..row + 1;
    let mut lengths = Vec::with_capacity(levels.len());
    for level in levels {
        let offsets = level.value_offsets();
        let length = |part: usize| index(offsets[part + 1]) - index(offsets[part]);
        let first = length(range.start);
        if range.clone().any(|part| level.is_null(part) || length(part) != first) {
            return Err(Error::unsupported("an array of arrays of unequal length in binary")
                .hint("Ask for the column in text format, or cast it to text."));
        }
        range = index(offsets[range.start])..index(offsets[range.end]);
        lengths.push(first);
        if range.is_empty() {
            return Ok((vec![], range));
        }
    }
    Ok((lengths, range))
}

fn record(array: &StructArray, fields: &Fields) -> Result<Cells> {
    let columns = itertools::zip_eq(array.columns(), fields)
        .map(|(column, field)| encode(column, field))
        .collect::<Result<Vec<Cells>>>()?;
    let mut cells = Cells::with_capacity(array.len(), array.nulls());
    for row in 0..array.len() {
        if array.is_valid(row) {
            let out = cells.bytes_mut();
            put_size(out, columns.len());
            for (column, field) in itertools::zip_eq(&columns, fields) {
                out.extend(pg_type::oid_of_field(field).to_be_bytes());
                put_cell(column.get(row), out);
            }
        }
        cells.finish();
    }
    Ok(cells)
}
