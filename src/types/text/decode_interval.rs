//! Intervals from text, field by field and from the right, as `DecodeInterval` of Postgres reads them
//! (`src/backend/utils/adt/datetime.c`): `1 year 2 mons -3 days +04:05:06.7`, `2h45m ago`, `1-2 3 4:05`,
//! `P1Y2M3DT4H5M6S`.

use arrow::datatypes::IntervalMonthDayNano;

use crate::error::{Error, Result, SqlState};

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;

/// A field of an interval, and the unit of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntervalField {
    /// `YEAR`.
    Year,
    /// `MONTH`.
    Month,
    /// `DAY`.
    Day,
    /// `HOUR`.
    Hour,
    /// `MINUTE`.
    Minute,
    /// `SECOND`.
    Second,
}

/// The fields that are written behind a literal, from the first to the last.
pub type IntervalRange = (IntervalField, IntervalField);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Microsecond,
    Millisecond,
    Field(IntervalField),
    Week,
    Decade,
    Century,
    Millennium,
}

const YEAR: Unit = Unit::Field(IntervalField::Year);
const MONTH: Unit = Unit::Field(IntervalField::Month);
const DAY: Unit = Unit::Field(IntervalField::Day);
const HOUR: Unit = Unit::Field(IntervalField::Hour);
const MINUTE: Unit = Unit::Field(IntervalField::Minute);
const SECOND: Unit = Unit::Field(IntervalField::Second);

/// What is wrong with a text.
enum Fault {
    Format,
    Overflow,
}

type Read<T> = std::result::Result<T, Fault>;

/// Reads an interval. With a `range` a lone number is of its last field, and what lies below that is cut off.
///
/// # Errors
/// `22007` if the text is none, `22015` if it does not fit.
pub(super) fn interval(text: &str, range: Option<IntervalRange>) -> Result<IntervalMonthDayNano> {
    let read = match tokens(text).and_then(|tokens| verbose(&tokens, range)) {
        Err(Fault::Format) => iso(text.trim()),
        read => read,
    };
    let read = read.and_then(|mut amounts| {
        if let Some((_, last)) = range {
            amounts.cut(last);
        }
        amounts.interval()
    });
    read.map_err(|fault| match fault {
        Fault::Format => Error::new(
            SqlState::InvalidDatetimeFormat,
            format!("invalid input syntax for type interval: \"{text}\""),
        ),
        Fault::Overflow => Error::new(
            SqlState::IntervalFieldOverflow,
            format!("interval field value out of range: \"{text}\""),
        ),
    })
}

/// What has been read so far.
#[derive(Default)]
struct Amounts {
    months: i64,
    days: i64,
    micros: i64,
}

impl Amounts {
    /// Adds a number of units, its part after the point apart.
    fn add(&mut self, whole: i64, fraction: f64, unit: Unit) -> Read<()> {
        match unit {
            Unit::Microsecond => self.add_time(whole, fraction, 1),
            Unit::Millisecond => self.add_time(whole, fraction, 1000),
            SECOND => self.add_time(whole, fraction, SECOND_US),
            MINUTE => self.add_time(whole, fraction, 60 * SECOND_US),
            HOUR => self.add_time(whole, fraction, HOUR_US),
            DAY => {
                self.days = sum(self.days, Some(whole))?;
                self.add_time(0, fraction, DAY_US)
            }
            Unit::Week => {
                self.days = sum(self.days, whole.checked_mul(7))?;
                self.add_days(fraction, 7.0)
            }
            MONTH => {
                self.months = sum(self.months, Some(whole))?;
                self.add_days(fraction, 30.0)
            }
            YEAR => self.add_years(whole, fraction, 1),
            Unit::Decade => self.add_years(whole, fraction, 10),
            Unit::Century => self.add_years(whole, fraction, 100),
            Unit::Millennium => self.add_years(whole, fraction, 1000),
        }
    }

    fn add_time(&mut self, whole: i64, fraction: f64, unit_us: i64) -> Read<()> {
        self.micros = sum(self.micros, whole.checked_mul(unit_us))?;
        let part = fraction * unit_us as f64;
        let micros = part.trunc();
        let left = part - micros;
        let rounded = micros + if left.abs() > 0.5 { left.signum() } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "a fraction is less than one unit")]
        let rounded = rounded as i64;
        self.micros = sum(self.micros, Some(rounded))?;
        Ok(())
    }

    /// A part of a week or a month: days, and the rest of one as time.
    fn add_days(&mut self, fraction: f64, days: f64) -> Read<()> {
        let part = fraction * days;
        #[expect(clippy::cast_possible_truncation, reason = "less than a month")]
        let whole = part.trunc() as i64;
        self.days = sum(self.days, Some(whole))?;
        self.add_time(0, part.fract(), DAY_US)
    }

    /// Years, the part of one in whole months.
    fn add_years(&mut self, whole: i64, fraction: f64, years: i64) -> Read<()> {
        let months = years * 12;
        #[expect(clippy::cast_possible_truncation, reason = "less than a millennium")]
        let part = (fraction * months as f64).round_ties_even() as i64;
        self.months = sum(self.months, whole.checked_mul(months))?;
        self.months = sum(self.months, Some(part))?;
        Ok(())
    }

    /// Cuts off what is less than `last`.
    fn cut(&mut self, last: IntervalField) {
        let time = match last {
            IntervalField::Year => {
                self.months -= self.months % 12;
                DAY_US
            }
            IntervalField::Month | IntervalField::Day => DAY_US,
            IntervalField::Hour => HOUR_US,
            IntervalField::Minute => 60 * SECOND_US,
            IntervalField::Second => 1,
        };
        match last {
            IntervalField::Year | IntervalField::Month => (self.days, self.micros) = (0, 0),
            IntervalField::Day => self.micros = 0,
            _ => self.micros -= self.micros % time,
        }
    }

    fn negated(self) -> Amounts {
        Amounts { months: -self.months, days: -self.days, micros: -self.micros }
    }

    fn interval(&self) -> Read<IntervalMonthDayNano> {
        let small = |number: i64| i32::try_from(number).map_err(|_| Fault::Overflow);
        let nanos = self.micros.checked_mul(1000).ok_or(Fault::Overflow)?;
        Ok(IntervalMonthDayNano::new(small(self.months)?, small(self.days)?, nanos))
    }
}

fn sum(one: i64, other: Option<i64>) -> Read<i64> {
    other.and_then(|other| one.checked_add(other)).ok_or(Fault::Overflow)
}

/// A part of a text.
#[derive(Debug)]
enum Token<'a> {
    /// `1`, `.5`, `-2.5`, `1-2`.
    Number(&'a str),
    /// `1:02:03.4`, with a sign or without.
    Clock(&'a str),
    /// Letters.
    Word(String),
}

/// Units that may be followed by a digit at once: those that are also words of dates.
const SHORT: [&str; 7] = ["d", "h", "m", "s", "y", "mon", "dec"];

fn tokens(text: &str) -> Read<Vec<Token<'_>>> {
    let mut tokens = vec![];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let signed = matches!(first, '+' | '-');
        let length = if first.is_ascii_whitespace() {
            first.len_utf8()
        } else if first.is_ascii_digit() || first == '.' || signed {
            let body = rest[usize::from(signed)..].trim_start();
            let of_body = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | '-');
            let end = body.find(|c| !of_body(c)).unwrap_or(body.len());
            let start = rest.len() - body.len();
            if signed && !body.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(Fault::Format);
            }
            let token = &rest[..start + end];
            let dated = body[end..].starts_with(|c: char| c.is_ascii_alphabetic());
            if dated && !signed && token.ends_with('.') {
                return Err(Fault::Format);
            }
            tokens.push(match body[..end].contains(':') {
                true => Token::Clock(token),
                false => Token::Number(token),
            });
            start + end
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let word = rest[..end].to_ascii_lowercase();
            let next = rest[end..].chars().next();
            let glued = next.is_some_and(|c| c.is_ascii_digit() || c == '+');
            let dated = next.is_some_and(|c| matches!(c, '-' | '/' | '.'));
            if dated || (glued && !SHORT.contains(&word.as_str())) {
                return Err(Fault::Format);
            }
            tokens.push(Token::Word(word));
            end
        } else if first.is_ascii_punctuation() {
            1
        } else {
            return Err(Fault::Format);
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Reads from the right, so that a unit is known before its number.
fn verbose(tokens: &[Token<'_>], range: Option<IntervalRange>) -> Read<Amounts> {
    let mut amounts = Amounts::default();
    let mut unit = None;
    let mut ago = false;
    // Units that came already.
    let mut seen: Vec<Unit> = vec![];
    for token in tokens.iter().rev() {
        let own = match token {
            Token::Clock(text) => {
                // What a part of a day right of it was as time is lost, in Postgres, too.
                amounts.micros = clock(text, range)?;
                unit = Some(DAY);
                vec![HOUR, MINUTE, SECOND, Unit::Millisecond, Unit::Microsecond]
            }
            Token::Number(text) => {
                let (whole, fraction, years) = number(text)?;
                let last = range.map_or(SECOND, |(_, last)| Unit::Field(last));
                let of = match unit {
                    _ if years => MONTH,
                    // A number without a unit is the last one.
                    None if ago => return Err(Fault::Format),
                    unit => unit.unwrap_or(last),
                };
                amounts.add(whole, fraction, of)?;
                // What stands before hours is days.
                unit = Some(if of == HOUR { DAY } else { of });
                match of {
                    SECOND if fraction != 0.0 => {
                        vec![SECOND, Unit::Millisecond, Unit::Microsecond]
                    }
                    of => vec![of],
                }
            }
            Token::Word(word) if word == "ago" => {
                ago = true;
                continue;
            }
            Token::Word(word) => {
                unit = Some(unit_of(word).ok_or(Fault::Format)?);
                continue;
            }
        };
        if own.iter().any(|unit| seen.contains(unit)) {
            return Err(Fault::Format);
        }
        seen.extend(own);
    }
    match seen.is_empty() {
        true => Err(Fault::Format),
        false => Ok(if ago { amounts.negated() } else { amounts }),
    }
}

/// A unit by its name, of which ten letters count.
fn unit_of(word: &str) -> Option<Unit> {
    Some(match &word[..word.len().min(10)] {
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "y" | "yr" | "yrs" | "year" | "years" => YEAR,
        "mon" | "mons" | "month" | "months" => MONTH,
        "w" | "week" | "weeks" => Unit::Week,
        "d" | "day" | "days" => DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        _ => return None,
    })
}

/// A number before and after the point; `years-months` in months, and that it is one.
fn number(text: &str) -> Read<(i64, f64, bool)> {
    let negative = text.starts_with('-');
    let body = text.trim_start_matches(['+', '-']).trim_start();
    let digits = body.find(|c: char| !c.is_ascii_digit()).unwrap_or(body.len());
    let sign = if negative { -1 } else { 1 };
    let whole = whole(&body[..digits])? * sign;
    match body[digits..].split_at_checked(1) {
        None => Ok((whole, 0.0, false)),
        Some((".", digits)) => Ok((whole, fraction(digits)? * sign as f64, false)),
        Some(("-", months)) => {
            if !months.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
                return Err(Fault::Format);
            }
            let months = months.parse().or(if months.is_empty() { Ok(0) } else { Err(()) });
            let months = months.ok().filter(|months| (0..12).contains(months));
            let months = months.ok_or(Fault::Overflow)? * sign;
            Ok((sum(months, whole.checked_mul(12))?, 0.0, true))
        }
        Some(_) => Err(Fault::Format),
    }
}

/// No digits are zero.
fn whole(digits: &str) -> Read<i64> {
    match digits {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| Fault::Overflow),
    }
}

/// The digits after a point.
fn fraction(digits: &str) -> Read<f64> {
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("0.{digits}0").parse().map_err(|_| Fault::Format),
        false => Err(Fault::Format),
    }
}

/// `H:M`, `H:M:S.f` or `M:S.f`, with a sign: microseconds.
fn clock(text: &str, range: Option<IntervalRange>) -> Read<i64> {
    let negative = text.starts_with('-');
    let body = text.trim_start_matches(['+', '-']).trim_start();
    let mut parts = body.split(':');
    let first = parts.next().unwrap_or_default();
    let (second, third) = (parts.next().ok_or(Fault::Format)?, parts.next());
    if parts.next().is_some() {
        return Err(Fault::Format);
    }
    let to_seconds = range == Some((IntervalField::Minute, IntervalField::Second));
    let (hours, minutes, seconds) = match third {
        None if second.contains('.') || to_seconds => ("", first, second),
        third => (first, second, third.unwrap_or_default()),
    };
    let (seconds, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => whole(text),
        false => Err(Fault::Format),
    };
    let (hours, minutes, seconds) = (digits(hours)?, digits(minutes)?, digits(seconds)?);
    if minutes > 59 || seconds > 60 {
        return Err(Fault::Overflow);
    }
    let mut time = Amounts::default();
    time.add(hours, 0.0, HOUR)?;
    time.add(minutes, 0.0, MINUTE)?;
    time.add(seconds, fraction(part)?, SECOND)?;
    Ok(if negative { -time.micros } else { time.micros })
}

/// `P1Y2M3DT4H5M6S`.
fn iso(text: &str) -> Read<Amounts> {
    let text = text.strip_prefix('P').ok_or(Fault::Format)?;
    if text.is_empty() {
        return Err(Fault::Format);
    }
    let (date, clock) = text.split_once('T').unwrap_or((text, ""));
    let mut amounts = Amounts::default();
    for (part, units) in [(date, ["Y", "M", "W", "D"].as_slice()), (clock, &["H", "M", "S"])] {
        let mut rest = part;
        while !rest.is_empty() {
            let at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or(Fault::Format)?;
            let (whole, fraction, years) = number(&rest[..at])?;
            let unit = match &rest[at..at + 1] {
                unit if years || !units.contains(&unit) => return Err(Fault::Format),
                "Y" => YEAR,
                "M" if units.len() == 4 => MONTH,
                "W" => Unit::Week,
                "D" => DAY,
                "H" => HOUR,
                "M" => MINUTE,
                _ => SECOND,
            };
            amounts.add(whole, fraction, unit)?;
            rest = &rest[at + 1..];
        }
    }
    Ok(amounts)
}
