//! `(start, end) OVERLAPS (start, end)`.

use std::sync::Arc;

use arrow::array::types::{Time64MicrosecondType, TimestampMicrosecondType};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::numeric::add;
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use crate::error::Result;
use crate::plan::function::declared::{Kind, Overload, declared, whole};

/// The function.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Interval, Time, Timestamp, Timestamptz};
    let mut overloads = vec![between(&[Time; 4])];
    for kind in [Timestamp, Timestamptz] {
        overloads.extend([
            between(&[kind; 4]),
            between(&[kind, Interval, kind, kind]),
            between(&[kind, kind, kind, Interval]),
            between(&[kind, Interval, kind, Interval]),
        ]);
    }
    vec![declared("overlaps", overloads)]
}

fn between(kinds: &[Kind; 4]) -> Overload {
    whole(kinds, Kind::Bool, |args, _, rows| {
        let (first, second) = (ends(&args[0], &args[1])?, ends(&args[2], &args[3])?);
        let each = |row: usize| {
            overlap((at(&args[0], row), at(&first, row)), (at(&args[2], row), at(&second, row)))
        };
        Ok(Arc::new((0..rows).map(each).collect::<BooleanArray>()))
    })
}

/// The ends of spans that may be given by their length.
fn ends(starts: &ArrayRef, ends: &ArrayRef) -> Result<ArrayRef> {
    match ends.data_type() {
        DataType::Interval(_) => Ok(add(starts, ends)?),
        _ => Ok(Arc::clone(ends)),
    }
}

fn at(times: &ArrayRef, row: usize) -> Option<i64> {
    times.is_valid(row).then(|| match times.data_type() {
        DataType::Time64(_) => times.as_primitive::<Time64MicrosecondType>().value(row),
        _ => times.as_primitive::<TimestampMicrosecondType>().value(row),
    })
}

type Span = (Option<i64>, Option<i64>);

/// Start and end in order; if one of them is not known, the other is the start.
fn ordered(span: Span) -> Option<(i64, Option<i64>)> {
    match span {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some((one, None)),
        (Some(one), Some(other)) => Some((one.min(other), Some(one.max(other)))),
    }
}

fn overlap(one: Span, other: Span) -> Option<bool> {
    let ((start, end), (other_start, other_end)) = (ordered(one)?, ordered(other)?);
    let (later, earlier_end, later_end) = match start.cmp(&other_start) {
        std::cmp::Ordering::Equal => return (end.is_some() && other_end.is_some()).then_some(true),
        std::cmp::Ordering::Greater => (start, other_end, end),
        std::cmp::Ordering::Less => (other_start, end, other_end),
    };
    if later < earlier_end? {
        return Some(true);
    }
    later_end.map(|_| false)
}
