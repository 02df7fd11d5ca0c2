//! DataFusion's optimizer rules, kept from plans whose meaning they would change.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Join, JoinType, LogicalPlan, Projection,
};
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;
type Rewrite = fn(&Rule, LogicalPlan, &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>>;

/// A rule of DataFusion's with another way to use it.
#[derive(Debug)]
struct Guarded {
    rule: Rule,
    rewrite: Rewrite,
}

/// Keys of joins, extracted from their conditions. Where a null key equals a null key, plain equalities
/// would become keys too, where a null equals nothing.
pub(crate) fn equal_joins() -> Rule {
    let rule = Arc::new(ExtractEquijoinPredicate::new());
    let rewrite: Rewrite = |rule, plan, config| match &plan {
        LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull => {
            Ok(Transformed::no(plan))
        }
        _ => rule.rewrite(plan, config),
    };
    Arc::new(Guarded { rule, rewrite })
}

/// Conditions moved down. One that reads no column would move below an aggregate without groups, or with an
/// empty grouping set, which has a row even if its input has none.
pub(crate) fn push_down_filter() -> Rule {
    let rewrite: Rewrite = |rule, plan, config| {
        if let LogicalPlan::Filter(filter) = &plan
            && let LogicalPlan::Aggregate(aggregate) = filter.input.as_ref()
            && matches!(&aggregate.group_expr[..], [] | [Expr::GroupingSet(_)])
        {
            return Ok(Transformed::no(plan));
        }
        rule.rewrite(plan, config)
    };
    Arc::new(Guarded { rule: Arc::new(PushDownFilter::new()), rewrite })
}

/// DISTINCT as a grouping by all columns, always: DataFusion leaves it out over a grouping by the same columns, and
/// takes `unnest` over one for such, though it repeats rows.
fn group_distinct() -> Rule {
    let rewrite: Rewrite = |rule, plan, config| match plan {
        LogicalPlan::Distinct(Distinct::All(input)) if !input.schema().fields().is_empty() => {
            let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
            let grouped = Aggregate::try_new(input, columns, vec![])?;
            Ok(Transformed::yes(LogicalPlan::Aggregate(grouped)))
        }
        other => rule.rewrite(other, config),
    };
    Arc::new(Guarded { rule: Arc::new(ReplaceDistinctWithAggregate::new()), rewrite })
}

/// Joins left out for what their sides have once: not where something is unnested, see [`group_distinct`].
fn eliminate_join() -> Rule {
    let rewrite: Rewrite = |rule, plan, config| match plan
        .exists(|node| Ok(matches!(node, LogicalPlan::Unnest(_))))?
    {
        true => Ok(Transformed::no(plan)),
        false => rule.rewrite(plan, config),
    };
    Arc::new(Guarded { rule: Arc::new(EliminateJoin::new()), rewrite })
}

/// Inner joins put in another order, to make joins of cross joins. Joins in which a null key equals a
/// null key keep out of it: all keys would become like theirs, or theirs like all.
pub(crate) fn eliminate_cross_join() -> Rule {
    let rewrite: Rewrite = |rule, plan, config| {
        let apart = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) if is_null_safe(&join) => {
                let (left, right) = (hidden(join.left)?, hidden(join.right)?);
                let join = LogicalPlan::Join(Join { left, right, ..join });
                Ok(Transformed::yes(Arc::unwrap_or_clone(hidden(Arc::new(join))?)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let rewritten = rule.rewrite(apart.data, config)?;
        let transformed = rewritten.transformed || apart.transformed;
        Ok(Transformed { transformed, ..rewritten })
    };
    Arc::new(Guarded { rule: Arc::new(EliminateCrossJoin::new()), rewrite })
}

fn is_null_safe(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull && join.join_type == JoinType::Inner
}

/// An inner join below a projection of all its columns: the rule does not look through it.
fn hidden(plan: Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    match plan.as_ref() {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let columns = plan.schema().columns().into_iter().map(Expr::Column).collect();
            Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, plan)?)))
        }
        _ => Ok(plan),
    }
}

/// `rules` with the guarded ones in place of DataFusion's.
pub(crate) fn guarded(rules: Vec<Rule>) -> Vec<Rule> {
    let ours = [
        equal_joins(),
        push_down_filter(),
        eliminate_cross_join(),
        eliminate_join(),
        group_distinct(),
    ];
    let replaced =
        |rule: Rule| ours.iter().find(|ours| ours.name() == rule.name()).map_or(rule, Arc::clone);
    rules.into_iter().map(replaced).collect()
}

/// DataFusion's rules for physical plans without those that push filters down: they find a column by its name,
/// and a join may have one of the same name on its other side. Conditions are pushed down before.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    rules
}

impl OptimizerRule for Guarded {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        (self.rewrite)(&self.rule, plan, config)
    }
}
