//! Sums and averages of floats, exact until the result is rounded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use super::cell::{Cell, out_of_range};
use super::changes::Changes;
use crate::error::{Error, Result};
use crate::state::SegmentedVec;
use crate::state::exact_float::ExactSum;

/// Infinities and not-a-numbers, counted, since they cannot be summed and taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Specials {
    nan: i64,
    plus: i64,
    minus: i64,
}

impl Specials {
    #[inline]
    pub(super) fn add(&mut self, value: f64, weight: i64) {
        let count = match value {
            _ if value.is_nan() => &mut self.nan,
            _ if value > 0.0 => &mut self.plus,
            _ => &mut self.minus,
        };
        *count += weight;
    }

    /// The sum, if it is not a finite one.
    pub(super) fn sum(&self) -> Option<f64> {
        match (self.nan > 0, self.plus > 0, self.minus > 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

impl Cell for Specials {
    fn clear(&self) -> bool {
        *self == Specials::default()
    }

    fn write(&self, to: &mut Vec<u8>) {
        [self.nan, self.plus, self.minus].iter().for_each(|count| count.write(to));
    }

    fn read(from: &mut &[u8]) -> Option<Specials> {
        Some(Specials { nan: i64::read(from)?, plus: i64::read(from)?, minus: i64::read(from)? })
    }
}

/// The finite values' sum, the others' counts, and how many there are in all.
#[derive(Clone, Debug, Default)]
pub(super) struct FloatSum {
    sum: ExactSum,
    specials: Specials,
    count: i64,
}

impl Cell for FloatSum {
    fn clear(&self) -> bool {
        self.count == 0 && self.specials.clear() && self.sum.zero()
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.sum.write(to);
        self.specials.write(to);
        self.count.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<FloatSum> {
        Some(FloatSum {
            sum: ExactSum::read(from)?,
            specials: Specials::read(from)?,
            count: i64::read(from)?,
        })
    }
}

/// Sums of a column of floats, and what is made of them.
#[derive(Debug)]
pub(super) struct FloatSums {
    pub(super) cells: SegmentedVec<FloatSum>,
    average: bool,
    result: DataType,
    /// Groups that may have no result.
    pub(super) suspects: Vec<u32>,
}

impl FloatSums {
    /// `None` if there is no such function of the type.
    pub(super) fn new(average: bool, argument: &DataType, result: &DataType) -> Option<FloatSums> {
        let floats = matches!(argument, DataType::Float32 | DataType::Float64)
            && matches!(result, DataType::Float32 | DataType::Float64);
        let result = result.clone();
        let cells = SegmentedVec::new();
        floats.then_some(FloatSums { cells, average, result, suspects: vec![] })
    }

    pub(super) fn update(&mut self, argument: &ArrayRef, changes: &Changes<'_>) -> Result<()> {
        match argument.data_type() {
            DataType::Float32 => {
                let values = argument.as_primitive::<Float32Type>().values();
                self.add(changes, |row| f64::from(values[row]));
            }
            DataType::Float64 => {
                let values = argument.as_primitive::<Float64Type>().values();
                self.add(changes, |row| values[row]);
            }
            other => return Err(Error::internal(format!("sum of {other}"))),
        }
        Ok(())
    }

    fn add(&mut self, changes: &Changes<'_>, value: impl Fn(usize) -> f64) {
        // No sum of smaller values leaves the type's range: that takes 10^18 of them.
        let safe = if self.result == DataType::Float32 { 1e20 } else { 1e290 };
        changes.each(|row, group, weight| {
            let (cell, value) = (&mut self.cells[group], value(row));
            cell.count += weight;
            if !value.is_finite() {
                cell.specials.add(value, weight);
            } else {
                cell.sum.add_float(value, weight);
            }
            if value.abs() > safe {
                self.suspects.push(group);
            }
        });
    }

    /// Postgres divides the rounded sum, and reports a sum beyond the type's range even of an average.
    fn result(&self, cell: &FloatSum) -> (f64, bool) {
        let sum = match cell.specials.sum() {
            Some(special) => return (special, true),
            None => cell.sum.to_f64(),
        };
        let narrow = self.result == DataType::Float32 && !self.average;
        let fits = if narrow { (sum as f32).is_finite() } else { sum.is_finite() };
        (if self.average { sum / cell.count as f64 } else { sum }, fits)
    }

    pub(super) fn output(&self, groups: &[u32]) -> ArrayRef {
        let results = groups.iter().map(|&group| {
            let cell = &self.cells[group];
            (cell.count > 0).then(|| self.result(cell).0)
        });
        if self.result == DataType::Float32 {
            Arc::new(results.map(|sum| sum.map(|sum| sum as f32)).collect::<Float32Array>())
        } else {
            Arc::new(results.collect::<Float64Array>())
        }
    }

    pub(super) fn failure(&self, group: u32) -> Option<Error> {
        let cell = &self.cells[group];
        let failed = cell.count > 0 && !self.result(cell).1;
        failed.then(|| out_of_range("value out of range: overflow"))
    }
}
