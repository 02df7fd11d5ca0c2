//! Functions on arrays. They are polymorphic: what they give follows from what they get.

mod compare;
mod edit;
mod measure;
mod piece;
mod text;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;

use super::common_type::common_type;
use crate::error::Result;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let groups = [compare::all(), edit::all(), measure::all(), piece::all(), text::all()];
    groups.into_iter().flatten().collect()
}

/// The type of the elements of an array type.
fn element(kind: &DataType) -> Option<&DataType> {
    crate::types::pg_type::element(kind)
}

fn list_of(element: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", element.clone(), true)))
}

/// The type of elements that an array and a value, or two arrays, have in common; a literal of text
/// or a null is as the other one.
fn common_element(one: &DataType, other: &DataType) -> Option<DataType> {
    match (one, other) {
        (DataType::Utf8 | DataType::Null, other) if *other != DataType::Null => Some(other.clone()),
        (one, DataType::Utf8 | DataType::Null) => Some(one.clone()),
        (one, other) => common_type(&[one.clone(), other.clone()]),
    }
}

/// An array and a value of its elements' type.
fn array_and_value(types: &[DataType]) -> Option<Vec<DataType>> {
    let [array, value] = types else { return None };
    let kind = match element(array) {
        Some(kind) => common_element(kind, value)?,
        None if array.is_null() => value.clone(),
        None => return None,
    };
    Some(vec![list_of(&kind), kind])
}

/// Two arrays of the same type.
fn two_arrays(types: &[DataType]) -> Option<Vec<DataType>> {
    let [one, other] = types else { return None };
    let kind = match (element(one), element(other)) {
        (Some(one), Some(other)) => common_element(one, other)?,
        (Some(kind), None) if matches!(other, DataType::Utf8 | DataType::Null) => kind.clone(),
        (None, Some(kind)) if matches!(one, DataType::Utf8 | DataType::Null) => kind.clone(),
        _ => return None,
    };
    Some(vec![list_of(&kind), list_of(&kind)])
}

/// Any array, and then integers.
fn array_and_integers(types: &[DataType]) -> Option<Vec<DataType>> {
    let (array, rest) = types.split_first()?;
    element(array)?;
    let whole = |kind: &DataType| {
        matches!(kind, DataType::Int16 | DataType::Int32 | DataType::Utf8 | DataType::Null)
    };
    let rest = rest.iter().map(|kind| whole(kind).then_some(DataType::Int32));
    let rest: Option<Vec<DataType>> = rest.collect();
    Some([vec![array.clone()], rest?].concat())
}

/// Where the elements of a row are among those of all rows.
fn places(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = list.value_offsets();
    let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
    place(offsets[row])..place(offsets[row + 1])
}

/// Arrays put together from the elements of others: `(source, place)` each.
#[derive(Default)]
struct Builder {
    picks: Vec<(usize, usize)>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
}

impl Builder {
    fn pick(&mut self, source: usize, place: usize) {
        self.picks.push((source, place));
    }

    fn pick_all(&mut self, source: usize, places: std::ops::Range<usize>) {
        self.picks.extend(places.map(|place| (source, place)));
    }

    /// Ends a row.
    fn end(&mut self, valid: bool) {
        self.offsets.push(i32::try_from(self.picks.len()).unwrap_or(i32::MAX));
        self.valid.push(valid);
    }

    fn finish(self, sources: &[&dyn Array], element: &DataType) -> Result<ArrayRef> {
        let values = match self.picks.is_empty() {
            true => arrow::array::new_empty_array(element),
            false => arrow::compute::interleave(sources, &self.picks)?,
        };
        let offsets = OffsetBuffer::new(std::iter::once(0).chain(self.offsets).collect());
        let field = Arc::new(Field::new("item", element.clone(), true));
        let nulls = NullBuffer::from(self.valid);
        Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(nulls))?))
    }
}

fn lists(array: &ArrayRef) -> &ListArray {
    array.as_list::<i32>()
}
