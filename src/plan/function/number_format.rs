//! Numbers as text by a pattern and back: Postgres' `to_char(number, pattern)` and `to_number`.

mod layout;
mod pattern;
mod read;

use arrow::array::types::{Decimal128Type, Int32Type, Int64Type};
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use std::sync::Arc;

use super::declared::{Float8, Kind, Overload, Text, two, whole};
use crate::error::{Error, Result};
use layout::laid_out;
use pattern::Pattern;
pub(super) use read::to_number;

/// `to_char` of numbers.
pub(super) fn to_char() -> Vec<Overload> {
    vec![
        whole(&[Kind::Int4, Kind::Text], Kind::Text, |args, _, _| {
            let numbers = args[0].as_primitive::<Int32Type>();
            each(args, |row| (i128::from(numbers.value(row)), 0))
        }),
        whole(&[Kind::Int8, Kind::Text], Kind::Text, |args, _, _| {
            let numbers = args[0].as_primitive::<Int64Type>();
            each(args, |row| (i128::from(numbers.value(row)), 0))
        }),
        whole(&[Kind::Numeric, Kind::Text], Kind::Text, |args, _, _| {
            let numbers = args[0].as_primitive::<Decimal128Type>();
            let DataType::Decimal128(_, scale) = args[0].data_type() else {
                return Err(Error::internal("decimals expected"));
            };
            let scale = usize::try_from(*scale).unwrap_or(0);
            each(args, |row| (numbers.value(row), scale))
        }),
        two::<Float8, Text, Text, _>(float),
    ]
}

fn each(args: &[ArrayRef], number: impl Fn(usize) -> (i128, usize)) -> Result<ArrayRef> {
    let patterns = args[1].as_string::<i32>();
    let mut known: Option<(&str, Pattern)> = None;
    let texts = (0..patterns.len()).map(|row| {
        if args[0].is_null(row) || patterns.is_null(row) {
            return Ok(None);
        }
        let text = patterns.value(row);
        if known.as_ref().is_none_or(|(before, _)| *before != text) {
            known = Some((text, Pattern::parse(text)?));
        }
        let (value, scale) = number(row);
        known.as_ref().map(|(_, pattern)| decimal(value, scale, pattern)).transpose()
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// Digits with a point, rounded half away from zero to `places`.
fn digits(value: u128, scale: usize, places: usize) -> String {
    let mut digits = format!("{value:0>width$}", width = scale + 1);
    if places < scale {
        let drop = u32::try_from(scale - places).unwrap_or(0);
        let by = 10_u128.pow(drop.min(38));
        let rounded = value / by + u128::from(value % by >= by - value % by);
        digits = format!("{rounded:0>width$}", width = places + 1);
    } else {
        digits.push_str(&"0".repeat(places - scale));
    }
    if places > 0 {
        digits.insert(digits.len() - places, '.');
    }
    digits
}

fn decimal(value: i128, scale: usize, pattern: &Pattern) -> Result<String> {
    let (negative, size) = (value < 0, value.unsigned_abs());
    if pattern.roman {
        let whole: i64 = digits(size, scale, 0).parse().unwrap_or(i64::MAX);
        return Ok(roman(if negative { -whole } else { whole }, pattern));
    }
    if pattern.exponent {
        return Ok(scientific(negative, &size.to_string(), scale, pattern.post));
    }
    let (size, scale) = match (pattern.multiplied, scale) {
        (0, scale) => (size, scale),
        (places, scale) if places <= scale => (size, scale - places),
        (places, scale) => {
            let factor = 10_u128.checked_pow(u32::try_from(places - scale).unwrap_or(99));
            let size = factor.and_then(|factor| size.checked_mul(factor));
            (size.ok_or_else(|| Error::unsupported("a number of this size in to_char"))?, 0)
        }
    };
    let text = digits(size, scale, pattern.post);
    let negative = negative && text.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0');
    Ok(laid_out(&text, negative, pattern))
}

fn float(value: f64, pattern: &str) -> Result<String> {
    let mut pattern = Pattern::parse(pattern)?;
    if pattern.roman {
        #[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
        return Ok(roman(value.round_ties_even() as i64, &pattern));
    }
    if pattern.exponent {
        if !value.is_finite() {
            let filling = "#".repeat(pattern.post.max(1) + 4);
            return Ok(format!(" {}.{filling}", "#".repeat(pattern.pre)));
        }
        let text = format!("{:.*e}", pattern.post, value.abs());
        return Ok(with_exponent(value.is_sign_negative(), &text));
    }
    if !value.is_finite() {
        let name = if value.is_nan() { "NaN" } else { "Infinity" };
        return Ok(laid_out(name, value < 0.0, &pattern));
    }
    let value = value * 10_f64.powi(i32::try_from(pattern.multiplied).unwrap_or(0));
    let whole = format!("{:.0}", value.abs()).len();
    // A float has 15 digits for certain.
    pattern.post = pattern.post.min(15_usize.saturating_sub(whole));
    let text = format!("{:.*}", pattern.post, value.abs());
    Ok(laid_out(&text, value.is_sign_negative(), &pattern))
}

/// `1.23e+05` from Rust's `1.23e5`.
fn with_exponent(negative: bool, text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, size) = match exponent.strip_prefix('-') {
        Some(size) => ('-', size),
        None => ('+', exponent),
    };
    let lead = if negative { '-' } else { ' ' };
    format!("{lead}{mantissa}e{sign}{size:0>2}")
}

/// A decimal in the form `d.dde+dd`.
fn scientific(negative: bool, digits: &str, scale: usize, places: usize) -> String {
    let scale = i64::try_from(scale).unwrap_or(0);
    if digits == "0" {
        let point = if places > 0 { "." } else { "" };
        return format!(" 0{point}{}e+00", "0".repeat(places));
    }
    let mut exponent = i64::try_from(digits.len()).unwrap_or(0) - 1 - scale;
    let mut kept: String = digits.chars().chain(std::iter::repeat('0')).take(places + 1).collect();
    if digits.as_bytes().get(places + 1).is_some_and(|digit| *digit >= b'5') {
        let rounded = kept.parse::<u128>().unwrap_or(0) + 1;
        kept = rounded.to_string();
        if kept.len() > places + 1 {
            exponent += 1;
            kept.truncate(places + 1);
        }
    }
    let point = if places > 0 { "." } else { "" };
    let text = format!("{}{point}{}e{exponent}", &kept[..1], &kept[1..]);
    with_exponent(negative, &text)
}

fn roman(number: i64, pattern: &Pattern) -> String {
    const SIGNS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut text = String::new();
    if (1..=3999).contains(&number) {
        let mut rest = number;
        for (value, sign) in SIGNS {
            while rest >= value {
                text.push_str(sign);
                rest -= value;
            }
        }
    } else {
        text = "#".repeat(15);
    }
    if pattern.lower {
        text = text.to_lowercase();
    }
    if pattern.fill { text } else { format!("{text:>15}") }
}
