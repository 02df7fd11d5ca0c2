//! Sums and averages of integers and decimals.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, i256,
};
use std::sync::Arc;

use super::cell::{Cell, out_of_range};
use super::changes::Changes;
use crate::error::{Error, Result};
use crate::state::SegmentedVec;

/// An exact sum: `carry·2^128 + sum`, and how many values it has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: i128,
    carry: i64,
    count: i64,
}

impl Cell for Sum {
    fn clear(&self) -> bool {
        self.sum == 0 && self.carry == 0 && self.count == 0
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.sum.write(to);
        self.carry.write(to);
        self.count.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Sum> {
        Some(Sum { sum: i128::read(from)?, carry: i64::read(from)?, count: i64::read(from)? })
    }
}

impl Sum {
    #[inline]
    fn add(&mut self, value: i128, weight: i64) {
        self.count += weight;
        match value.checked_mul(i128::from(weight)) {
            Some(product) => self.add_whole(product),
            None => {
                let product = i256::from_i128(value).wrapping_mul(i256::from_i128(weight.into()));
                let (low, high) = product.to_parts();
                let low = low.cast_signed();
                // Read as signed, the low half is 2^128 too small where its top bit is set.
                let carry = high + i128::from(low < 0);
                self.carry += i64::try_from(carry).expect("a product of 128 and 64 bits");
                self.add_whole(low);
            }
        }
    }

    #[inline]
    fn add_whole(&mut self, value: i128) {
        let (sum, overflow) = self.sum.overflowing_add(value);
        self.sum = sum;
        if overflow {
            self.carry += if value < 0 { -1 } else { 1 };
        }
    }

    fn whole(&self) -> i256 {
        let sign = self.sum >> 127;
        i256::from_parts(self.sum.cast_unsigned(), sign + i128::from(self.carry))
    }
}

/// Sums of a column of integers or decimals, and what is made of them.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) cells: SegmentedVec<Sum>,
    /// Divides by the count.
    average: bool,
    /// `Int64`, or `Decimal128`.
    result: DataType,
    /// Power of ten by which the sum is multiplied to get the result's scale.
    rescale: u32,
    /// Sums beyond this may have no result.
    safe: u128,
    /// Groups that may have no result.
    pub(super) suspects: Vec<u32>,
}

impl Sums {
    /// `None` if there is no such function of the type.
    pub(super) fn new(average: bool, argument: &DataType, result: &DataType) -> Option<Sums> {
        let scale = match argument {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => 0,
            DataType::Decimal128(_, scale) => *scale,
            _ => return None,
        };
        let (rescale, safe) = match result {
            DataType::Int64 if !average && scale == 0 => (0, i64::MAX.unsigned_abs().into()),
            DataType::Decimal128(precision, result) if *result >= scale => {
                let rescale = u32::try_from(result - scale).ok()?;
                (rescale, 10u128.pow(u32::from(*precision).saturating_sub(rescale)) - 1)
            }
            _ => return None,
        };
        let cells = SegmentedVec::new();
        let result = result.clone();
        Some(Sums { cells, average, result, rescale, safe, suspects: vec![] })
    }

    pub(super) fn update(&mut self, argument: &ArrayRef, changes: &Changes<'_>) -> Result<()> {
        match argument.data_type() {
            DataType::Int8 => self.add(argument.as_primitive::<Int8Type>(), changes),
            DataType::Int16 => self.add(argument.as_primitive::<Int16Type>(), changes),
            DataType::Int32 => self.add(argument.as_primitive::<Int32Type>(), changes),
            DataType::Int64 => self.add(argument.as_primitive::<Int64Type>(), changes),
            DataType::Decimal128(_, _) => {
                self.add(argument.as_primitive::<Decimal128Type>(), changes);
            }
            other => return Err(Error::internal(format!("sum of {other}"))),
        }
        Ok(())
    }

    fn add<T: ArrowPrimitiveType>(&mut self, argument: &PrimitiveArray<T>, changes: &Changes<'_>)
    where
        T::Native: Into<i128>,
    {
        let values = argument.values();
        changes.each(|row, group, weight| {
            let cell = &mut self.cells[group];
            cell.add(values[row].into(), weight);
            if cell.sum.unsigned_abs() > self.safe || cell.carry != 0 {
                self.suspects.push(group);
            }
        });
    }

    /// The result as an integer of the result's scale; `None` if it is out of range.
    fn result(&self, cell: &Sum) -> Option<i128> {
        let scaled = match cell.sum.checked_mul(10i128.pow(self.rescale)) {
            Some(scaled) if cell.carry == 0 && !self.average => scaled,
            Some(scaled) if cell.carry == 0 => divide(scaled, cell.count),
            _ => {
                let power = i256::from_i128(10i128.pow(self.rescale));
                let scaled = cell.whole().checked_mul(power)?;
                if self.average { divide_wide(scaled, cell.count) } else { scaled }.to_i128()?
            }
        };
        let fits = match self.result {
            DataType::Decimal128(precision, _) => {
                scaled.unsigned_abs() < 10u128.pow(u32::from(precision))
            }
            _ => i64::try_from(scaled).is_ok(),
        };
        fits.then_some(scaled)
    }

    pub(super) fn output(&self, groups: &[u32]) -> ArrayRef {
        let results = groups.iter().map(|&group| {
            let cell = &self.cells[group];
            if cell.count > 0 { self.result(cell) } else { None }
        });
        if self.result == DataType::Int64 {
            Arc::new(
                results.map(|value| value.and_then(|v| v.try_into().ok())).collect::<Int64Array>(),
            )
        } else {
            let array: Decimal128Array = results.collect();
            Arc::new(array.with_data_type(self.result.clone()))
        }
    }

    pub(super) fn failure(&self, group: u32) -> Option<Error> {
        let cell = &self.cells[group];
        let failed = cell.count > 0 && self.result(cell).is_none();
        failed.then(|| match &self.result {
            DataType::Decimal128(precision, scale) => out_of_range("numeric field overflow").detail(
                format!("A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.", i32::from(*precision) - i32::from(*scale)),
            ),
            _ => out_of_range("bigint out of range"),
        })
    }
}

/// Rounded half away from zero, as Postgres rounds numerics.
fn divide(dividend: i128, divisor: i64) -> i128 {
    let divisor = i128::from(divisor);
    let quotient = dividend / divisor;
    // Dividing wide integers is slow: once is enough.
    let remainder = dividend - quotient * divisor;
    if 2 * remainder.abs() >= divisor { quotient + dividend.signum() } else { quotient }
}

fn divide_wide(dividend: i256, divisor: i64) -> i256 {
    let divisor = i256::from_i128(divisor.into());
    let quotient = dividend.wrapping_div(divisor);
    let remainder = dividend.wrapping_rem(divisor).wrapping_abs();
    if remainder.wrapping_add(remainder) >= divisor {
        quotient.wrapping_add(dividend.signum())
    } else {
        quotient
    }
}
