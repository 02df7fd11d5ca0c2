//! Floats and numerics to text.

use std::io::Write;

/// Text of a `real`: plain up to six digits before the point, else with an exponent.
pub(super) fn float4(value: f32, digits_lost: Option<u8>, out: &mut Vec<u8>) {
    match digits_lost {
        Some(lost) => rounded(f64::from(value), 6_u8.saturating_sub(lost).max(1), out),
        None if value.is_finite() && value != 0.0 => shortest(&format!("{value:e}"), 6, out),
        None => special(f64::from(value), out),
    }
}

/// Text of a `double precision`: plain up to fifteen digits before the point.
pub(super) fn float8(value: f64, digits_lost: Option<u8>, out: &mut Vec<u8>) {
    match digits_lost {
        Some(lost) => rounded(value, 15_u8.saturating_sub(lost).max(1), out),
        None if value.is_finite() && value != 0.0 => shortest(&format!("{value:e}"), 15, out),
        None => special(value, out),
    }
}

fn special(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(if value.is_nan() {
        b"NaN"
    } else if value == f64::INFINITY {
        b"Infinity"
    } else if value == f64::NEG_INFINITY {
        b"-Infinity"
    } else if value.is_sign_negative() {
        b"-0"
    } else {
        b"0"
    });
}

/// As C's `%.*g`, which is what `extra_float_digits <= 0` asks for.
fn rounded(value: f64, digits: u8, out: &mut Vec<u8>) {
    if !value.is_finite() || value == 0.0 {
        return special(value, out);
    }
    let text = format!("{value:.*e}", usize::from(digits) - 1);
    let (mantissa, exponent) = text.split_once('e').expect("the format writes an exponent");
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    shortest(&format!("{mantissa}e{exponent}"), i32::from(digits), out);
}

/// Lays out `d.ddde±x` as Postgres does: plain if the exponent is in `-4..plain_max`.
fn shortest(scientific: &str, plain_max: i32, out: &mut Vec<u8>) {
    let (mantissa, exponent) = scientific.split_once('e').expect("the format writes an exponent");
    let exponent: i32 = exponent.parse().expect("the format writes a number");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    if !(-4..plain_max).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{mantissa}e{sign}{:02}", exponent.abs()).expect("memory does not fail");
        return;
    }
    let digits = mantissa.bytes().filter(|byte| *byte != b'.');
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend((1..-exponent).map(|_| b'0'));
        out.extend(digits);
        return;
    }
    let point = usize::try_from(exponent).expect("not negative") + 1;
    let mut count = 0;
    for digit in digits {
        if count == point {
            out.push(b'.');
        }
        out.push(digit);
        count += 1;
    }
    out.extend((count..point).map(|_| b'0'));
}

/// Text of a numeric with `scale` digits after the point; `bare` drops trailing zeros, for a column
/// without declared scale.
pub(super) fn numeric(value: i128, scale: i8, bare: bool, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let digits = value.unsigned_abs().to_string();
    let Ok(scale) = usize::try_from(scale) else {
        out.extend_from_slice(digits.as_bytes());
        out.extend((0..scale.unsigned_abs()).map(|_| b'0'));
        return;
    };
    if scale == 0 {
        return out.extend_from_slice(digits.as_bytes());
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = if bare { fraction.trim_end_matches('0') } else { fraction };
    out.extend_from_slice(whole.as_bytes());
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}
