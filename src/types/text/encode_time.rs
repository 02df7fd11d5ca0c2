//! Dates, times, timestamps and intervals to text, in the ISO date style and the `postgres`
//! interval style.

use std::io::Write;

use arrow::datatypes::IntervalMonthDayNano;

use super::Timezone;

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// Year, month and day of a day counted from 1970-01-01 (proleptic Gregorian).
fn civil(days: i64) -> (i64, i64, i64) {
    // Howard Hinnant's algorithm: eras of 400 years beginning on 1 March.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Writes the date and tells whether the year is before Christ, which is written at the very end.
fn write_date(days: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil(days);
    let before_christ = year <= 0;
    let year = if before_christ { 1 - year } else { year };
    write!(out, "{year:04}-{month:02}-{day:02}").expect("memory does not fail");
    before_christ
}

fn write_time(of_day_us: i64, out: &mut Vec<u8>) {
    let seconds = of_day_us / SECOND_US;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    write!(out, "{hours:02}:{minutes:02}:{:02}", seconds % 60).expect("memory does not fail");
    write_fraction(of_day_us % SECOND_US, out);
}

fn write_fraction(micros: i64, out: &mut Vec<u8>) {
    if micros != 0 {
        let text = format!(".{micros:06}");
        out.extend_from_slice(text.trim_end_matches('0').as_bytes());
    }
}

pub(super) fn date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => return out.extend_from_slice(b"infinity"),
        i32::MIN => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    if write_date(i64::from(days), out) {
        out.extend_from_slice(b" BC");
    }
}

pub(super) fn time(of_day_us: i64, out: &mut Vec<u8>) {
    write_time(of_day_us, out);
}

pub(super) fn timestamp(micros: i64, out: &mut Vec<u8>) {
    write_timestamp(micros, None, out);
}

pub(super) fn timestamptz(micros: i64, zone: Timezone, out: &mut Vec<u8>) {
    write_timestamp(micros, Some(zone.offset_at(micros)), out);
}

fn write_timestamp(micros: i64, offset: Option<i32>, out: &mut Vec<u8>) {
    match micros {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let local = micros.saturating_add(i64::from(offset.unwrap_or(0)) * SECOND_US);
    let before_christ = write_date(local.div_euclid(DAY_US), out);
    out.push(b' ');
    write_time(local.rem_euclid(DAY_US), out);
    if let Some(offset) = offset {
        write_offset(offset, out);
    }
    if before_christ {
        out.extend_from_slice(b" BC");
    }
}

fn write_offset(offset: i32, out: &mut Vec<u8>) {
    out.push(if offset < 0 { b'-' } else { b'+' });
    let seconds = offset.abs();
    write!(out, "{:02}", seconds / 3600).expect("memory does not fail");
    if seconds % 3600 != 0 {
        write!(out, ":{:02}", seconds / 60 % 60).expect("memory does not fail");
    }
    if seconds % 60 != 0 {
        write!(out, ":{:02}", seconds % 60).expect("memory does not fail");
    }
}

pub(super) fn interval(value: IntervalMonthDayNano, out: &mut Vec<u8>) {
    let micros = value.nanoseconds / 1000;
    let parts = [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")];
    // A positive part after a negative one carries its sign, or it would read as negative.
    let (mut empty, mut after_negative) = (true, false);
    for (amount, unit) in parts {
        if amount != 0 {
            let gap = if empty { "" } else { " " };
            let sign = if after_negative && amount > 0 { "+" } else { "" };
            let plural = if amount == 1 { "" } else { "s" };
            write!(out, "{gap}{sign}{amount} {unit}{plural}").expect("memory does not fail");
            (empty, after_negative) = (false, amount < 0);
        }
    }
    if empty || micros != 0 {
        if !empty {
            out.push(b' ');
        }
        match (micros < 0, after_negative) {
            (true, _) => out.push(b'-'),
            (false, true) => out.push(b'+'),
            (false, false) => {}
        }
        let micros = micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
            .expect("memory does not fail");
        write_fraction(i64::try_from(micros % 1_000_000).expect("below a million"), out);
    }
}
