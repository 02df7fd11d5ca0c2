//! Elements and parts of arrays.

use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::{Builder, array_and_integers, element, list_of, lists, places};
use crate::error::{Error, Result, SqlState};
use crate::plan::function::simple::polymorphic;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        polymorphic(
            "array_subscript",
            |types| array_and_integers(types).filter(|types| types.len() == 2),
            |types, _| Ok(element(&types[0]).cloned()),
            |args, _| subscript(args),
        ),
        polymorphic(
            "array_part",
            |types| array_and_integers(types).filter(|types| types.len() == 3),
            same,
            part,
        ),
        polymorphic(
            "trim_array",
            |types| array_and_integers(types).filter(|types| types.len() == 2),
            same,
            trimmed,
        ),
        polymorphic(
            "array_fill",
            |types| match types {
                [value, counts] if element(counts).is_some() => {
                    Some(vec![value.clone(), list_of(&DataType::Int32)])
                }
                _ => None,
            },
            |types, _| Ok(Some(list_of(&types[0]))),
            filled,
        ),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "the type of typing functions")]
fn same(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<Option<DataType>> {
    Ok(Some(types[0].clone()))
}

/// The element at a position counted from 1; null if there is none.
fn subscript(args: &[ArrayRef]) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let positions = args[1].as_primitive::<Int32Type>();
    let place = |row: usize| {
        if list.is_null(row) || positions.is_null(row) {
            return None;
        }
        let index = usize::try_from(positions.value(row)).ok()?.checked_sub(1)?;
        let place = places(list, row).nth(index)?;
        u64::try_from(place).ok()
    };
    let indices: UInt64Array = (0..list.len()).map(place).collect();
    Ok(take(list.values(), &indices, None)?)
}

/// The elements from one position to another one.
fn part(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let (from, to) = (args[1].as_primitive::<Int32Type>(), args[2].as_primitive::<Int32Type>());
    let mut builder = Builder::default();
    for row in 0..list.len() {
        if list.is_null(row) || from.is_null(row) || to.is_null(row) {
            builder.end(false);
            continue;
        }
        let places = places(list, row);
        let clamped =
            |position: i64| usize::try_from(position.max(0)).unwrap_or(0).min(places.len());
        let (first, last) =
            (clamped(i64::from(from.value(row)) - 1), clamped(i64::from(to.value(row))));
        builder.pick_all(0, places.start + first..places.start + last.max(first));
        builder.end(true);
    }
    builder.finish(&[list.values()], element(kind).unwrap_or(&DataType::Null))
}

/// Without the last elements.
fn trimmed(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let list = lists(&args[0]);
    let counts = args[1].as_primitive::<Int32Type>();
    let mut builder = Builder::default();
    for row in 0..list.len() {
        if list.is_null(row) || counts.is_null(row) {
            builder.end(false);
            continue;
        }
        let places = places(list, row);
        let count = usize::try_from(counts.value(row)).ok().filter(|count| *count <= places.len());
        let count = count.ok_or_else(|| {
            let message =
                format!("number of elements to trim must be between 0 and {}", places.len());
            Error::new(SqlState::ArraySubscriptError, message)
        })?;
        builder.pick_all(0, places.start..places.end - count);
        builder.end(true);
    }
    builder.finish(&[list.values()], element(kind).unwrap_or(&DataType::Null))
}

/// A value as often as is asked for.
fn filled(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let counts = lists(&args[1]);
    let numbers = counts.values().as_primitive::<Int32Type>();
    let mut builder = Builder::default();
    for row in 0..counts.len() {
        let places = places(counts, row);
        if counts.is_null(row) {
            let message = "dimension array or low bound array cannot be null";
            return Err(Error::new(SqlState::NullValueNotAllowed, message));
        }
        if places.len() > 1 {
            return Err(Error::unsupported("an array of more than one dimension"));
        }
        let count = places.map(|place| numbers.value(place)).next().unwrap_or(0);
        if count > 1 << 24 {
            let message = "array size exceeds the maximum allowed (16777216)";
            return Err(Error::new(SqlState::ProgramLimitExceeded, message));
        }
        (0..count).for_each(|_| builder.pick(0, row));
        builder.end(true);
    }
    builder.finish(&[&args[0]], element(kind).unwrap_or(&DataType::Null))
}
