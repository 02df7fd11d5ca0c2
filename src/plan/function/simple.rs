//! A scalar function given by what it does with whole columns.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::plan::undefined::undefined_function;

/// What a function takes and gives; `constants` are the arguments that are literals.
pub(super) type Typing = fn(
    types: &[DataType],
    constants: &[Option<&ScalarValue>],
) -> crate::error::Result<Option<DataType>>;
/// The columns of the arguments, as many rows each, and the type of the result.
pub(super) type Body = fn(&[ArrayRef], &DataType) -> crate::error::Result<ArrayRef>;

#[derive(Debug)]
struct Simple {
    name: &'static str,
    /// Argument types to convert to, by number of arguments and their types; `None` if the function
    /// does not take them.
    arguments: fn(&[DataType]) -> Option<Vec<DataType>>,
    typing: Typing,
    body: Body,
    /// Whether it takes integers of every width as they are.
    polymorphic: bool,
    signature: Signature,
}

/// A function named `name`.
pub(super) fn simple(
    name: &'static str,
    arguments: fn(&[DataType]) -> Option<Vec<DataType>>,
    typing: Typing,
    body: Body,
) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    let polymorphic = false;
    Arc::new(ScalarUDF::new_from_impl(Simple {
        name,
        arguments,
        typing,
        body,
        polymorphic,
        signature,
    }))
}

/// A function named `name` whose result depends on the types of its arguments.
pub(super) fn polymorphic(
    name: &'static str,
    arguments: fn(&[DataType]) -> Option<Vec<DataType>>,
    typing: Typing,
    body: Body,
) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    let polymorphic = true;
    Arc::new(ScalarUDF::new_from_impl(Simple {
        name,
        arguments,
        typing,
        body,
        polymorphic,
        signature,
    }))
}

/// Whether a function's result depends on the types of its arguments.
pub(super) fn is_polymorphic(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Simple>().is_some_and(|function| function.polymorphic)
}

impl PartialEq for Simple {
    fn eq(&self, other: &Simple) -> bool {
        self.name == other.name
    }
}

impl Eq for Simple {}

impl Hash for Simple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Simple {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let plain: Vec<DataType> = types.iter().map(plain_text).collect();
        (self.arguments)(&plain).ok_or_else(|| undefined_function(self.name, types).into())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let constants = vec![None; types.len()];
        let kind = (self.typing)(types, &constants)?;
        kind.ok_or_else(|| undefined_function(self.name, types).into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let kind = (self.typing)(&types, args.scalar_arguments)?;
        let kind = kind.ok_or_else(|| undefined_function(self.name, &types))?;
        Ok(Arc::new(arrow::datatypes::Field::new(self.name, kind, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = (self.body)(&arrays, args.return_field.data_type())?;
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

fn plain_text(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        other => other.clone(),
    }
}
