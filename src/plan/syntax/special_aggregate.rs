//! Aggregates that others stand for.
//!
//! | written | becomes |
//! |---|---|
//! | `json_agg(x ORDER BY y)` | `CAST('[' \|\| string_agg("json element"(x), ', ' ORDER BY y) \|\| ']' AS json)` |
//! | `json_object_agg(k, v)` | the same with `"json member"(k, v)`, in `{ … }` |
//! | `regr_count(y, x)` | `count(nullif(x IS NULL OR y IS NULL, true))` |

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Value,
};

use super::{binary, cast, function_name};
use crate::error::{Error, Result};
use crate::plan::function::{ELEMENT, MEMBER};

/// Whether a function is an aggregate that another stands for.
pub(super) fn is_one(name: &str) -> bool {
    document(name).is_some() || name == "regr_count"
}

/// What an aggregate of JSON has around its parts, what writes these, of how many arguments, and its type.
fn document(name: &str) -> Option<([&'static str; 2], &'static str, usize, DataType)> {
    Some(match name {
        "json_agg" => (["[", "]"], ELEMENT, 1, DataType::JSON),
        "jsonb_agg" => (["[", "]"], ELEMENT, 1, DataType::JSONB),
        "json_object_agg" => (["{ ", " }"], MEMBER, 2, DataType::JSON),
        "jsonb_object_agg" => (["{ ", " }"], MEMBER, 2, DataType::JSONB),
        _ => return None,
    })
}

/// Writes a call of such an aggregate out.
///
/// # Errors
/// `0A000` with DISTINCT, `42883` for wrong arguments.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    let name = function_name::last_part(&function.name);
    if !is_one(&name) {
        return Ok(());
    }
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if list.duplicate_treatment.is_some() {
        return Err(Error::unsupported(format!("{name} of DISTINCT values"))
            .hint("Select the distinct values in a subquery."));
    }
    let args = arguments(list);
    let Some(([open, close], part, count, kind)) = document(&name) else {
        let [y, x] = &args[..] else { return Err(undefined(&name)) };
        let null = |expr: &Expr| Expr::IsNull(Box::new(Expr::Nested(Box::new(expr.clone()))));
        let missing = binary(null(y), BinaryOperator::Or, null(x));
        let yes = Expr::value(Value::Boolean(true));
        list.args = vec![argument(function_name::call("nullif", vec![missing, yes]))];
        function.name = ObjectName::from(vec![Ident::new("count")]);
        return Ok(());
    };
    if args.len() != count {
        return Err(undefined(&name));
    }
    list.args = vec![argument(function_name::internal(part, args)), argument(text(", "))];
    function.name = ObjectName::from(vec![Ident::new("string_agg")]);
    let opened = binary(text(open), BinaryOperator::StringConcat, expr.clone());
    let closed = binary(opened, BinaryOperator::StringConcat, text(close));
    *expr = cast(Expr::Nested(Box::new(closed)), kind);
    Ok(())
}

fn undefined(name: &str) -> Error {
    crate::plan::undefined::undefined_call(name, &[])
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn arguments(list: &FunctionArgumentList) -> Vec<Expr> {
    let arg = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().filter_map(arg).collect()
}

fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}
