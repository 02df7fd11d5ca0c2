//! Dates, times and timestamps from text: the ISO forms that Postgres writes and the
//! common variations of them (`T` between date and time, `Z`, zone names, compact dates).

use super::Timezone;
use super::decode_loose::Loose;
use super::timezone::parse_offset;
use crate::error::{Error, Result, SqlState};

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

fn invalid(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::InvalidDatetimeFormat,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

fn out_of_range(text: &str) -> Error {
    Error::new(
        SqlState::DatetimeFieldOverflow,
        format!("date/time field value out of range: \"{text}\""),
    )
}

pub(super) fn date(text: &str) -> Result<i32> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" => return Ok(i32::MAX),
        "-infinity" => return Ok(i32::MIN),
        _ => {}
    }
    let days = local_us("date", text, &|parts| parts.days("date", text))?;
    // Postgres' last day.
    let last = days_from_civil(5_874_897, 12, 31);
    i32::try_from(days).ok().filter(|_| days <= last).ok_or_else(|| {
        Error::new(SqlState::DatetimeFieldOverflow, format!("date out of range: \"{text}\""))
    })
}

pub(super) fn time(text: &str) -> Result<i64> {
    let trimmed = text.trim();
    let clock = trimmed.rsplit([' ', 'T']).next().unwrap_or(trimmed);
    let micros = time_of_day(clock).or_else(|| time_of_day(&Loose::of(text)?.clock()?));
    micros.ok_or_else(|| invalid("time", text))?.ok_or_else(|| out_of_range(text))
}

pub(super) fn timestamp(text: &str) -> Result<i64> {
    match special(text) {
        Some(instant) => Ok(instant),
        None => local_us("timestamp", text, &|parts| {
            parts.known_zone("timestamp", text)?;
            parts.local_us("timestamp", text)
        }),
    }
}

pub(super) fn timestamptz(text: &str, zone: Timezone) -> Result<i64> {
    const TYPE: &str = "timestamp with time zone";
    if let Some(instant) = special(text) {
        return Ok(instant);
    }
    local_us(TYPE, text, &|parts| {
        let zone = parts.known_zone(TYPE, text)?.unwrap_or(zone);
        Ok(zone.instant_of(parts.local_us(TYPE, text)?))
    })
}

/// What `read` makes of a text, in ISO form or another.
fn local_us(type_name: &str, text: &str, read: &dyn Fn(&Parts<'_>) -> Result<i64>) -> Result<i64> {
    let error = match Parts::of(type_name, text).and_then(|parts| read(&parts)) {
        Err(error) if error.state() == SqlState::InvalidDatetimeFormat => error,
        done => return done,
    };
    let Some(iso) = Loose::of(text).and_then(|loose| loose.timestamp()) else { return Err(error) };
    read(&Parts::of(type_name, &iso)?)
}

fn special(text: &str) -> Option<i64> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        "epoch" => Some(0),
        _ => None,
    }
}

/// The pieces of a timestamp's text.
struct Parts<'a> {
    date: &'a str,
    time: Option<&'a str>,
    zone: Option<&'a str>,
    before_christ: bool,
}

impl<'a> Parts<'a> {
    fn of(type_name: &str, text: &'a str) -> Result<Parts<'a>> {
        let trimmed = text.trim();
        let (rest, before_christ) = match trimmed.strip_suffix("BC") {
            Some(rest) => (rest.trim_end(), true),
            None => (trimmed, false),
        };
        let (date, clock) = match rest.find([' ', 'T', 't']) {
            Some(at) => (&rest[..at], rest[at + 1..].trim()),
            None => (rest, ""),
        };
        if date.is_empty() {
            return Err(invalid(type_name, text));
        }
        let zone_at = clock.find(|char: char| !char.is_ascii_digit() && !matches!(char, ':' | '.'));
        let (time, zone) = match zone_at {
            Some(at) => (clock[..at].trim(), Some(clock[at..].trim())),
            None => (clock, None),
        };
        let time = (!time.is_empty()).then_some(time);
        Ok(Parts { date, time, zone, before_christ })
    }

    /// The zone that is named, if one is.
    fn known_zone(&self, type_name: &str, text: &str) -> Result<Option<Timezone>> {
        let Some(name) = self.zone else { return Ok(None) };
        let zone = match parse_offset(name) {
            Some(offset) => Some(Timezone::Fixed(offset)),
            None => Timezone::parse(name),
        };
        zone.map(Some).ok_or_else(|| match name.contains('/') {
            true => Error::invalid_parameter(format!(
                "time zone \"{}\" not recognized",
                name.to_lowercase()
            )),
            false => invalid(type_name, text),
        })
    }

    /// Days since 1970.
    fn days(&self, type_name: &str, text: &str) -> Result<i64> {
        let bad = || invalid(type_name, text);
        let (year, month, day) = self.year_month_day().ok_or_else(bad)?;
        let year = if self.before_christ { 1 - year } else { year };
        if !(1..=12).contains(&month) || day > 31 {
            let hint = "Perhaps you need a different \"datestyle\" setting.";
            return Err(out_of_range(text).hint(hint));
        }
        if day < 1 || day > month_length(year, month) {
            return Err(out_of_range(text));
        }
        Ok(days_from_civil(year, month, day))
    }

    fn local_us(&self, type_name: &str, text: &str) -> Result<i64> {
        let bad = || invalid(type_name, text);
        let days = self.days(type_name, text)?;
        let of_day = match self.time {
            Some(time) => time_of_day(time).ok_or_else(bad)?.ok_or_else(|| out_of_range(text))?,
            None => 0,
        };
        let micros = days.checked_mul(DAY_US).and_then(|micros| micros.checked_add(of_day));
        micros.ok_or_else(|| {
            let message = format!("timestamp out of range: \"{text}\"");
            Error::new(SqlState::DatetimeFieldOverflow, message)
        })
    }

    fn year_month_day(&self) -> Option<(i64, i64, i64)> {
        if self.date.len() == 8 && self.date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some((
                number(&self.date[..4])?,
                number(&self.date[4..6])?,
                number(&self.date[6..])?,
            ));
        }
        let mut parts = self.date.split(['-', '/']);
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        // Two-digit years would need DateStyle to tell day, month and year apart.
        let plain = year.len() >= 4 && month.len() <= 2 && day.len() <= 2 && parts.next().is_none();
        if plain { Some((number(year)?, number(month)?, number(day)?)) } else { None }
    }
}

fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 (proleptic Gregorian).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Microseconds of `HH:MM[:SS[.ffffff]]` or `allballs`, which is midnight; outer `None` if it has another
/// form, inner if a field is too large.
fn time_of_day(text: &str) -> Option<Option<i64>> {
    if text.eq_ignore_ascii_case("allballs") {
        return Some(Some(0));
    }
    let mut parts = text.split(':');
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let (seconds, micros) = match parts.next() {
        Some(seconds) => seconds_and_micros(seconds)?,
        None => (0, 0),
    };
    if parts.next().is_some() {
        return None;
    }
    let total = (hours * 3600 + minutes * 60 + seconds) * SECOND_US + micros;
    Some((minutes < 60 && seconds <= 60 && total <= DAY_US).then_some(total))
}

fn seconds_and_micros(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    Some((number(whole)?, (number(&nanos)? + 5) / 10))
}
