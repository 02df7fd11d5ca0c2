//! Parts of documents: `->`, `->>`, `#>`, `#>>` and the functions that they stand for.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::types::Int64Type;
use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::{Gives, alone, both, elements, texts, with_text};
use crate::error::{Error, Result, SqlState};
use crate::types::json::{self, Json};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let text = Gives::Arrow(|| DataType::Utf8);
    let list = Gives::Arrow(|| DataType::new_list(DataType::Utf8, true));
    [
        both("_object_field", with_text, Gives::Same, |args| field(args, str_of)),
        both("_object_field_text", with_text, text, |args| field(args, json::text)),
        both("_array_element", with_index, Gives::Same, |args| element(args, str_of)),
        both("_array_element_text", with_index, text, |args| element(args, json::text)),
        both("_extract_path", with_path, Gives::Same, |args| path(args, str_of)),
        both("_extract_path_text", with_path, text, |args| path(args, json::text)),
        both("_array_elements", alone, Gives::Array, |args| all_elements(args, str_of)),
        both("_array_elements_text", alone, list, |args| all_elements(args, json::text)),
        both("_object_keys", alone, list, keys),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn str_of(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// How a part is given.
type Form = fn(&str) -> Option<String>;

fn field(args: &[ArrayRef], form: Form) -> Result<ArrayRef> {
    let keys = args[1].as_string::<i32>();
    texts(args, |document, row| form(Json::of(document).member(keys.value(row))?))
}

/// A document and a whole number.
fn with_index(types: &[DataType]) -> Option<Vec<DataType>> {
    let fits = matches!(types, [_, index] if index.is_integer() || index.is_null());
    fits.then(|| vec![DataType::Utf8, DataType::Int64])
}

fn element(args: &[ArrayRef], form: Form) -> Result<ArrayRef> {
    let indices = args[1].as_primitive::<Int64Type>();
    texts(args, |document, row| form(Json::of(document).element(indices.value(row))?))
}

/// A document and the steps of a path, in an array or one by one.
fn with_path(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [_, steps] if steps.is_list() => super::with_texts(types),
        [_, steps @ ..] if steps.iter().all(|step| step.is_string() || step.is_null()) => {
            Some(vec![DataType::Utf8; types.len()])
        }
        _ => None,
    }
}

fn path(args: &[ArrayRef], form: Form) -> Result<ArrayRef> {
    texts(args, |document, row| {
        let steps = match args.get(1) {
            Some(list) if list.data_type().is_list() => elements(list, row),
            _ => {
                let step = |arg: &ArrayRef| Some(arg.as_string::<i32>().value(row).to_owned());
                args[1..].iter().map(step).collect()
            }
        };
        let mut part = document;
        for step in steps {
            let (json, step) = (Json::of(part), step?);
            part = match &json {
                Json::Array(_) => json.element(step.trim().parse().ok()?)?,
                _ => json.member(&step)?,
            };
        }
        form(part)
    })
}

fn all_elements(args: &[ArrayRef], form: Form) -> Result<ArrayRef> {
    lists(args, |json| match json {
        Json::Array(elements) => Ok(elements.into_iter().map(form).collect()),
        Json::Object(_) => Err(wrong("cannot call json_array_elements on a non-array")),
        _ => Err(wrong("cannot extract elements from a scalar")),
    })
}

fn keys(args: &[ArrayRef]) -> Result<ArrayRef> {
    lists(args, |json| match json {
        Json::Object(members) => {
            Ok(members.into_iter().map(|(key, _)| Some(Cow::into_owned(key))).collect())
        }
        Json::Array(_) => Err(wrong("cannot call json_object_keys on an array")),
        _ => Err(wrong("cannot call json_object_keys on a scalar")),
    })
}

fn wrong(message: &str) -> Error {
    Error::new(SqlState::InvalidParameterValue, message)
}

fn lists(
    args: &[ArrayRef],
    each: impl Fn(Json<'_>) -> Result<Vec<Option<String>>>,
) -> Result<ArrayRef> {
    let documents = args[0].as_string::<i32>();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for document in documents {
        match document {
            Some(document) => lists.append_value(each(Json::of(document))?),
            None => lists.append_null(),
        }
    }
    Ok(Arc::new(lists.finish()))
}
