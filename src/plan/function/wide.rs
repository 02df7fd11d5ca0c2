//! Functions on numerics.

use std::sync::Arc;

use arrow::array::types::{Decimal128Type, Int32Type, Int64Type};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int32Array};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::declared::{Kind, Overload, declared, whole};
use crate::error::{Error, Result, SqlState};

/// The functions of numerics alone.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "div",
            vec![
                whole(&[Kind::Numeric, Kind::Numeric], Kind::Numeric, |args, _, _| quotient(args))
                    .typed(|_, _| Ok(DataType::Decimal128(38, 0))),
            ],
        ),
        declared(
            "factorial",
            vec![
                whole(&[Kind::Int8], Kind::Numeric, |args, _, _| factorial(args))
                    .typed(|_, _| Ok(DataType::Decimal128(38, 0))),
            ],
        ),
        declared(
            "scale",
            vec![whole(&[Kind::Numeric], Kind::Int4, |args, _, _| {
                let scale = scale_of(&args[0]);
                let values = args[0].as_primitive::<Decimal128Type>();
                Ok(Arc::new(values.unary::<_, Int32Type>(|_| i32::from(scale))))
            })],
        ),
        declared(
            "min_scale",
            vec![whole(&[Kind::Numeric], Kind::Int4, |args, _, _| {
                let scale = scale_of(&args[0]);
                let values = args[0].as_primitive::<Decimal128Type>();
                let needed = |mut value: i128| {
                    let mut scale = i32::from(scale);
                    while scale > 0 && value % 10 == 0 {
                        (value, scale) = (value / 10, scale - 1);
                    }
                    scale
                };
                Ok(Arc::new(values.unary::<_, Int32Type>(needed)))
            })],
        ),
    ]
}

fn scale_of(array: &ArrayRef) -> i8 {
    match array.data_type() {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of typing functions")]
fn same(types: &[DataType], _: &[Option<&datafusion::common::ScalarValue>]) -> Result<DataType> {
    Ok(types[0].clone())
}

/// `abs(numeric)`
pub(super) fn decimal_abs() -> Overload {
    whole(&[Kind::Numeric], Kind::Numeric, |args, kind, _| {
        let values = args[0].as_primitive::<Decimal128Type>();
        let result: Decimal128Array = values.unary(|value: i128| value.wrapping_abs());
        Ok(Arc::new(result.with_data_type(kind.clone())))
    })
    .typed(same)
}

/// `sign(numeric)`
pub(super) fn decimal_sign() -> Overload {
    whole(&[Kind::Numeric], Kind::Numeric, |args, kind, _| {
        let values = args[0].as_primitive::<Decimal128Type>();
        let result: Decimal128Array = values.unary(i128::signum);
        Ok(Arc::new(result.with_data_type(kind.clone())))
    })
    .typed(|_, _| Ok(DataType::Decimal128(38, 0)))
}

fn beyond() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

fn power(exponent: i8) -> i128 {
    10_i128.pow(u32::from(exponent.unsigned_abs().min(38)))
}

/// Two decimals as whole numbers of the same unit.
fn aligned(one: (i128, i8), other: (i128, i8)) -> Result<(i128, i128)> {
    let scale = one.1.max(other.1);
    let up = |(value, own): (i128, i8)| value.checked_mul(power(scale - own)).ok_or_else(beyond);
    Ok((up(one)?, up(other)?))
}

/// The whole part of a quotient, toward zero.
fn quotient(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (s1, s2) = (scale_of(&args[0]), scale_of(&args[1]));
    let left = args[0].as_primitive::<Decimal128Type>().iter();
    let right = args[1].as_primitive::<Decimal128Type>().iter();
    let each = itertools::zip_eq(left, right).map(|pair| match pair {
        (Some(_), Some(0)) => Err(Error::new(SqlState::DivisionByZero, "division by zero")),
        (Some(left), Some(right)) => {
            let (left, right) = aligned((left, s1), (right, s2))?;
            Ok(Some(left / right))
        }
        _ => Ok(None),
    });
    let values = each.collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_precision_and_scale(38, 0)?))
}

fn factorial(args: &[ArrayRef]) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Int64Type>().iter();
    let each = |number: i64| -> Result<i128> {
        if number < 0 {
            let message = "factorial of a negative number is undefined";
            return Err(Error::new(SqlState::NumericValueOutOfRange, message));
        }
        if number > 33 {
            return Err(beyond());
        }
        Ok((1..=i128::from(number)).product())
    };
    let values = numbers.map(|number| number.map(each).transpose());
    let values = values.collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_precision_and_scale(38, 0)?))
}

/// `width_bucket(numeric, numeric, numeric, int4)`
pub(super) fn width_bucket() -> Overload {
    let kinds = [Kind::Numeric, Kind::Numeric, Kind::Numeric, Kind::Int4];
    whole(&kinds, Kind::Int4, |args, _, rows| {
        let counts = args[3].as_primitive::<Int32Type>();
        let each = |row: usize| {
            if args.iter().any(|arg| arg.is_null(row)) {
                return Ok(None);
            }
            let value = |index: usize| {
                (args[index].as_primitive::<Decimal128Type>().value(row), scale_of(&args[index]))
            };
            bucket(value(0), value(1), value(2), counts.value(row)).map(Some)
        };
        Ok(Arc::new((0..rows).map(each).collect::<Result<Int32Array>>()?))
    })
}

fn bucket(value: (i128, i8), low: (i128, i8), high: (i128, i8), count: i32) -> Result<i32> {
    let fails = |message: &str| Err(Error::new(SqlState::InvalidArgumentForWidthBucket, message));
    if count <= 0 {
        return fails("count must be greater than zero");
    }
    let scale = value.1.max(low.1).max(high.1);
    let up = |(value, own): (i128, i8)| value.checked_mul(power(scale - own)).ok_or_else(beyond);
    let (mut value, mut low, mut high) = (up(value)?, up(low)?, up(high)?);
    if low == high {
        return fails("lower bound cannot equal upper bound");
    }
    if low > high {
        (value, low, high) = (-value, -low, -high);
    }
    if value < low {
        return Ok(0);
    }
    if value >= high {
        return count
            .checked_add(1)
            .ok_or_else(|| Error::new(SqlState::NumericValueOutOfRange, "integer out of range"));
    }
    let scaled = (value - low).checked_mul(i128::from(count)).ok_or_else(beyond)?;
    i32::try_from(scaled / (high - low) + 1).map_err(|_| beyond())
}
