//! An expression under a label, so that DataFusion names it unlike others: it leaves conversions and
//! parentheses out of names.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::plan::undefined::undefined_function;

/// Name of the function; a user has no way to write it.
pub(crate) const LABELED: &str = "labeled value";

/// The function: its first argument, whatever the second one says.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let signature = Signature::user_defined(Volatility::Immutable);
    vec![Arc::new(ScalarUDF::new_from_impl(Labeled { signature }))]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Labeled {
    signature: Signature,
}

impl ScalarUDFImpl for Labeled {
    fn name(&self) -> &str {
        LABELED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(kind) => Ok(kind.clone()),
            None => Err(undefined_function(LABELED, types).into()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(field) => Ok(Arc::clone(field)),
            None => Err(undefined_function(LABELED, &[]).into()),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args.swap_remove(0))
    }
}
