//! Array and record literals to columns: all parts of a column are read as one column.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::Style;
use super::decode::{decode, invalid};
use crate::error::{Error, Result, SqlState};

type Part<'a> = Option<Cow<'a, str>>;

/// Reads `{…}` literals.
pub(super) fn list(
    values: &[Option<&str>],
    item: &FieldRef,
    outer: &Field,
    style: &Style,
) -> Result<ArrayRef> {
    let nested = matches!(item.data_type(), DataType::List(_));
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        let before = parts.len();
        if let Some(text) = value {
            split_array(text, nested, &mut parts)?;
        }
        lengths.push(parts.len() - before);
    }
    let texts: Vec<Option<&str>> = parts.iter().map(Option::as_deref).collect();
    let described =
        Field::new("item", item.data_type().clone(), true).with_metadata(outer.metadata().clone());
    let child = decode(&texts, &described, style)?;
    let nulls = NullBuffer::from_iter(values.iter().map(Option::is_some));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, child, Some(nulls))?))
}

/// Reads `(…)` literals.
pub(super) fn record(values: &[Option<&str>], fields: &Fields, style: &Style) -> Result<ArrayRef> {
    let mut columns: Vec<Vec<Part<'_>>> = vec![Vec::with_capacity(values.len()); fields.len()];
    for value in values {
        let parts = match value {
            Some(text) => split_record(text, fields.len())?,
            None => vec![None; fields.len()],
        };
        for (column, part) in itertools::zip_eq(&mut columns, parts) {
            column.push(part);
        }
    }
    let arrays = itertools::zip_eq(&columns, fields)
        .map(|(column, field)| {
            let texts: Vec<Option<&str>> = column.iter().map(Option::as_deref).collect();
            decode(&texts, field, style)
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    let nulls = NullBuffer::from_iter(values.iter().map(Option::is_some));
    Ok(Arc::new(StructArray::try_new(fields.clone(), arrays, Some(nulls))?))
}

fn malformed(kind: &str, text: &str) -> Error {
    Error::new(SqlState::InvalidTextRepresentation, format!("malformed {kind} literal: \"{text}\""))
}

/// Splits the elements of one array literal; the inner arrays of a nested one stay as they are.
fn split_array<'a>(text: &'a str, nested: bool, parts: &mut Vec<Part<'a>>) -> Result<()> {
    let bad = || malformed("array", text);
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let inner = inner.ok_or_else(|| {
        bad().detail("Array value must start with \"{\" or dimension information.")
    })?;
    if inner.trim().is_empty() {
        return Ok(());
    }
    let bytes = inner.as_bytes();
    let (mut start, mut depth, mut quoted, mut index) = (0, 0_usize, false, 0);
    while index <= bytes.len() {
        match bytes.get(index) {
            Some(b'\\') => index += 1,
            Some(b'"') => quoted = !quoted,
            Some(b'{') if !quoted => depth += 1,
            Some(b'}') if !quoted => depth = depth.checked_sub(1).ok_or_else(bad)?,
            Some(b',') | None if !quoted && depth == 0 => {
                parts.push(element(inner[start..index].trim(), nested).ok_or_else(bad)?);
                start = index + 1;
            }
            None => return Err(bad()),
            Some(_) => {}
        }
        index += 1;
    }
    if start != bytes.len() + 1 {
        return Err(bad());
    }
    Ok(())
}

/// One element: null, quoted, or plain text. `None` if it is malformed.
fn element(text: &str, nested: bool) -> Option<Part<'_>> {
    if text.is_empty() {
        return None;
    }
    if text.eq_ignore_ascii_case("null") {
        return Some(None);
    }
    if nested {
        return Some(Some(Cow::Borrowed(text)));
    }
    if text.starts_with('{') {
        return None;
    }
    if !text.contains(['"', '\\']) {
        return Some(Some(Cow::Borrowed(text)));
    }
    let inner = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            _ => out.push(char),
        }
    }
    Some(Some(Cow::Owned(out)))
}

/// Splits the columns of one record literal.
fn split_record(text: &str, columns: usize) -> Result<Vec<Part<'_>>> {
    let bad = || malformed("record", text);
    let inner = text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let mut chars = inner.ok_or_else(bad)?.chars().peekable();
    let mut parts = Vec::with_capacity(columns);
    let (mut part, mut present, mut quoted) = (String::new(), false, false);
    loop {
        match chars.next() {
            Some('\\') => part.push(chars.next().ok_or_else(bad)?),
            Some('"') if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            Some('"') => {
                quoted = !quoted;
                present = true;
            }
            None if quoted => return Err(bad()),
            Some(',') | None if !quoted && parts.len() >= columns => return Err(bad()),
            Some(',') if !quoted => {
                parts.push(finish(&mut part, &mut present));
            }
            None => {
                parts.push(finish(&mut part, &mut present));
                break;
            }
            Some(char) => part.push(char),
        }
    }
    if parts.len() == columns { Ok(parts) } else { Err(invalid("record", text)) }
}

fn finish<'a>(part: &mut String, present: &mut bool) -> Part<'a> {
    let value = std::mem::take(part);
    let null = value.is_empty() && !std::mem::take(present);
    (!null).then_some(Cow::Owned(value))
}
