//! Arithmetic on numerics: types of results, and what Arrow's kernels do not do.

use std::sync::Arc;

use arrow::array::types::Decimal128Type;
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, i256};
use arrow::error::ArrowError;

use super::arithmetic::ArithmeticOp;
use crate::error::Result;

/// Digits that a numeric holds.
pub(crate) const PRECISION: u8 = 38;
/// Digits after the point of a quotient, at least (Postgres gives at least 16 significant ones).
const QUOTIENT_SCALE: i8 = 16;
/// Digits after the point of a product, at most: leaves room before the point.
const PRODUCT_SCALE: i8 = 30;

/// Whether values of this type are whole numbers.
pub(crate) fn is_integer(kind: &DataType) -> bool {
    kind.is_integer()
}

/// The decimal type that holds every value of an integer or decimal type.
pub(crate) fn decimal_of(kind: &DataType) -> Option<DataType> {
    Some(match kind {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Decimal128(5, 0),
        DataType::UInt16 | DataType::Int32 => DataType::Decimal128(10, 0),
        DataType::UInt32 | DataType::Int64 => DataType::Decimal128(19, 0),
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal128(_, _) => kind.clone(),
        _ => return None,
    })
}

/// The type of `left op right` for decimals of these precisions and scales.
pub(super) fn result_type(op: ArithmeticOp, left: (u8, i8), right: (u8, i8)) -> DataType {
    let whole = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let most = whole(left).max(whole(right));
    let scale = left.1.max(right.1);
    let (digits, scale) = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Negate => {
            (most + i16::from(scale) + 1, scale)
        }
        ArithmeticOp::Multiply => {
            let exact = left.1.saturating_add(right.1);
            (i16::from(left.0) + i16::from(right.0) + 1, exact.min(PRODUCT_SCALE.max(scale)))
        }
        ArithmeticOp::Divide => (i16::from(PRECISION), scale.max(QUOTIENT_SCALE)),
        ArithmeticOp::Modulo => (whole(right) + i16::from(scale), scale),
    };
    let precision = digits.clamp(i16::from(scale).max(1), i16::from(PRECISION));
    DataType::Decimal128(u8::try_from(precision).unwrap_or(PRECISION), scale)
}

/// Whether Arrow's kernel computes this exactly as [`result_type`] says.
pub(super) fn by_arrow(op: ArithmeticOp, left: &DataType, right: &DataType) -> bool {
    let (DataType::Decimal128(_, s1), DataType::Decimal128(_, s2)) = (left, right) else {
        return false;
    };
    match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Modulo => true,
        ArithmeticOp::Multiply => s1.saturating_add(*s2) <= PRODUCT_SCALE.max(*s1).max(*s2),
        ArithmeticOp::Divide | ArithmeticOp::Negate => false,
    }
}

/// `array` under the decimal type `kind`, which differs in precision only.
pub(super) fn relabeled(array: ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    match (array.data_type(), kind) {
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) if (p1, s1) != (p2, s2) => {
            let values = array.as_primitive::<Decimal128Type>().clone();
            Ok(Arc::new(values.with_precision_and_scale(*p2, *s2)?))
        }
        _ => Ok(array),
    }
}

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow(String::new())
}

/// Quotients, and products whose exact digits do not fit.
pub(super) fn compute(
    op: ArithmeticOp,
    left: &ArrayRef,
    right: &ArrayRef,
    result: &DataType,
) -> Result<ArrayRef> {
    let (
        DataType::Decimal128(_, s1),
        DataType::Decimal128(_, s2),
        DataType::Decimal128(precision, scale),
    ) = (left.data_type(), right.data_type(), result)
    else {
        return Err(crate::error::Error::internal("decimals expected"));
    };
    let (left, right) =
        (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let values: Decimal128Array = match op {
        ArithmeticOp::Divide => {
            let up = power(i16::from(*scale) + i16::from(*s2) - i16::from(*s1));
            arrow::compute::try_binary(left, right, |left: i128, right: i128| {
                if right == 0 {
                    return Err(ArrowError::DivideByZero);
                }
                match left.checked_mul(up) {
                    Some(left) => rounded(left, right),
                    None => wide(i256::from_i128(left), i256::from_i128(up), right),
                }
            })?
        }
        _ => {
            let down = power(i16::from(*s1) + i16::from(*s2) - i16::from(*scale));
            arrow::compute::try_binary(left, right, |left: i128, right: i128| {
                match left.checked_mul(right) {
                    Some(product) => rounded(product, down),
                    None => wide(i256::from_i128(left), i256::from_i128(right), down),
                }
            })?
        }
    };
    Ok(Arc::new(values.with_precision_and_scale(*precision, *scale)?))
}

fn power(exponent: i16) -> i128 {
    10_i128.pow(u32::from(exponent.clamp(0, 38).unsigned_abs()))
}

/// `value / by`, half away from zero.
pub(super) fn rounded(value: i128, by: i128) -> Result<i128, ArrowError> {
    let (quotient, rest) = (value.checked_div(by).ok_or_else(overflow)?, value % by);
    let sign = if (value < 0) == (by < 0) { 1 } else { -1 };
    let up = rest.unsigned_abs() >= by.unsigned_abs() - rest.unsigned_abs();
    Ok(if rest != 0 && up { quotient + sign } else { quotient })
}

/// `left * right / by`, half away from zero, in 256 bits.
fn wide(left: i256, right: i256, by: i128) -> Result<i128, ArrowError> {
    let product = left.checked_mul(right).ok_or_else(overflow)?;
    let by = i256::from_i128(by);
    let (quotient, rest) = (
        product.checked_div(by).ok_or_else(overflow)?,
        product.checked_rem(by).ok_or_else(overflow)?,
    );
    let twice = rest.wrapping_abs().wrapping_add(rest.wrapping_abs());
    let sign = if product.is_negative() == by.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    let up = rest != i256::ZERO && twice >= by.wrapping_abs();
    let value = if up { quotient.wrapping_add(sign) } else { quotient };
    value.to_i128().ok_or_else(overflow)
}
