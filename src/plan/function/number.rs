//! Functions on numbers: integers keep their width, floats that leave their range are errors.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::declared::{Float4, Float8, Int2, Int4, Int8, Overload, declared, four, one, two};
use super::wide::{self, decimal_abs, decimal_sign};
use crate::error::{Error, Result, SqlState};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let mut all = vec![
        declared("to_number", super::number_format::to_number()),
        declared(
            "abs",
            vec![
                one::<Int2, Int2, _>(|x: i16| x.checked_abs().ok_or_else(|| beyond("smallint"))),
                one::<Int4, Int4, _>(|x: i32| x.checked_abs().ok_or_else(|| beyond("integer"))),
                one::<Int8, Int8, _>(|x: i64| x.checked_abs().ok_or_else(|| beyond("bigint"))),
                one::<Float4, Float4, _>(f32::abs),
                one::<Float8, Float8, _>(f64::abs),
                decimal_abs(),
            ],
        ),
        declared("sign", vec![one::<Float8, Float8, _>(sign), decimal_sign()]),
        declared(
            "bitwise_not",
            vec![
                one::<Int2, Int2, _>(|x: i16| !x),
                one::<Int4, Int4, _>(|x: i32| !x),
                one::<Int8, Int8, _>(|x: i64| !x),
            ],
        ),
        declared(
            "int2shl",
            vec![two::<Int2, Int4, Int2, _>(|x, by| shifted(x, by, i32::wrapping_shl))],
        ),
        declared(
            "int2shr",
            vec![two::<Int2, Int4, Int2, _>(|x, by| shifted(x, by, i32::wrapping_shr))],
        ),
        declared(
            "dsqrt",
            vec![one::<Float8, Float8, _>(|x: f64| {
                if x < 0.0 {
                    let message = "cannot take square root of a negative number";
                    return Err(Error::new(SqlState::InvalidArgumentForPower, message));
                }
                Ok(x.sqrt())
            })],
        ),
        declared(
            "width_bucket",
            vec![four::<Float8, Float8, Float8, Int4, Int4, _>(width_bucket), wide::width_bucket()],
        ),
        declared(
            "pi",
            vec![super::declared::whole(&[], super::declared::Kind::Float8, |_, _, rows| {
                Ok(Arc::new(arrow::array::Float64Array::from(vec![std::f64::consts::PI; rows])))
            })],
        ),
    ];
    all.extend(divisors());
    all.extend(wide::all());
    all.extend(float_functions());
    all
}

/// The lower two bytes of `x`, shifted as four.
fn shifted(x: i16, by: i32, shift: fn(i32, u32) -> i32) -> i16 {
    let [one, other, ..] = shift(x.into(), by.cast_unsigned()).to_le_bytes();
    i16::from_le_bytes([one, other])
}

/// `gcd` and `lcm`.
fn divisors() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "gcd",
            vec![
                two::<Int4, Int4, Int4, _>(|a: i32, b: i32| {
                    let gcd = gcd(a.unsigned_abs().into(), b.unsigned_abs().into());
                    i32::try_from(gcd).map_err(|_| beyond("integer"))
                }),
                two::<Int8, Int8, Int8, _>(|a: i64, b: i64| {
                    let gcd = gcd(a.unsigned_abs().into(), b.unsigned_abs().into());
                    i64::try_from(gcd).map_err(|_| beyond("bigint"))
                }),
            ],
        ),
        declared(
            "lcm",
            vec![
                two::<Int4, Int4, Int4, _>(|a: i32, b: i32| {
                    let lcm = lcm(a.unsigned_abs().into(), b.unsigned_abs().into());
                    i32::try_from(lcm).map_err(|_| beyond("integer"))
                }),
                two::<Int8, Int8, Int8, _>(|a: i64, b: i64| {
                    let lcm = lcm(a.unsigned_abs().into(), b.unsigned_abs().into());
                    i64::try_from(lcm).map_err(|_| beyond("bigint"))
                }),
            ],
        ),
    ]
}

fn beyond(kind: &str) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, format!("{kind} out of range"))
}

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(a: u128, b: u128) -> u128 {
    if a == 0 || b == 0 { 0 } else { a / gcd(a, b) * b }
}

fn out_of_bounds() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "input is out of range")
}

/// Of a float beyond the type's range.
pub(super) fn overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

fn underflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value out of range: underflow")
}

fn width_bucket(value: f64, low: f64, high: f64, count: i32) -> Result<i32> {
    let fails = |message: &str| Err(Error::new(SqlState::InvalidArgumentForWidthBucket, message));
    if count <= 0 {
        return fails("count must be greater than zero");
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return fails("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return fails("lower and upper bounds must be finite");
    }
    if low == high {
        return fails("lower bound cannot equal upper bound");
    }
    let (before, after) = match low < high {
        true => (value < low, value >= high),
        false => (value > low, value <= high),
    };
    if before {
        return Ok(0);
    }
    if after {
        return count.checked_add(1).ok_or_else(|| beyond("integer"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a part of the count")]
    let bucket = (f64::from(count) * ((value - low) / (high - low))) as i32;
    Ok(bucket.min(count - 1) + 1)
}

/// A function of one float.
fn float(name: &'static str, function: fn(f64) -> Result<f64>) -> Arc<ScalarUDF> {
    let overload: Overload = one::<Float8, Float8, Result<f64>>(function);
    declared(name, vec![overload])
}

/// A value within bounds, else an error; not a number stays so.
fn within(x: f64, low: f64, high: f64) -> Result<f64> {
    if x < low || x > high { Err(out_of_bounds()) } else { Ok(x) }
}

fn finite(x: f64) -> Result<f64> {
    if x.is_infinite() { Err(out_of_bounds()) } else { Ok(x) }
}

fn float_functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        float("exp", |x| match x.exp() {
            y if y.is_infinite() && x.is_finite() => Err(overflow()),
            0.0 if x.is_finite() => Err(underflow()),
            y => Ok(y),
        }),
        float("cbrt", |x| Ok(x.cbrt())),
        float("degrees", |x| match x.to_degrees() {
            y if y.is_infinite() && x.is_finite() => Err(overflow()),
            _ => Ok(x / (std::f64::consts::PI / 180.0)),
        }),
        float("radians", |x| Ok(x * (std::f64::consts::PI / 180.0))),
        float("sin", |x| Ok(finite(x)?.sin())),
        float("cos", |x| Ok(finite(x)?.cos())),
        float("tan", |x| Ok(finite(x)?.tan())),
        float("cot", |x| Ok(1.0 / finite(x)?.tan())),
        float("asin", |x| Ok(within(x, -1.0, 1.0)?.asin())),
        float("acos", |x| Ok(within(x, -1.0, 1.0)?.acos())),
        float("atan", |x| Ok(x.atan())),
        float("sinh", |x| Ok(x.sinh())),
        float("cosh", |x| Ok(x.cosh())),
        float("tanh", |x| Ok(x.tanh())),
        float("asinh", |x| Ok(x.asinh())),
        float("acosh", |x| Ok(within(x, 1.0, f64::INFINITY)?.acosh())),
        float("atanh", |x| Ok(within(x, -1.0, 1.0)?.atanh())),
        float("sind", |x| Ok(sind(finite(x)?))),
        float("cosd", |x| Ok(cosd(finite(x)?))),
        float("tand", |x| {
            let x = finite(x)?;
            Ok(sind(x) / cosd(x))
        }),
        float("cotd", |x| {
            let x = finite(x)?;
            Ok(cosd(x) / sind(x))
        }),
        float("asind", |x| Ok(degrees_of(within(x, -1.0, 1.0)?.asin(), 0.5_f64.asin(), 30.0))),
        float("acosd", |x| Ok(degrees_of(within(x, -1.0, 1.0)?.acos(), 0.5_f64.acos(), 60.0))),
        float("atand", |x| Ok(degrees_of(x.atan(), 1.0_f64.atan(), 45.0))),
        declared("atan2", vec![two::<Float8, Float8, Float8, _>(f64::atan2)]),
        declared(
            "atan2d",
            vec![two::<Float8, Float8, Float8, _>(|y: f64, x: f64| {
                degrees_of(y.atan2(x), 1.0_f64.atan(), 45.0)
            })],
        ),
    ]
}

/// An angle in degrees, so that a known one is exact.
fn degrees_of(angle: f64, known: f64, degrees: f64) -> f64 {
    angle / known * degrees
}

/// The sine of an angle in degrees, exact at multiples of 30.
fn sind(x: f64) -> f64 {
    let mut x = x % 360.0;
    let mut sign = 1.0;
    if x < 0.0 {
        (x, sign) = (-x, -1.0);
    }
    if x > 180.0 {
        (x, sign) = (360.0 - x, -sign);
    }
    if x > 90.0 {
        x = 180.0 - x;
    }
    sign * quadrant_sine(x)
}

fn cosd(x: f64) -> f64 {
    let mut x = (x % 360.0).abs();
    let mut sign = 1.0;
    if x > 180.0 {
        x = 360.0 - x;
    }
    if x > 90.0 {
        (x, sign) = (180.0 - x, -sign);
    }
    sign * quadrant_sine_complement(x)
}

fn below_30(x: f64) -> f64 {
    x.to_radians().sin() / 30.0_f64.to_radians().sin() / 2.0
}

fn below_60(x: f64) -> f64 {
    1.0 - (1.0 - x.to_radians().cos()) / (1.0 - 60.0_f64.to_radians().cos()) / 2.0
}

fn quadrant_sine(x: f64) -> f64 {
    if x <= 30.0 { below_30(x) } else { below_60(90.0 - x) }
}

fn quadrant_sine_complement(x: f64) -> f64 {
    if x <= 60.0 { below_60(x) } else { below_30(90.0 - x) }
}
