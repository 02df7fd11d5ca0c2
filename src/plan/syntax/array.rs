//! Subscripts, slices, and comparisons with all elements of an array.

use datafusion::sql::sqlparser::ast::{AccessExpr, Array, BinaryOperator, Expr, Subscript, Value};

use super::function_name::call;
use crate::error::{Error, Result};

/// The functions that compare a value with each element: for `= ANY` and so on.
const ANY: &str = "compare_any";
const ALL: &str = "compare_all";
/// The function that makes an array of its arguments.
const ARRAY: &str = "make_array";

/// `t.a[1]` is an element of the column `a` of `t`: a field of a column is written `(t).a`.
pub(super) fn qualify_root(expr: &mut Expr) {
    if let Expr::CompoundFieldAccess { root, access_chain } = expr
        && let (Expr::Identifier(relation), [AccessExpr::Dot(Expr::Identifier(column)), _, ..]) =
            (root.as_ref(), access_chain.as_slice())
    {
        **root = Expr::CompoundIdentifier(vec![relation.clone(), column.clone()]);
        access_chain.remove(0);
    }
}

/// What is said of arrays in syntax as calls.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    match expr {
        Expr::CompoundFieldAccess { root, access_chain }
            if access_chain.iter().all(|part| matches!(part, AccessExpr::Subscript(_))) =>
        {
            let [AccessExpr::Subscript(subscript)] = &access_chain[..] else {
                return Err(more_dimensions());
            };
            *expr = subscripted(root.as_ref().clone(), subscript)?;
        }
        Expr::Array(Array { elem, .. }) if elem.iter().any(is_array) => {
            return Err(more_dimensions());
        }
        // DataFusion plans the elements of a literal apart from the query around.
        Expr::Array(Array { elem, .. }) if !elem.is_empty() => {
            *expr = call(ARRAY, std::mem::take(elem));
        }
        Expr::AnyOp { left, compare_op, right, .. } => {
            if let Some(compared) = compared(left, compare_op, right, true)? {
                *expr = compared;
            }
        }
        Expr::AllOp { left, compare_op, right } => {
            if let Some(compared) = compared(left, compare_op, right, false)? {
                *expr = compared;
            }
        }
        Expr::Like { negated, any: true, expr: text, pattern, escape_char: None } => {
            let name = if *negated { "NOT LIKE" } else { "LIKE" };
            *expr = elements(ANY, name, text, pattern);
        }
        Expr::ILike { negated, any: true, expr: text, pattern, escape_char: None } => {
            let name = if *negated { "NOT ILIKE" } else { "ILIKE" };
            *expr = elements(ANY, name, text, pattern);
        }
        _ => {}
    }
    Ok(())
}

fn more_dimensions() -> Error {
    Error::unsupported("an array of more than one dimension")
}

fn is_array(expr: &Expr) -> bool {
    match expr {
        Expr::Array(_) => true,
        Expr::Function(function) => function.name.to_string() == ARRAY,
        _ => false,
    }
}

fn subscripted(array: Expr, subscript: &Subscript) -> Result<Expr> {
    let bound = |bound: &Option<Expr>, otherwise: i32| {
        let number = || super::integer(Expr::value(Value::Number(otherwise.to_string(), false)));
        bound.clone().unwrap_or_else(number)
    };
    match subscript {
        Subscript::Index { index } => Ok(call("array_subscript", vec![array, index.clone()])),
        Subscript::Slice { lower_bound, upper_bound, stride: None } => Ok(call(
            "array_part",
            vec![array, bound(lower_bound, i32::MIN + 1), bound(upper_bound, i32::MAX)],
        )),
        Subscript::Slice { .. } => Err(Error::syntax("syntax error at or near \":\"")),
    }
}

/// `left op ANY(right)` or `left op ALL(right)`; none for subqueries that the planner takes.
fn compared(left: &Expr, op: &BinaryOperator, right: &Expr, any: bool) -> Result<Option<Expr>> {
    let right = match right {
        Expr::Nested(inner) => inner.as_ref(),
        other => other,
    };
    if let Expr::Subquery(subquery) = right {
        let negated = match (op, any) {
            (BinaryOperator::Eq, true) => false,
            (BinaryOperator::NotEq, false) => true,
            _ => return Ok(None),
        };
        let (expr, subquery) = (Box::new(left.clone()), subquery.clone());
        return Ok(Some(Expr::InSubquery { expr, subquery, negated }));
    }
    Ok(Some(elements(if any { ANY } else { ALL }, &op.to_string(), left, right)))
}

fn elements(function: &str, op: &str, left: &Expr, right: &Expr) -> Expr {
    let op = match op {
        "~~" => "LIKE",
        "!~~" => "NOT LIKE",
        "~~*" => "ILIKE",
        "!~~*" => "NOT ILIKE",
        "!=" => "<>",
        other => other,
    };
    let op = Expr::value(Value::SingleQuotedString(op.to_owned()));
    call(function, vec![op, left.clone(), right.clone()])
}
