//! Dates, times and intervals from numbers.

use std::sync::Arc;

use arrow::array::types::{Float64Type, Int32Type, IntervalMonthDayNanoType};
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::logical_expr::ScalarUDF;

use super::{DAY_US, SECOND_US, midnight, span};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{
    Date, Float8, Int4, Kind, Overload, Time, Timestamptz, declared, one, three, whole,
};
use crate::types::text::Timezone;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Float8 as F, Int4 as I, Text as T};
    vec![
        declared("make_date", vec![three::<Int4, Int4, Int4, Date, _>(make_date)]),
        declared("make_time", vec![three::<Int4, Int4, Float8, Time, _>(make_time)]),
        declared("make_timestamp", vec![whole(&[I, I, I, I, I, F], Kind::Timestamp, instants)]),
        declared(
            "make_timestamptz",
            vec![
                whole(&[I, I, I, I, I, F], Kind::Timestamptz, instants),
                whole(&[I, I, I, I, I, F, T], Kind::Timestamptz, instants),
            ],
        ),
        declared("make_interval", intervals()),
        declared("to_timestamp", {
            let mut overloads = super::pattern::to_timestamp();
            overloads.push(one::<Float8, Timestamptz, _>(from_epoch));
            overloads
        }),
    ]
}

fn no_date(year: i32, month: i32, day: i32) -> Error {
    let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
    Error::new(SqlState::DatetimeFieldOverflow, message)
}

/// Midnight of a date; a negative year is before Christ.
fn day(year: i32, month: i32, day: i32) -> Result<i64> {
    let known = if year < 0 { year + 1 } else { year };
    let (Ok(m), Ok(d)) = (u32::try_from(month), u32::try_from(day)) else {
        return Err(no_date(year, month, day));
    };
    let found = (year != 0).then(|| midnight(known, m, d)).flatten();
    found.ok_or_else(|| no_date(year, month, day))
}

fn make_date(year: i32, month: i32, of_month: i32) -> Result<i32> {
    let days = day(year, month, of_month)?.div_euclid(DAY_US);
    i32::try_from(days).map_err(|_| no_date(year, month, of_month))
}

fn make_time(hour: i32, minute: i32, second: f64) -> Result<i64> {
    let fits =
        (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
    if fits {
        let whole = i64::from(hour) * 3600 + i64::from(minute) * 60;
        #[expect(clippy::cast_possible_truncation, reason = "not more than a minute")]
        let micros = whole * SECOND_US + (second * 1e6).round_ties_even() as i64;
        if micros <= DAY_US {
            return Ok(micros);
        }
    }
    let message = format!("time field value out of range: {hour}:{minute:02}:{second:02}");
    Err(Error::new(SqlState::DatetimeFieldOverflow, message))
}

fn instants(args: &[ArrayRef], kind: &DataType, rows: usize) -> Result<ArrayRef> {
    let number = |index: usize, row: usize| args[index].as_primitive::<Int32Type>().value(row);
    let each = |row: usize| {
        if args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let second = args[5].as_primitive::<Float64Type>().value(row);
        let local = day(number(0, row), number(1, row), number(2, row))?
            + make_time(number(3, row), number(4, row), second)?;
        let Some(zones) = args.get(6) else { return Ok(Some(local)) };
        let name = zones.as_string::<i32>().value(row);
        let zone = Timezone::parse(name).ok_or_else(|| {
            Error::invalid_parameter(format!("time zone \"{name}\" not recognized"))
        })?;
        Ok(Some(zone.instant_of(local)))
    };
    let instants = (0..rows).map(each).collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(instants.with_data_type(kind.clone())))
}

/// `make_interval`, with as many of its arguments as are given.
fn intervals() -> Vec<Overload> {
    let kinds =
        [Kind::Int4, Kind::Int4, Kind::Int4, Kind::Int4, Kind::Int4, Kind::Int4, Kind::Float8];
    let make = |args: &[ArrayRef], _: &DataType, rows: usize| -> Result<ArrayRef> {
        let each = |row: usize| match args.iter().any(|arg| arg.is_null(row)) {
            true => Ok(None),
            false => interval(args, row).map(Some),
        };
        let spans =
            (0..rows).map(each).collect::<Result<PrimitiveArray<IntervalMonthDayNanoType>>>();
        Ok(Arc::new(spans?))
    };
    (0..=kinds.len()).map(|count| whole(&kinds[..count], Kind::Interval, make)).collect()
}

fn interval(args: &[ArrayRef], row: usize) -> Result<IntervalMonthDayNano> {
    let number = |index: usize| {
        let column = args.get(index).map(|arg| arg.as_primitive::<Int32Type>().value(row));
        i64::from(column.unwrap_or(0))
    };
    let beyond = || Error::new(SqlState::DatetimeFieldOverflow, "interval out of range");
    let fits = |value: i64| i32::try_from(value).map_err(|_| beyond());
    let months = fits(number(0) * 12 + number(1))?;
    let days = fits(number(2) * 7 + number(3))?;
    let seconds = args.get(6).map_or(0.0, |arg| arg.as_primitive::<Float64Type>().value(row));
    let micros = (seconds * 1e6).round_ties_even();
    if !micros.is_finite() || micros.abs() > 9.2e15 {
        return Err(beyond());
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was just checked")]
    let micros =
        i128::from(number(4) * 3600 + number(5) * 60) * i128::from(SECOND_US) + micros as i128;
    let micros = i64::try_from(micros).map_err(|_| beyond())?;
    Ok(span(months, days, micros))
}

/// The instant that many seconds after 1970.
fn from_epoch(seconds: f64) -> Result<i64> {
    if seconds.is_nan() {
        let message = "timestamp cannot be NaN";
        return Err(Error::new(SqlState::DatetimeFieldOverflow, message));
    }
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { i64::MAX } else { i64::MIN });
    }
    let micros = (seconds * 1e6).round_ties_even();
    if micros.abs() > 9.2e18 {
        let message = format!("timestamp out of range: \"{seconds}\"");
        return Err(Error::new(SqlState::DatetimeFieldOverflow, message));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was just checked")]
    Ok(micros as i64)
}
