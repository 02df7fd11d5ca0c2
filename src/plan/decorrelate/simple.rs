//! Shapes of subqueries that need no domain.

use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, JoinType, LogicalPlan, Operator};

use super::domain::{Domain, outer_columns};
use crate::types::sql_type::SqlType;

/// Whether DataFusion makes a semi, anti or mark join of `EXISTS` or `IN` of `plan`: correlated in its WHERE only.
pub(super) fn rows(plan: &LogicalPlan) -> DataFusionResult<bool> {
    match plan {
        LogicalPlan::Projection(projection) => {
            Ok(!any(&projection.expr, is_outer)? && rows(&projection.input)?)
        }
        LogicalPlan::Filter(filter) => {
            let plain = !any([&filter.predicate], is_subquery)?;
            Ok(plain && rows(&filter.input)?)
        }
        other => Ok(outer_columns(other)?.is_empty()),
    }
}

/// Whether DataFusion makes a grouped join of the value of `plan`: an aggregate, correlated by equalities.
pub(super) fn value(plan: &LogicalPlan) -> DataFusionResult<bool> {
    match plan {
        LogicalPlan::Projection(projection) => {
            Ok(!any(&projection.expr, is_outer)? && value(&projection.input)?)
        }
        LogicalPlan::Aggregate(aggregate) => Ok(aggregate.group_expr.is_empty()
            && !any(&aggregate.aggr_expr, is_outer)?
            && equalities(&aggregate.input)?),
        _ => Ok(false),
    }
}

fn equalities(plan: &LogicalPlan) -> DataFusionResult<bool> {
    let LogicalPlan::Filter(filter) = plan else { return Ok(outer_columns(plan)?.is_empty()) };
    for condition in split_conjunction(&filter.predicate) {
        if any([condition], is_subquery)? {
            return Ok(false);
        }
        if !any([condition], is_outer)? {
            continue;
        }
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else {
            return Ok(false);
        };
        let sides = [left.as_ref(), right.as_ref()];
        let columns = sides.iter().filter(|side| matches!(side, Expr::Column(_))).count();
        let outer = sides.iter().filter(|side| is_outer(side)).count();
        if (columns, outer) != (1, 1) {
            return Ok(false);
        }
        // What is converted to be compared is no column any more.
        let [(_, left), (_, right)] =
            [sides[0].to_field(filter.input.schema())?, sides[1].to_field(filter.input.schema())?];
        let padded = matches!(SqlType::of_field(&left), Some(SqlType::Char(_)));
        if padded || left.data_type() != right.data_type() {
            return Ok(false);
        }
    }
    Ok(outer_columns(&filter.input)?.is_empty())
}

/// Whether each row of the domain gives its rows of `plan` by itself: then the domain need not be distinct.
pub(super) fn keeps_rows(plan: &LogicalPlan, domain: &Domain) -> DataFusionResult<bool> {
    if !domain.is_in(plan)? {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            Ok(!any(&projection.expr, is_subquery)? && keeps_rows(&projection.input, domain)?)
        }
        LogicalPlan::Filter(filter) => {
            Ok(!any([&filter.predicate], is_subquery)? && keeps_rows(&filter.input, domain)?)
        }
        LogicalPlan::SubqueryAlias(alias) => keeps_rows(&alias.input, domain),
        LogicalPlan::Unnest(unnest) => keeps_rows(&unnest.input, domain),
        LogicalPlan::Subquery(inner) => keeps_rows(&inner.subquery, domain),
        LogicalPlan::Join(join) => Ok(join.join_type == JoinType::Inner
            && !domain.is_in(&join.right)?
            && keeps_rows(&join.left, domain)?),
        _ => Ok(false),
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
    )
}

fn is_outer(expr: &Expr) -> bool {
    matches!(expr, Expr::OuterReferenceColumn(_, _))
}

fn any<'a>(
    exprs: impl IntoIterator<Item = &'a Expr>,
    holds: impl Fn(&Expr) -> bool,
) -> DataFusionResult<bool> {
    let mut found = false;
    for expr in exprs {
        expr.apply(|part| {
            found |= holds(part);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
    }
    Ok(found)
}
