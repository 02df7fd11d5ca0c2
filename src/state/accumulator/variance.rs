//! Variances and standard deviations of groups.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type,
};

use super::cell::{Cell, out_of_range};
use super::changes::Changes;
use crate::error::{Error, Result};
use crate::state::SegmentedVec;
use crate::types::moments::Moments;

impl Cell for Moments {
    fn clear(&self) -> bool {
        self.clear()
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Moments> {
        Moments::read(from)
    }
}

/// Moments of a column, and what is made of them.
#[derive(Debug)]
pub(super) struct Variances {
    pub(super) cells: SegmentedVec<Moments>,
    sample: bool,
    root: bool,
    /// Digits after the point of a decimal argument.
    scale: i32,
    /// Groups that may have no result.
    pub(super) suspects: Vec<u32>,
}

impl Variances {
    /// `None` if there is no such function of the type.
    pub(super) fn new(
        sample: bool,
        root: bool,
        argument: &DataType,
        result: &DataType,
    ) -> Option<Variances> {
        let scale = match argument {
            DataType::Decimal128(_, scale) => i32::from(*scale),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => 0,
            DataType::Float32 | DataType::Float64 => 0,
            _ => return None,
        };
        let cells = SegmentedVec::new();
        let variances = Variances { cells, sample, root, scale, suspects: vec![] };
        (*result == DataType::Float64).then_some(variances)
    }

    pub(super) fn update(&mut self, argument: &ArrayRef, changes: &Changes<'_>) -> Result<()> {
        match argument.data_type() {
            DataType::Int8 => self.add_integers::<Int8Type>(argument.as_primitive(), changes),
            DataType::Int16 => self.add_integers::<Int16Type>(argument.as_primitive(), changes),
            DataType::Int32 => self.add_integers::<Int32Type>(argument.as_primitive(), changes),
            DataType::Int64 => self.add_integers::<Int64Type>(argument.as_primitive(), changes),
            DataType::Decimal128(_, _) => {
                self.add_integers::<Decimal128Type>(argument.as_primitive(), changes);
            }
            DataType::Float32 => {
                let values = argument.as_primitive::<Float32Type>().values();
                self.add_floats(changes, |row| f64::from(values[row]));
            }
            DataType::Float64 => {
                let values = argument.as_primitive::<Float64Type>().values();
                self.add_floats(changes, |row| values[row]);
            }
            other => return Err(Error::internal(format!("variance of {other}"))),
        }
        Ok(())
    }

    fn add_integers<T>(&mut self, argument: &PrimitiveArray<T>, changes: &Changes<'_>)
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i128>,
    {
        let values = argument.values();
        changes.each(|row, group, weight| {
            self.cells[group].add_integer(values[row].into(), weight);
        });
    }

    fn add_floats(&mut self, changes: &Changes<'_>, value: impl Fn(usize) -> f64) {
        changes.each(|row, group, weight| {
            let value = value(row);
            self.cells[group].add_float(value, weight);
            // The squares of smaller values stay in range.
            if value.is_finite() && value.abs() > 1e140 {
                self.suspects.push(group);
            }
        });
    }

    fn result(&self, cell: &Moments) -> Option<f64> {
        let variance = cell.variance(self.sample)? / 10f64.powi(2 * self.scale);
        Some(if self.root { variance.sqrt() } else { variance })
    }

    pub(super) fn output(&self, groups: &[u32]) -> Float64Array {
        groups.iter().map(|&group| self.result(&self.cells[group])).collect()
    }

    pub(super) fn failure(&self, group: u32) -> Option<Error> {
        let overflow = self.result(&self.cells[group]).is_some_and(f64::is_infinite);
        overflow.then(|| out_of_range("value out of range: overflow"))
    }
}
