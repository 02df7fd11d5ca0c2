//! `round`, `trunc`, `ceil` and `floor`: exact on numerics, half to even on floats.

use std::sync::Arc;

use arrow::array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::decimal::rounded;
use super::simple::simple;
use crate::error::Result;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        simple("round", to_digits, scale, |args, kind| digits(args, kind, true)),
        simple("trunc", to_digits, scale, |args, kind| digits(args, kind, false)),
        simple("ceil", one_number, scale, |args, kind| whole(args, kind, true)),
        simple("floor", one_number, scale, |args, kind| whole(args, kind, false)),
    ]
}

fn one_number(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [DataType::Decimal128(_, _)] => Some(types.to_vec()),
        [number] if number.is_numeric() || number.is_null() => Some(vec![DataType::Float64]),
        _ => None,
    }
}

fn to_digits(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        // Numbers of digits are left as they are: a literal decides about the result's type. Floats are
        // refused when literals have their types.
        [number, digits] if digits.is_integer() => {
            let number = super::decimal_of(number).unwrap_or_else(|| number.clone());
            (number.is_numeric()).then(|| vec![number, digits.clone()])
        }
        _ => one_number(types),
    }
}

/// The result's type: as many digits after the point as are asked for, none without a number.
#[expect(clippy::unnecessary_wraps, reason = "the type of typing functions")]
fn scale(types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<Option<DataType>> {
    let DataType::Decimal128(_, from) = types[0] else { return Ok(Some(DataType::Float64)) };
    let scale = match (types.len(), constants.get(1)) {
        (1, _) => 0,
        (_, Some(Some(ScalarValue::Int64(Some(digits))))) => {
            i8::try_from((*digits).clamp(0, 30)).unwrap_or(0)
        }
        _ => from,
    };
    Ok(Some(DataType::Decimal128(38, scale)))
}

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow("numeric".to_owned())
}

fn power(digits: i64) -> i128 {
    10_i128.pow(u32::try_from(digits.clamp(0, 38)).unwrap_or(0))
}

/// Rounded or truncated to a number of digits after the point, negative ones before it.
fn digits(args: &[ArrayRef], kind: &DataType, round: bool) -> Result<ArrayRef> {
    let (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) =
        (args[0].data_type(), kind)
    else {
        let values = args[0].as_primitive::<Float64Type>();
        let result: Float64Array =
            values.unary(|value: f64| if round { value.round_ties_even() } else { value.trunc() });
        return Ok(Arc::new(result));
    };
    let (from, scale) = (i64::from(*from), i64::from(*scale));
    let cut = |value: i128, digits: i64| -> Result<i128, ArrowError> {
        let drop = power(from - digits);
        let kept = if round { rounded(value, drop)? } else { value / drop };
        let back = kept.checked_mul(power((from - digits).max(0))).ok_or_else(overflow)?;
        match scale >= from {
            true => back.checked_mul(power(scale - from)).ok_or_else(overflow),
            false => Ok(back / power(from - scale)),
        }
    };
    let values = args[0].as_primitive::<Decimal128Type>();
    let result: Decimal128Array = match args.get(1) {
        None => values.try_unary(|value| cut(value, 0))?,
        Some(digits) => arrow::compute::try_binary(
            values,
            arrow::compute::cast(digits, &DataType::Int64)?.as_primitive::<Int64Type>(),
            |value: i128, digits: i64| cut(value, digits),
        )?,
    };
    Ok(Arc::new(result.with_precision_and_scale(*precision, i8::try_from(scale).unwrap_or(0))?))
}

/// The next whole number, up or down.
fn whole(args: &[ArrayRef], kind: &DataType, up: bool) -> Result<ArrayRef> {
    let DataType::Decimal128(_, from) = args[0].data_type() else {
        let values = args[0].as_primitive::<Float64Type>();
        let result: Float64Array =
            values.unary(|value: f64| if up { value.ceil() } else { value.floor() });
        return Ok(Arc::new(result));
    };
    let by = power(i64::from(*from));
    let values = args[0].as_primitive::<Decimal128Type>();
    let result: Decimal128Array = values.unary(|value: i128| {
        let down = value.div_euclid(by);
        if up && value.rem_euclid(by) != 0 { down + 1 } else { down }
    });
    Ok(Arc::new(result.with_data_type(kind.clone())))
}
