//! Roots, powers and logarithms, with Postgres' errors where they are not defined.

use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::simple::simple;
use crate::error::{Error, Result, SqlState};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let float = |_: &[DataType], _: &[Option<&datafusion::common::ScalarValue>]| {
        Ok(Some(DataType::Float64))
    };
    vec![
        power_function(),
        simple("sqrt", numbers, float, |args, _| each(args, root)),
        simple("ln", numbers, float, |args, _| each(args, |x| Ok(positive(x)?.ln()))),
        simple("log10", numbers, float, |args, _| each(args, |x| Ok(positive(x)?.log10()))),
        simple("log", numbers, float, |args, _| log(args)),
    ]
}

/// One number; `log` takes a base before it.
fn numbers(types: &[DataType]) -> Option<Vec<DataType>> {
    let number = |kind: &DataType| kind.is_numeric() || kind.is_null();
    let fits = matches!(types.len(), 1 | 2) && types.iter().all(number);
    fits.then(|| vec![DataType::Float64; types.len()])
}

/// `power(base, exponent)`, which `^` is too.
pub(crate) fn power_function() -> Arc<ScalarUDF> {
    simple("power", two_numbers, |_, _| Ok(Some(DataType::Float64)), |args, _| power(args))
}

fn two_numbers(types: &[DataType]) -> Option<Vec<DataType>> {
    numbers(types).filter(|types| types.len() == 2)
}

fn power(args: &[ArrayRef]) -> Result<ArrayRef> {
    let bases = args[0].as_primitive::<Float64Type>().iter();
    let exponents = args[1].as_primitive::<Float64Type>().iter();
    let powers = itertools::zip_eq(bases, exponents).map(|pair| match pair {
        (Some(base), Some(exponent)) => raised(base, exponent).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(powers.collect::<Result<Float64Array>>()?))
}

fn raised(base: f64, exponent: f64) -> Result<f64> {
    let fails = |message: &str| Err(Error::new(SqlState::InvalidArgumentForPower, message));
    if base == 0.0 && exponent < 0.0 {
        return fails("zero raised to a negative power is undefined");
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return fails("a negative number raised to a non-integer power yields a complex result");
    }
    let result = base.powf(exponent);
    if result.is_infinite() && base.is_finite() && exponent.is_finite() {
        return Err(Error::new(SqlState::NumericValueOutOfRange, "value out of range: overflow"));
    }
    Ok(result)
}

fn each(args: &[ArrayRef], function: fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let [values] = args else {
        return Err(Error::new(SqlState::UndefinedFunction, "this function takes one argument"));
    };
    let values = values.as_primitive::<Float64Type>().iter();
    let result = values.map(|value| value.map(function).transpose());
    Ok(Arc::new(result.collect::<Result<Float64Array>>()?))
}

fn log(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [bases, values] = args else {
        return each(args, |x| Ok(positive(x)?.log10()));
    };
    let bases = bases.as_primitive::<Float64Type>().iter();
    let values = values.as_primitive::<Float64Type>().iter();
    let pairs = itertools::zip_eq(bases, values).map(|pair| match pair {
        (Some(base), Some(value)) => {
            let base = positive(base)?.log10();
            if base == 0.0 {
                return Err(Error::new(SqlState::DivisionByZero, "division by zero"));
            }
            Ok(Some(positive(value)?.log10() / base))
        }
        _ => Ok(None),
    });
    Ok(Arc::new(pairs.collect::<Result<Float64Array>>()?))
}

/// `x`, of which there is a logarithm.
fn positive(x: f64) -> Result<f64> {
    let fails = |message: &str| Err(Error::new(SqlState::InvalidArgumentForLogarithm, message));
    match x {
        0.0 => fails("cannot take logarithm of zero"),
        x if x < 0.0 => fails("cannot take logarithm of a negative number"),
        x => Ok(x),
    }
}

fn root(x: f64) -> Result<f64> {
    if x < 0.0 {
        let message = "cannot take square root of a negative number";
        return Err(Error::new(SqlState::InvalidArgumentForPower, message));
    }
    Ok(x.sqrt())
}
