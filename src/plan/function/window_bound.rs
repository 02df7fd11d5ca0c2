//! Start or end of the n-th last window that a time falls into.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::types::{Int64Type, TimestampMicrosecondType};
use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::plan::window::HopSize;

#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowBound {
    size: HopSize,
    end: bool,
    signature: Signature,
}

/// `(time, n)` → start (or `end`) of the window that begins `n` slides before the last one that
/// `time` falls into.
pub(crate) fn window_bound(size: HopSize, end: bool) -> Arc<ScalarUDF> {
    let signature = Signature::any(2, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(WindowBound { size, end, signature }))
}

impl ScalarUDFImpl for WindowBound {
    fn name(&self) -> &str {
        if self.end { "window_end" } else { "window_start" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let times = arrays[0].as_primitive::<TimestampMicrosecondType>();
        let backs = arrays[1].as_primitive::<Int64Type>();
        let HopSize { slide_us, size_us, offset_us } = self.size;
        let length = if self.end { size_us } else { 0 };
        let bounds: TimestampMicrosecondArray =
            arrow::compute::binary(times, backs, |time: i64, back: i64| {
                let last = time.wrapping_sub(time.wrapping_sub(offset_us).rem_euclid(slide_us));
                last.wrapping_sub(back.wrapping_mul(slide_us)).wrapping_add(length)
            })?;
        let bounds: ArrayRef = Arc::new(bounds.with_data_type(args.return_type().clone()));
        Ok(ColumnarValue::Array(bounds))
    }
}
