//! Arrays from texts and texts from arrays.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;

use super::{element, list_of, lists, places};
use crate::error::Result;
use crate::plan::function::declared::{Kind, declared, whole};
use crate::plan::function::simple::polymorphic;
use crate::types::text;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "string_to_array",
            vec![
                whole(&[Kind::Text, Kind::Text], Kind::TextArray, |args, _, _| split(args)),
                whole(&[Kind::Text, Kind::Text, Kind::Text], Kind::TextArray, |args, _, _| {
                    split(args)
                }),
            ],
        ),
        polymorphic(
            "array_to_string",
            |types| match types {
                [array, rest @ ..] if element(array).is_some() && matches!(rest.len(), 1 | 2) => {
                    let text = |kind: &DataType| kind.is_string() || kind.is_null();
                    let kinds = std::iter::once(array.clone());
                    let kinds = kinds.chain(rest.iter().map(|_| DataType::Utf8)).collect();
                    rest.iter().all(text).then_some(kinds)
                }
                [array, rest @ ..] if array.is_null() && matches!(rest.len(), 1 | 2) => {
                    let kinds = std::iter::once(list_of(&DataType::Utf8));
                    Some(kinds.chain(rest.iter().map(|_| DataType::Utf8)).collect())
                }
                _ => None,
            },
            |_, _| Ok(Some(DataType::Utf8)),
            |args, _| joined(args),
        ),
    ]
}

/// The parts between separators; every character without one.
fn split(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (texts, separators) = (args[0].as_string::<i32>(), args[1].as_string::<i32>());
    let nulls = args.get(2).map(|nulls| nulls.as_string::<i32>());
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..texts.len() {
        if texts.is_null(row) {
            lists.append_null();
            continue;
        }
        let text = texts.value(row);
        let null = nulls.filter(|nulls| nulls.is_valid(row)).map(|nulls| nulls.value(row));
        let mut push = |part: &str| {
            lists.values().append_option((Some(part) != null).then_some(part));
        };
        match separators.is_valid(row).then(|| separators.value(row)) {
            _ if text.is_empty() => {}
            None => {
                let mut buffer = [0; 4];
                text.chars().for_each(|letter| push(letter.encode_utf8(&mut buffer)));
            }
            Some("") => push(text),
            Some(separator) => text.split(separator).for_each(push),
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// The elements as texts with a separator between; nulls are left out or written as another text.
fn joined(args: &[ArrayRef]) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let separators = args[1].as_string::<i32>();
    let nulls = args.get(2).map(|nulls| nulls.as_string::<i32>());
    let field = Field::new("", list.values().data_type().clone(), true);
    let cells = text::encode(list.values(), &field, &text::Style::default())?;
    let mut texts = StringBuilder::new();
    for row in 0..list.len() {
        if list.is_null(row) || separators.is_null(row) {
            texts.append_null();
            continue;
        }
        let null = nulls.filter(|nulls| nulls.is_valid(row)).map(|nulls| nulls.value(row));
        let parts = places(list, row).filter_map(|place| cells.text(place).or(null));
        texts.append_value(parts.collect::<Vec<_>>().join(separators.value(row)));
    }
    Ok(Arc::new(texts.finish()))
}
