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
use crate::plan::operator::sql_name;
use crate::plan::undefined::undefined_function;

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

    fn return_type(&self, types: &[DataType]) -> datafusion::common::Result<DataType> {
        self.part.check(&types[0])?;
        Ok(DataType::Decimal128(38, self.part.scale(&types[0])))
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
    part.check(times.data_type())?;
    let scale = part.scale(times.data_type());
    if scale > 6 {
        return Err(Error::unsupported("the julian day of a timestamp as a numeric")
            .hint("Use date_part('julian', …)."));
    }
    let by = 10_i128.pow(6 - u32::from(scale.unsigned_abs().min(6)));
    refuse_infinity(part, times)?;
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
            days.unary(|day| part.of_timestamp(i64::from(day).saturating_mul(DAY_US)) / by)
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

/// A numeric that is infinite there is not; other parts of infinity are null in Postgres.
fn refuse_infinity(part: Part, times: &ArrayRef) -> Result<()> {
    let found = match times.data_type() {
        DataType::Timestamp(_, _) => {
            let times = times.as_primitive::<TimestampMicrosecondType>();
            times.iter().flatten().any(|time| time == i64::MAX || time == i64::MIN)
        }
        DataType::Date32 => {
            let days = times.as_primitive::<Date32Type>();
            days.iter().flatten().any(|day| day == i32::MAX || day == i32::MIN)
        }
        _ => false,
    };
    if !found {
        return Ok(());
    }
    let of = if part.grows() { "an infinite numeric" } else { "a part of infinity" };
    Err(Error::unsupported(of).hint("Use date_part, which gives double precision."))
}

fn part_of_time(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [part, time] if part.is_string() => {
            // A date is taken as a timestamp, which has hours.
            let time = if *time == DataType::Date32 { &DataType::Null } else { time };
            Some(vec![DataType::Utf8, time_type(time)?])
        }
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
    Julian,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Part {
    fn parse(text: &str) -> Result<Part> {
        Ok(match text.trim_matches('\'').to_lowercase().as_str() {
            "millennium" | "millennia" => Part::Millennium,
            "century" | "centuries" => Part::Century,
            "decade" | "decades" => Part::Decade,
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
            "julian" => Part::Julian,
            "timezone" => Part::Timezone,
            "timezone_hour" => Part::TimezoneHour,
            "timezone_minute" => Part::TimezoneMinute,
            other => {
                return Err(Error::new(
                    SqlState::InvalidParameterValue,
                    format!("unit \"{other}\" not recognized for a date or time"),
                ));
            }
        })
    }

    /// `0A000` if values of the type have no such part.
    fn check(self, kind: &DataType) -> Result<()> {
        use Part::{
            Century, Day, DayOfWeek, DayOfYear, Decade, Epoch, Hour, IsoDayOfWeek, IsoYear, Julian,
            Microseconds, Millennium, Milliseconds, Minute, Month, Quarter, Second, Timezone,
            TimezoneHour, TimezoneMinute, Week, Year,
        };
        let has = match self {
            Epoch => true,
            Hour | Minute | Second | Milliseconds | Microseconds => {
                !matches!(kind, DataType::Date32)
            }
            Millennium | Century | Decade | Year | Quarter | Month | Day => {
                !matches!(kind, DataType::Time64(_))
            }
            IsoYear | Week | DayOfYear | DayOfWeek | IsoDayOfWeek | Julian => {
                matches!(kind, DataType::Date32 | DataType::Timestamp(_, _))
            }
            Timezone | TimezoneHour | TimezoneMinute => {
                matches!(kind, DataType::Timestamp(_, Some(_)))
            }
        };
        if has {
            return Ok(());
        }
        let message = format!("unit \"{}\" not supported for type {}", self.name(), sql_name(kind));
        Err(Error::new(SqlState::FeatureNotSupported, message))
    }

    fn name(self) -> String {
        match self {
            Part::DayOfYear => "doy".to_owned(),
            Part::DayOfWeek => "dow".to_owned(),
            Part::IsoDayOfWeek => "isodow".to_owned(),
            Part::TimezoneHour => "timezone_hour".to_owned(),
            Part::TimezoneMinute => "timezone_minute".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// Whether the part of infinity is infinite: it grows with time.
    fn grows(self) -> bool {
        matches!(
            self,
            Part::Millennium
                | Part::Century
                | Part::Decade
                | Part::Year
                | Part::IsoYear
                | Part::Epoch
                | Part::Julian
        )
    }

    /// Digits after the point of the part of a value of the type.
    fn scale(self, kind: &DataType) -> i8 {
        match self {
            Part::Epoch if matches!(kind, DataType::Date32) => 0,
            Part::Julian if matches!(kind, DataType::Timestamp(_, _)) => 20,
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
        // Years are counted without a zero: the one before 1 is -1.
        let of = |span: i64| match year > 0 {
            true => (year + span - 1) / span,
            false => -((span - 1 - (year - 1)) / span),
        };
        let shown = |year: i64| if year > 0 { year } else { year - 1 };
        if self == Part::Julian {
            let day = i64::from(date.num_days_from_ce()) + 1_721_425;
            return whole(day) + i128::from(of_day) * i128::from(SECOND_US) / i128::from(DAY_US);
        }
        whole(match self {
            Part::Millennium => of(1000),
            Part::Century => of(100),
            Part::Decade => year.div_euclid(10),
            Part::Year => shown(year),
            Part::IsoYear => shown(i64::from(date.iso_week().year())),
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
            Part::Millennium => whole(i64::from(span.months / 12_000)),
            Part::Century => whole(i64::from(span.months / 1200)),
            Part::Decade => whole(i64::from(span.months / 120)),
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
            let part = Part::parse(text)?;
            part.check(args[1].data_type())?;
            known = Some((text, part));
        }
        Ok(known.map(|(_, part)| part))
    };
    let rows = 0..args[1].len();
    match args[1].data_type() {
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
                Ok(match (part(row)?, value(times, row)) {
                    (Some(part), Some(i64::MAX)) => part.grows().then_some(i128::MAX),
                    (Some(part), Some(i64::MIN)) => part.grows().then_some(i128::MIN),
                    (Some(part), Some(time)) => Some(part.of_timestamp(time)),
                    _ => None,
                })
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
    let value = |value: i128| match value {
        i128::MAX => f64::INFINITY,
        i128::MIN => f64::NEG_INFINITY,
        value => value as f64 / 1e6,
    };
    let values = millionths(args)?.into_iter().map(|number| number.map(value));
    Ok(Arc::new(values.collect::<Float64Array>()))
}

fn whole(args: &[ArrayRef], _kind: &DataType) -> Result<ArrayRef> {
    let whole = |value: i128| i64::try_from(value / i128::from(SECOND_US)).unwrap_or(i64::MAX);
    let values = millionths(args)?.into_iter().map(|value| value.map(whole));
    Ok(Arc::new(values.collect::<Int64Array>()))
}
