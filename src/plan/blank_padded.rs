//! `char(n)` is kept with its blanks and shown with them, but they say nothing: comparisons and conversions
//! to other types leave them out. (`LIKE` and `octet_length` do look at them, in Postgres too.)

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::expr_fn::rtrim;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};

use super::function::{ASSIGNED, ELEMENT, MEMBER, UNMODIFIED};
use super::short_circuit::compares;
use crate::types::sql_type::SqlType;

/// An expression that reads values of `char(n)`, without their blanks where these do not count.
pub(crate) fn trimmed(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if drops_blanks(op) => {
            let padded = [is_padded(&left, schema), is_padded(&right, schema)];
            if padded == [false, false] {
                return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            let left = Box::new(stripped(*left, padded[0]));
            let right = Box::new(stripped(*right, padded[1]));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::InList(InList { expr, list, negated }) if is_padded(&expr, schema) => {
            let padded = |item: Expr| {
                let padded = is_padded(&item, schema);
                stripped(item, padded)
            };
            let list = list.into_iter().map(padded).collect();
            let expr = Box::new(stripped(*expr, true));
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if !keeps_blanks(func.name()) && args.iter().any(|arg| is_padded(arg, schema)) =>
        {
            let strip = |arg: Expr| match is_padded(&arg, schema) {
                true => rtrim(vec![arg]),
                false => arg,
            };
            let args = args.into_iter().map(strip).collect();
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        Expr::Cast(Cast { expr, field })
            if !matches!(SqlType::of_field(&field), Some(SqlType::Char(_)))
                && is_padded(&expr, schema) =>
        {
            let expr = Box::new(rtrim(vec![*expr]));
            Ok(Transformed::yes(Expr::Cast(Cast { expr, field })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn drops_blanks(op: Operator) -> bool {
    compares(op) || op == Operator::StringConcat
}

/// Functions whose result has the type of their first argument.
const UNITED: [&str; 4] = ["coalesce", "nullif", "greatest", "least"];

/// Whether a function's result or its meaning keeps the blanks of its arguments.
fn keeps_blanks(function: &str) -> bool {
    matches!(
        function,
        "octet_length"
            | "concat"
            | "concat_ws"
            | "format"
            | "cast"
            | "pg_typeof"
            | "to_json"
            | "to_jsonb"
    ) || [ASSIGNED, UNMODIFIED, ELEMENT, MEMBER].contains(&function)
        || UNITED.contains(&function)
        || function.contains("_build_")
}

/// Values that become one type: that of the first, which keeps the blanks of the others if it is `char(n)`.
pub(crate) fn of_one_type(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let strip = |expr: Expr| if is_padded(&expr, schema) { rtrim(vec![expr]) } else { expr };
    if first_is_padded(exprs.iter(), schema) {
        exprs
    } else {
        exprs.into_iter().map(strip).collect()
    }
}

/// Whether an expression has the type `char(n)`.
fn is_padded(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Column(_) | Expr::Cast(_) | Expr::OuterReferenceColumn(..) => expr
            .to_field(schema)
            .is_ok_and(|(_, field)| matches!(SqlType::of_field(&field), Some(SqlType::Char(_)))),
        Expr::ScalarFunction(ScalarFunction { func, args }) if UNITED.contains(&func.name()) => {
            first_is_padded(args.iter(), schema)
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            first_is_padded(case.else_expr.as_deref().into_iter().chain(results), schema)
        }
        _ => false,
    }
}

/// Whether the first of these of a known type is of `char(n)`, if there is one.
fn first_is_padded<'a>(mut exprs: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    let known = |expr: &&Expr| !matches!(expr, Expr::Literal(..) | Expr::Placeholder(_));
    exprs.find(known).is_some_and(|first| is_padded(first, schema))
}

/// Without blanks at the end: a value of `char(n)`, and a literal that is compared with one.
fn stripped(expr: Expr, padded: bool) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) => {
            Expr::Literal(ScalarValue::Utf8(Some(text.trim_end_matches(' ').to_owned())), metadata)
        }
        expr if padded => rtrim(vec![expr]),
        expr => expr,
    }
}
