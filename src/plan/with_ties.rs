//! `FETCH FIRST n ROWS WITH TIES`: the rows whose rank is at most `n`, and whose number is beyond the
//! offset.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, Limit, LogicalPlan, LogicalPlanBuilder, Sort, WindowFunctionDefinition, col,
};

use super::function::WITH_TIES;
use crate::error::{Error, Result};

/// The functions that count rows.
pub(crate) struct Counting {
    pub(crate) row_number: WindowFunctionDefinition,
    pub(crate) rank: WindowFunctionDefinition,
}

/// `plan` with every limit that is marked by [`WITH_TIES`] as a condition on ranks.
pub(crate) fn expand(plan: LogicalPlan, counting: &Counting) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::Limit(limit) => match quantity(limit) {
            Some(quantity) => {
                let skip = limit.skip.as_deref().cloned();
                Ok(Transformed::yes(ranked(&limit.input, skip.as_ref(), &quantity, counting)?))
            }
            None => Ok(Transformed::no(node)),
        },
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(expanded.data)
}

/// The number of rows, if ties come with them.
fn quantity(limit: &Limit) -> Option<Expr> {
    match limit.fetch.as_deref() {
        Some(Expr::ScalarFunction(ScalarFunction { func, args })) if func.name() == WITH_TIES => {
            args.first().cloned()
        }
        _ => None,
    }
}

fn ranked(
    plan: &LogicalPlan,
    skip: Option<&Expr>,
    quantity: &Expr,
    counting: &Counting,
) -> DataFusionResult<LogicalPlan> {
    const RANK: &str = "__rank";
    const NUMBER: &str = "__number";
    let Sort { expr, input, .. } = match plan {
        LogicalPlan::Sort(sort) => sort,
        // The order may stand below the select list, which says nothing about which rows there are.
        LogicalPlan::Projection(projection) => {
            let input = ranked(&projection.input, skip, quantity, counting)?;
            return plan.with_new_exprs(projection.expr.clone(), vec![input]);
        }
        _ => {
            let error = Error::syntax("WITH TIES cannot be specified without ORDER BY clause");
            return Err(error.into());
        }
    };
    let number = |function: &WindowFunctionDefinition, name: &str| {
        let mut call = WindowFunction::new(function.clone(), vec![]);
        call.params = WindowFunctionParams { order_by: expr.clone(), ..call.params };
        Expr::from(call).alias(name)
    };
    let none = Expr::Literal(ScalarValue::Int64(Some(0)), None);
    let skip = skip.cloned().unwrap_or_else(|| none.clone());
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let mut calls = vec![number(&counting.rank, RANK)];
    let mut condition = col(RANK).lt_eq(match skip == none {
        true => quantity.clone(),
        false => skip.clone() + quantity.clone(),
    });
    if skip != none {
        calls.insert(0, number(&counting.row_number, NUMBER));
        condition = condition.and(col(NUMBER).gt(skip));
    }
    let rows = LogicalPlanBuilder::from(Arc::clone(input))
        .window(calls)?
        .filter(condition)?
        .project(columns.collect::<Vec<_>>())?
        .sort(expr.clone())?;
    rows.build()
}
