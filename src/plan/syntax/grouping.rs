//! Groupings that DataFusion does not plan: `ROLLUP` and `CUBE` that name an expression twice, as the sets that
//! they stand for, and `HAVING` alone, which makes one group of all rows.
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
    for expr in exprs {
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
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
        GroupByExpr::All(_) => true,
    };
    if select.having.is_none() || grouped || label::aggregates(select, is_aggregate) {
        return;
    }
    let mut count = function_name::call("count", vec![]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut count {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    }
    let zero = Expr::value(Value::Number("0".to_owned(), false));
    let some = super::binary(count, BinaryOperator::GtEq, zero);
    let wrap = |having| super::binary(some, BinaryOperator::And, Expr::Nested(Box::new(having)));
    select.having = select.having.take().map(wrap);
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
