//! Numbers out of texts by a pattern: Postgres' `to_number`.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;

use super::pattern::{Pattern, Piece};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Kind, Overload, whole};
use crate::types::text;

/// `to_number`
pub(in crate::plan::function) fn to_number() -> Vec<Overload> {
    vec![whole(&[Kind::Text, Kind::Text], Kind::Numeric, |args, to, _| numbers(args, to))]
}

fn numbers(args: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (texts, patterns) = (args[0].as_string::<i32>(), args[1].as_string::<i32>());
    let read = (0..texts.len()).map(|row| {
        if texts.is_null(row) || patterns.is_null(row) {
            return Ok(None);
        }
        let pattern = Pattern::parse(patterns.value(row))?;
        read(texts.value(row), &pattern).map(Some)
    });
    let read = read.collect::<Result<StringArray>>()?;
    let read: Vec<Option<&str>> = read.iter().collect();
    let field = arrow::datatypes::Field::new("", to.clone(), true);
    text::decode(&read, &field, &text::Style::default())
}

/// The number that `text` has where the pattern has digits, in plain digits.
fn read(text: &str, pattern: &Pattern) -> Result<String> {
    for (used, word) in [(pattern.roman, "RN"), (pattern.exponent, "EEEE")] {
        if used {
            return Err(Error::unsupported(format!("\"{word}\" in to_number")));
        }
    }
    let mut input = Input { rest: text, negative: false, digits: String::new() };
    for piece in &pattern.pieces {
        input.piece(*piece, pattern);
    }
    // A sign may stand behind.
    if input.rest.trim_start().starts_with('-') {
        input.negative = true;
    }
    let Input { negative, digits, .. } = input;
    if !digits.bytes().any(|byte| byte.is_ascii_digit()) {
        let message = "invalid input syntax for type numeric: \" \"";
        return Err(Error::new(SqlState::InvalidTextRepresentation, message));
    }
    let sign = if negative { "-" } else { "" };
    Ok(match pattern.multiplied {
        0 => format!("{sign}{digits}"),
        places => format!("{sign}{digits}e-{places}"),
    })
}

struct Input<'a> {
    rest: &'a str,
    negative: bool,
    digits: String,
}

impl Input<'_> {
    fn next(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn pass(&mut self) {
        let mut letters = self.rest.chars();
        letters.next();
        self.rest = letters.as_str();
    }

    fn piece(&mut self, piece: Piece, pattern: &Pattern) {
        match piece {
            Piece::Nine | Piece::Zero => self.digit(pattern),
            Piece::Point => {
                if self.next() == Some('.') {
                    self.point();
                }
            }
            Piece::Minus | Piece::Plus | Piece::Sign => self.sign(),
            Piece::Ordinal { .. } => {
                for _ in 0..2 {
                    self.other();
                }
            }
            Piece::Comma | Piece::Currency | Piece::Letter(_) => self.other(),
        }
    }

    fn digit(&mut self, pattern: &Pattern) {
        if self.digits.is_empty() {
            self.rest = self.rest.trim_start();
            self.sign();
            if self.next() == Some('<') && pattern.brackets {
                self.negative = true;
                self.pass();
            }
        }
        match self.next() {
            Some(digit) if digit.is_ascii_digit() => {
                self.digits.push(digit);
                self.pass();
            }
            Some('.') if pattern.point => self.point(),
            _ => {}
        }
    }

    fn point(&mut self) {
        if !self.digits.contains('.') {
            self.digits.push('.');
            self.pass();
        }
    }

    fn sign(&mut self) {
        if let Some(sign @ ('-' | '+')) = self.next() {
            self.negative |= sign == '-';
            self.pass();
        }
    }

    /// Passes over a letter that is no part of the number.
    fn other(&mut self) {
        let part = |letter: char| letter.is_ascii_digit() || matches!(letter, '-' | '+');
        if self.next().is_some_and(|letter| !part(letter)) {
            self.pass();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_postgres_does() {
        for (text, pattern, expected) in [
            ("12,454.8-", "99G999D9S", "-12454.8"),
            ("$1,234.56", "L9,999.99", "1234.56"),
            ("-12.5", "99.9", "-12.5"),
            ("  42", "9999", "42"),
            ("<12>", "99PR", "-12"),
            ("12abc", "99999", "12"),
            ("1234", "99", "12"),
            ("12.345", "99.9", "12.3"),
            ("12-", "99MI", "-12"),
            ("-12", "MI99", "-12"),
            ("$5", "$9", "5"),
            ("1234", "9,999", "1234"),
            ("12.3", "999", "12"),
            ("12", "99V99", "12e-2"),
            ("5th", "9th", "5"),
            ("12 345", "99 999", "12345"),
            (".5", "9.9", ".5"),
            ("12.5", "99,99", "125"),
            ("-1,234.5", "9,999.9", "-1234.5"),
            ("-12", "SG99", "-12"),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(read(text, &pattern).unwrap(), expected, "{text}");
        }
        let pattern = Pattern::parse("999").unwrap();
        let error = read("abc", &pattern).unwrap_err();
        assert_eq!(error.state(), SqlState::InvalidTextRepresentation);
    }
}
