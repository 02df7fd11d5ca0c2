//! `ROLLUP` and `CUBE` that name an expression twice, as the sets that they stand for: DataFusion does not
//! plan them.
//!
//! | written | becomes |
//! |---|---|
//! | `ROLLUP (x, x)` | `GROUPING SETS ((x), (x), ())` |

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr};

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
