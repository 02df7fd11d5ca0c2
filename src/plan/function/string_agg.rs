//! `string_agg(value, delimiter)`: text, each value behind the delimiter of its own row.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::plan::undefined::undefined_function;

/// The function.
pub(super) fn string_agg() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(StringAgg { signature }))
}

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
        Ok(Box::new(Joined {
            first_delimiter: None,
            text: None,
            distinct: args.is_distinct.then(HashSet::new),
            sorted: args.is_distinct && args.order_bys.is_empty(),
        }))
    }

    fn state_fields(&self, _args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let text = |name| Arc::new(Field::new(name, DataType::Utf8, true));
        Ok(vec![text("text"), text("delimiter")])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::HardRequirement
    }
}

#[derive(Debug)]
struct Joined {
    /// The delimiter of the first row, before which nothing stands yet.
    first_delimiter: Option<String>,
    text: Option<String>,
    /// Rows so far, if each counts once.
    distinct: Option<HashSet<(String, Option<String>)>>,
    /// Whether distinct rows are put in their own order.
    sorted: bool,
}

impl Joined {
    fn push(&mut self, value: &str, delimiter: Option<&str>) {
        match &mut self.text {
            None => {
                self.first_delimiter = delimiter.map(str::to_owned);
                self.text = Some(value.to_owned());
            }
            Some(text) => {
                text.push_str(delimiter.unwrap_or_default());
                text.push_str(value);
            }
        }
    }
}

impl Accumulator for Joined {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let texts = [cast(&values[0], &DataType::Utf8)?, cast(&values[1], &DataType::Utf8)?];
        let [values, delimiters] = texts.each_ref().map(|array| array.as_string::<i32>());
        for row in (0..values.len()).filter(|&row| values.is_valid(row)) {
            let value = values.value(row);
            let delimiter = delimiters.is_valid(row).then(|| delimiters.value(row));
            if let Some(distinct) = &mut self.distinct {
                let new = distinct.insert((value.to_owned(), delimiter.map(str::to_owned)));
                if !new || self.sorted {
                    continue;
                }
            }
            self.push(value, delimiter);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.sorted {
            self.text = None;
            let mut rows: Vec<_> = self.distinct.iter().flatten().cloned().collect();
            rows.sort();
            rows.iter().for_each(|(value, delimiter)| self.push(value, delimiter.as_deref()));
        }
        Ok(ScalarValue::Utf8(self.text.clone()))
    }

    fn size(&self) -> usize {
        let rows = self.distinct.iter().flatten().map(|row| size_of_val(row) + row.0.len());
        size_of_val(self) + self.text.as_ref().map_or(0, String::capacity) + rows.sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let text = self.evaluate()?;
        Ok(vec![text, ScalarValue::Utf8(self.first_delimiter.clone())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}
