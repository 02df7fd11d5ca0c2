//! `to_date` and `to_timestamp`: times read by a pattern.

use std::sync::Arc;

use chrono::{Datelike, Duration, NaiveDate, Weekday};
use datafusion::logical_expr::ScalarUDF;

use super::{DAY_US, SECOND_US, midnight_of};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Date, Overload, Text, Timestamptz, declared, two};
use crate::plan::function::quoted::literal;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![declared(
        "to_date",
        vec![two::<Text, Text, Date, _>(|text: &str, pattern: &str| {
            let days = read(text, pattern)?.instant(text)?.div_euclid(DAY_US);
            i32::try_from(days).map_err(|_| out_of_range(text))
        })],
    )]
}

/// `to_timestamp(text, pattern)`
pub(super) fn to_timestamp() -> Vec<Overload> {
    vec![two::<Text, Text, Timestamptz, _>(|text: &str, pattern: &str| {
        read(text, pattern)?.instant(text)
    })]
}

fn out_of_range(text: &str) -> Error {
    let message = format!("date/time field value out of range: \"{text}\"");
    Error::new(SqlState::DatetimeFieldOverflow, message)
}

/// What a pattern has read.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    hour: i64,
    half_day: Option<bool>,
    twelve: bool,
    minute: i64,
    second: i64,
    micros: i64,
    before_christ: bool,
}

/// The pieces of a pattern that are read, longest first.
const PIECES: [&str; 36] = [
    "MONTH", "HH24", "HH12", "YYYY", "IYYY", "Y,YYY", "MON", "DAY", "DDD", "YYY", "A.M.", "P.M.",
    "B.C.", "A.D.", "HH", "MI", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "YY",
    "MM", "DD", "DY", "ID", "IW", "AM", "PM", "BC", "AD", "Y",
];
/// Those of Postgres that are not read here.
const OTHER: [&str; 16] = [
    "SSSSS", "SSSS", "IYY", "IDDD", "TZH", "TZM", "TZ", "OF", "CC", "WW", "RM", "FM", "FX", "TH",
    "J", "Q",
];

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const LONG_MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

fn piece_of(pattern: &str) -> Result<Option<&'static str>> {
    let starts = |piece: &&&str| {
        pattern.get(..piece.len()).is_some_and(|start| start.eq_ignore_ascii_case(piece))
    };
    let known = PIECES.iter().filter(starts).max_by_key(|piece| piece.len());
    let other = OTHER.iter().filter(starts).max_by_key(|piece| piece.len());
    let longer = |other: &&str| known.is_none_or(|known| other.len() > known.len());
    match other.filter(|other| longer(other)) {
        Some(other) => Err(Error::unsupported(format!("the pattern \"{other}\" of to_timestamp"))),
        None => Ok(known.copied()),
    }
}

/// Reads `text` by `pattern`.
fn read(text: &str, pattern: &str) -> Result<Fields> {
    let mut fields = Fields::default();
    let (mut rest, mut pattern) = (text, pattern);
    while let Some(first) = pattern.chars().next() {
        if rest.is_empty() {
            break;
        }
        if let Some((literal, after)) = literal(pattern) {
            let skip: usize = rest.chars().take(literal.chars().count()).map(char::len_utf8).sum();
            (rest, pattern) = (&rest[skip..], after);
            continue;
        }
        if let Some(piece) = piece_of(pattern)? {
            pattern = &pattern[piece.len()..];
            // A number ends where the next one begins only if they are side by side.
            let fixed = pattern.starts_with(|c: char| c.is_ascii_digit())
                || piece_of(pattern)?.is_some_and(is_number);
            rest = fields.read(piece, rest.trim_start(), fixed)?;
            continue;
        }
        pattern = &pattern[first.len_utf8()..];
        // A separator stands for any other, and spaces for nothing.
        match rest.chars().next() {
            Some(letter) if !letter.is_alphanumeric() && !letter.is_whitespace() => {
                let taken = !first.is_whitespace() || letter == first;
                rest = &rest[if taken { letter.len_utf8() } else { 0 }..];
            }
            Some(letter) if letter.is_whitespace() => rest = &rest[letter.len_utf8()..],
            Some(letter) if first.is_alphanumeric() => rest = &rest[letter.len_utf8()..],
            _ => {}
        }
    }
    Ok(fields)
}

fn is_number(piece: &str) -> bool {
    !matches!(
        piece,
        "MONTH"
            | "MON"
            | "DAY"
            | "DY"
            | "AM"
            | "PM"
            | "A.M."
            | "P.M."
            | "BC"
            | "AD"
            | "B.C."
            | "A.D."
    )
}

fn invalid(text: &str, piece: &str) -> Error {
    let message = format!("invalid value \"{text}\" for \"{piece}\"");
    Error::new(SqlState::InvalidDatetimeFormat, message)
}

/// The digits of a number: as many as the piece has letters if another number follows.
fn digits<'a>(
    rest: &'a str,
    piece: &str,
    width: usize,
    fixed: bool,
) -> Result<(i64, usize, &'a str)> {
    let sign = usize::from(rest.starts_with(['-', '+']));
    let count = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
    let count = if fixed { count.min(width) } else { count };
    let shown: String = rest.chars().take(width).collect();
    if count == 0 {
        return Err(invalid(&shown, piece).detail("Value must be an integer."));
    }
    let number = rest[..sign + count].parse().map_err(|_| {
        let message = format!("value for \"{piece}\" in source string is out of range");
        Error::new(SqlState::DatetimeFieldOverflow, message)
    })?;
    Ok((number, count, &rest[sign + count..]))
}

/// Which of `names` a text begins with.
fn name<'a>(rest: &'a str, names: &[&str], piece: &str) -> Result<(i64, &'a str)> {
    let begins =
        |name: &&&str| rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let found = names.iter().find(begins).and_then(|found| {
        let index = names.iter().position(|name| name == found)?;
        Some((i64::try_from(index).ok()?, &rest[found.len()..]))
    });
    found.ok_or_else(|| {
        let word: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
        invalid(&word, piece)
            .detail("The given value did not match any of the allowed values for this field.")
    })
}

impl Fields {
    /// Takes one piece off the text.
    fn read<'a>(&mut self, piece: &'static str, rest: &'a str, fixed: bool) -> Result<&'a str> {
        let shown = piece;
        match piece {
            "MONTH" => {
                let (index, rest) = name(rest, &LONG_MONTHS, shown)?;
                self.month = Some(index + 1);
                return Ok(rest);
            }
            "MON" => {
                let (index, rest) = name(rest, &MONTHS, shown)?;
                self.month = Some(index + 1);
                return Ok(rest);
            }
            "DAY" => return Ok(name(rest, &DAYS, shown)?.1),
            "DY" => {
                let short = DAYS.map(|day| &day[..3]);
                return Ok(name(rest, &short, shown)?.1);
            }
            "AM" | "PM" | "A.M." | "P.M." => {
                let names = if piece.len() == 2 { ["am", "pm"] } else { ["a.m.", "p.m."] };
                let (index, rest) = name(rest, &names, shown)?;
                self.half_day = Some(index == 1);
                return Ok(rest);
            }
            "BC" | "AD" | "B.C." | "A.D." => {
                let names = if piece.len() == 2 { ["bc", "ad"] } else { ["b.c.", "a.d."] };
                let (index, rest) = name(rest, &names, shown)?;
                self.before_christ = index == 0;
                return Ok(rest);
            }
            _ => {}
        }
        let width = match piece {
            "HH24" | "HH12" => 2,
            "US" | "FF6" => 6,
            "MS" | "FF3" => 3,
            "FF1" => 1,
            "FF2" => 2,
            "FF4" => 4,
            "FF5" => 5,
            piece => piece.len(),
        };
        let (number, count, rest) = digits(rest, piece, width, fixed)?;
        self.set(piece, number, count)?;
        Ok(rest)
    }

    fn set(&mut self, piece: &str, number: i64, count: usize) -> Result<()> {
        // Years of fewer digits are near 2020.
        let near = |number: i64| match (piece.len(), count) {
            (1..=3, 1..=3) if number < 70 => number + 2000,
            (1..=3, 1..=2) => number + 1900,
            (3, 3) if number < 520 => number + 2000,
            (3, 3) => number + 1000,
            _ => number,
        };
        match piece {
            "YYYY" | "YYY" | "YY" | "Y" => self.year = Some(near(number)),
            "IYYY" => self.iso_year = Some(number),
            "MM" => self.month = Some(number),
            "DD" => self.day = Some(number),
            "DDD" => self.day_of_year = Some(number),
            "IW" => self.iso_week = Some(number),
            "ID" => self.iso_day = Some(number),
            "HH24" => self.hour = number,
            "HH" | "HH12" => (self.hour, self.twelve) = (number, true),
            "MI" => self.minute = number,
            "SS" => self.second = number,
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                let places = u32::try_from(count.min(6)).unwrap_or(6);
                self.micros = number * 10_i64.pow(6 - places);
            }
            other => {
                return Err(Error::unsupported(format!("the pattern \"{other}\" of to_timestamp")));
            }
        }
        Ok(())
    }

    /// The instant of the session's clock.
    fn instant(&self, text: &str) -> Result<i64> {
        let mut hour = self.hour;
        if self.twelve || self.half_day.is_some() {
            if !(1..=12).contains(&hour) {
                let message = format!("hour \"{hour}\" is invalid for the 12-hour clock");
                return Err(Error::new(SqlState::InvalidDatetimeFormat, message)
                    .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            match self.half_day {
                Some(true) if hour < 12 => hour += 12,
                Some(false) if hour == 12 => hour = 0,
                _ => {}
            }
        }
        let fits = (0..24).contains(&hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        let date = self.date().filter(|_| fits).ok_or_else(|| out_of_range(text))?;
        let seconds = hour * 3600 + self.minute * 60 + self.second;
        Ok(midnight_of(date) + seconds * SECOND_US + self.micros)
    }

    fn date(&self) -> Option<NaiveDate> {
        let number = |value: i64| u32::try_from(value).ok();
        if let (Some(year), Some(week)) = (self.iso_year, self.iso_week) {
            let monday =
                NaiveDate::from_isoywd_opt(i32::try_from(year).ok()?, number(week)?, Weekday::Mon)?;
            let days = self.iso_day.unwrap_or(1) - 1;
            return (0..7).contains(&days).then(|| monday + Duration::days(days));
        }
        let year = match (self.year, self.before_christ) {
            (Some(year), true) => 1 - year,
            (Some(year), false) => year,
            // Nothing of a date is the year before 1.
            (None, _) => self.iso_year.unwrap_or(0),
        };
        let year = i32::try_from(year).ok()?;
        if let Some(day) = self.day_of_year {
            return NaiveDate::from_yo_opt(year, number(day)?).filter(|date| date.year() == year);
        }
        NaiveDate::from_ymd_opt(
            year,
            number(self.month.unwrap_or(1))?,
            number(self.day.unwrap_or(1))?,
        )
    }
}
