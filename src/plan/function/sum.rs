//! `sum` and `avg` with Postgres' result types, overflow errors, and exact sums of floats: the same
//! values as the maintained aggregates give.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::types::{
    Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType,
};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use super::arithmetic::scaled_by;
use super::number::overflow;
use crate::error::{Error, SqlState};
use crate::plan::undefined::undefined_function;
use crate::types::float_sum::FloatSum;

/// Digits after the point of an average.
const AVG_SCALE: i8 = 16;

/// `sum(x)`.
pub(super) fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Sum::new(false)))
}

/// `avg(x)`.
pub(super) fn avg() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Sum::new(true)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    average: bool,
    signature: Signature,
}

impl Sum {
    fn new(average: bool) -> Sum {
        Sum { average, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        if self.average { "avg" } else { "sum" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arg_types else {
            return Err(undefined_function(self.name(), arg_types).into());
        };
        Ok(vec![match argument {
            DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(_, _)
            | DataType::Interval(IntervalUnit::MonthDayNano) => argument.clone(),
            DataType::Int8 | DataType::UInt8 => DataType::Int16,
            DataType::UInt16 => DataType::Int32,
            DataType::UInt32 => DataType::Int64,
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Null => DataType::Float64,
            _ => return Err(undefined_function(self.name(), arg_types).into()),
        }])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match (&arg_types[0], self.average) {
            (DataType::Int16 | DataType::Int32, false) => DataType::Int64,
            (DataType::Int64, false) => DataType::Decimal128(38, 0),
            (DataType::Decimal128(_, scale), false) => DataType::Decimal128(38, *scale),
            (DataType::Int16 | DataType::Int32 | DataType::Int64, true) => {
                DataType::Decimal128(38, AVG_SCALE)
            }
            (DataType::Decimal128(_, scale), true) => {
                DataType::Decimal128(38, AVG_SCALE.max(*scale))
            }
            (DataType::Float32, true) => DataType::Float64,
            (other, _) => other.clone(),
        })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let input = args.expr_fields[0].data_type().clone();
        Ok(Box::new(SumAccumulator {
            total: Total::new(&input),
            count: 0,
            average: self.average,
            distinct: args.is_distinct.then(HashSet::new),
            output: args.return_field.data_type().clone(),
            input,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        // The values themselves where they must be exact or distinct; else the running total.
        let item = args.input_fields[0].as_ref().clone().with_name("item").with_nullable(true);
        let totals = match args.input_fields[0].data_type() {
            _ if args.is_distinct => item,
            DataType::Float32 | DataType::Float64 => Field::new("item", DataType::Binary, true),
            DataType::Interval(_) => item,
            DataType::Decimal128(_, scale) => {
                Field::new("item", DataType::Decimal128(38, *scale), true)
            }
            _ => Field::new("item", DataType::Decimal128(38, 0), true),
        };
        Ok(vec![
            Arc::new(Field::new("totals", DataType::List(Arc::new(totals)), true)),
            Arc::new(Field::new("count", DataType::Int64, false)),
        ])
    }
}

/// A running total by kind of type.
#[derive(Debug)]
enum Total {
    Whole(i128),
    Float(FloatSum),
    Interval([i128; 3]),
}

impl Total {
    fn new(input: &DataType) -> Total {
        match input {
            DataType::Float32 | DataType::Float64 => Total::Float(FloatSum::default()),
            DataType::Interval(_) => Total::Interval([0; 3]),
            _ => Total::Whole(0),
        }
    }

    /// Adds the values of `array` that are not null, negated if `sign` is negative.
    fn add(&mut self, array: &ArrayRef, sign: i8) -> Result<()> {
        match (self, array.data_type()) {
            (Total::Whole(total), kind) => {
                let values: Box<dyn Iterator<Item = i128>> = match kind {
                    DataType::Int16 => {
                        Box::new(array.as_primitive::<Int16Type>().iter().flatten().map(i128::from))
                    }
                    DataType::Int32 => {
                        Box::new(array.as_primitive::<Int32Type>().iter().flatten().map(i128::from))
                    }
                    DataType::Int64 => {
                        Box::new(array.as_primitive::<Int64Type>().iter().flatten().map(i128::from))
                    }
                    _ => Box::new(array.as_primitive::<Decimal128Type>().iter().flatten()),
                };
                for value in values {
                    let sum = total.checked_add(value * i128::from(sign));
                    *total = sum.ok_or_else(numeric_overflow)?;
                }
            }
            (Total::Float(total), DataType::Float32) => {
                let values = array.as_primitive::<Float32Type>().iter().flatten();
                values.for_each(|value| total.add(f64::from(value), i64::from(sign)));
            }
            (Total::Float(total), DataType::Binary) => {
                let sums = array.as_binary::<i32>().iter().flatten();
                let sums = sums.filter_map(|mut bytes| FloatSum::read(&mut bytes));
                sums.for_each(|sum| total.merge(&sum));
            }
            (Total::Float(total), _) => {
                let values = array.as_primitive::<Float64Type>().iter().flatten();
                values.for_each(|value| total.add(value, i64::from(sign)));
            }
            (Total::Interval([months, days, nanos]), _) => {
                for value in array.as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
                    *months += i128::from(sign) * i128::from(value.months);
                    *days += i128::from(sign) * i128::from(value.days);
                    *nanos += i128::from(sign) * i128::from(value.nanoseconds);
                }
            }
        }
        Ok(())
    }
}

fn numeric_overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

#[derive(Debug)]
struct SumAccumulator {
    total: Total,
    count: i64,
    average: bool,
    /// The values seen, if only distinct ones count; the total is made of them at the end.
    distinct: Option<HashSet<ScalarValue>>,
    input: DataType,
    output: DataType,
}

impl SumAccumulator {
    fn add(&mut self, array: &ArrayRef, sign: i8) -> Result<()> {
        if let Some(seen) = &mut self.distinct {
            for row in (0..array.len()).filter(|&row| array.is_valid(row)) {
                seen.insert(ScalarValue::try_from_array(array, row)?);
            }
            return Ok(());
        }
        let rows = array.len() - array.logical_null_count();
        self.count += i64::from(sign) * i64::try_from(rows).unwrap_or(i64::MAX);
        self.total.add(array, sign)
    }

    fn value(&self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.output);
        }
        let count = i128::from(self.count);
        Ok(match (&self.total, &self.output) {
            (Total::Whole(total), DataType::Int64) => {
                let total = i64::try_from(*total).map_err(|_| {
                    Error::new(SqlState::NumericValueOutOfRange, "bigint out of range")
                })?;
                ScalarValue::Int64(Some(total))
            }
            (Total::Whole(total), DataType::Decimal128(precision, scale)) => {
                let value = match self.average {
                    true => {
                        let from = match &self.input {
                            DataType::Decimal128(_, scale) => *scale,
                            _ => 0,
                        };
                        divided(*total, count, scale - from)?
                    }
                    false => *total,
                };
                ScalarValue::Decimal128(Some(value), *precision, *scale)
            }
            (Total::Float(total), DataType::Float32) => {
                #[expect(clippy::cast_possible_truncation, reason = "rounds to real, as wanted")]
                let value = total.total(true).ok_or_else(overflow)? as f32;
                ScalarValue::Float32(Some(value))
            }
            (Total::Float(total), _) => {
                #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
                let divisor = if self.average { self.count as f64 } else { 1.0 };
                let value = total.total(false).ok_or_else(overflow)? / divisor;
                ScalarValue::Float64(Some(value))
            }
            (Total::Interval(total), _) => {
                let value = match self.average {
                    true => interval_divided(*total, count)?,
                    false => interval(*total)?,
                };
                ScalarValue::IntervalMonthDayNano(Some(value))
            }
            (Total::Whole(_), other) => {
                return Err(Error::internal(format!("a sum of type {other}")).into());
            }
        })
    }
}

/// `total / count` with `digits` more digits after the point, rounded half away from zero.
fn divided(total: i128, count: i128, digits: i8) -> Result<i128> {
    let power = 10_i128.pow(u32::from(digits.max(0).unsigned_abs()));
    // Whole part and remainder apart, so that only the result must fit.
    let whole = (total / count).checked_mul(power).ok_or_else(numeric_overflow)?;
    let rest = (total % count).checked_mul(power).ok_or_else(numeric_overflow)?;
    let (fraction, left) = (rest / count, rest % count);
    let round = if left.abs() * 2 >= count { total.signum() } else { 0 };
    whole.checked_add(fraction + round).ok_or_else(|| numeric_overflow().into())
}

fn interval([months, days, nanos]: [i128; 3]) -> Result<IntervalMonthDayNano> {
    let out = || Error::new(SqlState::IntervalFieldOverflow, "interval out of range");
    Ok(IntervalMonthDayNano::new(
        i32::try_from(months).map_err(|_| out())?,
        i32::try_from(days).map_err(|_| out())?,
        i64::try_from(nanos).map_err(|_| out())?,
    ))
}

/// As Postgres divides an interval, which it does in floats.
fn interval_divided(total: [i128; 3], count: i128) -> Result<IntervalMonthDayNano> {
    let out = || Error::new(SqlState::IntervalFieldOverflow, "interval out of range");
    #[expect(clippy::cast_precision_loss, reason = "as Postgres computes it")]
    let count = count as f64;
    Ok(scaled_by(interval(total)?, |part| part / count).ok_or_else(out)?)
}

impl Accumulator for SumAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Some(seen) = &self.distinct {
            self.total = Total::new(&self.input);
            self.count = i64::try_from(seen.len()).unwrap_or(i64::MAX);
            for value in seen {
                self.total.add(&value.to_array()?, 1)?;
            }
        }
        self.value()
    }

    fn size(&self) -> usize {
        let seen = self.distinct.as_ref().map_or(0, |seen| seen.len() * size_of::<ScalarValue>());
        size_of_val(self) + seen
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (totals, kind): (Vec<ScalarValue>, DataType) = match (&self.distinct, &self.total) {
            (Some(seen), _) => (seen.iter().cloned().collect(), self.input.clone()),
            (None, Total::Whole(total)) => {
                let scale = match &self.input {
                    DataType::Decimal128(_, scale) => *scale,
                    _ => 0,
                };
                let total = ScalarValue::Decimal128(Some(*total), 38, scale);
                (vec![total], DataType::Decimal128(38, scale))
            }
            (None, Total::Float(total)) => {
                let mut bytes = Vec::new();
                total.write(&mut bytes);
                (vec![ScalarValue::Binary(Some(bytes))], DataType::Binary)
            }
            (None, Total::Interval(total)) => {
                let total = ScalarValue::IntervalMonthDayNano(Some(interval(*total)?));
                (vec![total], self.input.clone())
            }
        };
        let totals = ScalarValue::new_list_nullable(&totals, &kind);
        Ok(vec![ScalarValue::List(totals), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let totals = states[0].as_list::<i32>();
        for row in (0..totals.len()).filter(|&row| totals.is_valid(row)) {
            let values = totals.value(row);
            match self.distinct {
                Some(_) => self.add(&values, 1)?,
                None => self.total.add(&values, 1)?,
            }
        }
        self.count += states[1].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }
}
