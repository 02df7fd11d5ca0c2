//! Documents made of others: `||` and `-` of `jsonb`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::types::Int64Type;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::{Gives, binary, elements};
use crate::error::{Error, Result, SqlState};
use crate::types::json::{self, Json};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let two = |types: &[DataType]| (types.len() == 2).then(|| vec![DataType::Utf8; 2]);
    vec![
        binary("jsonb_concat", 2, two, Gives::Same, |args| {
            let other = args[1].as_string::<i32>();
            rows(args, |document, row| Ok(concatenated(document, other.value(row))))
        }),
        binary("jsonb_delete", 1, what, Gives::Same, deleted),
    ]
}

fn rows(args: &[ArrayRef], each: impl Fn(&str, usize) -> Result<String>) -> Result<ArrayRef> {
    let documents = args[0].as_string::<i32>();
    let valid = |row: usize| args.iter().all(|arg| arg.is_valid(row));
    let texts = (0..documents.len())
        .map(|row| if valid(row) { each(documents.value(row), row).map(Some) } else { Ok(None) });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

/// Members of the later one win; anything but two objects becomes a list.
fn concatenated(one: &str, other: &str) -> String {
    let items = |text| match Json::of(text) {
        Json::Array(elements) => elements,
        _ => vec![text],
    };
    match (Json::of(one), Json::of(other)) {
        (Json::Object(members), Json::Object(more)) => {
            // In the order of `jsonb`: by length, then by bytes.
            let all: BTreeMap<(usize, &str), &str> = members
                .iter()
                .chain(&more)
                .map(|(key, value)| ((key.len(), &**key), *value))
                .collect();
            json::object(all.into_iter().map(|((_, key), value)| (key, value)))
        }
        _ => format!("[{}]", [items(one), items(other)].concat().join(", ")),
    }
}

/// A document, and a key, an index or several keys.
fn what(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [_, key] if key.is_integer() => Some(vec![DataType::Utf8, DataType::Int64]),
        [_, keys] if keys.is_list() => super::with_texts(types),
        _ => super::with_text(types),
    }
}

fn deleted(args: &[ArrayRef]) -> Result<ArrayRef> {
    rows(args, |document, row| match args[1].data_type() {
        DataType::Int64 => {
            let index = args[1].as_primitive::<Int64Type>().value(row);
            without_element(document, index)
        }
        DataType::Utf8 => without(document, &[args[1].as_string::<i32>().value(row)]),
        _ => {
            let keys = elements(&args[1], row);
            without(document, &keys.iter().flatten().map(String::as_str).collect::<Vec<_>>())
        }
    })
}

fn cannot(message: &str) -> Error {
    Error::new(SqlState::InvalidParameterValue, message)
}

fn without(document: &str, keys: &[&str]) -> Result<String> {
    match Json::of(document) {
        Json::Object(members) => {
            let kept = members.iter().map(|(key, value)| (&**key, *value));
            Ok(json::object(kept.filter(|(key, _)| !keys.contains(key))))
        }
        Json::Array(elements) => {
            let kept = elements.into_iter().filter(
                |element| !matches!(Json::of(element), Json::String(text) if keys.contains(&&*text)),
            );
            Ok(format!("[{}]", kept.collect::<Vec<_>>().join(", ")))
        }
        _ => Err(cannot("cannot delete from scalar")),
    }
}

fn without_element(document: &str, index: i64) -> Result<String> {
    match Json::of(document) {
        Json::Array(mut elements) => {
            let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
            let index = if index < 0 { index + length } else { index };
            if (0..length).contains(&index) {
                elements.remove(usize::try_from(index).unwrap_or(0));
            }
            Ok(format!("[{}]", elements.join(", ")))
        }
        Json::Object(_) => Err(cannot("cannot delete from object using integer index")),
        _ => Err(cannot("cannot delete from scalar")),
    }
}
