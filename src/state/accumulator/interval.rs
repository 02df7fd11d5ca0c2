//! Sums and averages of intervals, by field as Postgres adds and divides them.

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType};

use super::cell::Cell;
use super::changes::Changes;
use crate::error::{Error, SqlState};
use crate::state::SegmentedVec;

/// The sums of a group's fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IntervalSum {
    nanoseconds: i128,
    months: i64,
    days: i64,
    count: i64,
}

impl Cell for IntervalSum {
    fn clear(&self) -> bool {
        self.nanoseconds == 0 && self.months == 0 && self.days == 0 && self.count == 0
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.nanoseconds.write(to);
        [self.months, self.days, self.count].iter().for_each(|field| field.write(to));
    }

    fn read(from: &mut &[u8]) -> Option<IntervalSum> {
        Some(IntervalSum {
            nanoseconds: i128::read(from)?,
            months: i64::read(from)?,
            days: i64::read(from)?,
            count: i64::read(from)?,
        })
    }
}

/// Sums of a column of intervals.
#[derive(Debug)]
pub(super) struct IntervalSums {
    pub(super) cells: SegmentedVec<IntervalSum>,
    pub(super) average: bool,
    /// Groups that may have no result.
    pub(super) suspects: Vec<u32>,
}

impl IntervalSums {
    pub(super) fn update(&mut self, argument: &ArrayRef, changes: &Changes<'_>) {
        let values = argument.as_primitive::<IntervalMonthDayNanoType>().values();
        changes.each(|row, group, weight| {
            let (cell, value) = (&mut self.cells[group], values[row]);
            cell.count += weight;
            cell.months += i64::from(value.months) * weight;
            cell.days += i64::from(value.days) * weight;
            cell.nanoseconds += i128::from(value.nanoseconds) * i128::from(weight);
            if whole(cell).is_none() {
                self.suspects.push(group);
            }
        });
    }

    fn result(&self, cell: &IntervalSum) -> Option<IntervalMonthDayNano> {
        let sum = whole(cell)?;
        if self.average { divide(sum, cell.count as f64) } else { Some(sum) }
    }

    pub(super) fn output(&self, groups: &[u32]) -> IntervalMonthDayNanoArray {
        let result = |group: &u32| {
            let cell = &self.cells[*group];
            if cell.count > 0 { self.result(cell) } else { None }
        };
        groups.iter().map(result).collect()
    }

    pub(super) fn failure(&self, group: u32) -> Option<Error> {
        let cell = &self.cells[group];
        let failed = cell.count > 0 && self.result(cell).is_none();
        failed.then(|| Error::new(SqlState::DatetimeFieldOverflow, "interval out of range"))
    }
}

fn whole(cell: &IntervalSum) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        cell.months.try_into().ok()?,
        cell.days.try_into().ok()?,
        cell.nanoseconds.try_into().ok()?,
    ))
}

/// `interval_div` of Postgres: what is left of months goes to days (30 a month), what is left of days
/// to the time, and the time is rounded to microseconds.
fn divide(sum: IntervalMonthDayNano, divisor: f64) -> Option<IntervalMonthDayNano> {
    const DAY_SECONDS: f64 = 86_400.0;
    // Postgres drops noise below a microsecond between the steps.
    let round = |value: f64| (value * 1e6).round_ties_even() / 1e6;
    let (months, days) = (f64::from(sum.months) / divisor, f64::from(sum.days) / divisor);
    let left_days = round((months - months.trunc()) * 30.0);
    let mut seconds = round((days - days.trunc() + left_days - left_days.trunc()) * DAY_SECONDS);
    let mut whole_days = days.trunc();
    if seconds.abs() >= DAY_SECONDS {
        whole_days += (seconds / DAY_SECONDS).trunc();
        seconds -= (seconds / DAY_SECONDS).trunc() * DAY_SECONDS;
    }
    whole_days += left_days.trunc();
    let microseconds = sum.nanoseconds as f64 / 1000.0 / divisor + seconds * 1e6;
    // Casts saturate, and no field of a quotient is out of range.
    let nanoseconds = (microseconds.round_ties_even() as i64).checked_mul(1000)?;
    Some(IntervalMonthDayNano::new(months.trunc() as i32, whole_days as i32, nanoseconds))
}
