//! Arrays made of others: appended, concatenated, without or with other elements.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::{
    Builder, array_and_value, common_element, element, list_of, lists, places, two_arrays,
};
use crate::error::Result;
use crate::plan::function::simple::polymorphic;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        polymorphic("array_append", array_and_value, first, |args, kind| {
            added(&args[0], &args[1], kind, true)
        }),
        polymorphic("array_prepend", value_and_array, second, |args, kind| {
            added(&args[1], &args[0], kind, false)
        }),
        polymorphic("array_cat", two_arrays, first, concatenated),
        polymorphic("array_remove", array_and_value, first, |args, kind| {
            replaced(&args[0], &args[1], None, kind)
        }),
        polymorphic("array_replace", array_and_two_values, first, |args, kind| {
            replaced(&args[0], &args[1], Some(&args[2]), kind)
        }),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the type of typing functions")]
fn first(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<Option<DataType>> {
    Ok(types.first().cloned())
}

#[expect(clippy::unnecessary_wraps, reason = "the type of typing functions")]
fn second(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<Option<DataType>> {
    Ok(types.get(1).cloned())
}

fn value_and_array(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, array] = types else { return None };
    let mut swapped = array_and_value(&[array.clone(), value.clone()])?;
    swapped.reverse();
    Some(swapped)
}

fn array_and_two_values(types: &[DataType]) -> Option<Vec<DataType>> {
    let [array, from, to] = types else { return None };
    let kind = common_element(&common_element(element(array)?, from)?, to)?;
    Some(vec![list_of(&kind), kind.clone(), kind])
}

fn elements_of(kind: &DataType) -> DataType {
    element(kind).cloned().unwrap_or(DataType::Null)
}

/// With one more element; an array that is null is as an empty one.
fn added(arrays: &ArrayRef, values: &ArrayRef, kind: &DataType, last: bool) -> Result<ArrayRef> {
    let list = lists(arrays);
    let mut builder = Builder::default();
    for row in 0..list.len() {
        let old = if list.is_null(row) { 0..0 } else { places(list, row) };
        if last {
            builder.pick_all(0, old);
            builder.pick(1, row);
        } else {
            builder.pick(1, row);
            builder.pick_all(0, old);
        }
        builder.end(true);
    }
    builder.finish(&[list.values(), values], &elements_of(kind))
}

/// One after the other; of two, one that is null is left out.
fn concatenated(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let (one, other) = (lists(&args[0]), lists(&args[1]));
    let mut builder = Builder::default();
    for row in 0..one.len() {
        for (source, list) in [one, other].into_iter().enumerate() {
            if list.is_valid(row) {
                builder.pick_all(source, places(list, row));
            }
        }
        builder.end(one.is_valid(row) || other.is_valid(row));
    }
    builder.finish(&[one.values(), other.values()], &elements_of(kind))
}

/// Without the elements equal to a value (nulls are equal here), or with another in their place.
fn replaced(
    arrays: &ArrayRef,
    from: &ArrayRef,
    to: Option<&ArrayRef>,
    kind: &DataType,
) -> Result<ArrayRef> {
    let list = lists(arrays);
    let compare = make_comparator(list.values(), from, SortOptions::default())?;
    let mut builder = Builder::default();
    for row in 0..list.len() {
        if list.is_null(row) {
            builder.end(false);
            continue;
        }
        for place in places(list, row) {
            match (compare(place, row).is_eq(), to) {
                (false, _) => builder.pick(0, place),
                (true, Some(_)) => builder.pick(1, row),
                (true, None) => {}
            }
        }
        builder.end(true);
    }
    builder.finish(&[list.values(), to.unwrap_or(from)], &elements_of(kind))
}
