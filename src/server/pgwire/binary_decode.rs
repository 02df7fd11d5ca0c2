//! Binary parameters to one-row columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    ListArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano};
use bytes::Buf;

use super::binary_encode::{EPOCH_DAYS, EPOCH_US};
use crate::error::{Error, Result, SqlState};
use crate::types::pg_type;

/// Reads one value of `field`'s type.
pub(super) fn decode(bytes: &[u8], field: &Field) -> Result<ArrayRef> {
    Ok(match field.data_type() {
        DataType::Boolean => Arc::new(BooleanArray::from(vec![fixed::<1>(bytes)?[0] != 0])),
        DataType::Int16 => Arc::new(Int16Array::from(vec![i16::from_be_bytes(fixed(bytes)?)])),
        DataType::Int32 => Arc::new(Int32Array::from(vec![i32::from_be_bytes(fixed(bytes)?)])),
        DataType::Int64 if bytes.len() == 4 => {
            Arc::new(Int64Array::from(vec![i64::from(u32::from_be_bytes(fixed(bytes)?))]))
        }
        DataType::Int64 => Arc::new(Int64Array::from(vec![i64::from_be_bytes(fixed(bytes)?)])),
        DataType::Float32 => Arc::new(Float32Array::from(vec![f32::from_be_bytes(fixed(bytes)?)])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![f64::from_be_bytes(fixed(bytes)?)])),
        DataType::Decimal128(precision, scale) => {
            let value = numeric(bytes, *precision, *scale)?;
            let array = Decimal128Array::from(vec![value]);
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Utf8 => Arc::new(StringArray::from(vec![text(bytes, field)?])),
        DataType::Binary => Arc::new(BinaryArray::from(vec![bytes])),
        DataType::FixedSizeBinary(16) => {
            let rows = std::iter::once(fixed::<16>(bytes)?);
            Arc::new(FixedSizeBinaryArray::try_from_iter(rows)?)
        }
        DataType::Date32 => {
            let days = match i32::from_be_bytes(fixed(bytes)?) {
                special @ (i32::MAX | i32::MIN) => special,
                days => days.checked_add(EPOCH_DAYS).ok_or_else(|| out_of_range("date"))?,
            };
            Arc::new(Date32Array::from(vec![days]))
        }
        DataType::Time64(_) => {
            Arc::new(Time64MicrosecondArray::from(vec![i64::from_be_bytes(fixed(bytes)?)]))
        }
        DataType::Timestamp(_, zone) => {
            let micros = match i64::from_be_bytes(fixed(bytes)?) {
                special @ (i64::MAX | i64::MIN) => special,
                micros => micros.checked_add(EPOCH_US).ok_or_else(|| out_of_range("timestamp"))?,
            };
            let array = TimestampMicrosecondArray::from(vec![micros]);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Interval(_) => Arc::new(IntervalMonthDayNanoArray::from(vec![interval(bytes)?])),
        DataType::List(item) => list(bytes, item, field)?,
        other => {
            return Err(Error::unsupported(format!("a binary parameter of type {other}"))
                .hint("Send it in text format."));
        }
    })
}

fn malformed(what: &str) -> Error {
    Error::new(
        SqlState::InvalidBinaryRepresentation,
        format!("incorrect binary data format in bind parameter: {what}"),
    )
}

fn out_of_range(type_name: &str) -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, format!("{type_name} out of range"))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed("wrong length"))
}

fn text<'a>(bytes: &'a [u8], field: &Field) -> Result<&'a str> {
    let bytes = match (pg_type::of_field(field) == pg_type::JSONB, bytes) {
        (true, [1, rest @ ..]) => rest,
        (true, _) => return Err(malformed("unknown version of jsonb")),
        (false, _) => bytes,
    };
    std::str::from_utf8(bytes).map_err(|_| super::invalid_utf8())
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano> {
    let mut bytes: &[u8] = &fixed::<16>(bytes)?;
    let micros = bytes.get_i64();
    let (days, months) = (bytes.get_i32(), bytes.get_i32());
    let nanos = micros.checked_mul(1000).ok_or_else(|| {
        Error::new(SqlState::IntervalFieldOverflow, "interval out of range")
            .detail("Intervals are kept in nanoseconds: their time part is at most 292 years.")
    })?;
    Ok(IntervalMonthDayNano::new(months, days, nanos))
}

/// The digits to the base 10000, rounded half away from zero to `scale`.
fn numeric(mut bytes: &[u8], precision: u8, scale: i8) -> Result<i128> {
    if bytes.len() < 8 {
        return Err(malformed("wrong length"));
    }
    let (count, weight) = (usize::from(bytes.get_u16()), i32::from(bytes.get_i16()));
    let (sign, _display_scale) = (bytes.get_u16(), bytes.get_u16());
    if bytes.len() != count * 2 {
        return Err(malformed("wrong length"));
    }
    if !matches!(sign, 0 | 0x4000) {
        return Err(Error::unsupported("a numeric that is not a number")
            .hint("Use double precision for NaN and Infinity."));
    }
    let overflow = || Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow");
    let mut value: i128 = 0;
    for index in 0..count {
        let group = bytes.get_u16();
        if group >= 10_000 {
            return Err(malformed("a digit out of range"));
        }
        // Power of ten of this group's last digit, in units of the wanted scale.
        let position = i32::try_from(index).map_err(|_| overflow())?;
        let power = (weight - position) * 4 + i32::from(scale);
        let group = i128::from(group);
        let part = match u32::try_from(power) {
            Ok(power) => match 10_i128.checked_pow(power) {
                Some(factor) => group.checked_mul(factor).ok_or_else(overflow)?,
                None if group == 0 => 0,
                None => return Err(overflow()),
            },
            Err(_) if power > -4 => {
                let divisor = 10_i128.pow(power.unsigned_abs());
                (group + divisor / 2) / divisor
            }
            // The first group that is cut off decides alone: its first digit is the next one.
            Err(_) if power == -4 => i128::from(group >= 5000),
            Err(_) => 0,
        };
        value = value.checked_add(part).ok_or_else(overflow)?;
        if power < 0 {
            break;
        }
    }
    if value >= 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return Err(overflow());
    }
    Ok(if sign == 0 { value } else { -value })
}

fn list(bytes: &[u8], item: &FieldRef, outer: &Field) -> Result<ArrayRef> {
    let described =
        Field::new("item", item.data_type().clone(), true).with_metadata(outer.metadata().clone());
    let mut rest = bytes;
    if rest.len() < 12 {
        return Err(malformed("wrong length"));
    }
    let (dimensions, _has_nulls, _element) = (rest.get_i32(), rest.get_i32(), rest.get_u32());
    let mut values: Vec<ArrayRef> = Vec::new();
    match dimensions {
        0 => {}
        1 if rest.len() >= 8 => {
            let (count, _lower_bound) = (rest.get_i32(), rest.get_i32());
            for _ in 0..count {
                values.push(match part(&mut rest)? {
                    None => new_null_array(item.data_type(), 1),
                    Some(bytes) => decode(bytes, &described)?,
                });
            }
        }
        1 => return Err(malformed("wrong length")),
        _ => {
            return Err(Error::unsupported(
                "a binary parameter that is an array of several dimensions",
            )
            .hint("Send it in text format."));
        }
    }
    let child = match values.is_empty() {
        true => new_null_array(item.data_type(), 0),
        false => {
            let parts: Vec<&dyn arrow::array::Array> = values.iter().map(AsRef::as_ref).collect();
            concat(&parts)?
        }
    };
    let offsets = OffsetBuffer::from_lengths([child.len()]);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, child, None)?))
}

/// A length and so many bytes; `None` for a length of -1.
fn part<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>> {
    if rest.len() < 4 {
        return Err(malformed("wrong length"));
    }
    let size = rest.get_i32();
    let Ok(size) = usize::try_from(size) else { return Ok(None) };
    let (part, after) = rest.split_at_checked(size).ok_or_else(|| malformed("wrong length"))?;
    *rest = after;
    Ok(Some(part))
}
