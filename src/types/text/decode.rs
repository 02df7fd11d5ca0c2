//! Text to columns, with Postgres's rules about what is acceptable and its error messages.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray,
    StringArray, new_null_array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use super::{Style, decode_composite, decode_time, json};
use crate::error::{Error, Result, SqlState};
use crate::types::pg_type;
use crate::types::sql_type::SqlType;

/// Reads a column of texts as values of `field`'s type; `None` is null.
pub fn decode(values: &[Option<&str>], field: &Field, style: &Style) -> Result<ArrayRef> {
    Ok(match field.data_type() {
        DataType::Null => new_null_array(&DataType::Null, values.len()),
        DataType::Boolean => {
            let values: Vec<Option<bool>> = read(values, boolean)?;
            Arc::new(BooleanArray::from(values))
        }
        DataType::Int16 => primitive::<Int16Type>(values, |text| integer(text, "smallint"))?,
        DataType::Int32 => primitive::<Int32Type>(values, |text| integer(text, "integer"))?,
        DataType::Int64 => primitive::<Int64Type>(values, |text| integer(text, "bigint"))?,
        DataType::Float32 => primitive::<Float32Type>(values, |text| {
            let value: f32 = float(text, "real")?;
            finite_if_written_so(value, value.is_infinite(), text, "real")
        })?,
        DataType::Float64 => primitive::<Float64Type>(values, |text| {
            let value: f64 = float(text, "double precision")?;
            finite_if_written_so(value, value.is_infinite(), text, "double precision")
        })?,
        DataType::Decimal128(precision, scale) => {
            let values = read(values, |text| numeric(text, *precision, *scale))?;
            let array = PrimitiveArray::<Decimal128Type>::from_iter(values);
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Utf8 => strings(values, field)?,
        DataType::Binary => {
            let values = read(values, bytea)?;
            Arc::new(values.iter().map(Option::as_deref).collect::<BinaryArray>())
        }
        DataType::FixedSizeBinary(16) => {
            let values = read(values, uuid)?;
            let rows = values.into_iter().map(|value| value.map(|uuid| uuid.into_bytes()));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows, 16)?)
        }
        DataType::Date32 => primitive::<Date32Type>(values, decode_time::date)?,
        DataType::Time64(_) => primitive::<Time64MicrosecondType>(values, decode_time::time)?,
        DataType::Timestamp(_, None) => to_precision(
            primitive::<TimestampMicrosecondType>(values, decode_time::timestamp)?,
            field,
        ),
        DataType::Timestamp(_, Some(zone)) => {
            let values = read(values, |text| decode_time::timestamptz(text, style.timezone))?;
            let array = PrimitiveArray::<TimestampMicrosecondType>::from_iter(values);
            to_precision(Arc::new(array.with_timezone(Arc::clone(zone))), field)
        }
        DataType::Interval(_) => primitive::<IntervalMonthDayNanoType>(values, super::interval)?,
        DataType::List(item) => decode_composite::list(values, item, field, style)?,
        DataType::Struct(fields) => decode_composite::record(values, fields, style)?,
        other => return Err(Error::unsupported(format!("reading values of type {other}"))),
    })
}

/// Digits of a second that a type keeps, if fewer than all.
#[must_use]
pub fn precision(field: &Field) -> Option<u8> {
    match SqlType::of_field(field)? {
        SqlType::Timestamp(digits) | SqlType::Timestamptz(digits) => {
            digits.filter(|digits| *digits < 6)
        }
        _ => None,
    }
}

/// Timestamps rounded to as many digits of a second as the type of `field` keeps.
#[must_use]
pub fn to_precision(times: ArrayRef, field: &Field) -> ArrayRef {
    /// 2000-01-01, from which Postgres counts and away from which it rounds.
    const EPOCH: i64 = 946_684_800_000_000;
    let Some(digits) = precision(field) else { return times };
    let unit = 10_i64.pow(6 - u32::from(digits));
    let round = |micros: i64| match micros {
        i64::MIN | i64::MAX => micros,
        _ => {
            let since = micros.saturating_sub(EPOCH);
            let whole = (since.saturating_abs() + unit / 2) / unit * unit;
            EPOCH + whole * since.signum()
        }
    };
    let kind = times.data_type().clone();
    let rounded: PrimitiveArray<TimestampMicrosecondType> =
        times.as_primitive::<TimestampMicrosecondType>().unary(round);
    Arc::new(rounded.with_data_type(kind))
}

/// `22P02` as Postgres words it.
pub(super) fn invalid(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

fn out_of_range(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::NumericValueOutOfRange,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

fn read<T>(values: &[Option<&str>], parse: impl Fn(&str) -> Result<T>) -> Result<Vec<Option<T>>> {
    values.iter().map(|value| value.map(&parse).transpose()).collect()
}

fn primitive<T: ArrowPrimitiveType>(
    values: &[Option<&str>],
    parse: impl Fn(&str) -> Result<T::Native>,
) -> Result<ArrayRef> {
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(read(values, parse)?)))
}

fn boolean(text: &str) -> Result<bool> {
    let word = text.trim().to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if word == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Ok(true)
    } else if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Ok(false)
    } else {
        Err(invalid("boolean", text))
    }
}

fn integer<T: TryFrom<i128>>(text: &str, type_name: &str) -> Result<T> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(type_name, text));
    }
    let value: i128 = trimmed.parse().map_err(|_| out_of_range(type_name, text))?;
    T::try_from(value).map_err(|_| out_of_range(type_name, text))
}

fn float<T: std::str::FromStr>(text: &str, type_name: &str) -> Result<T> {
    text.trim().parse().map_err(|_| invalid(type_name, text))
}

fn finite_if_written_so<T>(value: T, infinite: bool, text: &str, type_name: &str) -> Result<T> {
    let overflowed = infinite && text.bytes().any(|byte| byte.is_ascii_digit());
    if overflowed {
        return Err(Error::new(
            SqlState::NumericValueOutOfRange,
            format!("\"{}\" is out of range for type {type_name}", text.trim()),
        ));
    }
    Ok(value)
}

/// Reads a numeric with the digits that are written.
///
/// # Errors
/// `22P02` if it is not one, `22003` if it has too many digits.
pub fn decode_numeric(text: &str) -> Result<ArrayRef> {
    let (mantissa, exponent) =
        text.trim().split_once(['e', 'E']).unwrap_or_else(|| (text.trim(), "0"));
    let digits = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let scale = i64::try_from(digits).unwrap_or(37).saturating_sub(exponent).clamp(0, 37);
    let scale = i8::try_from(scale).expect("it is at most 37");
    let value = numeric(text, 38, scale)?;
    let array = PrimitiveArray::<Decimal128Type>::from_iter([Some(value)]);
    Ok(Arc::new(array.with_precision_and_scale(38, scale)?))
}

/// Digits with an optional point and exponent, rounded half away from zero to `scale`.
fn numeric(text: &str, precision: u8, scale: i8) -> Result<i128> {
    let bad = || invalid("numeric", text);
    let trimmed = text.trim();
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| bad())?),
        None => (trimmed, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().count() == 0 || !digits().all(|byte| byte.is_ascii_digit()) {
        return Err(match trimmed.to_ascii_lowercase().trim_start_matches(['+', '-']) {
            "nan" | "infinity" | "inf" => Error::unsupported("a numeric that is not a number")
                .hint("Use double precision for NaN and Infinity."),
            _ => bad(),
        });
    }
    let overflow = || {
        let whole = i16::from(precision) - i16::from(scale);
        Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow").detail(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{whole}."
        ))
    };
    // The wanted number is the digits times ten to this power.
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| bad())?;
    let shift = i32::from(scale).saturating_add(exponent).saturating_sub(fraction_len);
    let count = i32::try_from(digits().count()).map_err(|_| bad())?;
    let keep = count.saturating_add(shift.min(0));
    let mut value: i128 = 0;
    for (index, byte) in digits().enumerate() {
        let index = i32::try_from(index).map_err(|_| bad())?;
        if index < keep {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(i128::from(byte - b'0')))
                .ok_or_else(overflow)?;
        } else if index == keep && byte >= b'5' {
            value += 1;
        }
    }
    if shift > 0 && value != 0 {
        let factor = u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift));
        value = factor.and_then(|factor| value.checked_mul(factor)).ok_or_else(overflow)?;
    }
    if value >= 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return Err(overflow());
    }
    Ok(if negative { -value } else { value })
}

fn strings(values: &[Option<&str>], field: &Field) -> Result<ArrayRef> {
    let pg_type = pg_type::of_field(field);
    if pg_type == pg_type::JSON || pg_type == pg_type::JSONB {
        values.iter().flatten().try_for_each(|text| json::check(text))?;
    }
    if pg_type == pg_type::JSONB {
        return Ok(Arc::new(StringArray::from(read(values, json::canonical)?)));
    }
    Ok(Arc::new(StringArray::from_iter(values)))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn bytea(text: &str) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if digits.len() % 2 == 1 {
            return Err(Error::invalid_parameter("invalid hexadecimal data: odd number of digits"));
        }
        let pair = |pair: &[u8]| Some(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
        let decoded: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        return decoded.ok_or_else(|| {
            let wrong = text[2..].chars().find(|c| !c.is_ascii_hexdigit() && !c.is_whitespace());
            let wrong = wrong.map_or_else(String::new, |c| format!(": \"{c}\""));
            Error::invalid_parameter(format!("invalid hexadecimal digit{wrong}"))
        });
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                out.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            (b'\\', _) => {
                let message = "invalid input syntax for type bytea";
                return Err(Error::new(SqlState::InvalidTextRepresentation, message));
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    Ok(out)
}

fn uuid(text: &str) -> Result<uuid::Uuid> {
    let braced = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    // A hyphen may stand behind every four digits.
    let mut digits = String::with_capacity(32);
    let mut hyphen = true;
    for c in braced.unwrap_or(text).chars() {
        match c {
            '-' if !hyphen && digits.len().is_multiple_of(4) => hyphen = true,
            c if c.is_ascii_hexdigit() && digits.len() < 32 => {
                digits.push(c);
                hyphen = false;
            }
            _ => return Err(invalid("uuid", text)),
        }
    }
    let ended = digits.len() == 32 && !hyphen;
    let value = ended.then(|| uuid::Uuid::try_parse(&digits).ok()).flatten();
    value.ok_or_else(|| invalid("uuid", text))
}
