//! Dates and times as people write them: `January 8, 1999`, `08-Jan-99`, `1/8/1999 4:05 PM`. Day and
//! month come in the order of DateStyle `MDY`, the only one there is.

/// What a text says, in ISO form.
#[derive(Default)]
pub(super) struct Loose {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// `HH:MM:SS.f`
    time: Option<String>,
    afternoon: Option<bool>,
    zone: Option<String>,
    before_christ: bool,
}

const MONTHS: [&str; 12] = [
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
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Loose {
    /// Reads a text; `None` if something in it is not understood.
    pub(super) fn of(text: &str) -> Option<Loose> {
        let mut found = Loose::default();
        // `1999-01-08T04:05:06`
        let spaced = text.trim().replace([',', 'T'], " ");
        let text = if spaced.contains(':') && !spaced.contains(char::is_alphabetic) {
            spaced
        } else {
            text.trim().replace(',', " ")
        };
        for word in text.split_whitespace() {
            found.take(word)?;
        }
        Some(found)
    }

    /// The date and time in ISO form.
    pub(super) fn timestamp(&self) -> Option<String> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let time = match &self.time {
            Some(_) => self.clock()?,
            None => "00:00:00".to_owned(),
        };
        let zone = self.zone.as_deref().unwrap_or_default();
        let era = if self.before_christ { " BC" } else { "" };
        let gap = if zone.starts_with(char::is_alphabetic) { " " } else { "" };
        Some(format!("{year:04}-{month:02}-{day:02} {time}{gap}{zone}{era}"))
    }

    /// The time in ISO form.
    pub(super) fn clock(&self) -> Option<String> {
        let time = self.time.as_deref()?;
        let Some(afternoon) = self.afternoon else { return Some(time.to_owned()) };
        let (hour, rest) = time.split_once(':')?;
        let hour: u32 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
        let hour = hour % 12 + if afternoon { 12 } else { 0 };
        Some(format!("{hour:02}:{rest}"))
    }

    fn take(&mut self, word: &str) -> Option<()> {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "am" => return set(&mut self.afternoon, false),
            "pm" => return set(&mut self.afternoon, true),
            "ad" => return Some(()),
            "bc" => {
                self.before_christ = true;
                return Some(());
            }
            _ => {}
        }
        if let Some(month) = named(&lower, &MONTHS) {
            // `8 January`: what was taken for the month is the day.
            return set(&mut self.month, month);
        }
        if named(&lower, &DAYS).is_some() {
            return Some(());
        }
        if lower.starts_with(|c: char| c.is_ascii_digit()) {
            if lower.contains(':') {
                return self.take_time(word);
            }
            if lower.bytes().all(|byte| byte.is_ascii_digit()) {
                return self.take_number(word);
            }
            return self.take_date(&lower);
        }
        if self.time.is_some()
            && lower.starts_with(|c: char| c.is_alphabetic() || c == '+' || c == '-')
        {
            return set(&mut self.zone, word.to_owned());
        }
        // `Jan-08-1999`
        self.take_date(&lower)
    }

    /// `04:05:06.789`, with a zone or `PM` directly behind it.
    fn take_time(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.'));
        let (time, rest) = word.split_at(end.unwrap_or(word.len()));
        set(&mut self.time, time.to_owned())?;
        match rest.to_ascii_lowercase().as_str() {
            "" => Some(()),
            "am" => set(&mut self.afternoon, false),
            "pm" => set(&mut self.afternoon, true),
            _ => set(&mut self.zone, rest.to_owned()),
        }
    }

    /// A number on its own: a compact date or time, a day beside a month's name, a year.
    fn take_number(&mut self, digits: &str) -> Option<()> {
        let number: i64 = digits.parse().ok()?;
        let dated = self.year.is_some() && self.month.is_some() && self.day.is_some();
        match digits.len() {
            8 if self.month.is_none() => {
                self.ymd(number / 10_000, number / 100 % 100, number % 100)
            }
            6 if dated || self.day.is_none() && self.month.is_none() && self.is_alone() => {
                set(&mut self.time, colons(digits))
            }
            6 if self.month.is_none() => {
                self.ymd(full_year(number / 10_000), number / 100 % 100, number % 100)
            }
            4 if dated => set(&mut self.time, colons(digits)),
            1 | 2 if self.day.is_none() => set(&mut self.day, number),
            2 => set(&mut self.year, full_year(number)),
            _ => set(&mut self.year, number),
        }
    }

    /// Whether nothing has been read: six digits are a time then, and a date to who wants one.
    fn is_alone(&self) -> bool {
        self.time.is_none() && self.year.is_none()
    }

    /// Three parts with `-`, `/` or `.` between them.
    fn take_date(&mut self, word: &str) -> Option<()> {
        let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
        let [one, two, three] = parts[..] else { return None };
        let number = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
            true => part.parse::<i64>().ok(),
            false => None,
        };
        let year = |part: &str| {
            let number = number(part)?;
            Some(if part.len() <= 2 { full_year(number) } else { number })
        };
        if let Some(month) = named(one, &MONTHS) {
            return self.ymd(year(three)?, month, number(two)?);
        }
        if let Some(month) = named(two, &MONTHS) {
            return match one.len() > 2 {
                true => self.ymd(year(one)?, month, number(three)?),
                false => self.ymd(year(three)?, month, number(one)?),
            };
        }
        match one.len() > 2 {
            true => self.ymd(year(one)?, number(two)?, number(three)?),
            false => self.ymd(year(three)?, number(one)?, number(two)?),
        }
    }

    fn ymd(&mut self, year: i64, month: i64, day: i64) -> Option<()> {
        set(&mut self.year, year)?;
        set(&mut self.month, month)?;
        set(&mut self.day, day)
    }
}

/// Says something that must not have been said before.
fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// The number of a name, which may be cut to three letters, from 1.
fn named(word: &str, names: &[&str]) -> Option<i64> {
    let word = word.trim_end_matches('.');
    let same = |name: &&str| word.len() >= 3 && (**name == *word || name[..3] == *word);
    let short = |name: &&str| {
        matches!((word, *name), ("sept", "september") | ("tues", "tuesday") | ("thurs", "thursday"))
    };
    let index = names.iter().position(|name| same(name) || short(name))?;
    i64::try_from(index + 1).ok()
}

/// A year of two digits.
fn full_year(year: i64) -> i64 {
    if year < 70 { year + 2000 } else { year + 1900 }
}

/// `HHMM[SS]` with colons.
fn colons(digits: &str) -> String {
    let (hours, rest) = digits.split_at(2);
    let (minutes, seconds) = rest.split_at(2);
    if seconds.is_empty() {
        format!("{hours}:{minutes}")
    } else {
        format!("{hours}:{minutes}:{seconds}")
    }
}
