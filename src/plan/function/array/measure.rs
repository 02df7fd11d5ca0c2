//! Sizes of arrays, and where an element is.

use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int32Builder, ListArray, ListBuilder, StringArray,
    make_comparator,
};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::{array_and_integers, array_and_value, list_of, lists, places};
use crate::error::Result;
use crate::plan::function::simple::polymorphic;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        polymorphic("cardinality", only_array, integer, |args, _| sizes(args, count)),
        polymorphic("array_ndims", only_array, integer, |args, _| {
            sizes(args, |list, row| count(list, row).filter(|count| *count > 0).map(|_| 1))
        }),
        polymorphic("array_length", of_dimension, integer, |args, _| {
            dimension(args, |count| count)
        }),
        polymorphic("array_upper", of_dimension, integer, |args, _| dimension(args, |count| count)),
        polymorphic("array_lower", of_dimension, integer, |args, _| dimension(args, |_| 1)),
        polymorphic(
            "array_dims",
            only_array,
            |_, _| Ok(Some(DataType::Utf8)),
            |args, _| {
                let list = lists(&args[0]);
                let text = |row| {
                    count(list, row).filter(|count| *count > 0).map(|count| format!("[1:{count}]"))
                };
                Ok(Arc::new((0..list.len()).map(text).collect::<StringArray>()))
            },
        ),
        polymorphic("array_position", value_and_start, integer, |args, _| position(args)),
        polymorphic(
            "array_positions",
            array_and_value,
            |_, _| Ok(Some(list_of(&DataType::Int32))),
            |args, _| positions(args),
        ),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the type of typing functions")]
fn integer(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<Option<DataType>> {
    Ok(Some(DataType::Int32))
}

fn only_array(types: &[DataType]) -> Option<Vec<DataType>> {
    array_and_integers(types).filter(|types| types.len() == 1)
}

fn of_dimension(types: &[DataType]) -> Option<Vec<DataType>> {
    array_and_integers(types).filter(|types| types.len() == 2)
}

fn value_and_start(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [array, value] => array_and_value(&[array.clone(), value.clone()]),
        [array, value, start] if start.is_integer() => {
            let mut types = array_and_value(&[array.clone(), value.clone()])?;
            types.push(DataType::Int32);
            Some(types)
        }
        _ => None,
    }
}

fn count(list: &ListArray, row: usize) -> Option<i32> {
    list.is_valid(row).then(|| i32::try_from(places(list, row).len()).unwrap_or(i32::MAX))
}

fn sizes(args: &[ArrayRef], size: fn(&ListArray, usize) -> Option<i32>) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    Ok(Arc::new((0..list.len()).map(|row| size(list, row)).collect::<Int32Array>()))
}

/// A measure of the first dimension; there is no second one, and none at all without elements.
fn dimension(args: &[ArrayRef], measure: fn(i32) -> i32) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let dimensions = args[1].as_primitive::<Int32Type>();
    let each = |row: usize| {
        let first = dimensions.is_valid(row) && dimensions.value(row) == 1;
        count(list, row).filter(|count| first && *count > 0).map(measure)
    };
    Ok(Arc::new((0..list.len()).map(each).collect::<Int32Array>()))
}

/// The position of the first element equal to a value, from a position on.
fn position(args: &[ArrayRef]) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let compare = make_comparator(list.values(), &args[1], SortOptions::default())?;
    let starts = args.get(2).map(|starts| starts.as_primitive::<Int32Type>());
    let each = |row: usize| {
        if list.is_null(row) {
            return None;
        }
        let start = starts.map_or(1, |starts| starts.value(row));
        let skip = usize::try_from(start - 1).unwrap_or(0);
        let places = places(list, row);
        let found = places.clone().skip(skip).find(|place| compare(*place, row).is_eq())?;
        i32::try_from(found - places.start + 1).ok()
    };
    Ok(Arc::new((0..list.len()).map(each).collect::<Int32Array>()))
}

fn positions(args: &[ArrayRef]) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let compare = make_comparator(list.values(), &args[1], SortOptions::default())?;
    let mut found = ListBuilder::new(Int32Builder::new());
    for row in 0..list.len() {
        if list.is_valid(row) {
            let places = places(list, row);
            let equal = places.clone().filter(|place| compare(*place, row).is_eq());
            for place in equal {
                let position = i32::try_from(place - places.start + 1).unwrap_or(i32::MAX);
                found.values().append_value(position);
            }
        }
        found.append(list.is_valid(row));
    }
    Ok(Arc::new(found.finish()))
}
