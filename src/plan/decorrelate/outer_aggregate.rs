//! An aggregate over nothing but columns of the query around is one of that query, in SQL: it is refused, since
//! DataFusion computes it in the subquery.

use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery, SetComparison, Sort};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::domain::{correlates, outer_columns};
use crate::error::{Error, Result};

/// Refuses aggregates of a query around a subquery. `plan` is as it comes from SQL: what is computed below an
/// aggregate hides whose columns it reads.
///
/// # Errors
/// `0A000`.
pub(crate) fn refuse_outer_aggregates(plan: &LogicalPlan) -> Result<()> {
    if !correlates(plan)? {
        return Ok(());
    }
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            for call in &aggregate.aggr_expr {
                if let Expr::AggregateFunction(call) = call.clone().unalias() {
                    found |= belongs_outside(&call, &aggregate.input)?;
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match found {
        false => Ok(()),
        true => Err(Error::unsupported("an aggregate of the query around a subquery")
            .hint("Compute the aggregate in a subquery in FROM and refer to it by its alias.")),
    }
}

/// Whether a call reads columns, and none of its own query.
fn belongs_outside(call: &AggregateFunction, input: &LogicalPlan) -> DataFusionResult<bool> {
    let (mut own, mut outer) = (false, false);
    let params = &call.params;
    let sorts = params.order_by.iter().map(|Sort { expr, .. }| expr);
    for arg in params.args.iter().chain(params.filter.as_deref()).chain(sorts) {
        arg.apply(|part| {
            own |= matches!(part, Expr::Column(_));
            outer |= matches!(part, Expr::OuterReferenceColumn(_, _));
            if let Expr::ScalarSubquery(subquery)
            | Expr::Exists(Exists { subquery, .. })
            | Expr::InSubquery(InSubquery { subquery, .. })
            | Expr::SetComparison(SetComparison { subquery, .. }) = part
            {
                for column in outer_columns(&subquery.subquery)? {
                    match input.schema().has_column(&column) {
                        true => own = true,
                        false => outer = true,
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(outer && !own)
}
