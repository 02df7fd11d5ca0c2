//! Functions on texts that DataFusion has not: those of Flink that Nexmark's queries call, and
//! `pg_typeof`.

use std::sync::Arc;

use arrow::array::types::Int64Type;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use itertools::izip;

use crate::error::Result;
use crate::plan::function::simple::simple;
use crate::plan::operator::field_sql_name;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        simple(
            "split_index",
            text_text_number,
            |_, _| Ok(Some(DataType::Utf8)),
            |args, _| split_index(args),
        ),
        Arc::new(ScalarUDF::new_from_impl(TypeOf {
            signature: Signature::any(1, Volatility::Immutable),
        })),
    ]
}

/// `pg_typeof(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
        let name = field_sql_name(&args.arg_fields[0]);
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))))
    }
}

fn text_text_number(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [_, _, number] if number.is_integer() || number.is_null() => {
            Some(vec![DataType::Utf8, DataType::Utf8, DataType::Int64])
        }
        _ => None,
    }
}

/// The part at a position counted from zero; null if there is none.
fn split_index(args: &[ArrayRef]) -> Result<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    let separators = args[1].as_string::<i32>();
    let indexes = args[2].as_primitive::<Int64Type>();
    let part = |(text, separator, index): (Option<&str>, Option<&str>, Option<i64>)| {
        let (text, separator, index) = (text?, separator?, usize::try_from(index?).ok()?);
        match separator {
            "" => None,
            separator => text.split(separator).nth(index).map(str::to_owned),
        }
    };
    let parts = izip!(texts.iter(), separators.iter(), indexes.iter()).map(part);
    debug_assert_eq!(texts.len(), separators.len(), "columns have as many rows each");
    Ok(Arc::new(parts.collect::<StringArray>()))
}
