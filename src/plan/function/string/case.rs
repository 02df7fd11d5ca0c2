//! Lengths, upper and lower case, and texts the other way round.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use crate::plan::function::declared::{Bytea, Int4, Text, declared, one};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let characters = || one::<Text, Int4, _>(length);
    let bytes = || one::<Bytea, Int4, _>(|bytes: &[u8]| size(bytes.len()));
    vec![
        declared("length", vec![characters(), bytes()]),
        declared("char_length", vec![characters()]),
        declared("character_length", vec![characters()]),
        declared(
            "octet_length",
            vec![one::<Text, Int4, _>(|text: &str| size(text.len())), bytes()],
        ),
        declared(
            "bit_length",
            vec![
                one::<Text, Int4, _>(|text: &str| size(text.len() * 8)),
                one::<Bytea, Int4, _>(|bytes: &[u8]| size(bytes.len() * 8)),
            ],
        ),
        declared("upper", vec![one::<Text, Text, _>(upper_text)]),
        declared("lower", vec![one::<Text, Text, _>(lower_text)]),
        declared("initcap", vec![one::<Text, Text, _>(initcap)]),
        declared(
            "reverse",
            vec![one::<Text, Text, _>(|text: &str| text.chars().rev().collect::<String>())],
        ),
    ]
}

fn size(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn length(text: &str) -> i32 {
    size(if text.is_ascii() { text.len() } else { text.chars().count() })
}

fn upper_text(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_uppercase() } else { text.chars().map(upper).collect() }
}

fn lower_text(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(lower).collect() }
}

/// The upper case letter, if it is one: Postgres maps letter by letter.
fn upper(letter: char) -> char {
    single(letter, letter.to_uppercase())
}

fn lower(letter: char) -> char {
    single(letter, letter.to_lowercase())
}

fn single(letter: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let each = |letter: char| {
        let mapped = if inside { lower(letter) } else { upper(letter) };
        inside = letter.is_alphanumeric();
        mapped
    };
    text.chars().map(each).collect()
}
