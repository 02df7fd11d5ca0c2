//! Parts of times: `EXTRACT`, `date_part`, and the functions called like a part (`hour(ts)`).

use std::sync::Arc;

use arrow::array::types::{
    Date32Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use chrono::{DateTime, Datelike};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use itertools::Itertools;

use super::simple::simple;
use crate::error::{Error, Result, SqlState};
use crate::plan::operator::undefined_function;

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
const MINUTE_US: i64 = 60_000_000;
const SECOND_US: i64 = 1_000_000;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        simple("date_part", part_of_time, |_, _| Ok(Some(DataType::Float64)), float),
        simple("time_part", part_of_time, |_, _| Ok(Some(DataType::Int64)), whole),
    ]
}

/// `EXTRACT(part FROM time)`, with as many digits after the point as the part has.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extract {
    part: Part,
    signature: Signature,
}

/// The function that extracts `part`.
///
/// # Errors
/// `22023` if there is no such part.
pub(crate) fn extract(part: &str) -> Result<Arc<ScalarUDF>> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Ok(Arc::new(ScalarUDF::new_from_impl(Extract { part: Part::parse(part)?, signature })))
}

/// Whether a function extracts the seconds since 1970.
pub(crate) fn is_epoch(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Extract>().is_some_and(|extract| extract.part == Part::Epoch)
}

impl ScalarUDFImpl for Extract {
    fn name(&self) -> &str {
        "extract"
    }

    fn display_name(&self, args: &[Expr]) -> datafusion::common::Result<String> {
        Ok(format!("extract({:?} FROM {})", self.part, args.iter().join(", ")))
    }

    fn schema_name(&self, args: &[Expr]) -> datafusion::common::Result<String> {
        let args = args.iter().map(Expr::schema_name).join(", ");
        Ok(format!("extract({:?} FROM {args})", self.part))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> datafusion::common::Result<Vec<DataType>> {
        match types {
            [time] => match time_type(time) {
                Some(time) => Ok(vec![time]),
                None => Err(undefined_function("extract", types).into()),
            },
            _ => Err(undefined_function("extract", types).into()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(DataType::Decimal128(38, self.part.scale()))
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        let array = match &args.args[0] {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(value) => value.to_array()?,
        };
        let extracted = extracted(self.part, &array)?;
        Ok(match &args.args[0] {
            ColumnarValue::Array(_) => ColumnarValue::Array(extracted),
            ColumnarValue::Scalar(_) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&extracted, 0)?)
            }
        })
    }
}

/// The part of every time, as a numeric.
fn extracted(part: Part, times: &ArrayRef) -> Result<ArrayRef> {
    let scale = part.scale();
    let by = 10_i128.pow(6 - u32::from(scale.unsigned_abs().min(6)));
    let values: Decimal128Array = match times.data_type() {
        DataType::Timestamp(_, _) => {
            let times = times.as_primitive::<TimestampMicrosecondType>();
            match part.within() {
                // Without a calendar: the parts that filters over streams look at.
                Some((length, unit)) => {
                    times.unary(|micros| i128::from(micros.rem_euclid(length) / unit))
                }
                None => times.unary(|micros| part.of_timestamp(micros) / by),
            }
        }
        DataType::Date32 => {
            let days = times.as_primitive::<Date32Type>();
            days.unary(|day| part.of_timestamp(i64::from(day) * DAY_US) / by)
        }
        DataType::Time64(_) => {
            times.as_primitive::<Time64MicrosecondType>().unary(|time| part.of_day(time) / by)
        }
        _ => times
            .as_primitive::<IntervalMonthDayNanoType>()
            .unary(|span| part.of_interval(span) / by),
    };
    Ok(Arc::new(values.with_precision_and_scale(38, scale)?))
}

fn part_of_time(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [part, time] if part.is_string() => Some(vec![DataType::Utf8, time_type(time)?]),
        _ => None,
    }
}

/// The type in which a time's parts are taken.
fn time_type(time: &DataType) -> Option<DataType> {
    Some(match time {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Date32 | DataType::Time64(_) | DataType::Interval(_) => time.clone(),
        DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    Milliseconds,
    Microseconds,
    Epoch,
}

impl Part {
    fn parse(text: &str) -> Result<Part> {
        Ok(match text.to_lowercase().as_str() {
            "millennium" => Part::Millennium,
            "century" => Part::Century,
            "decade" => Part::Decade,
            "year" | "years" => Part::Year,
            "isoyear" => Part::IsoYear,
            "quarter" => Part::Quarter,
            "month" | "months" => Part::Month,
            "week" | "weeks" => Part::Week,
            "day" | "days" => Part::Day,
            "doy" | "dayofyear" => Part::DayOfYear,
            "dow" | "dayofweek" => Part::DayOfWeek,
            "isodow" => Part::IsoDayOfWeek,
            "hour" | "hours" => Part::Hour,
            "minute" | "minutes" => Part::Minute,
            "second" | "seconds" => Part::Second,
            "millisecond" | "milliseconds" => Part::Milliseconds,
            "microsecond" | "microseconds" => Part::Microseconds,
            "epoch" => Part::Epoch,
            other => {
                return Err(Error::new(
                    SqlState::InvalidParameterValue,
                    format!("unit \"{other}\" not recognized for a date or time"),
                ));
            }
        })
    }

    /// Digits after the point.
    fn scale(self) -> i8 {
        match self {
            Part::Second | Part::Epoch => 6,
            Part::Milliseconds => 3,
            _ => 0,
        }
    }

    /// The span that the part repeats in and its unit, in microseconds, if it is whole and needs no
    /// calendar.
    fn within(self) -> Option<(i64, i64)> {
        match self {
            Part::Hour => Some((DAY_US, HOUR_US)),
            Part::Minute => Some((HOUR_US, MINUTE_US)),
            _ => None,
        }
    }

    /// The part of an instant, in millionths.
    fn of_timestamp(self, micros: i64) -> i128 {
        let of_day = micros.rem_euclid(DAY_US);
        let whole = |value: i64| i128::from(value) * i128::from(SECOND_US);
        match self {
            Part::Epoch => return i128::from(micros),
            Part::Hour | Part::Minute | Part::Second | Part::Milliseconds | Part::Microseconds => {
                return self.of_day(of_day);
            }
            _ => {}
        }
        let Some(date) = DateTime::from_timestamp_micros(micros).map(|time| time.date_naive())
        else {
            return 0;
        };
        let year = i64::from(date.year());
        whole(match self {
            Part::Millennium => (year - 1).div_euclid(1000) + 1,
            Part::Century => (year - 1).div_euclid(100) + 1,
            Part::Decade => year.div_euclid(10),
            Part::Year => year,
            Part::IsoYear => i64::from(date.iso_week().year()),
            Part::Quarter => i64::from(date.month0() / 3 + 1),
            Part::Month => i64::from(date.month()),
            Part::Week => i64::from(date.iso_week().week()),
            Part::Day => i64::from(date.day()),
            Part::DayOfYear => i64::from(date.ordinal()),
            Part::DayOfWeek => i64::from(date.weekday().num_days_from_sunday()),
            Part::IsoDayOfWeek => i64::from(date.weekday().number_from_monday()),
            _ => 0,
        })
    }

    /// The part of a time of day, in millionths.
    fn of_day(self, micros: i64) -> i128 {
        let whole = |value: i64| i128::from(value) * i128::from(SECOND_US);
        match self {
            Part::Hour => whole(micros / HOUR_US),
            Part::Minute => whole(micros % HOUR_US / MINUTE_US),
            Part::Second => i128::from(micros % MINUTE_US),
            Part::Milliseconds => i128::from(micros % MINUTE_US) * 1000,
            Part::Microseconds => whole(micros % MINUTE_US),
            Part::Epoch => i128::from(micros),
            _ => 0,
        }
    }

    /// The part of an interval, in millionths.
    fn of_interval(self, span: IntervalMonthDayNano) -> i128 {
        let micros = span.nanoseconds / 1000;
        let whole = |value: i64| i128::from(value) * i128::from(SECOND_US);
        match self {
            Part::Year => whole(i64::from(span.months / 12)),
            Part::Month => whole(i64::from(span.months % 12)),
            Part::Quarter => whole(i64::from(span.months % 12 / 3 + 1)),
            Part::Day => whole(i64::from(span.days)),
            Part::Epoch => {
                // A year has 365.25 days, a month 30.
                let years = i128::from(span.months / 12) * i128::from(DAY_US) * 1461 / 4;
                let days = i128::from(span.months % 12) * 30 + i128::from(span.days);
                years + days * i128::from(DAY_US) + i128::from(micros)
            }
            other => other.of_day(micros),
        }
    }
}

/// The parts, in millionths.
fn millionths(args: &[ArrayRef]) -> Result<Vec<Option<i128>>> {
    let texts = args[0].as_string::<i32>();
    let mut known: Option<(&str, Part)> = None;
    let mut part = |row: usize| -> Result<Option<Part>> {
        if arrow::array::Array::is_null(texts, row) {
            return Ok(None);
        }
        let text = texts.value(row);
        if known.is_none_or(|(before, _)| before != text) {
            known = Some((text, Part::parse(text)?));
        }
        Ok(known.map(|(_, part)| part))
    };
    let rows = 0..args[1].len();
    match args[1].data_type() {
        DataType::Date32 => {
            let days = args[1].as_primitive::<Date32Type>();
            rows.map(|row| {
                let day = value(days, row).map(|day| i64::from(day) * DAY_US);
                Ok(part(row)?.and_then(|part| Some(part.of_timestamp(day?))))
            })
            .collect()
        }
        DataType::Time64(_) => {
            let times = args[1].as_primitive::<Time64MicrosecondType>();
            rows.map(|row| Ok(part(row)?.and_then(|part| Some(part.of_day(value(times, row)?)))))
                .collect()
        }
        DataType::Interval(_) => {
            let spans = args[1].as_primitive::<IntervalMonthDayNanoType>();
            rows.map(|row| {
                Ok(part(row)?.and_then(|part| Some(part.of_interval(value(spans, row)?))))
            })
            .collect()
        }
        _ => {
            let times = args[1].as_primitive::<TimestampMicrosecondType>();
            rows.map(|row| {
                Ok(part(row)?.and_then(|part| Some(part.of_timestamp(value(times, row)?))))
            })
            .collect()
        }
    }
}

fn value<T: arrow::array::ArrowPrimitiveType>(
    array: &arrow::array::PrimitiveArray<T>,
    row: usize,
) -> Option<T::Native> {
    arrow::array::Array::is_valid(array, row).then(|| array.value(row))
}

fn float(args: &[ArrayRef], _kind: &DataType) -> Result<ArrayRef> {
    #[expect(clippy::cast_precision_loss, reason = "date_part gives floats")]
    let values = millionths(args)?.into_iter().map(|value| value.map(|value| value as f64 / 1e6));
    Ok(Arc::new(values.collect::<Float64Array>()))
}

fn whole(args: &[ArrayRef], _kind: &DataType) -> Result<ArrayRef> {
    let whole = |value: i128| i64::try_from(value / i128::from(SECOND_US)).unwrap_or(i64::MAX);
    let values = millionths(args)?.into_iter().map(|value| value.map(whole));
    Ok(Arc::new(values.collect::<Int64Array>()))
}
