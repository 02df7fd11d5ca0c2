//! `+ - * / %` and unary minus as Postgres computes them: overflow and division by zero are errors,
//! for floats too; times and intervals have their own results.

use std::sync::{Arc, LazyLock};

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int32Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, Datum, PrimitiveArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::decimal;
use crate::error::{Error, SqlState};

/// Which operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
}

impl ArithmeticOp {
    fn sign(self) -> &'static str {
        match self {
            ArithmeticOp::Add => "+",
            ArithmeticOp::Subtract | ArithmeticOp::Negate => "-",
            ArithmeticOp::Multiply => "*",
            ArithmeticOp::Divide => "/",
            ArithmeticOp::Modulo => "%",
        }
    }
}

/// The function that computes `op` for operands of types that fit each other.
pub(crate) fn arithmetic(op: ArithmeticOp) -> Arc<ScalarUDF> {
    static ALL: LazyLock<[Arc<ScalarUDF>; 6]> = LazyLock::new(|| {
        let make = |op| {
            let arguments = if op == ArithmeticOp::Negate { 1 } else { 2 };
            let signature = Signature::any(arguments, Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(Arithmetic { op, signature }))
        };
        [
            make(ArithmeticOp::Add),
            make(ArithmeticOp::Subtract),
            make(ArithmeticOp::Multiply),
            make(ArithmeticOp::Divide),
            make(ArithmeticOp::Modulo),
            make(ArithmeticOp::Negate),
        ]
    });
    Arc::clone(&ALL[op as usize])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    op: ArithmeticOp,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.op.sign()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [left, right] => format!("({left} {} {right})", self.op.sign()),
            [operand] => format!("(- {operand})"),
            _ => self.name().to_owned(),
        })
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [left, right] => {
                format!("({} {} {})", left.schema_name(), self.op.sign(), right.schema_name())
            }
            [operand] => format!("(- {})", operand.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        result_type(self.op, &arg_types[0], arg_types.get(1).unwrap_or(&DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = args.return_type().clone();
        let kind = result.clone();
        // The optimizer asks what comes of a null of no type.
        if args.args.iter().any(|arg| arg.data_type().is_null()) {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from(&result)?));
        }
        let computed = match &args.args[..] {
            [operand] => {
                let array = operand.to_array(args.number_rows)?;
                negated(&array).map(ColumnarValue::Array)
            }
            [left, right] => compute(self.op, left, right, &result),
            _ => return Err(Error::internal("an operator of more than two operands").into()),
        };
        let value = computed.map_err(|error| out_of_range(error, &kind))?;
        match value {
            ColumnarValue::Array(array) => {
                Ok(ColumnarValue::Array(decimal::relabeled(array, &result)?))
            }
            ColumnarValue::Scalar(scalar) if scalar.data_type() != result => {
                let array = decimal::relabeled(scalar.to_array()?, &result)?;
                let scalar = datafusion::common::ScalarValue::try_from_array(&array, 0)?;
                Ok(ColumnarValue::Scalar(scalar))
            }
            scalar => Ok(scalar),
        }
    }
}

fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> Result<DataType> {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    Ok(match (left, right) {
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) => {
            decimal::result_type(op, (*p1, *s1), (*p2, *s2))
        }
        (DataType::Date32, DataType::Date32) => DataType::Int32,
        (DataType::Int32, DataType::Date32) => DataType::Date32,
        (DataType::Timestamp(_, _), DataType::Timestamp(_, _))
        | (DataType::Time64(_), DataType::Time64(_)) => interval,
        (DataType::Interval(_), DataType::Timestamp(_, _) | DataType::Time64(_))
        | (DataType::Float64, DataType::Interval(_))
        | (DataType::Time64(_), DataType::Timestamp(_, _)) => right.clone(),
        _ => left.clone(),
    })
}

/// Overflow and division errors in Postgres' words.
fn out_of_range(error: datafusion::error::DataFusionError, result: &DataType) -> Error {
    let error = Error::from(error);
    if error.state() != SqlState::NumericValueOutOfRange || error.message() == UNDERFLOW {
        return error;
    }
    let (state, message) = match result {
        DataType::Int16 => (SqlState::NumericValueOutOfRange, "smallint out of range"),
        DataType::Int32 => (SqlState::NumericValueOutOfRange, "integer out of range"),
        DataType::Int64 => (SqlState::NumericValueOutOfRange, "bigint out of range"),
        DataType::Float32 | DataType::Float64 => {
            (SqlState::NumericValueOutOfRange, "value out of range: overflow")
        }
        DataType::Date32 => (SqlState::DatetimeFieldOverflow, "date out of range"),
        DataType::Timestamp(_, _) => (SqlState::DatetimeFieldOverflow, "timestamp out of range"),
        DataType::Interval(_) => (SqlState::DatetimeFieldOverflow, "interval out of range"),
        _ => (SqlState::NumericValueOutOfRange, "value overflows numeric format"),
    };
    Error::new(state, message)
}

fn compute(
    op: ArithmeticOp,
    left: &ColumnarValue,
    right: &ColumnarValue,
    result: &DataType,
) -> Result<ColumnarValue> {
    let kinds = (left.data_type(), right.data_type());
    match &kinds {
        (DataType::Decimal128(_, _), DataType::Decimal128(_, _)) => {
            if decimal::by_arrow(op, &kinds.0, &kinds.1) {
                return apply(left, right, |left, right| kernel(op, left, right));
            }
            let arrays = ColumnarValue::values_to_arrays(&[left.clone(), right.clone()])?;
            Ok(ColumnarValue::Array(decimal::compute(op, &arrays[0], &arrays[1], result)?))
        }
        (one, other) if one.is_numeric() && other.is_numeric() => {
            let computed = apply(left, right, |left, right| kernel(op, left, right))?;
            if one.is_floating() {
                check_floats(op, left, right, &computed)?;
            }
            Ok(computed)
        }
        (DataType::Interval(_), DataType::Interval(_)) => {
            apply(left, right, |left, right| kernel(op, left, right))
        }
        (DataType::Timestamp(_, _), DataType::Interval(_)) => moved_instants(op, left, right),
        (DataType::Interval(_), DataType::Timestamp(_, _)) => moved_instants(op, right, left),
        _ => {
            let arrays = ColumnarValue::values_to_arrays(&[left.clone(), right.clone()])?;
            Ok(ColumnarValue::Array(times(op, &arrays[0], &arrays[1])?))
        }
    }
}

/// Instants plus or minus intervals; those at infinity stay where they are.
fn moved_instants(
    op: ArithmeticOp,
    times: &ColumnarValue,
    spans: &ColumnarValue,
) -> Result<ColumnarValue> {
    let moved = |times: &dyn Datum, spans: &dyn Datum| {
        kernel(op, times, spans).map_err(|error| match error {
            ArrowError::ComputeError(_) => overflow(),
            other => other,
        })
    };
    let rows = match times {
        ColumnarValue::Array(array) => array.len(),
        ColumnarValue::Scalar(_) => 1,
    };
    let array = times.to_array(rows)?;
    let instants = array.as_primitive::<TimestampMicrosecondType>();
    let endless = |micros: i64| micros == i64::MAX || micros == i64::MIN;
    if !instants.iter().flatten().any(endless) {
        return apply(times, spans, moved);
    }
    let arrays = ColumnarValue::values_to_arrays(&[times.clone(), spans.clone()])?;
    let instants = arrays[0].as_primitive::<TimestampMicrosecondType>();
    let finite: PrimitiveArray<TimestampMicrosecondType> =
        instants.unary(|micros| if endless(micros) { 0 } else { micros });
    let finite = finite.with_data_type(arrays[0].data_type().clone());
    let moved = moved(&finite, &arrays[1])?;
    let moved = moved.as_primitive::<TimestampMicrosecondType>();
    let all = arrow::compute::binary::<_, _, _, TimestampMicrosecondType>(
        instants,
        moved,
        |before: i64, after: i64| if endless(before) { before } else { after },
    )?;
    Ok(ColumnarValue::Array(Arc::new(all.with_data_type(arrays[0].data_type().clone()))))
}

fn kernel(op: ArithmeticOp, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    match op {
        ArithmeticOp::Add => numeric::add(left, right),
        ArithmeticOp::Subtract | ArithmeticOp::Negate => numeric::sub(left, right),
        ArithmeticOp::Multiply => numeric::mul(left, right),
        ArithmeticOp::Divide => numeric::div(left, right),
        ArithmeticOp::Modulo => numeric::rem(left, right),
    }
}

fn negated(operand: &ArrayRef) -> Result<ArrayRef> {
    Ok(numeric::neg(operand)?)
}

const UNDERFLOW: &str = "value out of range: underflow";

/// Division of a float by zero, and results that became infinite or, of products and quotients, zero.
fn check_floats(
    op: ArithmeticOp,
    left: &ColumnarValue,
    right: &ColumnarValue,
    computed: &ColumnarValue,
) -> Result<()> {
    let rows = match computed {
        ColumnarValue::Array(array) => array.len(),
        ColumnarValue::Scalar(_) => 1,
    };
    let computed = computed.to_array(rows)?;
    let scales = matches!(op, ArithmeticOp::Multiply | ArithmeticOp::Divide);
    let suspicious = match computed.data_type() {
        DataType::Float32 => any(computed.as_primitive::<Float32Type>(), |value| {
            !value.is_finite() || scales && value == 0.0
        }),
        _ => any(computed.as_primitive::<Float64Type>(), |value| {
            !value.is_finite() || scales && value == 0.0
        }),
    };
    if !suspicious {
        return Ok(());
    }
    let widened = |value: &ColumnarValue| {
        arrow::compute::cast(&value.to_array(rows)?, &DataType::Float64).map_err(Into::into)
    };
    let operands: Result<Vec<ArrayRef>> = [left, right].into_iter().map(widened).collect();
    let operands = operands?;
    let (left, right) =
        (operands[0].as_primitive::<Float64Type>(), operands[1].as_primitive::<Float64Type>());
    let computed = arrow::compute::cast(&computed, &DataType::Float64)?;
    let computed = computed.as_primitive::<Float64Type>();
    for row in (0..computed.len()).filter(|&row| computed.is_valid(row)) {
        let (left, right, value) = (left.value(row), right.value(row), computed.value(row));
        if op == ArithmeticOp::Divide && right == 0.0 && !left.is_nan() {
            return Err(Error::new(SqlState::DivisionByZero, "division by zero").into());
        }
        if value.is_infinite() && left.is_finite() && right.is_finite() {
            return Err(ArrowError::ArithmeticOverflow(String::new()).into());
        }
        if scales && value == 0.0 && left != 0.0 && right != 0.0 && right.is_finite() {
            return Err(Error::new(SqlState::NumericValueOutOfRange, UNDERFLOW).into());
        }
    }
    Ok(())
}

fn any<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, is: impl Fn(T::Native) -> bool) -> bool {
    array.values().iter().any(|&value| is(value))
}

const DAY_US: i64 = 86_400_000_000;

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow(String::new())
}

/// Operations on dates, times and intervals that Arrow does not have.
fn times(op: ArithmeticOp, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let sign = if op == ArithmeticOp::Subtract { -1_i64 } else { 1 };
    Ok(match (left.data_type(), right.data_type()) {
        (DataType::Date32, DataType::Date32) => {
            let (left, right) =
                (left.as_primitive::<Date32Type>(), right.as_primitive::<Date32Type>());
            let days: PrimitiveArray<Int32Type> =
                arrow::compute::try_binary(left, right, |left: i32, right: i32| {
                    left.checked_sub(right).ok_or_else(overflow)
                })?;
            Arc::new(days)
        }
        (DataType::Date32, _) => moved_date(left, right, sign)?,
        (_, DataType::Date32) => moved_date(right, left, sign)?,
        (DataType::Timestamp(_, zone), DataType::Timestamp(_, _)) => {
            let _ = zone;
            let (left, right) = (
                left.as_primitive::<TimestampMicrosecondType>(),
                right.as_primitive::<TimestampMicrosecondType>(),
            );
            let spans: PrimitiveArray<IntervalMonthDayNanoType> =
                arrow::compute::try_binary(left, right, |left: i64, right: i64| {
                    let endless = |micros: i64| micros == i64::MAX || micros == i64::MIN;
                    if endless(left) || endless(right) {
                        return Err(overflow());
                    }
                    let micros = left.checked_sub(right).ok_or_else(overflow)?;
                    let days = i32::try_from(micros / DAY_US).map_err(|_| overflow())?;
                    Ok::<_, ArrowError>(IntervalMonthDayNano::new(0, days, micros % DAY_US * 1000))
                })?;
            Arc::new(spans)
        }
        (DataType::Time64(_), DataType::Time64(_)) => {
            let (left, right) = (
                left.as_primitive::<Time64MicrosecondType>(),
                right.as_primitive::<Time64MicrosecondType>(),
            );
            let spans: PrimitiveArray<IntervalMonthDayNanoType> =
                arrow::compute::binary(left, right, |left: i64, right: i64| {
                    IntervalMonthDayNano::new(0, 0, (left - right) * 1000)
                })?;
            Arc::new(spans)
        }
        (DataType::Time64(_), DataType::Interval(_)) => moved_time(left, right, sign)?,
        (DataType::Interval(_), DataType::Time64(_)) => moved_time(right, left, sign)?,
        (DataType::Interval(_), _) => scaled(left, right, op)?,
        (_, DataType::Interval(_)) => scaled(right, left, op)?,
        (DataType::Timestamp(_, _), DataType::Time64(_)) => moved_timestamp(left, right, sign)?,
        (DataType::Time64(_), DataType::Timestamp(_, _)) => moved_timestamp(right, left, sign)?,
        (left, right) => {
            return Err(Error::internal(format!("{left} {} {right}", op.sign())).into());
        }
    })
}

fn moved_date(dates: &ArrayRef, days: &ArrayRef, sign: i64) -> Result<ArrayRef> {
    let (dates, days) = (dates.as_primitive::<Date32Type>(), days.as_primitive::<Int32Type>());
    let moved: PrimitiveArray<Date32Type> =
        arrow::compute::try_binary(dates, days, |date: i32, days: i32| {
            if date == i32::MAX || date == i32::MIN {
                return Ok(date);
            }
            i32::try_from(i64::from(date) + sign * i64::from(days)).map_err(|_| overflow())
        })?;
    Ok(Arc::new(moved))
}

/// A time of day plus the interval's time part, around the clock.
fn moved_time(times: &ArrayRef, spans: &ArrayRef, sign: i64) -> Result<ArrayRef> {
    let times = times.as_primitive::<Time64MicrosecondType>();
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    let moved: PrimitiveArray<Time64MicrosecondType> =
        arrow::compute::binary(times, spans, |time: i64, span: IntervalMonthDayNano| {
            (time + sign * (span.nanoseconds / 1000)).rem_euclid(DAY_US)
        })?;
    Ok(Arc::new(moved))
}

fn moved_timestamp(timestamps: &ArrayRef, times: &ArrayRef, sign: i64) -> Result<ArrayRef> {
    let kind = timestamps.data_type().clone();
    let timestamps = timestamps.as_primitive::<TimestampMicrosecondType>();
    let times = times.as_primitive::<Time64MicrosecondType>();
    let moved: PrimitiveArray<TimestampMicrosecondType> =
        arrow::compute::try_binary(timestamps, times, |timestamp: i64, time: i64| {
            timestamp.checked_add(sign * time).ok_or_else(overflow)
        })?;
    Ok(Arc::new(moved.with_data_type(kind)))
}

/// An interval times or by a number: a month's fraction becomes days of 30, a day's becomes time.
fn scaled(spans: &ArrayRef, factors: &ArrayRef, op: ArithmeticOp) -> Result<ArrayRef> {
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
    let factors = factors.as_primitive::<Float64Type>();
    let results: PrimitiveArray<IntervalMonthDayNanoType> =
        arrow::compute::try_binary(spans, factors, |span: IntervalMonthDayNano, factor: f64| {
            if op == ArithmeticOp::Divide && factor == 0.0 {
                return Err(ArrowError::DivideByZero);
            }
            let by = |value: f64| {
                if op == ArithmeticOp::Divide { value / factor } else { value * factor }
            };
            scaled_by(span, by).ok_or_else(overflow)
        })?;
    Ok(Arc::new(results))
}

/// An interval whose parts are scaled; none if it is out of range.
pub(super) fn scaled_by(
    span: IntervalMonthDayNano,
    by: impl Fn(f64) -> f64,
) -> Option<IntervalMonthDayNano> {
    // Rests are rounded to a microsecond's digits, as Postgres does.
    let rounded = |value: f64| (value * 1e6).round_ties_even() / 1e6;
    let months = by(f64::from(span.months));
    let days = by(f64::from(span.days));
    let more_days = rounded(months.fract() * 30.0);
    let mut seconds = rounded((days.fract() + more_days.fract()) * 86_400.0);
    let mut days = days.trunc() + more_days.trunc();
    if seconds.abs() >= 86_400.0 {
        days += (seconds / 86_400.0).trunc();
        seconds %= 86_400.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "as Postgres computes it, in floats")]
    let micros = by((span.nanoseconds / 1000) as f64) + seconds * 1e6;
    interval(months, days, micros.round_ties_even())
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn interval(months: f64, days: f64, micros: f64) -> Option<IntervalMonthDayNano> {
    let fits = |value: f64, limit: f64| value.is_finite() && value.abs() < limit;
    let fit = fits(months, 2_147_483_648.0)
        && fits(days, 2_147_483_648.0)
        && fits(micros, 9_223_372_036_854_775.0);
    let micros = micros.round();
    fit.then(|| IntervalMonthDayNano::new(months as i32, days as i32, micros as i64 * 1000))
}
