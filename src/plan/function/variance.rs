//! Variances and standard deviations from exact sums, as views keep them: independent of the rows' order, and
//! what has left a window's frame leaves nothing behind. A value that is not finite makes them `NaN`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::{stddev, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature};

use super::number::overflow;
use crate::types::moments::Moments;

/// The four functions, under DataFusion's names.
pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    let of = |inner: Arc<AggregateUDF>, sample, root| {
        Arc::new(AggregateUDF::new_from_impl(Variance { inner, sample, root }))
    };
    vec![
        of(variance::var_samp_udaf(), true, false),
        of(variance::var_pop_udaf(), false, false),
        of(stddev::stddev_udaf(), true, true),
        of(stddev::stddev_pop_udaf(), false, true),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Variance {
    /// DataFusion's, for its names and types.
    inner: Arc<AggregateUDF>,
    sample: bool,
    root: bool,
}

impl AggregateUDFImpl for Variance {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(VarianceAccumulator {
            moments: Moments::default(),
            seen: args.is_distinct.then(HashSet::new),
            sample: self.sample,
            root: self.root,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(DataType::Float64, true);
        Ok(vec![
            Arc::new(Field::new(format!("{}[moments]", args.name), DataType::Binary, true)),
            Arc::new(Field::new_list(format!("{}[seen]", args.name), item, true)),
        ])
    }
}

#[derive(Debug)]
struct VarianceAccumulator {
    moments: Moments,
    /// Each value once, by its bits, under DISTINCT.
    seen: Option<HashSet<u64>>,
    sample: bool,
    root: bool,
}

impl VarianceAccumulator {
    fn add(&mut self, values: &ArrayRef, weight: i64) {
        for value in values.as_primitive::<Float64Type>().iter().flatten() {
            // Zeros of either sign, and all NaNs, are one value each.
            let bits = match value {
                0.0 => 0,
                _ if value.is_nan() => f64::NAN.to_bits(),
                _ => value.to_bits(),
            };
            if self.seen.as_mut().is_none_or(|seen| seen.insert(bits)) {
                self.moments.add_float(value, weight);
            }
        }
    }
}

impl Accumulator for VarianceAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.seen.is_none()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let variance = self.moments.variance(self.sample);
        if variance.is_some_and(f64::is_infinite) {
            return Err(overflow().into());
        }
        Ok(ScalarValue::Float64(if self.root { variance.map(f64::sqrt) } else { variance }))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.as_ref().map_or(0, |seen| seen.len() * size_of::<u64>())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut moments = Vec::new();
        self.moments.write(&mut moments);
        let seen = self.seen.iter().flatten().map(|bits| f64::from_bits(*bits));
        let seen: Vec<_> = seen.map(|value| ScalarValue::Float64(Some(value))).collect();
        let seen = ScalarValue::List(ScalarValue::new_list_nullable(&seen, &DataType::Float64));
        Ok(vec![ScalarValue::Binary(Some(moments)), seen])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (moments, seen) = (states[0].as_binary::<i32>(), states[1].as_list::<i32>());
        for row in 0..moments.len() {
            if self.seen.is_some() {
                self.add(&seen.value(row), 1);
            } else if let Some(moments) = Moments::read(&mut moments.value(row)) {
                self.moments.merge(&moments);
            }
        }
        Ok(())
    }
}
