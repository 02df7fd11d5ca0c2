//! `coalesce`, `greatest`, `least` and `nullif` while a query is planned: DataFusion's own do not know that a
//! literal beside an array or an interval is one. What they convert is decided later, see `typing`.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions::core;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::common_type;
use crate::plan::undefined::undefined_function;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let united = |inner: Arc<ScalarUDF>| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(United { inner, signature }))
    };
    [core::coalesce(), core::greatest(), core::least(), core::nullif()].map(united).to_vec()
}

/// A function whose arguments all have the type of its result.
#[derive(Debug, PartialEq, Eq, Hash)]
struct United {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for United {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // A text may be a literal of unknown type.
        let known = types.iter().filter(|kind| !kind.is_string()).cloned().collect::<Vec<_>>();
        let known = if known.iter().all(DataType::is_null) { types } else { &known[..] };
        match common_type(known) {
            Some(common) if !types.is_empty() => Ok(vec![common; types.len()]),
            _ => Err(undefined_function(self.name(), types).into()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.coerce_types(types)?.swap_remove(0))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // Of texts, the first that is no literal says of what kind: `varchar(n)`, `jsonb` …
        let known = itertools::zip_eq(args.arg_fields, args.scalar_arguments);
        let first = known.into_iter().find(|(_, constant)| constant.is_none());
        let first = first.map(|(field, _)| Arc::clone(field));
        let field = self.inner.return_field_from_args(args)?;
        Ok(match first {
            Some(first) if first.data_type().is_string() && field.data_type().is_string() => {
                Arc::new(field.as_ref().clone().with_metadata(first.metadata().clone()))
            }
            _ => field,
        })
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, context)
    }

    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}
