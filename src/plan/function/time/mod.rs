//! Functions on dates, times and intervals, as Postgres declares them.

mod interval;
mod make;
mod overlaps;
mod pattern;
mod truncate;

use std::sync::Arc;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::logical_expr::ScalarUDF;

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let groups = [interval::all(), make::all(), overlaps::all(), pattern::all(), truncate::all()];
    groups.into_iter().flatten().collect()
}

/// An instant's date; none for infinity and what lies beyond the calendar.
fn date_of(micros: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(micros).map(|time| time.date_naive())
}

/// Midnight of a day of the proleptic Gregorian calendar; none if there is no such day.
fn midnight(year: i32, month: u32, day: u32) -> Option<i64> {
    NaiveDate::from_ymd_opt(year, month, day).map(midnight_of)
}

fn midnight_of(date: NaiveDate) -> i64 {
    (i64::from(date.num_days_from_ce()) - 719_163) * DAY_US
}

/// Whether an instant is before or after all others.
fn infinite(micros: i64) -> bool {
    micros == i64::MAX || micros == i64::MIN
}

/// Months, days and microseconds of an interval.
fn parts(span: IntervalMonthDayNano) -> (i32, i32, i64) {
    (span.months, span.days, span.nanoseconds / 1000)
}

fn span(months: i32, days: i32, micros: i64) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new(months, days, micros.saturating_mul(1000))
}
