//! Functions declared as Postgres' catalog declares its own: by the types that they take and give.
//! Which of several is called, and what is converted for it, follows Postgres' rules; a call that none
//! takes is refused, where DataFusion would convert almost anything to text.

mod cell;
mod kind;
mod overload;
mod resolve;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use itertools::izip;

pub(super) use cell::{
    Bool, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Text, Texts, Time, Timestamp,
    Timestamptz,
};
pub(super) use kind::Kind;
pub(super) use overload::{Overload, four, one, three, two, whole};

use crate::plan::operator::{cast, folded, typed};
use crate::plan::typing::{undeclared, unknown};

struct Declared {
    name: &'static str,
    overloads: Vec<Overload>,
    signature: Signature,
}

/// The function `name`, one or several of it.
pub(super) fn declared(name: &'static str, overloads: Vec<Overload>) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Declared { name, overloads, signature }))
}

/// Whether a function is declared here, so that the types of its arguments matter.
pub(crate) fn is_declared(function: &ScalarUDF) -> bool {
    function.inner().is::<Declared>()
}

/// The call with every argument of the type that the function takes; literals of unknown type become
/// literals of it.
pub(crate) fn resolved(call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let Some(function) = call.func.inner().downcast_ref::<Declared>() else {
        return Ok(Expr::ScalarFunction(call));
    };
    let args: Vec<Expr> = call.args.into_iter().map(folded).collect();
    let types = args.iter().map(|arg| match unknown(arg) {
        true => Ok(None),
        false => arg.get_type(schema).map(Some),
    });
    let types = types.collect::<Result<Vec<_>>>()?;
    let overload = resolve::resolve(function.name, &function.overloads, &types)?;
    let targets = overload.targets(&types);
    let args = izip!(args, types, targets).map(|(arg, from, to)| match from {
        None => typed(undeclared(arg), &to),
        Some(from) => Ok(cast(arg, Some(&from), &to)),
    });
    let args = args.collect::<crate::error::Result<Vec<_>>>()?;
    Ok(Expr::ScalarFunction(ScalarFunction { func: call.func, args }))
}

impl Declared {
    /// The overload for arguments of these types; a text may be a literal of unknown type.
    fn overload(&self, types: &[DataType]) -> crate::error::Result<&Overload> {
        let known = |unknown_texts: bool| {
            let known = move |kind: &DataType| match kind {
                DataType::Null => None,
                text if text.is_string() && unknown_texts => None,
                other => Some(other.clone()),
            };
            types.iter().map(known).collect::<Vec<_>>()
        };
        let strict = resolve::resolve(self.name, &self.overloads, &known(false));
        strict.or_else(|error| {
            resolve::resolve(self.name, &self.overloads, &known(true)).map_err(|_| error)
        })
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Declared {
    fn eq(&self, other: &Declared) -> bool {
        self.name == other.name
    }
}

impl Eq for Declared {}

impl Hash for Declared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Declared {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let overload = self.overload(types)?;
        let known: Vec<_> =
            types.iter().map(|kind| (!kind.is_null()).then(|| kind.clone())).collect();
        Ok(overload.targets(&known))
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.overload(types)?.result(types, &vec![None; types.len()])?)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let result = self.overload(&types)?.result(&types, args.scalar_arguments)?;
        Ok(Arc::new(Field::new(self.name, result, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> =
            args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let overload = self.overload(&types)?;
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result: ArrayRef = overload.compute(&arrays, args.return_field.data_type(), rows)?;
        Ok(match scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}
