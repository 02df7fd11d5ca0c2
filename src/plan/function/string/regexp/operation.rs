//! Replacing, counting and finding the n-th match.

use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use arrow::datatypes::DataType;

use super::matcher::{Found, Matcher, with};
use crate::error::{Error, Result};

/// The byte at which the 1-based character `start` begins; none if it is past the end.
fn byte_of(text: &str, start: i32) -> Result<Option<usize>> {
    let skip = usize::try_from(start - 1)
        .map_err(|_| invalid("start", start))
        .and_then(|skip| if start > 0 { Ok(skip) } else { Err(invalid("start", start)) })?;
    let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    Ok(places.nth(skip))
}

fn invalid(name: &str, value: i32) -> Error {
    Error::invalid_parameter(format!("invalid value for parameter \"{name}\": {value}"))
}

/// `text` with the `nth` match, or all of them (0), replaced.
pub(super) fn replace(
    matcher: &Matcher,
    text: &str,
    new: &str,
    start: i32,
    nth: i32,
) -> Result<String> {
    if nth < 0 {
        return Err(invalid("n", nth));
    }
    let Some(start) = byte_of(text, start)? else { return Ok(text.to_owned()) };
    let (mut out, mut copied, mut number) = (String::new(), 0, 0);
    matcher.matches(text, start, true, |found| {
        number += 1;
        if nth > 0 && number < nth {
            return true;
        }
        if let Some((begin, end)) = found[0] {
            out.push_str(&text[copied..begin]);
            substitute(&found, text, new, &mut out);
            copied = end;
        }
        nth == 0
    })?;
    out.push_str(&text[copied..]);
    Ok(out)
}

/// Writes `new` with `\1` and `\&` for parts of the match.
fn substitute(found: &Found, text: &str, new: &str, out: &mut String) {
    let mut letters = new.chars();
    let part = |group: usize| {
        let place = found.get(group).copied().flatten();
        place.map_or("", |(begin, end)| &text[begin..end])
    };
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.clone().next() {
            Some('&') => out.push_str(part(0)),
            Some(digit @ '1'..='9') => {
                out.push_str(part(digit.to_digit(10).unwrap_or(0) as usize));
            }
            Some('\\') => out.push('\\'),
            _ => {
                // Any other backslash stands for itself.
                out.push('\\');
                continue;
            }
        }
        letters.next();
    }
}

/// The arguments of a row, null if one of them is.
struct Row<'a> {
    args: &'a [ArrayRef],
    row: usize,
}

impl<'a> Row<'a> {
    fn all<T>(
        args: &'a [ArrayRef],
        rows: usize,
        each: impl Fn(Row<'a>) -> Result<Option<T>>,
    ) -> impl Iterator<Item = Result<Option<T>>> {
        (0..rows).map(move |row| match args.iter().any(|arg| arg.is_null(row)) {
            true => Ok(None),
            false => each(Row { args, row }),
        })
    }

    fn text(&self, index: usize) -> &'a str {
        self.args.get(index).map_or("", |arg| arg.as_string::<i32>().value(self.row))
    }

    fn number(&self, index: usize, otherwise: i32) -> i32 {
        let value = |arg: &ArrayRef| arg.as_primitive::<Int32Type>().value(self.row);
        self.args.get(index).map_or(otherwise, value)
    }
}

fn no_global(function: &str, flags: &str) -> Result<()> {
    match flags.contains('g') {
        true => Err(Error::invalid_parameter(format!(
            "{function}() does not support the \"global\" option"
        ))),
        false => Ok(()),
    }
}

/// `regexp_replace(text, pattern, new, start, n [, flags])`
pub(super) fn replace_nth(args: &[ArrayRef], _: &DataType, rows: usize) -> Result<ArrayRef> {
    let each = |row: Row<'_>| {
        let (text, new) = (row.text(0), row.text(2));
        with(row.text(1), row.text(5), |matcher| {
            replace(matcher, text, new, row.number(3, 1), row.number(4, 1)).map(Some)
        })
    };
    Ok(Arc::new(Row::all(args, rows, each).collect::<Result<StringArray>>()?))
}

/// `regexp_count(text, pattern [, start [, flags]])`
pub(super) fn count(args: &[ArrayRef], _: &DataType, rows: usize) -> Result<ArrayRef> {
    let each = |row: Row<'_>| {
        no_global("regexp_count", row.text(3))?;
        let text = row.text(0);
        let Some(start) = byte_of(text, row.number(2, 1))? else { return Ok(Some(0)) };
        with(row.text(1), row.text(3), |matcher| {
            let mut count = 0;
            matcher.matches(text, start, true, |_| {
                count += 1;
                true
            })?;
            Ok(Some(count))
        })
    };
    Ok(Arc::new(Row::all(args, rows, each).collect::<Result<Int32Array>>()?))
}

/// The place of a group of the n-th match.
fn nth_group(
    text: &str,
    (pattern, flags): (&str, &str),
    (start, nth, group): (i32, i32, i32),
) -> Result<Option<(usize, usize)>> {
    if nth <= 0 {
        return Err(invalid("n", nth));
    }
    let group = usize::try_from(group).map_err(|_| invalid("subexpr", group))?;
    let Some(start) = byte_of(text, start)? else { return Ok(None) };
    with(pattern, flags, |matcher| {
        let (mut number, mut place) = (0, None);
        matcher.matches(text, start, true, |found| {
            number += 1;
            if number == nth {
                place = found.get(group).copied().flatten();
            }
            number < nth
        })?;
        Ok(place)
    })
}

/// `regexp_substr(text, pattern [, start [, n [, flags [, group]]]])`
pub(super) fn substr(args: &[ArrayRef], _: &DataType, rows: usize) -> Result<ArrayRef> {
    let each = |row: Row<'_>| {
        no_global("regexp_substr", row.text(4))?;
        let text = row.text(0);
        let numbers = (row.number(2, 1), row.number(3, 1), row.number(5, 0));
        let place = nth_group(text, (row.text(1), row.text(4)), numbers)?;
        Ok(place.map(|(begin, end)| text[begin..end].to_owned()))
    };
    Ok(Arc::new(Row::all(args, rows, each).collect::<Result<StringArray>>()?))
}

/// `regexp_instr(text, pattern [, start [, n [, endoption [, flags [, group]]]]])`
pub(super) fn instr(args: &[ArrayRef], _: &DataType, rows: usize) -> Result<ArrayRef> {
    let each = |row: Row<'_>| {
        no_global("regexp_instr", row.text(5))?;
        let (text, end_option) = (row.text(0), row.number(4, 0));
        if !matches!(end_option, 0 | 1) {
            return Err(invalid("endoption", end_option));
        }
        let numbers = (row.number(2, 1), row.number(3, 1), row.number(6, 0));
        let place = nth_group(text, (row.text(1), row.text(5)), numbers)?;
        let byte = place.map(|(begin, end)| if end_option == 1 { end } else { begin });
        let position = byte.map(|byte| text[..byte].chars().count() + 1);
        Ok(Some(i32::try_from(position.unwrap_or(0)).unwrap_or(i32::MAX)))
    };
    Ok(Arc::new(Row::all(args, rows, each).collect::<Result<Int32Array>>()?))
}
