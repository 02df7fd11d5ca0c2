//! `string_agg(value, delimiter)`: text, each value behind the delimiter of its own row.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalSortExpr;

use crate::plan::undefined::undefined_function;

/// The function.
pub(super) fn string_agg() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(StringAgg { signature }))
}

/// The columns of a state, a list each: of the rows so far.
const STATE: [(&str, DataType); 3] =
    [("values", DataType::Utf8), ("delimiters", DataType::Utf8), ("keys", DataType::Binary)];

#[derive(Debug, PartialEq, Eq, Hash)]
struct StringAgg {
    signature: Signature,
}

impl AggregateUDFImpl for StringAgg {
    fn name(&self) -> &str {
        "string_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let text = |kind: &DataType| kind.is_string() || kind.is_null();
        match arg_types {
            [value, delimiter] if text(value) && text(delimiter) => {
                Ok(vec![DataType::Utf8, DataType::Utf8])
            }
            _ => Err(undefined_function(self.name(), arg_types).into()),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let key = |sort: &PhysicalSortExpr| {
            let kind = sort.expr.data_type(args.schema)?;
            Ok(SortField::new_with_options(kind, sort.options))
        };
        let keys = args.order_bys.iter().map(key).collect::<Result<Vec<_>>>()?;
        let order = match (keys.is_empty(), args.is_distinct) {
            (false, _) => Some(Order::By(RowConverter::new(keys)?)),
            (true, true) => Some(Order::Values),
            (true, false) => None,
        };
        let distinct = args.is_distinct.then(HashSet::new);
        Ok(Box::new(Joined { rows: vec![], distinct, order }))
    }

    fn state_fields(&self, _args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let list = |(name, kind): (&str, DataType)| {
            Arc::new(Field::new_list(name, Field::new_list_field(kind, true), true))
        };
        Ok(STATE.map(list).to_vec())
    }

    /// Rows may come in any order: they are put in order here, for want of a reversed function DataFusion
    /// forgets to sort for this one.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }
}

/// In what order rows are joined, if not as they come.
#[derive(Debug)]
enum Order {
    /// By the columns behind the value and the delimiter.
    By(RowConverter),
    /// By values, then delimiters.
    Values,
}

#[derive(Debug)]
struct Row {
    /// What it is sorted by.
    key: Vec<u8>,
    value: String,
    delimiter: Option<String>,
}

#[derive(Debug)]
struct Joined {
    rows: Vec<Row>,
    /// Values and delimiters so far, if each counts once.
    distinct: Option<HashSet<(String, Option<String>)>>,
    order: Option<Order>,
}

impl Joined {
    fn push(&mut self, row: Row) {
        let new = match &mut self.distinct {
            Some(distinct) => distinct.insert((row.value.clone(), row.delimiter.clone())),
            None => true,
        };
        if new {
            self.rows.push(row);
        }
    }

    fn joined(&mut self) -> Option<String> {
        match self.order {
            Some(Order::By(_)) => self.rows.sort_by(|one, other| one.key.cmp(&other.key)),
            Some(Order::Values) => {
                let whole = |row: &Row| (row.value.clone(), row.delimiter.clone());
                self.rows.sort_by_cached_key(whole);
            }
            None => {}
        }
        let (first, others) = self.rows.split_first()?;
        let mut text = first.value.clone();
        for row in others {
            text.push_str(row.delimiter.as_deref().unwrap_or_default());
            text.push_str(&row.value);
        }
        Some(text)
    }
}

impl Accumulator for Joined {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let keys = match &self.order {
            Some(Order::By(converter)) => Some(converter.convert_columns(&values[2..])?),
            _ => None,
        };
        let texts = [cast(&values[0], &DataType::Utf8)?, cast(&values[1], &DataType::Utf8)?];
        let [values, delimiters] = texts.each_ref().map(|array| array.as_string::<i32>());
        for row in (0..values.len()).filter(|&row| values.is_valid(row)) {
            let value = values.value(row).to_owned();
            let delimiter = delimiters.is_valid(row).then(|| delimiters.value(row).to_owned());
            let key = keys.as_ref().map(|keys| keys.row(row).as_ref().to_vec());
            self.push(Row { key: key.unwrap_or_default(), value, delimiter });
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Utf8(self.joined()))
    }

    fn size(&self) -> usize {
        let size = |row: &Row| size_of_val(row) + row.value.len() + row.key.len();
        let distinct = self.distinct.iter().flatten().map(|row| size_of_val(row) + row.0.len());
        size_of_val(self) + self.rows.iter().map(size).chain(distinct).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let column = |cell: fn(&Row) -> ScalarValue, kind: &DataType| {
            let cells: Vec<ScalarValue> = self.rows.iter().map(cell).collect();
            ScalarValue::List(ScalarValue::new_list(&cells, kind, true))
        };
        let [(_, text), _, (_, key)] = STATE;
        Ok(vec![
            column(|row| ScalarValue::Utf8(Some(row.value.clone())), &text),
            column(|row| ScalarValue::Utf8(row.delimiter.clone()), &text),
            column(|row| ScalarValue::Binary(Some(row.key.clone())), &key),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, delimiters, keys] = [0, 1, 2].map(|n: usize| states[n].as_list::<i32>());
        for group in 0..values.len() {
            let (values, delimiters) = (values.value(group), delimiters.value(group));
            let keys = keys.value(group);
            let [values, delimiters] = [&values, &delimiters].map(|texts| texts.as_string::<i32>());
            let keys = keys.as_binary::<i32>();
            for row in 0..values.len() {
                let value = values.value(row).to_owned();
                let delimiter = delimiters.is_valid(row).then(|| delimiters.value(row).to_owned());
                self.push(Row { key: keys.value(row).to_vec(), value, delimiter });
            }
        }
        Ok(())
    }
}
