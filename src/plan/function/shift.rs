//! `timestamptz ± interval` in a zone: months and days move on its calendar, the rest on the clock.

use std::sync::Arc;

use arrow::array::types::{IntervalMonthDayNanoType, TimestampMicrosecondType};
use arrow::array::{
    Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, TimestampMicrosecondArray,
};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use itertools::izip;

use crate::error::{Error, SqlState};
use crate::types::text::Timezone;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shift {
    minus: bool,
    zone: Timezone,
    signature: Signature,
}

/// The operator `sign` (`+` or `-`) for an instant and an interval, in `zone`.
pub(crate) fn shift(sign: &str, zone: Timezone) -> Arc<ScalarUDF> {
    let signature = Signature::any(2, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Shift { minus: sign == "-", zone, signature }))
}

impl ScalarUDFImpl for Shift {
    fn name(&self) -> &str {
        if self.minus { "-" } else { "+" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let time = types.iter().find(|kind| matches!(kind, DataType::Timestamp(_, _)));
        time.cloned().ok_or_else(|| Error::internal("a shift moves a time").into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let moved = match arrays[0].data_type() {
            DataType::Timestamp(_, _) => self.moved(&arrays[0], &arrays[1])?,
            _ => self.moved(&arrays[1], &arrays[0])?,
        };
        Ok(ColumnarValue::Array(moved))
    }
}

impl Shift {
    fn moved(&self, times: &ArrayRef, spans: &ArrayRef) -> Result<ArrayRef> {
        let instants = times.as_primitive::<TimestampMicrosecondType>();
        let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
        let local = |us: i64| us.saturating_add(i64::from(self.zone.offset_at(us)) * 1_000_000);
        let clocks: TimestampMicrosecondArray =
            instants.unary::<_, TimestampMicrosecondType>(local);
        let clocks = clocks.with_timezone_opt(None::<Arc<str>>);
        let calendar: IntervalMonthDayNanoArray =
            spans.unary(|span| IntervalMonthDayNano::new(span.months, span.days, 0));
        let shifted = match self.minus {
            true => numeric::sub(&clocks, &calendar)?,
            false => numeric::add(&clocks, &calendar)?,
        };
        let shifted = shifted.as_primitive::<TimestampMicrosecondType>();
        let out_of_range = || Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range");
        let moved = izip!(instants, shifted, spans).map(|(instant, clock, span)| {
            let (Some(instant), Some(clock), Some(span)) = (instant, clock, span) else {
                return Ok(None);
            };
            // An instant that stays on its day keeps its offset where clocks show a time twice.
            let same_day = span.months == 0 && span.days == 0;
            let base = if same_day { instant } else { self.zone.instant_of(clock) };
            let micros = span.nanoseconds / 1000 * if self.minus { -1 } else { 1 };
            base.checked_add(micros).map(Some).ok_or_else(out_of_range)
        });
        let moved = moved.collect::<crate::error::Result<TimestampMicrosecondArray>>()?;
        Ok(Arc::new(moved.with_data_type(times.data_type().clone())))
    }
}
