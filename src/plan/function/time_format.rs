//! Times as text by a pattern: Postgres' `to_char`, and `date_format` with Java's letters as in Flink.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::types::{Date32Type, TimestampMicrosecondType};
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use datafusion::logical_expr::ScalarUDF;

use super::declared::{Interval, Kind, Text, declared, two, whole};
use super::quoted::literal;
use super::simple::simple;
use crate::error::{Error, Result};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared("to_char", {
            let mut overloads = super::number_format::to_char();
            let of_time = |kind| {
                whole(&[kind, Kind::Text], Kind::Text, |args, _, _| {
                    formatted(args, postgres_pattern)
                })
            };
            overloads.extend([of_time(Kind::Timestamp), of_time(Kind::Timestamptz)]);
            overloads.push(two::<Interval, Text, Text, _>(interval));
            overloads
        }),
        simple(
            "date_format",
            time_and_pattern,
            |_, _| Ok(Some(DataType::Utf8)),
            |args, _| formatted(args, java_pattern),
        ),
    ]
}

fn time_and_pattern(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [time, pattern] if pattern.is_string() || pattern.is_null() => {
            let time = match time {
                DataType::Timestamp(_, zone) => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                }
                DataType::Date32 => DataType::Date32,
                DataType::Utf8 | DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
                _ => return None,
            };
            Some(vec![time, DataType::Utf8])
        }
        _ => None,
    }
}

/// How a name is written.
#[derive(Clone, Copy)]
enum Case {
    Upper,
    Capital,
    Lower,
}

/// A piece of a pattern.
enum Piece {
    Text(String),
    Year(usize),
    Month,
    MonthName {
        case: Case,
        short: bool,
        padded: bool,
    },
    Day,
    DayOfYear,
    DayName {
        case: Case,
        short: bool,
        padded: bool,
    },
    DayOfWeek,
    IsoDayOfWeek,
    Week,
    IsoWeek,
    Quarter,
    Hour24,
    Hour12,
    Minute,
    Second,
    Fraction(u32),
    Half(Case),
    /// With points, `A.M.`
    DottedHalf(Case),
    SecondOfDay,
    Century,
    Julian,
    IsoYear(usize),
    /// `2,020`
    CommaYear,
    /// Any of the above without leading zeros.
    Bare(Box<Piece>),
}

/// Patterns of `to_char`, longest first.
fn postgres_piece(rest: &str) -> Option<(usize, Piece)> {
    let name = |case, short| Piece::MonthName { case, short, padded: !short };
    let day = |case, short| Piece::DayName { case, short, padded: !short };
    let exact = [
        ("MONTH", name(Case::Upper, false)),
        ("Month", name(Case::Capital, false)),
        ("month", name(Case::Lower, false)),
        ("MON", name(Case::Upper, true)),
        ("Mon", name(Case::Capital, true)),
        ("mon", name(Case::Lower, true)),
        ("DAY", day(Case::Upper, false)),
        ("Day", day(Case::Capital, false)),
        ("day", day(Case::Lower, false)),
        ("DY", day(Case::Upper, true)),
        ("Dy", day(Case::Capital, true)),
        ("dy", day(Case::Lower, true)),
        ("A.M.", Piece::DottedHalf(Case::Upper)),
        ("P.M.", Piece::DottedHalf(Case::Upper)),
        ("a.m.", Piece::DottedHalf(Case::Lower)),
        ("p.m.", Piece::DottedHalf(Case::Lower)),
        ("AM", Piece::Half(Case::Upper)),
        ("PM", Piece::Half(Case::Upper)),
        ("am", Piece::Half(Case::Lower)),
        ("pm", Piece::Half(Case::Lower)),
    ];
    for (text, piece) in exact {
        if rest.starts_with(text) {
            return Some((text.len(), piece));
        }
    }
    let any_case = [
        ("Y,YYY", Piece::CommaYear),
        ("SSSSS", Piece::SecondOfDay),
        ("SSSS", Piece::SecondOfDay),
        ("FF1", Piece::Fraction(1)),
        ("FF2", Piece::Fraction(2)),
        ("FF3", Piece::Fraction(3)),
        ("FF4", Piece::Fraction(4)),
        ("FF5", Piece::Fraction(5)),
        ("FF6", Piece::Fraction(6)),
        ("IYYY", Piece::IsoYear(4)),
        ("IYY", Piece::IsoYear(3)),
        ("IY", Piece::IsoYear(2)),
        ("CC", Piece::Century),
        ("J", Piece::Julian),
        ("YYYY", Piece::Year(4)),
        ("YYY", Piece::Year(3)),
        ("YY", Piece::Year(2)),
        ("Y", Piece::Year(1)),
        ("MM", Piece::Month),
        ("MI", Piece::Minute),
        ("MS", Piece::Fraction(3)),
        ("US", Piece::Fraction(6)),
        ("DDD", Piece::DayOfYear),
        ("DD", Piece::Day),
        ("ID", Piece::IsoDayOfWeek),
        ("IW", Piece::IsoWeek),
        ("D", Piece::DayOfWeek),
        ("HH24", Piece::Hour24),
        ("HH12", Piece::Hour12),
        ("HH", Piece::Hour12),
        ("SS", Piece::Second),
        ("WW", Piece::Week),
        ("Q", Piece::Quarter),
    ];
    let starts = |text: &str| rest.get(..text.len()).is_some_and(|s| s.eq_ignore_ascii_case(text));
    any_case.into_iter().find(|(text, _)| starts(text)).map(|(text, piece)| (text.len(), piece))
}

fn postgres_pattern(pattern: &str) -> Result<Vec<Piece>> {
    let mut pieces = vec![];
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some((text, after)) = literal(rest) {
            pieces.push(Piece::Text(text));
            rest = after;
            continue;
        }
        let bare = rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm"));
        if let Some((length, piece)) = postgres_piece(bare.unwrap_or(rest)) {
            rest = &bare.unwrap_or(rest)[length..];
            pieces.push(if bare.is_some() { Piece::Bare(Box::new(piece)) } else { piece });
            continue;
        }
        if first.is_ascii_alphabetic() && unknown_pattern(rest) {
            return Err(Error::unsupported(format!("the pattern \"{rest}\" of to_char")));
        }
        pieces.push(Piece::Text(first.to_string()));
        rest = &rest[first.len_utf8()..];
    }
    Ok(pieces)
}

/// Patterns that Postgres has and we have not.
fn unknown_pattern(rest: &str) -> bool {
    ["TZ", "OF", "RM", "TH", "TM", "SP", "IDDD", "BC", "AD", "B.C.", "A.D.", "FX", "W", "I"]
        .iter()
        .any(|text| rest.get(..text.len()).is_some_and(|s| s.eq_ignore_ascii_case(text)))
}

/// Java's `DateTimeFormatter` letters.
fn java_pattern(pattern: &str) -> Result<Vec<Piece>> {
    let mut pieces = vec![];
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let count = rest.chars().take_while(|c| *c == first).count();
        if first == '\'' {
            let (text, after) = rest[1..].split_once('\'').unwrap_or_else(|| (&rest[1..], ""));
            pieces.push(Piece::Text(text.to_owned()));
            rest = after;
            continue;
        }
        let piece = match (first, count) {
            ('y' | 'u', 2) => Piece::Year(2),
            ('y' | 'u', _) => Piece::Year(4),
            ('M', 3) => Piece::MonthName { case: Case::Capital, short: true, padded: false },
            ('M', 4..) => Piece::MonthName { case: Case::Capital, short: false, padded: false },
            ('M', _) => Piece::Month,
            ('d', _) => Piece::Day,
            ('D', _) => Piece::DayOfYear,
            ('E', 4..) => Piece::DayName { case: Case::Capital, short: false, padded: false },
            ('E', _) => Piece::DayName { case: Case::Capital, short: true, padded: false },
            ('H', _) => Piece::Hour24,
            ('h', _) => Piece::Hour12,
            ('m', _) => Piece::Minute,
            ('s', _) => Piece::Second,
            ('S', count) => Piece::Fraction(u32::try_from(count.min(6)).unwrap_or(6)),
            ('a', _) => Piece::Half(Case::Upper),
            (letter, _) if letter.is_ascii_alphabetic() => {
                return Err(Error::unsupported(format!("the letter \"{letter}\" of date_format")));
            }
            (other, count) => Piece::Text(other.to_string().repeat(count)),
        };
        let short = count == 1 && !matches!(piece, Piece::Text(_) | Piece::Fraction(_));
        pieces.push(if short { Piece::Bare(Box::new(piece)) } else { piece });
        rest = &rest[first.len_utf8() * count..];
    }
    Ok(pieces)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Piece {
    fn write(&self, time: NaiveDateTime, bare: bool, out: &mut String) {
        let year = i64::from(time.year());
        let hour12 = |hour: u32| if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        let (value, width) = match self {
            Piece::Text(text) => return out.push_str(text),
            Piece::Bare(piece) => return piece.write(time, true, out),
            Piece::MonthName { case, short, padded } => {
                let name = MONTHS[time.month0() as usize];
                return push_name(name, *case, *short, *padded && !bare, out);
            }
            Piece::DayName { case, short, padded } => {
                let name = DAYS[time.weekday().num_days_from_sunday() as usize];
                return push_name(name, *case, *short, *padded && !bare, out);
            }
            Piece::Half(case) => {
                let half = if time.hour() < 12 { "AM" } else { "PM" };
                return push_name(half, *case, false, false, out);
            }
            Piece::DottedHalf(case) => {
                let half = if time.hour() < 12 { "A.M." } else { "P.M." };
                return push_name(half, *case, false, false, out);
            }
            Piece::SecondOfDay => (i64::from(time.num_seconds_from_midnight()), 1),
            Piece::Century => ((year - 1).div_euclid(100) + 1, 2),
            Piece::Julian => (i64::from(time.num_days_from_ce()) + 1_721_425, 1),
            Piece::IsoYear(digits) => {
                let year = i64::from(time.iso_week().year());
                let modulo = 10_i64.pow(u32::try_from(*digits).unwrap_or(4));
                (if *digits == 4 { year } else { year.rem_euclid(modulo) }, *digits)
            }
            Piece::CommaYear => {
                let text = format!("{},{:03}", year / 1000, year % 1000);
                return out.push_str(&text);
            }
            Piece::Fraction(digits) => {
                let micros = time.nanosecond() % 1_000_000_000 / 1000;
                (i64::from(micros / 10_u32.pow(6 - digits)), *digits as usize)
            }
            Piece::Year(4) => (year, 4),
            Piece::Year(digits) => {
                (year.rem_euclid(10_i64.pow(u32::try_from(*digits).unwrap_or(1))), *digits)
            }
            Piece::Month => (i64::from(time.month()), 2),
            Piece::Day => (i64::from(time.day()), 2),
            Piece::DayOfYear => (i64::from(time.ordinal()), 3),
            Piece::DayOfWeek => (i64::from(time.weekday().num_days_from_sunday() + 1), 1),
            Piece::IsoDayOfWeek => (i64::from(time.weekday().number_from_monday()), 1),
            Piece::Week => (i64::from(time.ordinal0() / 7 + 1), 2),
            Piece::IsoWeek => (i64::from(time.iso_week().week()), 2),
            Piece::Quarter => (i64::from(time.month0() / 3 + 1), 1),
            Piece::Hour24 => (i64::from(time.hour()), 2),
            Piece::Hour12 => (i64::from(hour12(time.hour())), 2),
            Piece::Minute => (i64::from(time.minute()), 2),
            Piece::Second => (i64::from(time.second()), 2),
        };
        let width = if bare { 1 } else { width };
        let written = write!(out, "{value:0width$}");
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
}

/// An interval by a pattern: its own years, months and days, and hours beyond a day.
fn interval(span: IntervalMonthDayNano, pattern: &str) -> Result<Option<String>> {
    let mut out = String::new();
    for piece in postgres_pattern(pattern)? {
        let (piece, bare) = match piece {
            Piece::Bare(piece) => (*piece, true),
            piece => (piece, false),
        };
        let micros = span.nanoseconds / 1000;
        let seconds = micros / 1_000_000;
        let hours = seconds / 3600;
        let (value, width) = match piece {
            Piece::Text(text) => {
                out.push_str(&text);
                continue;
            }
            Piece::Year(4) => (i64::from(span.months / 12), 4),
            Piece::Month => (i64::from(span.months % 12), 2),
            Piece::Day => (i64::from(span.days), 2),
            Piece::Hour24 => (hours, 2),
            Piece::Hour12 if hours % 12 == 0 => (12, 2),
            Piece::Hour12 => (hours % 12, 2),
            Piece::Minute => (seconds / 60 % 60, 2),
            Piece::Second => (seconds % 60, 2),
            Piece::Fraction(3) => (micros / 1000 % 1000, 3),
            Piece::Fraction(6) => (micros % 1_000_000, 6),
            _ => return Err(Error::unsupported("this pattern of to_char for an interval")),
        };
        let sign = if value < 0 { "-" } else { "" };
        let width = if bare { 1 } else { width };
        out.push_str(&format!("{sign}{:0width$}", value.unsigned_abs()));
    }
    Ok((!out.is_empty()).then_some(out))
}

fn push_name(name: &str, case: Case, short: bool, padded: bool, out: &mut String) {
    let name = if short { &name[..3] } else { name };
    match case {
        Case::Upper => out.push_str(&name.to_uppercase()),
        Case::Capital => out.push_str(name),
        Case::Lower => out.push_str(&name.to_lowercase()),
    }
    if padded {
        // Postgres pads names to the longest one.
        out.extend(std::iter::repeat_n(' ', 9 - name.len()));
    }
}

fn formatted(args: &[ArrayRef], parse: fn(&str) -> Result<Vec<Piece>>) -> Result<ArrayRef> {
    let patterns = args[1].as_string::<i32>();
    let micros = |row: usize| match args[0].data_type() {
        DataType::Date32 => {
            i64::from(args[0].as_primitive::<Date32Type>().value(row)) * 86_400_000_000
        }
        _ => args[0].as_primitive::<TimestampMicrosecondType>().value(row),
    };
    let mut parsed: Option<(&str, Vec<Piece>)> = None;
    let mut texts = Vec::with_capacity(args[0].len());
    for row in 0..args[0].len() {
        if args[0].is_null(row) || patterns.is_null(row) {
            texts.push(None);
            continue;
        }
        let pattern = patterns.value(row);
        let pieces = match parsed.take() {
            Some((before, pieces)) if before == pattern => pieces,
            _ => parse(pattern)?,
        };
        let time = DateTime::from_timestamp_micros(micros(row)).map(|time| time.naive_utc());
        texts.push(time.map(|time| {
            let mut text = String::new();
            pieces.iter().for_each(|piece| piece.write(time, false, &mut text));
            text
        }));
        parsed = Some((pattern, pieces));
    }
    Ok(Arc::new(StringArray::from(texts)))
}
