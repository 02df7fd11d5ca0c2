//! `age`, `justify_*`, `isfinite`.

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNanoType;
use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use chrono::{Datelike, NaiveDate};
use datafusion::logical_expr::ScalarUDF;

use super::{DAY_US, date_of, infinite, parts, span};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{
    Bool, Date, Interval, Kind, Timestamp, Timestamptz, declared, one, two, whole,
};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "age",
            vec![
                two::<Timestamp, Timestamp, Interval, _>(age),
                two::<Timestamptz, Timestamptz, Interval, _>(age),
            ],
        ),
        declared(
            "interval_length",
            vec![
                whole(&[Kind::Interval], Kind::Numeric, lengths)
                    .typed(|_, _| Ok(DataType::Decimal128(38, 0))),
            ],
        ),
        declared("justify_days", vec![one::<Interval, Interval, _>(justify_days)]),
        declared("justify_hours", vec![one::<Interval, Interval, _>(justify_hours)]),
        declared("justify_interval", vec![one::<Interval, Interval, _>(justify_interval)]),
        declared(
            "isfinite",
            vec![
                one::<Date, Bool, _>(|days: i32| days != i32::MAX && days != i32::MIN),
                one::<Timestamp, Bool, _>(|micros: i64| !infinite(micros)),
                one::<Timestamptz, Bool, _>(|micros: i64| !infinite(micros)),
                one::<Interval, Bool, _>(|_| true),
            ],
        ),
    ]
}

/// In microseconds, with months of 30 days.
fn lengths(args: &[ArrayRef], kind: &DataType, _: usize) -> Result<ArrayRef> {
    let spans = args[0].as_primitive::<IntervalMonthDayNanoType>();
    let length = |interval: IntervalMonthDayNano| {
        let days = i128::from(interval.months) * 30 + i128::from(interval.days);
        days * i128::from(DAY_US) + i128::from(interval.nanoseconds / 1000)
    };
    let lengths: Decimal128Array = spans.unary(length);
    Ok(Arc::new(lengths.with_data_type(kind.clone())))
}

fn month_length(date: NaiveDate) -> i64 {
    i64::from(date.num_days_in_month())
}

/// The years, months and days between two instants, as a calendar counts them.
fn age(later: i64, earlier: i64) -> Result<IntervalMonthDayNano> {
    let beyond = || Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range");
    let (one, other) = (date_of(later).ok_or_else(beyond)?, date_of(earlier).ok_or_else(beyond)?);
    let sign = if later < earlier { -1 } else { 1 };
    let between = |one: i64, other: i64| sign * (one - other);
    let mut micros = between(later.rem_euclid(DAY_US), earlier.rem_euclid(DAY_US));
    let mut days = between(one.day().into(), other.day().into());
    let mut months = between(one.month().into(), other.month().into());
    let mut years = between(one.year().into(), other.year().into());
    if micros < 0 {
        (micros, days) = (micros + DAY_US, days - 1);
    }
    while days < 0 {
        let month = if sign < 0 { one } else { other };
        (days, months) = (days + month_length(month), months - 1);
    }
    while months < 0 {
        (months, years) = (months + 12, years - 1);
    }
    let fits = |value: i64| i32::try_from(sign * value).map_err(|_| beyond());
    Ok(span(fits(years * 12 + months)?, fits(days)?, sign * micros))
}

fn justify_days(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let (mut months, mut days, micros) = parts(interval);
    months += days / 30;
    days %= 30;
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - 30);
    }
    span(months, days, micros)
}

fn whole_days(micros: i64) -> i32 {
    i32::try_from(micros / DAY_US).unwrap_or(0)
}

fn justify_hours(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let (months, mut days, mut micros) = parts(interval);
    days += whole_days(micros);
    micros %= DAY_US;
    if days > 0 && micros < 0 {
        (days, micros) = (days - 1, micros + DAY_US);
    } else if days < 0 && micros > 0 {
        (days, micros) = (days + 1, micros - DAY_US);
    }
    span(months, days, micros)
}

fn justify_interval(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let (mut months, mut days, mut micros) = parts(interval);
    if (days > 0 && micros > 0) || (days < 0 && micros < 0) {
        months += days / 30;
        days %= 30;
    }
    days += whole_days(micros);
    micros %= DAY_US;
    months += days / 30;
    days %= 30;
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        (months, days) = (months + 1, days - 30);
    }
    if days > 0 && micros < 0 {
        (days, micros) = (days - 1, micros + DAY_US);
    } else if days < 0 && micros > 0 {
        (days, micros) = (days + 1, micros - DAY_US);
    }
    span(months, days, micros)
}
