//! `lag`, `lead`, `nth_value` and `ntile` with any expression as how far, which and how many, as in Postgres:
//! DataFusion takes literals there. Those it evaluates itself.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt64Array, new_null_array};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::functions_window::nth_value::nth_value_udwf;
use datafusion::functions_window::ntile::ntile_udwf;
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

use crate::error::{Error, SqlState};

/// `lag`, `lead` and `nth_value`.
pub(super) fn all() -> Vec<Arc<WindowUDF>> {
    let functions =
        [(lag_udwf(), Kind::Lag), (lead_udwf(), Kind::Lead), (nth_value_udwf(), Kind::Nth)];
    functions.map(|(inner, kind)| of(inner, kind)).into()
}

/// `ntile`, in DataFusion's type.
pub(super) fn ntile() -> Arc<WindowUDF> {
    of(ntile_udwf(), Kind::Ntile)
}

fn of(inner: Arc<WindowUDF>, kind: Kind) -> Arc<WindowUDF> {
    Arc::new(WindowUDF::new_from_impl(ByRow { inner, kind }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Lag,
    Lead,
    Nth,
    Ntile,
}

impl Kind {
    /// Where the number stands among the arguments.
    fn number(self) -> usize {
        usize::from(self != Kind::Ntile)
    }

    /// Whether DataFusion evaluates a call.
    fn takes_literals(self, args: &[Arc<dyn PhysicalExpr>]) -> bool {
        let literal = |arg: &Arc<dyn PhysicalExpr>| arg.downcast_ref::<Literal>().cloned();
        let number = args.get(self.number());
        number.is_none_or(|arg| literal(arg).is_some_and(|arg| !arg.value().is_null()))
            && args.iter().skip(self.number() + 1).all(|arg| literal(arg).is_some())
    }
}

/// DataFusion's function, and ours beside it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ByRow {
    inner: Arc<WindowUDF>,
    kind: Kind,
}

impl WindowUDFImpl for ByRow {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        match self.kind.takes_literals(args.input_exprs()) {
            true => self.inner.inner().expressions(args),
            false => args.input_exprs().to_vec(),
        }
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        match self.kind.takes_literals(args.input_exprs()) {
            true => self.inner.partition_evaluator_factory(args),
            false => Ok(Box::new(Evaluator { kind: self.kind, row: 0 })),
        }
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        match self.kind {
            Kind::Ntile => Ok(Arc::new(Field::new(args.name(), DataType::UInt64, true))),
            _ => self.inner.field(args),
        }
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(args)
    }
}

/// Values of one partition.
#[derive(Debug)]
struct Evaluator {
    kind: Kind,
    /// The next row, where rows come one by one.
    row: usize,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        match self.kind {
            Kind::Ntile => tiles(&integers(&values[0])?, num_rows),
            _ => shifted(values, self.kind == Kind::Lag),
        }
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let number = integers(&values[1].slice(self.row, 1))?;
        self.row += 1;
        let null = || ScalarValue::try_from(values[0].data_type());
        if number.is_null(0) {
            return null();
        }
        let number = positive(number.value(0), "nth_value", SqlState::InvalidArgumentForNthValue)?;
        match number <= range.len() {
            true => ScalarValue::try_from_array(&values[0], range.start + number - 1),
            false => null(),
        }
    }

    fn uses_window_frame(&self) -> bool {
        self.kind == Kind::Nth
    }
}

fn integers(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn positive(number: i64, function: &str, state: SqlState) -> Result<usize> {
    let number = usize::try_from(number).ok().filter(|&number| number > 0);
    number.ok_or_else(|| {
        Error::new(state, format!("argument of {function} must be greater than zero")).into()
    })
}

/// `lag` or `lead`: each row's value as many rows away as it says, else its default.
fn shifted(values: &[ArrayRef], back: bool) -> Result<ArrayRef> {
    let (value, offsets) = (&values[0], integers(&values[1])?);
    let kind = match values.get(2) {
        Some(default) if value.data_type().is_null() => default.data_type(),
        _ => value.data_type(),
    };
    let null = new_null_array(kind, value.len());
    let default = values.get(2).map_or(Ok(Arc::clone(&null)), |default| cast(default, kind))?;
    let source = |(row, offset): (usize, Option<i64>)| {
        let Some(offset) = offset else { return (2, row) };
        let offset = if back { offset.checked_neg() } else { Some(offset) };
        let place = offset.and_then(|offset| (row as i64).checked_add(offset));
        let place = place.and_then(|place| usize::try_from(place).ok());
        place.filter(|&place| place < value.len()).map_or((1, row), |place| (0, place))
    };
    let sources: Vec<(usize, usize)> = offsets.iter().enumerate().map(source).collect();
    Ok(interleave(&[&cast(value, kind)?, &default, &null], &sources)?)
}

/// `ntile`: the first row says how many, null for none.
fn tiles(numbers: &Int64Array, rows: usize) -> Result<ArrayRef> {
    if rows == 0 || numbers.is_null(0) {
        return Ok(new_null_array(&DataType::UInt64, rows));
    }
    let tiles = positive(numbers.value(0), "ntile", SqlState::InvalidArgumentForNtile)?;
    let (size, larger) = (rows / tiles, rows % tiles);
    let of_larger = larger * (size + 1);
    let tile = |row: usize| match row < of_larger {
        true => row / (size + 1) + 1,
        false => larger + (row - of_larger) / size + 1,
    };
    Ok(Arc::new(UInt64Array::from_iter_values((0..rows).map(|row| tile(row) as u64))))
}
