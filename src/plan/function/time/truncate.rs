//! `date_trunc` and `date_bin`.

use std::sync::Arc;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::Datelike;
use datafusion::logical_expr::ScalarUDF;

use super::{DAY_US, SECOND_US, date_of, infinite, midnight, midnight_of, parts, span};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{
    Interval, Text, Timestamp, Timestamptz, declared, three, two,
};
use crate::types::text::Timezone;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "date_trunc",
            vec![
                two::<Text, Timestamp, Timestamp, _>(|unit: &str, micros: i64| {
                    truncated(unit, micros, "timestamp without time zone")
                }),
                two::<Text, Timestamptz, Timestamptz, _>(|unit: &str, micros: i64| {
                    truncated(unit, micros, "timestamp with time zone")
                }),
                three::<Text, Timestamptz, Text, Timestamptz, _>(truncated_in),
                two::<Text, Interval, Interval, _>(truncated_interval),
            ],
        ),
        declared(
            "date_bin",
            vec![
                three::<Interval, Timestamp, Timestamp, Timestamp, _>(bin),
                three::<Interval, Timestamptz, Timestamptz, Timestamptz, _>(bin),
            ],
        ),
    ]
}

/// A unit under its one name; none if there is no such unit.
fn unit(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => {
            "microseconds"
        }
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => {
            "milliseconds"
        }
        "second" | "seconds" | "sec" | "secs" | "s" => "second",
        "minute" | "minutes" | "min" | "mins" | "m" => "minute",
        "hour" | "hours" | "hr" | "hrs" | "h" => "hour",
        "day" | "days" | "d" => "day",
        "week" | "weeks" | "w" => "week",
        "month" | "months" | "mon" | "mons" => "month",
        "quarter" | "qtr" => "quarter",
        "year" | "years" | "yr" | "yrs" | "y" => "year",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "century" | "centuries" | "cent" | "c" => "century",
        "millennium" | "millennia" | "mil" | "mils" => "millennium",
        _ => return None,
    })
}

fn unknown(text: &str, kind: &str) -> Error {
    let known = ["dow", "isodow", "doy", "epoch", "julian", "isoyear", "timezone"];
    let name = text.to_ascii_lowercase();
    match known.contains(&name.as_str()) {
        true => Error::new(
            SqlState::FeatureNotSupported,
            format!("unit \"{name}\" not supported for type {kind}"),
        ),
        false => {
            Error::invalid_parameter(format!("unit \"{name}\" not recognized for type {kind}"))
        }
    }
}

fn truncated(text: &str, micros: i64, kind: &str) -> Result<i64> {
    let unit = unit(text).ok_or_else(|| unknown(text, kind))?;
    if infinite(micros) {
        return Ok(micros);
    }
    let down = |length: i64| micros - micros.rem_euclid(length);
    let beyond = || Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range");
    let date = date_of(micros).ok_or_else(beyond)?;
    let year = date.year();
    // The first year of a span of years; there is no year zero, and 1 is in the first century.
    let first = |span: i32| match year > 0 {
        true => (year + span - 1) / span * span - (span - 1),
        false => -((span - 1 - (year - 1)) / span) * span + 1,
    };
    let start = |year: i32, month: u32| midnight(year, month, 1).ok_or_else(beyond);
    match unit {
        "microseconds" => Ok(micros),
        "milliseconds" => Ok(down(1000)),
        "second" => Ok(down(SECOND_US)),
        "minute" => Ok(down(60 * SECOND_US)),
        "hour" => Ok(down(3600 * SECOND_US)),
        "day" => Ok(down(DAY_US)),
        "week" => {
            let days = i64::from(date.weekday().num_days_from_monday());
            Ok(midnight_of(date) - days * DAY_US)
        }
        "month" => start(year, date.month()),
        "quarter" => start(year, date.month0() / 3 * 3 + 1),
        "year" => start(year, 1),
        "decade" => start(year.div_euclid(10) * 10, 1),
        "century" => start(first(100), 1),
        _ => start(first(1000), 1),
    }
}

/// In another zone than the session's.
fn truncated_in(text: &str, micros: i64, name: &str) -> Result<i64> {
    let zone = Timezone::parse(name)
        .ok_or_else(|| Error::invalid_parameter(format!("time zone \"{name}\" not recognized")))?;
    if infinite(micros) {
        return Ok(micros);
    }
    let local = micros + i64::from(zone.offset_at(micros)) * SECOND_US;
    Ok(zone.instant_of(truncated(text, local, "timestamp with time zone")?))
}

fn truncated_interval(text: &str, interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let unit = unit(text).ok_or_else(|| unknown(text, "interval"))?;
    let (months, days, micros) = parts(interval);
    let years = |count: i32| Ok(span(months / (12 * count) * (12 * count), 0, 0));
    let down = |length: i64| Ok(span(months, days, micros - micros % length));
    match unit {
        "microseconds" => Ok(interval),
        "milliseconds" => down(1000),
        "second" => down(SECOND_US),
        "minute" => down(60 * SECOND_US),
        "hour" => down(3600 * SECOND_US),
        "day" => Ok(span(months, days, 0)),
        "month" => Ok(span(months, 0, 0)),
        "quarter" => Ok(span(months / 3 * 3, 0, 0)),
        "year" => years(1),
        "decade" => years(10),
        "century" => years(100),
        "millennium" => years(1000),
        _ => Err(Error::new(
            SqlState::FeatureNotSupported,
            format!("unit \"{unit}\" not supported for type interval"),
        )
        .detail("Months usually have fractional weeks.")),
    }
}

/// The beginning of the stride from the origin in which an instant lies.
fn bin(stride: IntervalMonthDayNano, micros: i64, origin: i64) -> Result<i64> {
    let (months, days, of_day) = parts(stride);
    let beyond = || Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range");
    if months != 0 {
        let message = "timestamps cannot be binned into intervals containing months or years";
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    if infinite(micros) {
        return Ok(micros);
    }
    if infinite(origin) {
        let message = "origin out of range";
        return Err(Error::new(SqlState::DatetimeFieldOverflow, message));
    }
    let stride = i64::from(days).checked_mul(DAY_US).and_then(|days| days.checked_add(of_day));
    let stride = stride.ok_or_else(beyond)?;
    if stride <= 0 {
        let message = "stride must be greater than zero";
        return Err(Error::new(SqlState::DatetimeFieldOverflow, message));
    }
    let since = micros.checked_sub(origin).ok_or_else(beyond)?;
    Ok(micros - since.rem_euclid(stride))
}
