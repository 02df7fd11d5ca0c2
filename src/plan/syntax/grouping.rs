//! Groupings that DataFusion does not plan: `ROLLUP` and `CUBE` that name an expression twice, as the sets that
//! they stand for, and what makes one group of all rows, `HAVING` alone and `GROUP BY ()`.
//!
//! | written | becomes |
//! |---|---|
//! | `ROLLUP (x, x)` | `GROUPING SETS ((x), (x), ())` |
//! | `SELECT 1 FROM t HAVING true` | `SELECT 1 FROM t HAVING count(*) >= 0 AND (true)` |

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Select, Value,
};

use super::{function_name, label};

/// Rewrites the grouping sets of a GROUP BY.
pub(super) fn rewrite(group_by: &mut GroupByExpr) {
    let GroupByExpr::Expressions(exprs, _) = group_by else { return };
    for expr in exprs.iter_mut() {
        let sets = match &*expr {
            Expr::Rollup(parts) if repeats(parts) => rollup(parts),
            // More of them would be too many sets anyway.
            Expr::Cube(parts) if repeats(parts) && parts.len() <= 12 => cube(parts),
            _ => continue,
        };
        *expr = Expr::GroupingSets(sets.into_iter().map(distinct).collect());
    }
}

/// A HAVING without groups and aggregates with one, so that there is a group.
pub(super) fn one_group(select: &mut Select, is_aggregate: &dyn Fn(&Function) -> bool) {
    let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else { return };
    let empty = |expr: &Expr| matches!(expr, Expr::Tuple(parts) if parts.is_empty());
    let of_all = !exprs.is_empty() && exprs.iter().all(empty);
    exprs.retain(|expr| !empty(expr));
    let grouped = !exprs.is_empty();
    let asked = select.having.is_some() || of_all;
    if !asked || grouped || label::aggregates(select, is_aggregate) {
        return;
    }
    let mut count = function_name::call("count", vec![]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut count {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    }
    let zero = Expr::value(Value::Number("0".to_owned(), false));
    let some = super::binary(count, BinaryOperator::GtEq, zero);
    select.having = Some(match select.having.take() {
        Some(own) => super::binary(some, BinaryOperator::And, Expr::Nested(Box::new(own))),
        None => some,
    });
}

fn repeats(parts: &[Vec<Expr>]) -> bool {
    let all: Vec<Expr> = parts.iter().flatten().cloned().collect();
    distinct(all.clone()).len() < all.len()
}

fn distinct(exprs: Vec<Expr>) -> Vec<Expr> {
    let mut distinct: Vec<Expr> = vec![];
    for expr in exprs {
        if !distinct.contains(&expr) {
            distinct.push(expr);
        }
    }
    distinct
}

fn rollup(parts: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    (0..=parts.len()).rev().map(|length| parts[..length].concat()).collect()
}

fn cube(parts: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    let set = |mask: usize| {
        let chosen = parts.iter().enumerate().filter(|(index, _)| mask & 1 << index != 0);
        chosen.flat_map(|(_, part)| part.iter().cloned()).collect()
    };
    (0..1 << parts.len()).rev().map(set).collect()
}
