//! Sums and averages of floats, exact until the result is rounded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use super::cell::{Cell, out_of_range};
use super::changes::Changes;
use crate::error::{Error, Result};
use crate::state::SegmentedVec;
use crate::types::float_sum::FloatSum;

/// A group's sum, and how many values it has in all.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    sum: FloatSum,
    count: i64,
}

impl Cell for Counted {
    fn clear(&self) -> bool {
        self.count == 0 && self.sum.clear()
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.sum.write(to);
        self.count.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Counted> {
        Some(Counted { sum: FloatSum::read(from)?, count: i64::read(from)? })
    }
}

/// Sums of a column of floats, and what is made of them.
#[derive(Debug)]
pub(super) struct FloatSums {
    pub(super) cells: SegmentedVec<Counted>,
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
            cell.sum.add(value, weight);
            if value.abs() > safe {
                self.suspects.push(group);
            }
        });
    }

    /// Postgres divides the rounded sum, and reports a sum beyond the type's range even of an average.
    fn result(&self, cell: &Counted) -> Option<f64> {
        let sum = cell.sum.total(self.result == DataType::Float32 && !self.average)?;
        Some(if self.average { sum / cell.count as f64 } else { sum })
    }

    pub(super) fn output(&self, groups: &[u32]) -> ArrayRef {
        let results = groups.iter().map(|&group| {
            let cell = &self.cells[group];
            self.result(cell).filter(|_| cell.count > 0)
        });
        if self.result == DataType::Float32 {
            Arc::new(results.map(|sum| sum.map(|sum| sum as f32)).collect::<Float32Array>())
        } else {
            Arc::new(results.collect::<Float64Array>())
        }
    }

    pub(super) fn failure(&self, group: u32) -> Option<Error> {
        let cell = &self.cells[group];
        let failed = cell.count > 0 && self.result(cell).is_none();
        failed.then(|| out_of_range("value out of range: overflow"))
    }
}
