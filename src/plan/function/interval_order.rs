//! The order of intervals: Postgres compares their lengths, a month as 30 days and a day as 24 hours, where
//! Arrow compares months, then days, then the rest.

use std::sync::{Arc, LazyLock};

use arrow::array::types::{Decimal128Type, IntervalMonthDayNanoType};
use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, IntervalUnit};
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::simple::simple;
use crate::error::Result;

const NAME: &str = "interval_order";
const DAY_NS: i128 = 86_400_000_000_000;

/// The function.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![simple(
        NAME,
        |types| match types {
            [DataType::Interval(_) | DataType::Null] => {
                Some(vec![DataType::Interval(IntervalUnit::MonthDayNano)])
            }
            _ => None,
        },
        |_, _| Ok(Some(DataType::Decimal128(38, 0))),
        lengths,
    )]
}

/// What intervals are compared by.
pub(crate) fn interval_order(expr: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| all().remove(0));
    FUNCTION.call(vec![expr])
}

fn lengths(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let spans = args[0].as_primitive::<IntervalMonthDayNanoType>();
    let lengths: PrimitiveArray<Decimal128Type> = spans.unary(|span| {
        let days = i128::from(span.months) * 30 + i128::from(span.days);
        days * DAY_NS + i128::from(span.nanoseconds)
    });
    debug_assert_eq!(lengths.len(), spans.len(), "a length per interval");
    Ok(Arc::new(lengths.with_data_type(kind.clone())))
}
