//! The table of settings: names, defaults, what values each takes.

use crate::error::{Error, Result, SqlState};

/// The version of PostgreSQL whose behavior clients may expect.
pub const SERVER_VERSION: &str = concat!("15.0 (Millstream ", env!("CARGO_PKG_VERSION"), ")");
/// The same as a number.
pub const SERVER_VERSION_NUM: &str = "150000";

/// A setting that sessions know.
#[derive(Debug)]
pub struct Parameter {
    /// Canonical name.
    pub name: &'static str,
    /// Value unless set otherwise.
    pub default: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Whether clients are told of changes.
    pub reported: bool,
    /// One line for `SHOW ALL`.
    pub about: &'static str,
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Cannot be changed.
    Fixed,
    /// `on` or `off`.
    Bool,
    /// An integer in a range.
    Int(i64, i64),
    /// A float in a range.
    Float(f64, f64),
    /// A duration in milliseconds, with an optional unit.
    Duration,
    /// An amount of memory in kilobytes, with an optional unit.
    Memory,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A list of identifiers.
    List,
    /// A time zone's name.
    TimeZone,
    /// Output style and field order of dates.
    DateStyle,
    /// Only UTF8.
    Encoding,
}

const fn parameter(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    about: &'static str,
) -> Parameter {
    Parameter { name, default, kind, reported: false, about }
}

const fn reported(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    about: &'static str,
) -> Parameter {
    Parameter { name, default, kind, reported: true, about }
}

const ISOLATION: &[&str] =
    &["serializable", "repeatable read", "read committed", "read uncommitted"];
const LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];

/// Every setting, by name.
#[rustfmt::skip]
pub static PARAMETERS: &[Parameter] = &[
    reported("application_name", "", Kind::Text, "Name of the application, for statistics and logs."),
    parameter("backslash_quote", "safe_encoding", Kind::Word(&["safe_encoding", "on", "off"]), "Whether \\' is allowed in string literals."),
    parameter("bytea_output", "hex", Kind::Word(&["hex", "escape"]), "Output format of bytea."),
    parameter("check_function_bodies", "on", Kind::Bool, "Kept for tools; no effect."),
    reported("client_encoding", "UTF8", Kind::Encoding, "Character set of the client: always UTF8."),
    parameter("client_min_messages", "notice", Kind::Word(LEVELS), "Least severe message sent to the client."),
    reported("DateStyle", "ISO, MDY", Kind::DateStyle, "Output format of dates: always ISO."),
    parameter("default_table_access_method", "heap", Kind::Text, "Kept for tools; no effect."),
    parameter("default_tablespace", "", Kind::Text, "Kept for tools; no effect."),
    parameter("default_text_search_config", "pg_catalog.simple", Kind::Text, "Kept for tools; no effect."),
    parameter("default_transaction_isolation", "read committed", Kind::Word(ISOLATION), "Isolation of new blocks."),
    reported("default_transaction_read_only", "off", Kind::Bool, "Whether new blocks are read-only."),
    parameter("default_transaction_deferrable", "off", Kind::Bool, "Kept for tools; no effect."),
    parameter("enable_hashjoin", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("enable_mergejoin", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("enable_nestloop", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("enable_seqscan", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("escape_string_warning", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("extra_float_digits", "1", Kind::Int(-15, 3), "Digits of floats: above 0, so many that they read back exactly."),
    parameter("geqo", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("idle_in_transaction_session_timeout", "0", Kind::Duration, "Longest time that a block may be idle."),
    parameter("idle_session_timeout", "0", Kind::Duration, "Longest time that a session may be idle."),
    reported("in_hot_standby", "off", Kind::Fixed, "Whether this is a standby server."),
    reported("integer_datetimes", "on", Kind::Fixed, "Whether timestamps are 64-bit integers."),
    reported("IntervalStyle", "postgres", Kind::Word(&["postgres"]), "Output format of intervals."),
    reported("is_superuser", "on", Kind::Fixed, "Whether the user is a superuser."),
    parameter("jit", "off", Kind::Bool, "Kept for tools; no effect."),
    parameter("lc_collate", "C", Kind::Fixed, "Collation: by code point."),
    parameter("lc_ctype", "C", Kind::Fixed, "Character classes."),
    parameter("lc_messages", "C", Kind::Text, "Language of messages."),
    parameter("lc_monetary", "C", Kind::Text, "Kept for tools; no effect."),
    parameter("lc_numeric", "C", Kind::Text, "Kept for tools; no effect."),
    parameter("lc_time", "C", Kind::Text, "Kept for tools; no effect."),
    parameter("lock_timeout", "0", Kind::Duration, "Longest wait for a lock."),
    parameter("max_connections", "100", Kind::Fixed, "Most sessions at a time."),
    parameter("max_identifier_length", "63", Kind::Fixed, "Most bytes of an identifier."),
    parameter("max_index_keys", "32", Kind::Fixed, "Most columns of a key."),
    parameter("password_encryption", "scram-sha-256", Kind::Word(&["scram-sha-256"]), "How passwords are kept."),
    parameter("role", "none", Kind::Word(&["none"]), "Role of this session: the user's own."),
    parameter("row_security", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("search_path", "\"$user\", public", Kind::List, "Schemas searched for unqualified names."),
    reported("server_encoding", "UTF8", Kind::Fixed, "Character set of the server."),
    reported("server_version", SERVER_VERSION, Kind::Fixed, "Version of PostgreSQL that clients may expect."),
    parameter("server_version_num", SERVER_VERSION_NUM, Kind::Fixed, "The same as a number."),
    reported("session_authorization", "millstream", Kind::Text, "User of this session."),
    parameter("session_replication_role", "origin", Kind::Word(&["origin", "replica", "local"]), "Kept for tools; no effect."),
    parameter("ssl", "off", Kind::Fixed, "Whether TLS is offered."),
    reported("standard_conforming_strings", "on", Kind::Word(&["on"]), "Whether backslashes are plain in '…'."),
    parameter("statement_timeout", "0", Kind::Duration, "Longest time that a statement may run."),
    parameter("synchronize_seqscans", "on", Kind::Bool, "Kept for tools; no effect."),
    parameter("synchronous_commit", "on", Kind::Word(&["on", "off", "local", "remote_write", "remote_apply"]), "Writes are always on disk before they are acknowledged."),
    parameter("tcp_keepalives_idle", "0", Kind::Int(0, i32::MAX as i64), "Kept for tools; no effect."),
    reported("TimeZone", "UTC", Kind::TimeZone, "Time zone of timestamptz input and output."),
    parameter("transaction_deferrable", "off", Kind::Bool, "Kept for tools; no effect."),
    parameter("transaction_isolation", "read committed", Kind::Word(ISOLATION), "Isolation of this block."),
    parameter("transaction_read_only", "off", Kind::Bool, "Whether this block is read-only."),
    parameter("transform_null_equals", "off", Kind::Word(&["off"]), "Whether x = NULL means x IS NULL."),
    parameter("work_mem", "4MB", Kind::Memory, "Kept for tools; no effect."),
    parameter("maintenance_work_mem", "64MB", Kind::Memory, "Kept for tools; no effect."),
    parameter("wal_level", "replica", Kind::Fixed, "Kept for tools."),
    parameter("xmlbinary", "base64", Kind::Word(&["base64", "hex"]), "Kept for tools; no effect."),
    parameter("xmloption", "content", Kind::Word(&["content", "document"]), "Kept for tools; no effect."),
    parameter("cursor_tuple_fraction", "0.1", Kind::Float(0.0, 1.0), "Kept for tools; no effect."),
];

impl Parameter {
    /// Fails for a setting that cannot be changed.
    pub(super) fn changeable(&self) -> Result<()> {
        match self.kind {
            Kind::Fixed => Err(Error::new(
                SqlState::CantChangeRuntimeParam,
                format!("parameter \"{}\" cannot be changed", self.name),
            )),
            _ => Ok(()),
        }
    }

    /// The canonical form of a value.
    pub(super) fn parse(&self, values: &[String]) -> Result<String> {
        self.changeable()?;
        let text = values.join(", ");
        let invalid = || self.invalid(&text);
        match self.kind {
            Kind::Fixed | Kind::Text => Ok(text),
            Kind::Bool => match parse_bool(&text) {
                Some(true) => Ok("on".to_owned()),
                Some(false) => Ok("off".to_owned()),
                None => Err(Error::invalid_parameter(format!(
                    "parameter \"{}\" requires a Boolean value",
                    self.name
                ))),
            },
            Kind::Int(low, high) => {
                let value: i64 = text.trim().parse().map_err(|_| invalid())?;
                if !(low..=high).contains(&value) {
                    return Err(self.out_of_range(&text, low, high));
                }
                Ok(value.to_string())
            }
            Kind::Float(low, high) => {
                let value: f64 = text.trim().parse().map_err(|_| invalid())?;
                if !(low..=high).contains(&value) {
                    return Err(self.out_of_range(&text, low, high));
                }
                Ok(value.to_string())
            }
            Kind::Duration => Ok(print_unit(parse_duration_ms(&text).ok_or_else(invalid)?, TIME)),
            Kind::Memory => Ok(print_unit(parse_unit(&text, MEMORY).ok_or_else(invalid)?, MEMORY)),
            Kind::Word(words) => {
                let lower = text.trim().to_lowercase();
                let switch = parse_bool(&lower).map(|on| if on { "on" } else { "off" });
                words
                    .iter()
                    .find(|word| **word == lower || Some(**word) == switch)
                    .map(|word| (*word).to_owned())
                    .ok_or_else(|| {
                        invalid().hint(format!("Available values: {}.", words.join(", ")))
                    })
            }
            Kind::List => Ok(print_list(values)),
            Kind::TimeZone => time_zone(&text).ok_or_else(invalid),
            Kind::DateStyle => self.date_style(&text),
            Kind::Encoding => {
                // Only letters and digits count in an encoding's name.
                let name: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
                match name.to_uppercase().as_str() {
                    "UTF8" | "UNICODE" => Ok("UTF8".to_owned()),
                    _ => Err(invalid().hint("Only UTF8 is supported.")),
                }
            }
        }
    }

    fn invalid(&self, text: &str) -> Error {
        Error::invalid_parameter(format!(
            "invalid value for parameter \"{}\": \"{text}\"",
            self.name
        ))
    }

    fn out_of_range(&self, text: &str, low: impl ToString, high: impl ToString) -> Error {
        Error::invalid_parameter(format!(
            "{text} is outside the valid range for parameter \"{}\" ({} .. {})",
            self.name,
            low.to_string(),
            high.to_string()
        ))
    }

    fn date_style(&self, text: &str) -> Result<String> {
        let mut order = "MDY";
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            match word.to_uppercase().as_str() {
                "ISO" | "DEFAULT" => {}
                "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
                "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
                "YMD" => order = "YMD",
                "SQL" | "POSTGRES" | "GERMAN" => {
                    return Err(Error::unsupported(format!("DateStyle \"{word}\""))
                        .hint("Dates are written in ISO form; use to_char for other forms."));
                }
                _ => return Err(self.invalid(text)),
            }
        }
        Ok(format!("ISO, {order}"))
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Units with their size in the setting's base unit, smallest first.
type Units = &'static [(&'static str, i64)];
const TIME: Units = &[("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const MEMORY: Units = &[("kB", 1), ("MB", 1 << 10), ("GB", 1 << 20), ("TB", 1 << 30)];

/// Milliseconds of a duration with an optional unit.
pub(super) fn parse_duration_ms(text: &str) -> Option<i64> {
    parse_unit(text, TIME)
}

fn parse_unit(text: &str, units: Units) -> Option<i64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let number: i64 = text[..end].parse().ok()?;
    let unit = text[end..].trim();
    let size = match unit {
        "" => 1,
        unit => units.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.checked_mul(size).filter(|value| *value >= 0)
}

/// The value in the largest unit that divides it, as PostgreSQL prints it.
fn print_unit(value: i64, units: Units) -> String {
    if value == 0 {
        return "0".to_owned();
    }
    let whole = units.iter().rev().find(|(_, size)| value % size == 0);
    let (unit, size) = whole.expect("the smallest unit is 1");
    format!("{}{unit}", value / size)
}

/// The elements of an identifier list; quotes are taken off.
pub(super) fn split_list(text: &str) -> Vec<String> {
    let element = |part: &str| part.trim().trim_matches('"').to_owned();
    text.split(',').map(element).filter(|part| !part.is_empty()).collect()
}

fn print_list(values: &[String]) -> String {
    let plain = |value: &String| {
        let mut letters = value.chars();
        letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
            && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let quoted = values.iter().flat_map(|value| {
        // A single string may hold a whole list, as in a start-up message.
        split_list(value)
            .into_iter()
            .map(|part| if plain(&part) { part } else { format!("\"{part}\"") })
    });
    quoted.collect::<Vec<_>>().join(", ")
}

/// The canonical name of a time zone.
fn time_zone(text: &str) -> Option<String> {
    let text = text.trim();
    if matches!(text.to_uppercase().as_str(), "UTC" | "DEFAULT" | "LOCAL" | "Z") {
        return Some("UTC".to_owned());
    }
    let known = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text));
    known.map(|zone| zone.name().to_owned()).or_else(|| fixed_offset(text))
}

/// A number of hours east of Greenwich, as Arrow spells it. (PostgreSQL reads `+02:00` as POSIX does,
/// west of Greenwich: refused rather than guessed.)
fn fixed_offset(text: &str) -> Option<String> {
    let hours: f64 = text.parse().ok()?;
    let minutes = hours * 60.0;
    if minutes.fract() != 0.0 || minutes.abs() > 15.0 * 60.0 {
        return None;
    }
    let whole = minutes.abs() as u32;
    let sign = if minutes < 0.0 { '-' } else { '+' };
    Some(format!("{sign}{:02}:{:02}", whole / 60, whole % 60))
}
