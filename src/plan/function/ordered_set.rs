//! `percentile_cont`, `percentile_disc` and `mode`, `WITHIN GROUP (ORDER BY …)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::{SortOptions, cast, concat, filter, is_not_null, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use arrow::row::{RowConverter, SortField};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::error::{Error, SqlState};

/// The functions.
pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    [Kind::Continuous, Kind::Discrete, Kind::Mode]
        .map(|kind| Arc::new(AggregateUDF::new_from_impl(OrderedSet::new(kind))))
        .into()
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Continuous,
    Discrete,
    Mode,
}

/// Its first argument is what is ordered, the second, of percentiles, the fraction.
#[derive(PartialEq, Eq, Hash, Debug)]
struct OrderedSet {
    kind: Kind,
    signature: Signature,
}

impl OrderedSet {
    fn new(kind: Kind) -> OrderedSet {
        let arguments = if kind == Kind::Mode { 1 } else { 2 };
        OrderedSet { kind, signature: Signature::any(arguments, Volatility::Immutable) }
    }

    fn undefined(&self, arguments: &[DataType]) -> Error {
        let types = itertools::join(arguments, ", ");
        let error = format!("function {}({types}) does not exist", self.name());
        Error::new(SqlState::UndefinedFunction, error)
    }
}

impl AggregateUDFImpl for OrderedSet {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Continuous => "percentile_cont",
            Kind::Discrete => "percentile_disc",
            Kind::Mode => "mode",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if let Some(fraction) = arguments.get(1)
            && !fraction.is_numeric()
            && !fraction.is_null()
        {
            let error = Error::unsupported(format!("{} of several fractions", self.name()));
            return Err(error.hint("Call it once per fraction.").into());
        }
        match (self.kind, arguments) {
            (Kind::Continuous, [value, _]) if value.is_numeric() => Ok(DataType::Float64),
            (Kind::Discrete, [value, _]) | (Kind::Mode, [value]) => Ok(value.clone()),
            _ => Err(self.undefined(arguments).into()),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let descending = args.order_bys.first().is_some_and(|sort| sort.options.descending);
        let fraction = match args.exprs.get(1) {
            None => None,
            Some(expr) => {
                let options = RecordBatchOptions::new().with_row_count(Some(1));
                let schema = Arc::new(Schema::empty());
                let row = RecordBatch::try_new_with_options(schema, vec![], &options)?;
                let value = expr.evaluate(&row)?.into_array(1)?;
                let value = cast(&value, &DataType::Float64)?;
                let value = value.as_primitive::<Float64Type>();
                value.is_valid(0).then(|| value.value(0))
            }
        };
        if let Some(fraction) = fraction
            && !(0.0..=1.0).contains(&fraction)
        {
            let error = format!("percentile value {fraction} is not between 0 and 1");
            return Err(Error::new(SqlState::NumericValueOutOfRange, error).into());
        }
        let data_type = args.expr_fields[0].data_type().clone();
        Ok(Box::new(Values { kind: self.kind, data_type, descending, fraction, values: vec![] }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(args.input_fields[0].data_type().clone(), true);
        Ok(vec![Arc::new(Field::new(args.name, DataType::List(Arc::new(item)), true))])
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

/// The values of a group that are not null.
#[derive(Debug)]
struct Values {
    kind: Kind,
    data_type: DataType,
    descending: bool,
    fraction: Option<f64>,
    values: Vec<ArrayRef>,
}

impl Values {
    fn all(&self) -> Result<ArrayRef> {
        if self.values.is_empty() {
            return Ok(new_empty_array(&self.data_type));
        }
        let arrays: Vec<&dyn Array> = self.values.iter().map(AsRef::as_ref).collect();
        Ok(concat(&arrays)?)
    }

    fn sorted(&self) -> Result<ArrayRef> {
        let all = self.all()?;
        let options = SortOptions { descending: self.descending, nulls_first: false };
        Ok(take(&all, &sort_to_indices(&all, Some(options), None)?, None)?)
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let valid = filter(&values[0], &is_not_null(&values[0])?)?;
        if !valid.is_empty() {
            self.values.push(valid);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sorted = self.sorted()?;
        let rows = sorted.len();
        if rows == 0 || self.kind != Kind::Mode && self.fraction.is_none() {
            return ScalarValue::try_from(match self.kind {
                Kind::Continuous => &DataType::Float64,
                Kind::Discrete | Kind::Mode => &self.data_type,
            });
        }
        let fraction = self.fraction.unwrap_or_default();
        match self.kind {
            Kind::Mode => ScalarValue::try_from_array(&sorted, first_of_longest_run(&sorted)?),
            Kind::Discrete => {
                let row = (fraction * rows as f64).ceil().max(1.0) as usize;
                ScalarValue::try_from_array(&sorted, row.min(rows) - 1)
            }
            Kind::Continuous => {
                let floats = cast(&sorted, &DataType::Float64)?;
                let floats = floats.as_primitive::<Float64Type>();
                let position = fraction * (rows - 1) as f64;
                let (low, high) = (position.floor(), position.ceil());
                let (from, to) = (floats.value(low as usize), floats.value(high as usize));
                let value = if low == high { from } else { from + (position - low) * (to - from) };
                Ok(ScalarValue::Float64(Some(value)))
            }
        }
    }

    fn size(&self) -> usize {
        let arrays: usize = self.values.iter().map(|array| array.get_array_memory_size()).sum();
        size_of_val(self) + arrays
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![SingleRowListArrayBuilder::new(self.all()?).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }
}

/// Where the longest run of equal values begins, the first of several.
fn first_of_longest_run(sorted: &ArrayRef) -> Result<usize> {
    let converter = RowConverter::new(vec![SortField::new(sorted.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(sorted))?;
    let (mut best, mut longest, mut start) = (0, 0, 0);
    for row in 0..sorted.len() {
        if rows.row(row) != rows.row(start) {
            start = row;
        }
        if row + 1 - start > longest {
            (best, longest) = (start, row + 1 - start);
        }
    }
    Ok(best)
}
