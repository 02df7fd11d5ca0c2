//! What is where in a text, and texts put in place of others.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Bool, Bytea, Int4, Text, declared, three, two};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "strpos",
            vec![two::<Text, Text, Int4, _>(|text: &str, part: &str| position(text, part))],
        ),
        declared(
            "position",
            vec![
                two::<Text, Text, Int4, _>(|text: &str, part: &str| position(text, part)),
                two::<Bytea, Bytea, Int4, _>(|bytes: &[u8], part: &[u8]| {
                    let found = match part.is_empty() {
                        true => Some(0),
                        false => bytes.windows(part.len()).position(|window| window == part),
                    };
                    found.map_or(0, |at| i32::try_from(at + 1).unwrap_or(i32::MAX))
                }),
            ],
        ),
        declared(
            "starts_with",
            vec![two::<Text, Text, Bool, _>(|text: &str, start: &str| text.starts_with(start))],
        ),
        declared(
            "replace",
            vec![three::<Text, Text, Text, Text, _>(|text: &str, from: &str, to: &str| {
                if from.is_empty() { text.to_owned() } else { text.replace(from, to) }
            })],
        ),
        declared("like_escape", vec![two::<Text, Text, Text, _>(like_escape)]),
        declared("translate", vec![three::<Text, Text, Text, Text, _>(translate)]),
        declared("split_part", vec![three::<Text, Text, Int4, Text, _>(split_part)]),
    ]
}

/// The 1-based position of `part`; 0 if it is not there.
fn position(text: &str, part: &str) -> i32 {
    let found = text.find(part).map(|at| text[..at].chars().count() + 1);
    i32::try_from(found.unwrap_or(0)).unwrap_or(i32::MAX)
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let each = |letter: char| match from.chars().position(|one| one == letter) {
        Some(at) => to.chars().nth(at),
        None => Some(letter),
    };
    text.chars().filter_map(each).collect()
}

fn split_part(text: &str, separator: &str, field: i32) -> Result<String> {
    let index = match field {
        0 => return Err(Error::invalid_parameter("field position must not be zero")),
        field => usize::try_from(field.unsigned_abs()).unwrap_or(usize::MAX) - 1,
    };
    let found = match (separator, field > 0) {
        ("", _) => (index == 0).then_some(text),
        (separator, true) => text.split(separator).nth(index),
        // From the end; which occurrences separate is decided from the start.
        (separator, false) => {
            let parts = text.split(separator).count();
            parts.checked_sub(index + 1).and_then(|place| text.split(separator).nth(place))
        }
    };
    Ok(found.unwrap_or_default().to_owned())
}

/// A pattern of LIKE with another escape character, with a backslash instead.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut letters = escape.chars();
    let (escape, more) = (letters.next(), letters.next());
    if more.is_some() {
        return Err(Error::new(SqlState::InvalidEscapeSequence, "invalid escape string")
            .hint("Escape string must be empty or one character."));
    }
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            out.push('\\');
            out.extend(letters.next());
        } else if letter == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(letter);
        }
    }
    Ok(out)
}
