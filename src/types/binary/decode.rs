//! Binary values to columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, ListArray,
    PrimitiveArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, FieldRef, Float32Type,
    Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use bytes::Buf;

use super::encode::{EPOCH_DAYS, EPOCH_US};
use crate::error::{Error, Result, SqlState};
use crate::types::pg_type;
use crate::types::text::{self, Style};

/// Values as they were sent; `None` is null.
type Values<'a> = &'a [Option<&'a [u8]>];

/// Reads a column of values of `field`'s type.
///
/// # Errors
/// `22P03` for bytes that are no such value, `0A000` for types that have no binary form here.
pub fn decode(values: Values<'_>, field: &Field) -> Result<ArrayRef> {
    Ok(match field.data_type() {
        DataType::Boolean => {
            let values = read(values, |bytes| Ok(fixed::<1>(bytes)?[0] != 0))?;
            Arc::new(BooleanArray::from(values))
        }
        DataType::Int16 => {
            primitive::<Int16Type>(values, |bytes| Ok(i16::from_be_bytes(fixed(bytes)?)))?
        }
        DataType::Int32 => {
            primitive::<Int32Type>(values, |bytes| Ok(i32::from_be_bytes(fixed(bytes)?)))?
        }
        DataType::Int64 => primitive::<Int64Type>(values, |bytes| match bytes.len() {
            // An OID.
            4 => Ok(i64::from(u32::from_be_bytes(fixed(bytes)?))),
            _ => Ok(i64::from_be_bytes(fixed(bytes)?)),
        })?,
        DataType::Float32 => {
            primitive::<Float32Type>(values, |bytes| Ok(f32::from_be_bytes(fixed(bytes)?)))?
        }
        DataType::Float64 => {
            primitive::<Float64Type>(values, |bytes| Ok(f64::from_be_bytes(fixed(bytes)?)))?
        }
        DataType::Decimal128(precision, scale) => {
            let values = read(values, |bytes| numeric(bytes, *precision, *scale))?;
            let array = PrimitiveArray::<Decimal128Type>::from_iter(values);
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Utf8 => {
            let jsonb = pg_type::of_field(field) == pg_type::JSONB;
            let texts = read(values, |bytes| string(bytes, jsonb))?;
            text::decode(&texts, field, &Style::default())?
        }
        DataType::Binary => Arc::new(values.iter().copied().collect::<BinaryArray>()),
        DataType::FixedSizeBinary(16) => {
            let rows = read(values, fixed::<16>)?.into_iter();
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows, 16)?)
        }
        DataType::Date32 => primitive::<Date32Type>(values, date)?,
        DataType::Time64(_) => primitive::<Time64MicrosecondType>(values, |bytes| {
            Ok(i64::from_be_bytes(fixed(bytes)?))
        })?,
        DataType::Timestamp(_, zone) => {
            let values = read(values, timestamp)?;
            let array = PrimitiveArray::<TimestampMicrosecondType>::from_iter(values);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Interval(_) => primitive::<IntervalMonthDayNanoType>(values, interval)?,
        DataType::List(item) => list(values, item, field)?,
        other => {
            return Err(Error::unsupported(format!("a binary value of type {other}"))
                .hint("Send it in text format."));
        }
    })
}

fn read<'a, T>(values: Values<'a>, one: impl Fn(&'a [u8]) -> Result<T>) -> Result<Vec<Option<T>>> {
    values.iter().map(|value| value.map(&one).transpose()).collect()
}

fn primitive<T: ArrowPrimitiveType>(
    values: Values<'_>,
    one: impl Fn(&[u8]) -> Result<T::Native>,
) -> Result<ArrayRef> {
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(read(values, one)?)))
}

fn date(bytes: &[u8]) -> Result<i32> {
    match i32::from_be_bytes(fixed(bytes)?) {
        special @ (i32::MAX | i32::MIN) => Ok(special),
        days => days.checked_add(EPOCH_DAYS).ok_or_else(|| out_of_range("date")),
    }
}

fn timestamp(bytes: &[u8]) -> Result<i64> {
    match i64::from_be_bytes(fixed(bytes)?) {
        special @ (i64::MAX | i64::MIN) => Ok(special),
        micros => micros.checked_add(EPOCH_US).ok_or_else(|| out_of_range("timestamp")),
    }
}

/// Reads a numeric with the digits that it was sent with.
///
/// # Errors
/// As [`decode`].
pub fn decode_numeric(bytes: &[u8]) -> Result<ArrayRef> {
    let [_, _, _, _, _, _, high, low, ..] = *bytes else { return Err(malformed("wrong length")) };
    let scale = i8::try_from(i16::from_be_bytes([high, low])).unwrap_or(37).clamp(0, 37);
    let value = numeric(bytes, 38, scale)?;
    Ok(Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale)?))
}

fn malformed(what: &str) -> Error {
    Error::new(
        SqlState::InvalidBinaryRepresentation,
        format!("incorrect binary data format: {what}"),
    )
}

fn out_of_range(type_name: &str) -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, format!("{type_name} out of range"))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed("wrong length"))
}

fn string(bytes: &[u8], jsonb: bool) -> Result<&str> {
    let bytes = match (jsonb, bytes) {
        (true, [1, rest @ ..]) => rest,
        (true, _) => return Err(malformed("unknown version of jsonb")),
        (false, _) => bytes,
    };
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(|| {
        let message = "invalid byte sequence for encoding \"UTF8\"";
        Error::new(SqlState::CharacterNotInRepertoire, message)
    })
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

fn list(values: Values<'_>, item: &FieldRef, outer: &Field) -> Result<ArrayRef> {
    let described =
        Field::new("item", item.data_type().clone(), true).with_metadata(outer.metadata().clone());
    let (mut parts, mut lengths) = (vec![], Vec::with_capacity(values.len()));
    for value in values {
        let before = parts.len();
        if let Some(bytes) = value {
            elements(bytes, &mut parts)?;
        }
        lengths.push(parts.len() - before);
    }
    let child = decode(&parts, &described)?;
    let valid: NullBuffer = values.iter().map(Option::is_some).collect();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, child, Some(valid))?))
}

/// Adds the elements of an array to `parts`.
fn elements<'a>(bytes: &'a [u8], parts: &mut Vec<Option<&'a [u8]>>) -> Result<()> {
    let mut rest = bytes;
    if rest.len() < 12 {
        return Err(malformed("wrong length"));
    }
    let (dimensions, _has_nulls, _element) = (rest.get_i32(), rest.get_i32(), rest.get_u32());
    match dimensions {
        0 => Ok(()),
        1 if rest.len() >= 8 => {
            let (count, _lower_bound) = (rest.get_i32(), rest.get_i32());
            for _ in 0..count {
                parts.push(part(&mut rest)?);
            }
            Ok(())
        }
        1 => Err(malformed("wrong length")),
        _ => Err(Error::unsupported("a binary value that is an array of several dimensions")
            .hint("Send it in text format.")),
    }
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
