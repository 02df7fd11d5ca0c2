//! The options of a statement, read with their types; unknown ones are errors.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::error::{Error, Result, nearest};

/// Reads the options of one clause.
pub(super) struct Options<'a> {
    /// Whose they are, for messages: `connector "file"`.
    owner: String,
    given: &'a BTreeMap<String, String>,
    known: Vec<String>,
}

impl<'a> Options<'a> {
    pub(super) fn new(
        owner: impl Into<String>,
        given: &'a BTreeMap<String, String>,
    ) -> Options<'a> {
        Options { owner: owner.into(), given, known: Vec::new() }
    }

    /// The text of an option.
    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        self.known.push(key.to_owned());
        self.given.get(key).map(String::as_str)
    }

    /// The text of an option that must be there.
    pub(super) fn required(&mut self, key: &str) -> Result<&'a str> {
        let owner = self.owner.clone();
        self.text(key).ok_or_else(|| {
            let error = Error::invalid_parameter(format!("{owner} needs the option \"{key}\""));
            match nearest(key, self.given.keys().map(String::as_str)) {
                Some(other) => error.hint(format!("Perhaps you meant \"{key}\" by \"{other}\".")),
                None => error.hint(format!("Add {key} = '…' to the WITH clause.")),
            }
        })
    }

    /// An option of a type that can be read from text.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Result<Option<T>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| invalid(key, text, expected))
    }

    /// A positive number per second.
    pub(super) fn rate(&mut self, key: &str) -> Result<Option<f64>> {
        let expected = "a positive number of rows per second";
        match self.parsed::<f64>(key, expected)? {
            Some(rate) if !rate.is_finite() || rate <= 0.0 => Err(invalid(key, rate, expected)),
            rate => Ok(rate),
        }
    }

    /// A truth value, as Postgres spells them.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool> {
        let Some(text) = self.text(key) else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(invalid(key, text, "true or false")),
        }
    }

    /// A single ASCII character.
    pub(super) fn byte(&mut self, key: &str, default: u8) -> Result<u8> {
        match self.text(key) {
            None => Ok(default),
            Some("\\t" | "tab") => Ok(b'\t'),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
                _ => Err(invalid(key, text, "a single ASCII character")),
            },
        }
    }

    /// One of a few words.
    pub(super) fn word(
        &mut self,
        key: &str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
        found.copied().map(Some).ok_or_else(|| {
            let expected = format!("one of {}", words.join(", "));
            invalid(key, text, &expected).did_you_mean(text, words.iter().copied())
        })
    }

    /// All options have been asked for: any other is a mistake.
    pub(super) fn finish(self) -> Result<()> {
        let unknown = self.given.keys().find(|key| !self.known.contains(key));
        let Some(key) = unknown else { return Ok(()) };
        let error = Error::invalid_parameter(format!("{} has no option \"{key}\"", self.owner));
        let error = error.did_you_mean(key, self.known.iter().map(String::as_str));
        if error.hint_text().is_some() || self.known.is_empty() {
            return Err(error);
        }
        Err(error.hint(format!("Its options are {}.", self.known.join(", "))))
    }
}

/// 22023 for an option's value.
pub(super) fn invalid(key: &str, value: impl Display, expected: &str) -> Error {
    Error::invalid_parameter(format!("invalid value for option \"{key}\": \"{value}\""))
        .detail(format!("It must be {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_with_the_nearest_right_thing() {
        let given = BTreeMap::from([("rat".to_owned(), "1".to_owned())]);
        let mut options = Options::new("connector \"x\"", &given);
        assert!(options.rate("rate").unwrap().is_none());
        let error = options.finish().unwrap_err();
        assert_eq!(error.message(), "connector \"x\" has no option \"rat\"");
        assert_eq!(error.hint_text(), Some("Perhaps you meant \"rate\"."));

        let given = BTreeMap::from([("rate".to_owned(), "-1".to_owned())]);
        let error = Options::new("c", &given).rate("rate").unwrap_err();
        assert_eq!(error.message(), "invalid value for option \"rate\": \"-1\"");
        assert!(Options::new("c", &given).flag("rate", true).is_err());
        assert!(Options::new("c", &given).required("path").unwrap_err().hint_text().is_some());
    }
}
