//! Parts of texts and bytes, padding, trimming.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::{characters, count};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Bytea, Int4, Text, declared, one, three, two};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let parts = || {
        vec![
            two::<Text, Int4, Text, _>(|text: &str, from| {
                characters(text, from.into(), i64::MAX).to_owned()
            }),
            three::<Text, Int4, Int4, Text, _>(part),
            two::<Bytea, Int4, Bytea, _>(|bytes: &[u8], from| {
                bytes[place(bytes, from.into())..].to_vec()
            }),
            three::<Bytea, Int4, Int4, Bytea, _>(part_of_bytes),
        ]
    };
    vec![
        declared("substr", parts()),
        declared("substring", {
            let mut parts = parts();
            parts.extend(super::regexp::substrings());
            parts
        }),
        declared("left", vec![two::<Text, Int4, Text, _>(left)]),
        declared("right", vec![two::<Text, Int4, Text, _>(right)]),
        declared(
            "lpad",
            vec![
                two::<Text, Int4, Text, _>(|text: &str, to| padded(text, to, " ", true)),
                three::<Text, Int4, Text, Text, _>(|text: &str, to, fill: &str| {
                    padded(text, to, fill, true)
                }),
            ],
        ),
        declared(
            "rpad",
            vec![
                two::<Text, Int4, Text, _>(|text: &str, to| padded(text, to, " ", false)),
                three::<Text, Int4, Text, Text, _>(|text: &str, to, fill: &str| {
                    padded(text, to, fill, false)
                }),
            ],
        ),
        trim::<0>("btrim"),
        trim::<1>("ltrim"),
        trim::<2>("rtrim"),
        declared("repeat", vec![two::<Text, Int4, Text, _>(repeat)]),
        declared(
            "overlay",
            vec![
                three::<Text, Text, Int4, Text, _>(|text: &str, new: &str, from| {
                    overlay(text, new, from.into(), count(new))
                }),
                crate::plan::function::declared::four::<Text, Text, Int4, Int4, Text, _>(
                    |text: &str, new: &str, from, length| {
                        overlay(text, new, from.into(), length.into())
                    },
                ),
                three::<Bytea, Bytea, Int4, Bytea, _>(|bytes: &[u8], new: &[u8], from| {
                    overlay_bytes(bytes, new, from.into(), new.len().try_into().unwrap_or(i64::MAX))
                }),
                crate::plan::function::declared::four::<Bytea, Bytea, Int4, Int4, Bytea, _>(
                    |bytes: &[u8], new: &[u8], from, length| {
                        overlay_bytes(bytes, new, from.into(), length.into())
                    },
                ),
            ],
        ),
    ]
}

/// Which sides: both, the left (1) or the right one (2).
fn trim<const SIDE: u8>(name: &'static str) -> Arc<ScalarUDF> {
    declared(
        name,
        vec![
            one::<Text, Text, _>(|text: &str| trimmed::<SIDE>(text, " ").to_owned()),
            two::<Text, Text, Text, _>(|text: &str, set: &str| {
                trimmed::<SIDE>(text, set).to_owned()
            }),
            two::<Bytea, Bytea, Bytea, _>(|bytes: &[u8], set: &[u8]| {
                let inside = |byte: &u8| !set.contains(byte);
                let start = if SIDE == 2 { Some(0) } else { bytes.iter().position(inside) };
                let end = if SIDE == 1 {
                    Some(bytes.len())
                } else {
                    bytes.iter().rposition(inside).map(|last| last + 1)
                };
                match (start, end) {
                    (Some(start), Some(end)) => bytes[start..end].to_vec(),
                    _ => vec![],
                }
            }),
        ],
    )
}

fn trimmed<'a, const SIDE: u8>(text: &'a str, set: &str) -> &'a str {
    let outside = |letter: char| set.contains(letter);
    match SIDE {
        1 => text.trim_start_matches(outside),
        2 => text.trim_end_matches(outside),
        _ => text.trim_matches(outside),
    }
}

fn negative_length() -> Error {
    Error::new(SqlState::SubstringError, "negative substring length not allowed")
}

fn part(text: &str, from: i32, length: i32) -> Result<String> {
    if length < 0 {
        return Err(negative_length());
    }
    let from = i64::from(from);
    Ok(characters(text, from, from + i64::from(length)).to_owned())
}

/// The 0-based place of a 1-based position that may lie outside.
fn place(bytes: &[u8], position: i64) -> usize {
    usize::try_from(position - 1).unwrap_or(0).min(bytes.len())
}

fn part_of_bytes(bytes: &[u8], from: i32, length: i32) -> Result<Vec<u8>> {
    if length < 0 {
        return Err(negative_length());
    }
    let from = i64::from(from);
    let (start, end) = (place(bytes, from), place(bytes, from + i64::from(length)));
    Ok(bytes[start..end.max(start)].to_vec())
}

fn left(text: &str, length: i32) -> String {
    let length = i64::from(length);
    let length = if length < 0 { (count(text) + length).max(0) } else { length };
    characters(text, 1, 1 + length).to_owned()
}

fn right(text: &str, length: i32) -> String {
    let length = i64::from(length);
    let skip = if length < 0 { -length } else { (count(text) - length).max(0) };
    characters(text, 1 + skip, i64::MAX).to_owned()
}

/// The most characters that a text may get here.
const LONGEST: i64 = 1 << 28;

fn too_long() -> Error {
    Error::new(SqlState::ProgramLimitExceeded, "requested length too large")
}

fn padded(text: &str, to: i32, fill: &str, left: bool) -> Result<String> {
    let (to, have) = (i64::from(to).max(0), count(text));
    if to > LONGEST {
        return Err(too_long());
    }
    if to <= have || fill.is_empty() {
        return Ok(characters(text, 1, 1 + to).to_owned());
    }
    let missing = usize::try_from(to - have).unwrap_or(0);
    let filling = fill.chars().cycle().take(missing);
    Ok(match left {
        true => filling.chain(text.chars()).collect(),
        false => text.chars().chain(filling).collect(),
    })
}

fn repeat(text: &str, times: i32) -> Result<String> {
    let times = usize::try_from(times).unwrap_or(0);
    let bytes = i64::try_from(text.len().saturating_mul(times)).unwrap_or(i64::MAX);
    if bytes > LONGEST {
        return Err(too_long());
    }
    Ok(text.repeat(times))
}

fn overlay(text: &str, new: &str, from: i64, length: i64) -> Result<String> {
    if from <= 0 {
        return Err(negative_length());
    }
    let (before, after) = (characters(text, 1, from), characters(text, from + length, i64::MAX));
    Ok(format!("{before}{new}{after}"))
}

fn overlay_bytes(bytes: &[u8], new: &[u8], from: i64, length: i64) -> Result<Vec<u8>> {
    if from <= 0 {
        return Err(negative_length());
    }
    let (before, after) = (place(bytes, from), place(bytes, from + length));
    Ok([&bytes[..before], new, &bytes[after..]].concat())
}
