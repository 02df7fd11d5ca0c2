//! `= ANY`, `< ALL` and so on, `@>`, `<@`, `&&`: null where an element that is null would decide. And the
//! order of arrays.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array, make_comparator};
use arrow::compute::kernels::cmp;
use arrow::compute::{SortOptions, ilike, like, nilike, nlike, take};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::{common_element, element, list_of, lists, places, two_arrays};
use crate::error::{Error, Result};
use crate::plan::function::simple::polymorphic;
use crate::plan::function::string::regexp_match;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let boolean = |_: &[DataType], _: &[Option<&datafusion::common::ScalarValue>]| {
        Ok(Some(DataType::Boolean))
    };
    vec![
        polymorphic("compare_any", operands, boolean, |args, _| elements(args, true)),
        polymorphic("compare_all", operands, boolean, |args, _| elements(args, false)),
        polymorphic("arraycontains", two_arrays, boolean, |args, _| {
            sets(args, |one, other| other.all(one))
        }),
        polymorphic("arraycontained", two_arrays, boolean, |args, _| {
            sets(args, |one, other| one.all(other))
        }),
        polymorphic("arrayoverlap", two_arrays, boolean, |args, _| {
            sets(args, |one, other| one.any(other))
        }),
        polymorphic("array_lt", two_arrays, boolean, |args, _| ordered(args, Ordering::is_lt)),
        polymorphic("array_le", two_arrays, boolean, |args, _| ordered(args, Ordering::is_le)),
        polymorphic("array_gt", two_arrays, boolean, |args, _| ordered(args, Ordering::is_gt)),
        polymorphic("array_ge", two_arrays, boolean, |args, _| ordered(args, Ordering::is_ge)),
    ]
}

/// Arrays by their first elements that differ, nulls after all others, else by length.
fn ordered(args: &[ArrayRef], decide: fn(Ordering) -> bool) -> Result<ArrayRef> {
    let options = SortOptions { descending: false, nulls_first: false };
    let compare = make_comparator(&args[0], &args[1], options)?;
    let each = |row: usize| {
        let valid = args[0].is_valid(row) && args[1].is_valid(row);
        valid.then(|| decide(compare(row, row)))
    };
    Ok(Arc::new((0..args[0].len()).map(each).collect::<BooleanArray>()))
}

/// An operator, a value, and an array of elements to compare it with.
fn operands(types: &[DataType]) -> Option<Vec<DataType>> {
    let [_, value, array] = types else { return None };
    let kind = match element(array) {
        Some(kind) => common_element(value, kind)?,
        None if matches!(array, DataType::Utf8 | DataType::Null) => value.clone(),
        None => return None,
    };
    Some(vec![DataType::Utf8, kind.clone(), list_of(&kind)])
}

fn elements(args: &[ArrayRef], any: bool) -> Result<ArrayRef> {
    let list = lists(&args[2]);
    let rows = (0..list.len()).flat_map(|row| {
        let row_number = u64::try_from(row).unwrap_or(u64::MAX);
        std::iter::repeat_n(row_number, places(list, row).len())
    });
    let left = take(&args[1], &UInt64Array::from_iter_values(rows), None)?;
    let offsets = list.value_offsets();
    let (first, last) = (offsets[0], offsets[list.len()]);
    let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
    let right = list.values().slice(place(first), place(last) - place(first));
    let operators = args[0].as_string::<i32>();
    let compared = match operators.is_empty() {
        true => BooleanArray::from(Vec::<bool>::new()),
        false => compared(operators.value(0), &left, &right)?,
    };
    let decide = |row: usize| {
        if list.is_null(row) {
            return None;
        }
        let mut unknown = false;
        for index in places(list, row) {
            let index = index - place(first);
            if compared.is_null(index) {
                unknown = true;
            } else if compared.value(index) == any {
                return Some(any);
            }
        }
        (!unknown).then_some(!any)
    };
    Ok(Arc::new((0..list.len()).map(decide).collect::<BooleanArray>()))
}

fn compared(op: &str, left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    let pattern = |any_case: bool, matching: bool| {
        let (left, right) = (left.as_string::<i32>(), right.as_string::<i32>());
        let pairs = itertools::zip_eq(left, right).map(|pair| match pair {
            (Some(text), Some(pattern)) => {
                Ok(Some(regexp_match(text, pattern, any_case)? == matching))
            }
            _ => Ok(None),
        });
        pairs.collect::<Result<BooleanArray>>()
    };
    Ok(match op {
        "=" => cmp::eq(left, right)?,
        "<>" => cmp::neq(left, right)?,
        "<" => cmp::lt(left, right)?,
        "<=" => cmp::lt_eq(left, right)?,
        ">" => cmp::gt(left, right)?,
        ">=" => cmp::gt_eq(left, right)?,
        "LIKE" => like(left, right)?,
        "NOT LIKE" => nlike(left, right)?,
        "ILIKE" => ilike(left, right)?,
        "NOT ILIKE" => nilike(left, right)?,
        "~" => pattern(false, true)?,
        "~*" => pattern(true, true)?,
        "!~" => pattern(false, false)?,
        "!~*" => pattern(true, false)?,
        other => return Err(Error::unsupported(format!("operator {other} with ANY or ALL"))),
    })
}

/// The elements of one row, and how to tell which are equal to those of the other array.
struct Side<'a> {
    range: std::ops::Range<usize>,
    values: &'a ArrayRef,
    equal: &'a dyn Fn(usize, usize) -> bool,
}

impl Side<'_> {
    fn in_other(&self, index: usize, other: &Side<'_>) -> bool {
        let known = self.values.is_valid(index);
        known
            && other
                .range
                .clone()
                .any(|place| other.values.is_valid(place) && (self.equal)(index, place))
    }

    fn all(&self, other: &Side<'_>) -> bool {
        self.range.clone().all(|index| self.in_other(index, other))
    }

    fn any(&self, other: &Side<'_>) -> bool {
        self.range.clone().any(|index| self.in_other(index, other))
    }
}

fn sets(args: &[ArrayRef], decide: fn(&Side<'_>, &Side<'_>) -> bool) -> Result<ArrayRef> {
    let (one, other) = (lists(&args[0]), lists(&args[1]));
    let compare = make_comparator(one.values(), other.values(), SortOptions::default())?;
    let forth = |left: usize, right: usize| compare(left, right).is_eq();
    let back = |left: usize, right: usize| compare(right, left).is_eq();
    let each = |row: usize| {
        if one.is_null(row) || other.is_null(row) {
            return None;
        }
        let left = Side { range: places(one, row), values: one.values(), equal: &forth };
        let right = Side { range: places(other, row), values: other.values(), equal: &back };
        Some(decide(&left, &right))
    };
    Ok(Arc::new((0..one.len()).map(each).collect::<BooleanArray>()))
}
