//! Which of DataFusion's rules a maintained view's plan goes through, and why not the others.
//!
//! Taken: what decorrelates subqueries, extracts equal keys, moves filters down and folds constants.
//! Left out:
//! - `ReplaceDistinctWithAggregate`: DISTINCT has an operator of its own.
//! - `PushDownLimit`, `EliminateLimit`: a fetch pushed into a scan would bound the input once and
//!   for all, where the first n rows of a changing collection change.
//! - `SingleDistinctToGroupBy`: distinct arguments are kept per group by the aggregate operator; two
//!   nested aggregates would hold more state.
//! - `EliminateGroupByConstant`, `PropagateEmptyRelation`, `UnionsToFilter`: rare, and change what
//!   EXPLAIN shows more than what is computed.
//! - `FilterNullJoinKeys`: the join operator does not index null keys.
//! - `CommonSubexprEliminate`, `ExtractLeafExpressions`, `PushDownLeafProjections`,
//!   `OptimizeProjections`: column pruning happens on nodes, see `prune`.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, LogicalPlan, LogicalPlanBuilder, Volatility,
    WindowFunctionDefinition, lit,
};
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};

use super::guarded_rule::{eliminate_cross_join, equal_joins, push_down_filter};
use crate::error::{Error, Result};

/// `plan`, analyzed, in the form that is lowered.
pub(crate) fn optimize(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(OptimizeUnions::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        equal_joins(),
        Arc::new(EliminateFilter::new()),
        eliminate_cross_join(),
        Arc::new(EliminateOuterJoin::new()),
        push_down_filter(),
    ];
    let mut config = state.config_options().as_ref().clone();
    config.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let context = OptimizerContext::new_with_config_options(Arc::new(config))
        .without_query_execution_start_time()
        .with_skip_failing_rules(false);
    Ok(Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})?)
}

/// `DISTINCT ON` as the first row by `row_number()`, which lowering knows and DataFusion runs.
pub(crate) fn distinct_on(
    plan: LogicalPlan,
    row_number: &WindowFunctionDefinition,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Distinct(Distinct::On(on)) => {
            Ok(Transformed::yes(first_rows(on, row_number)?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

fn first_rows(
    on: DistinctOn,
    row_number: &WindowFunctionDefinition,
) -> datafusion::common::Result<LogicalPlan> {
    let DistinctOn { on_expr, select_expr, sort_expr, input, .. } = on;
    let mut number = WindowFunction::new(row_number.clone(), vec![]);
    let order_by = sort_expr.unwrap_or_default();
    let sorted = order_by.clone();
    number.params = WindowFunctionParams { partition_by: on_expr, order_by, ..number.params };
    let name = "__distinct_on";
    let number = Expr::from(number).alias(name);
    let columns = select_expr.iter().map(|expr| match expr {
        Expr::Column(_) | Expr::Alias(_) => expr.clone(),
        other => other.clone().alias(other.schema_name().to_string()),
    });
    let first = LogicalPlanBuilder::from(input.as_ref().clone())
        .window(vec![number])?
        .filter(datafusion::logical_expr::col(name).eq(lit(1_i64)))?;
    // The rows come in the order that chose them.
    let first = if sorted.is_empty() { first } else { first.sort(sorted)? };
    first.project(columns.collect::<Vec<_>>())?.build()
}

/// Refuses functions whose value changes while the rows stay the same.
pub(crate) fn refuse_volatile(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(ScalarFunction { func, .. }) = part
                    && volatile(func.name(), func.signature().volatility)
                {
                    found.get_or_insert_with(|| func.name().to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    match found {
        None => Ok(()),
        Some(name) => {
            let error = Error::unsupported(format!("{name}() in a materialized view"));
            Err(match name.as_str() {
                "random" | "uuid" | "gen_random_uuid" => error.hint(
                    "Its value would change with every evaluation. Make it the DEFAULT of a table's \
                     column instead.",
                ),
                _ => error.hint(
                    "Its value changes while the rows stay the same. Leave it to the SELECT over \
                     the view, or make it the DEFAULT of a table's column.",
                ),
            })
        }
    }
}

fn volatile(name: &str, volatility: Volatility) -> bool {
    const OF_THE_MOMENT: [&str; 14] = [
        "now",
        "current_timestamp",
        "current_date",
        "current_time",
        "today",
        "localtimestamp",
        "localtime",
        "clock_timestamp",
        "statement_timestamp",
        "transaction_timestamp",
        "current_user",
        "session_user",
        "current_schema",
        "current_database",
    ];
    volatility == Volatility::Volatile || OF_THE_MOMENT.contains(&name)
}
