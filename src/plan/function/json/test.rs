//! What is said of documents: what they are, how much they have, and what they contain.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::{Gives, alone, binary, both, elements, texts, with_text, with_texts};
use crate::error::{Error, Result, SqlState};
use crate::types::json::{self, Json};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let text = Gives::Arrow(|| DataType::Utf8);
    let truth = Gives::Arrow(|| DataType::Boolean);
    let number = Gives::Arrow(|| DataType::Int32);
    let mut functions = vec![
        binary("jsonb_contains", 2, two, truth, |args| {
            let other = args[1].as_string::<i32>();
            truths(args, |document, row| json::contains(document, other.value(row)))
        }),
        binary("jsonb_contained", 2, two, truth, |args| {
            let other = args[1].as_string::<i32>();
            truths(args, |document, row| json::contains(other.value(row), document))
        }),
        binary("jsonb_exists", 1, with_text, truth, |args| {
            let keys = args[1].as_string::<i32>();
            truths(args, |document, row| has(document, keys.value(row)))
        }),
        binary("jsonb_exists_any", 1, with_texts, truth, |args| {
            truths(args, |document, row| keys(args, row).any(|key| has(document, &key)))
        }),
        binary("jsonb_exists_all", 1, with_texts, truth, |args| {
            truths(args, |document, row| keys(args, row).all(|key| has(document, &key)))
        }),
    ];
    functions.extend(both("_typeof", alone, text, |args| {
        texts(args, |document, _| Some(Json::of(document).kind().to_owned()))
    }));
    functions.extend(both("_array_length", alone, number, lengths));
    functions
}

/// Two documents.
fn two(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 2).then(|| vec![DataType::Utf8; 2])
}

fn truths(args: &[ArrayRef], each: impl Fn(&str, usize) -> bool) -> Result<ArrayRef> {
    let documents = args[0].as_string::<i32>();
    let valid = |row: usize| args.iter().all(|arg| arg.is_valid(row));
    let truths =
        (0..documents.len()).map(|row| valid(row).then(|| each(documents.value(row), row)));
    Ok(Arc::new(truths.collect::<BooleanArray>()))
}

fn keys(args: &[ArrayRef], row: usize) -> impl Iterator<Item = String> {
    elements(&args[1], row).into_iter().flatten()
}

/// Whether `key` is a key of an object, or a string of an array, or the string itself.
fn has(document: &str, key: &str) -> bool {
    let is_key = |json: &Json<'_>| matches!(json, Json::String(text) if text == key);
    match Json::of(document) {
        Json::Object(members) => members.iter().any(|(name, _)| name == key),
        Json::Array(elements) => elements.iter().any(|element| is_key(&Json::of(element))),
        scalar => is_key(&scalar),
    }
}

fn lengths(args: &[ArrayRef]) -> Result<ArrayRef> {
    let wrong = |message: &str| Err(Error::new(SqlState::InvalidParameterValue, message));
    let length = |document: &str| match Json::of(document) {
        Json::Array(elements) => Ok(i32::try_from(elements.len()).unwrap_or(i32::MAX)),
        Json::Object(_) => wrong("cannot get array length of a non-array"),
        _ => wrong("cannot get array length of a scalar"),
    };
    let documents = args[0].as_string::<i32>();
    let lengths = documents.iter().map(|document| document.map(length).transpose());
    Ok(Arc::new(lengths.collect::<Result<Int32Array>>()?))
}
