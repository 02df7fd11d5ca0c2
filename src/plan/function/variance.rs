//! Variances and standard deviations from exact sums, as views keep them: independent of the rows' order, and
//! what has left a window's frame leaves nothing behind. A value that is not finite makes them `NaN`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::{stddev, variance};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature};

use super::float_sum::FloatSum;

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
        Ok(Box::new(Moments {
            sum: FloatSum::default(),
            squares: FloatSum::default(),
            count: 0,
            seen: args.is_distinct.then(HashSet::new),
            sample: self.sample,
            root: self.root,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let list = |name: &str| {
            let name = format!("{}[{name}]", args.name);
            Arc::new(Field::new_list(name, Field::new_list_field(DataType::Float64, true), true))
        };
        let count = Field::new(format!("{}[count]", args.name), DataType::Int64, true);
        Ok(vec![list("sum"), list("squares"), Arc::new(count)])
    }
}

/// Exact sums of values and of their squares.
#[derive(Debug)]
struct Moments {
    sum: FloatSum,
    squares: FloatSum,
    count: i64,
    /// Each value once, by its bits, under DISTINCT.
    seen: Option<HashSet<u64>>,
    sample: bool,
    root: bool,
}

/// Adds the exact product, or takes it away if `sign` is negative.
fn add_product(sum: &mut FloatSum, one: f64, other: f64, sign: i8) {
    let product = one * other;
    sum.add(product, sign);
    if product.is_finite() {
        sum.add(one.mul_add(other, -product), sign);
    }
}

impl Moments {
    fn add(&mut self, values: &ArrayRef, sign: i8) {
        let values = values.as_primitive::<Float64Type>();
        for value in values.iter().flatten() {
            // Zeros of either sign, and all NaNs, are one value each.
            let bits = match value {
                0.0 => 0,
                _ if value.is_nan() => f64::NAN.to_bits(),
                _ => value.to_bits(),
            };
            if self.seen.as_mut().is_some_and(|seen| !seen.insert(bits)) {
                continue;
            }
            self.count += i64::from(sign);
            self.sum.add(value, sign);
            add_product(&mut self.squares, value, value, sign);
        }
    }

    /// `(n·Σx² − (Σx)²) / n·(n − 1)`, or `/ n²`, of which the numerator is rounded once.
    fn value(&self) -> Option<f64> {
        if self.count <= i64::from(self.sample) {
            return None;
        }
        let n = self.count as f64;
        if !self.sum.value().is_finite() || !self.squares.value().is_finite() {
            return Some(f64::NAN);
        }
        let mut numerator = FloatSum::default();
        for part in self.squares.parts() {
            add_product(&mut numerator, n, part, 1);
        }
        let parts: Vec<f64> = self.sum.parts().collect();
        for one in &parts {
            for other in &parts {
                add_product(&mut numerator, *one, *other, -1);
            }
        }
        let divisor = if self.sample { n * (n - 1.0) } else { n * n };
        let variance = numerator.value().max(0.0) / divisor;
        Some(if self.root { variance.sqrt() } else { variance })
    }
}

impl Accumulator for Moments {
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
        Ok(ScalarValue::Float64(self.value()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.as_ref().map_or(0, |seen| seen.len() * size_of::<u64>())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |parts: Vec<f64>| {
            let parts: Vec<_> = parts.into_iter().map(|p| ScalarValue::Float64(Some(p))).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&parts, &DataType::Float64))
        };
        let (sum, squares) = match &self.seen {
            Some(seen) => (seen.iter().map(|bits| f64::from_bits(*bits)).collect(), vec![]),
            None => (self.sum.parts().collect(), self.squares.parts().collect()),
        };
        Ok(vec![list(sum), list(squares), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[2].as_primitive::<arrow::datatypes::Int64Type>();
        for row in 0..states[2].len() {
            let [sums, squares] = [&states[0], &states[1]].map(|s| s.as_list::<i32>().value(row));
            if self.seen.is_some() {
                self.add(&sums, 1);
                continue;
            }
            let floats = |values: &ArrayRef| values.as_primitive::<Float64Type>().clone();
            floats(&sums).iter().flatten().for_each(|part| self.sum.add(part, 1));
            floats(&squares).iter().flatten().for_each(|part| self.squares.add(part, 1));
            self.count += counts.value(row);
        }
        Ok(())
    }
}
