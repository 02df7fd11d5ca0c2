//! `format`: values put into a text by `%s`, `%I` and `%L`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::logical_expr::ScalarUDF;

use super::quote::{identifier, literal, texts};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Kind, declared, whole};
use crate::types::text::Cells;

/// The function.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let plain = whole(&[Kind::Text], Kind::Text, |args, _, rows| formatted(args, rows));
    vec![declared("format", vec![plain.rest(Kind::Any)])]
}

fn formatted(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let patterns = args[0].as_string::<i32>();
    let cells = texts(&args[1..])?;
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if patterns.is_null(row) {
            results.append_null();
            continue;
        }
        let mut arguments = Arguments { cells: &cells, row, next: 0 };
        results.append_value(arguments.fill(patterns.value(row))?);
    }
    Ok(Arc::new(results.finish()))
}

/// The arguments of one row, and which comes next.
struct Arguments<'a> {
    cells: &'a [Cells],
    row: usize,
    next: usize,
}

/// What stands after a `%`.
struct Specifier {
    position: Option<usize>,
    left: bool,
    width: i64,
    kind: char,
}

impl<'a> Arguments<'a> {
    /// The argument of a 1-based position, or the next one.
    fn take(&mut self, position: Option<usize>) -> Result<Option<&'a str>> {
        let index = position.map_or(self.next, |position| position - 1);
        self.next = index + 1;
        let cells = self.cells.get(index);
        let cells =
            cells.ok_or_else(|| Error::invalid_parameter("too few arguments for format()"))?;
        Ok(cells.text(self.row))
    }

    fn fill(&mut self, pattern: &str) -> Result<String> {
        let mut out = String::new();
        let mut letters = pattern.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
            } else if letters.next_if_eq(&'%').is_some() {
                out.push('%');
            } else {
                let specifier = self.specifier(&mut letters)?;
                self.write(&specifier, &mut out)?;
            }
        }
        Ok(out)
    }

    /// `[position$][-][width]type`
    fn specifier(
        &mut self,
        letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    ) -> Result<Specifier> {
        let unterminated = || {
            Error::invalid_parameter("unterminated format() type specifier")
                .hint("For a single \"%\" use \"%%\".")
        };
        let mut specifier = Specifier { position: None, left: false, width: 0, kind: 's' };
        let mut digits = number(letters)?;
        if digits.is_some() && letters.next_if_eq(&'$').is_some() {
            specifier.position = Some(place(digits.take())?);
        }
        if digits.is_none() {
            while letters.next_if_eq(&'-').is_some() {
                specifier.left = true;
            }
            if letters.next_if_eq(&'*').is_some() {
                let position = number(letters)?;
                let position = match position {
                    Some(_) => {
                        letters.next_if_eq(&'$').ok_or_else(|| {
                            let message = "width argument position must be ended by \"$\"";
                            Error::invalid_parameter(message)
                        })?;
                        Some(place(position)?)
                    }
                    None => None,
                };
                let width = self.take(position)?.unwrap_or("0");
                let width: i64 = width.parse().map_err(|_| {
                    let message = format!("invalid input syntax for type integer: \"{width}\"");
                    Error::new(SqlState::InvalidTextRepresentation, message)
                })?;
                specifier.left |= width < 0;
                specifier.width = width.abs();
            } else {
                digits = number(letters)?;
            }
        }
        specifier.width = digits.unwrap_or(specifier.width);
        specifier.kind = letters.next().ok_or_else(unterminated)?;
        Ok(specifier)
    }

    fn write(&mut self, specifier: &Specifier, out: &mut String) -> Result<()> {
        if !matches!(specifier.kind, 's' | 'I' | 'L') {
            return Err(Error::invalid_parameter(format!(
                "unrecognized format() type specifier \"{}\"",
                specifier.kind
            ))
            .hint("For a single \"%\" use \"%%\"."));
        }
        let value = self.take(specifier.position)?;
        let text = match (specifier.kind, value) {
            ('s', value) => value.unwrap_or_default().to_owned(),
            ('L', None) => "NULL".to_owned(),
            ('L', Some(value)) => literal(value),
            (_, Some(value)) => identifier(value),
            (_, None) => {
                let message = "null values cannot be formatted as an SQL identifier";
                return Err(Error::new(SqlState::NullValueNotAllowed, message));
            }
        };
        let missing = specifier.width - super::count(&text);
        let padding = " ".repeat(usize::try_from(missing).unwrap_or(0).min(1 << 28));
        match specifier.left {
            true => out.extend([text, padding]),
            false => out.extend([padding, text]),
        }
        Ok(())
    }
}

/// The digits that come next, as a number.
fn number(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<i64>> {
    let mut value = None;
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        let before = value.unwrap_or(0_i64) * 10;
        value = Some(before + i64::from(digit.to_digit(10).unwrap_or(0)));
        if value > Some(i64::from(i32::MAX)) {
            return Err(Error::new(SqlState::NumericValueOutOfRange, "number is out of range"));
        }
    }
    Ok(value)
}

fn place(position: Option<i64>) -> Result<usize> {
    let place = position.and_then(|position| usize::try_from(position).ok());
    place.filter(|place| *place > 0).ok_or_else(|| {
        Error::invalid_parameter("format specifies argument 0, but arguments are numbered from 1")
    })
}
