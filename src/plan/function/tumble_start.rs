//! `TUMBLE_START(time, size)`: the start of the window of fixed length that a time falls into, for
//! grouping by it.

use std::sync::Arc;

use arrow::array::types::{IntervalMonthDayNanoType, TimestampMicrosecondType};
use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use datafusion::logical_expr::ScalarUDF;

use super::simple::simple;
use crate::error::{Error, Result};

/// The function.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![simple("tumble_start", arguments, |types, _| Ok(Some(types[0].clone())), tumble_start)]
}

fn arguments(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [DataType::Timestamp(_, zone), DataType::Interval(_)] => Some(vec![
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Interval(IntervalUnit::MonthDayNano),
        ]),
        _ => None,
    }
}

fn tumble_start(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let times = args[0].as_primitive::<TimestampMicrosecondType>();
    let sizes = args[1].as_primitive::<IntervalMonthDayNanoType>();
    let fixed = || {
        let error =
            Error::invalid_parameter("the size of a window must be a positive fixed length");
        ArrowError::ExternalError(Box::new(error))
    };
    let start = |time: i64, size: IntervalMonthDayNano| {
        let size_us = i64::from(size.days) * 86_400_000_000 + size.nanoseconds / 1000;
        if size.months != 0 || size_us <= 0 {
            return Err(fixed());
        }
        Ok(time - time.rem_euclid(size_us))
    };
    let starts: TimestampMicrosecondArray = arrow::compute::try_binary(times, sizes, start)?;
    Ok(Arc::new(starts.with_data_type(kind.clone())))
}
