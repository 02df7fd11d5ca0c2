//! The session's time zone: a named zone with its rules, or a fixed offset.

use arrow::temporal_conversions::timestamp_us_to_datetime;
use chrono::{MappedLocalTime, NaiveDateTime, Offset, TimeZone};

/// A zone in which instants are shown and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timezone {
    /// A zone of the IANA database.
    Named(chrono_tz::Tz),
    /// Seconds east of Greenwich.
    Fixed(i32),
}

impl Default for Timezone {
    fn default() -> Timezone {
        Timezone::Named(chrono_tz::UTC)
    }
}

impl Timezone {
    /// Reads a zone's name (in any case), or an offset such as `+05:30`, `-8` or `UTC+2`-less digits.
    #[must_use]
    pub fn parse(name: &str) -> Option<Timezone> {
        let name = name.trim();
        if let Ok(zone) = name.parse::<chrono_tz::Tz>() {
            return Some(Timezone::Named(zone));
        }
        if name.eq_ignore_ascii_case("z") || name.eq_ignore_ascii_case("utc") {
            return Some(Timezone::default());
        }
        if let Some(offset) = parse_offset(name) {
            return Some(Timezone::Fixed(offset));
        }
        let same = |zone: &&chrono_tz::Tz| zone.name().eq_ignore_ascii_case(name);
        chrono_tz::TZ_VARIANTS.iter().find(same).copied().map(Timezone::Named)
    }

    /// Seconds east of Greenwich at an instant (microseconds since 1970).
    #[must_use]
    pub fn offset_at(self, instant_us: i64) -> i32 {
        match self {
            Timezone::Fixed(offset) => offset,
            Timezone::Named(chrono_tz::UTC) => 0,
            Timezone::Named(zone) => timestamp_us_to_datetime(instant_us)
                .map_or(0, |utc| zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()),
        }
    }

    /// The instant at which clocks of this zone show `local_us` (microseconds since 1970 on the
    /// local calendar). Of two, the second; in a gap, as if the clock had not been moved yet.
    #[must_use]
    pub fn instant_of(self, local_us: i64) -> i64 {
        let offset = match self {
            Timezone::Fixed(offset) => offset,
            Timezone::Named(chrono_tz::UTC) => 0,
            Timezone::Named(zone) => timestamp_us_to_datetime(local_us)
                .map_or(0, |local| local_offset(zone, &local, local_us)),
        };
        local_us - i64::from(offset) * 1_000_000
    }
}

fn local_offset(zone: chrono_tz::Tz, local: &NaiveDateTime, local_us: i64) -> i32 {
    match zone.offset_from_local_datetime(local) {
        MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(_, offset) => {
            offset.fix().local_minus_utc()
        }
        MappedLocalTime::None => {
            const DAY_US: i64 = 86_400_000_000;
            Timezone::Named(zone).offset_at(local_us.saturating_sub(DAY_US))
        }
    }
}

/// Seconds of `+H`, `+HH`, `+HHMM`, `+HH:MM` or `+HH:MM:SS`.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let mut parts = [0_i32; 3];
    if digits.len() == 4 && !digits.contains(':') {
        parts[0] = digits[..2].parse().ok()?;
        parts[1] = digits[2..].parse().ok()?;
    } else {
        for (index, part) in digits.split(':').enumerate() {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            *parts.get_mut(index)? = if plain { part.parse().ok()? } else { return None };
        }
    }
    let [hours, minutes, seconds] = parts;
    (hours <= 15 && minutes < 60 && seconds < 60)
        .then_some(sign * (hours * 3600 + minutes * 60 + seconds))
}
