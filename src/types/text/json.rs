//! JSON texts: whether they are valid, and the one form in which `jsonb` keeps them: keys once, in order
//! of length, then of bytes; a blank behind colons and commas.

use std::collections::BTreeMap;

use crate::error::{Error, Result, SqlState};

/// `22P02` if a text is not JSON.
pub(super) fn check(text: &str) -> Result<()> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|error| invalid(&error))
}

/// A text as `jsonb` shows it.
pub(super) fn canonical(text: &str) -> Result<String> {
    check(text)?;
    let mut reader = Reader { rest: text };
    Ok(reader.value())
}

/// What is left of a text that is known to be JSON.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Whether this sign comes next; it is passed over then.
    fn take(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> String {
        if self.take('{') {
            return self.object();
        }
        if self.take('[') {
            let mut elements = vec![];
            while !self.take(']') {
                elements.push(self.value());
                self.take(',');
            }
            return format!("[{}]", elements.join(", "));
        }
        if self.rest.starts_with('"') {
            return written(&self.string());
        }
        let end = self.rest.find([',', ']', '}']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let word = word.trim();
        if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            number(word)
        } else {
            word.to_owned()
        }
    }

    fn object(&mut self) -> String {
        // Of a key that comes twice the last value counts.
        let mut members: BTreeMap<(usize, String), String> = BTreeMap::new();
        while !self.take('}') {
            self.rest = self.rest.trim_start();
            let key = self.string();
            self.take(':');
            let value = self.value();
            members.insert((key.len(), key), value);
            self.take(',');
        }
        let member =
            |((_, key), value): (&(usize, String), &String)| format!("{}: {value}", written(key));
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
    }

    /// A string, its escapes resolved.
    fn string(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let (text, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at + 1));
        self.rest = rest;
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// A text in quotes.
fn written(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A number without its exponent.
fn number(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return if text == "-0" { "0".to_owned() } else { text.to_owned() };
    };
    let Ok(exponent) = exponent.parse::<i64>() else { return text.to_owned() };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Longer numbers than Postgres' numerics stay as they are.
    if exponent.unsigned_abs() > 1000 {
        return text.to_owned();
    }
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX) + exponent;
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let text = if point <= 0 {
        let zeros = usize::try_from(-point).unwrap_or(0);
        format!("0.{}{digits}", "0".repeat(zeros))
    } else if point >= length {
        let zeros = usize::try_from(point - length).unwrap_or(0);
        let whole = format!("{digits}{}", "0".repeat(zeros));
        let trimmed = whole.trim_start_matches('0');
        if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        let whole = whole.trim_start_matches('0');
        format!("{}.{fraction}", if whole.is_empty() { "0" } else { whole })
    };
    format!("{sign}{text}")
}

fn invalid(error: &serde_json::Error) -> Error {
    let message = "invalid input syntax for type json";
    let error_text = error.to_string();
    let detail = if error.is_eof() {
        "The input string ended unexpectedly.".to_owned()
    } else {
        let reason = error_text.split(" at line ").next().unwrap_or_default();
        format!("JSON is wrong at character {}: {reason}.", error.column())
    };
    Error::new(SqlState::InvalidTextRepresentation, message).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_has_one_form() {
        let form = |text: &str| canonical(text).unwrap();
        assert_eq!(
            form(r#" {"bb":1, "a" : [1,2 ,{}],"bb":"\u00e4\n"} "#),
            r#"{"a": [1, 2, {}], "bb": "ä\n"}"#
        );
        assert_eq!(
            form("[1.0, 1e2, 12e-1, -1.5E3, 0.00, -0, null]"),
            "[1.0, 100, 1.2, -1500, 0.00, 0, null]"
        );
        assert_eq!(canonical("{a: 1}").unwrap_err().state(), SqlState::InvalidTextRepresentation);
        assert_eq!(
            check("[1,").unwrap_err().detail_text(),
            Some("The input string ended unexpectedly.")
        );
    }
}
