//! `GROUPING SETS`, `ROLLUP` and `CUBE` as a union of one aggregate per grouping set.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::utils::powerset;
use datafusion::logical_expr::{
    Aggregate, Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder, Union,
};

use crate::error::Result;

/// `plan`, analyzed, with every aggregate over grouping sets as the union of plain ones.
pub(crate) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => match &aggregate.group_expr[..] {
            [Expr::GroupingSet(set)] => Ok(Transformed::yes(union(&aggregate, set)?)),
            _ => Ok(Transformed::no(LogicalPlan::Aggregate(aggregate))),
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(expanded.data)
}

/// The sets of expressions to group by.
fn sets(set: &GroupingSet) -> DataFusionResult<Vec<Vec<Expr>>> {
    Ok(match set {
        GroupingSet::Rollup(exprs) => {
            (0..=exprs.len()).rev().map(|length| exprs[..length].to_vec()).collect()
        }
        GroupingSet::Cube(exprs) => {
            let sets = powerset(exprs)?.into_iter();
            sets.map(|set| set.into_iter().cloned().collect()).collect()
        }
        GroupingSet::GroupingSets(sets) => sets.clone(),
    })
}

fn union(aggregate: &Aggregate, set: &GroupingSet) -> DataFusionResult<LogicalPlan> {
    let exprs = set.distinct_expr();
    let mut seen: Vec<u64> = vec![];
    let mut inputs = vec![];
    for group in sets(set)? {
        let mask = exprs.iter().fold(0, |mask, expr| mask << 1 | u64::from(!group.contains(expr)));
        // Above the mask: which of equal sets it is.
        let repeated = seen.iter().filter(|&&other| other == mask).count() as u64;
        seen.push(mask);
        let id = mask | repeated << exprs.len();
        inputs.push(Arc::new(one_set(aggregate, &exprs, &group, id)?));
    }
    Ok(LogicalPlan::Union(Union { inputs, schema: Arc::clone(&aggregate.schema) }))
}

/// The aggregate by one set, with the columns of all: null where not grouped by, and the set's id.
fn one_set(
    aggregate: &Aggregate,
    exprs: &[&Expr],
    group: &[Expr],
    id: u64,
) -> DataFusionResult<LogicalPlan> {
    let mut distinct: Vec<Expr> = vec![];
    for expr in group {
        if !distinct.contains(expr) {
            distinct.push(expr.clone());
        }
    }
    let plan = match (distinct.is_empty(), aggregate.aggr_expr.is_empty()) {
        // Grouping by nothing: one row, whatever there is.
        (true, true) => LogicalPlanBuilder::empty(true).build()?,
        _ => LogicalPlanBuilder::from(Arc::clone(&aggregate.input))
            .aggregate(distinct.clone(), aggregate.aggr_expr.clone())?
            .build()?,
    };
    let made = plan.schema().columns();
    let mut outputs = Vec::with_capacity(aggregate.schema.fields().len());
    for (index, (qualifier, field)) in aggregate.schema.iter().enumerate() {
        let value = match index.checked_sub(exprs.len()) {
            None => match distinct.iter().position(|expr| expr == exprs[index]) {
                Some(column) => Expr::Column(made[column].clone()),
                None => Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
            },
            Some(0) => {
                let id = ScalarValue::UInt64(Some(id)).cast_to(field.data_type())?;
                Expr::Literal(id, None)
            }
            Some(call) => Expr::Column(made[distinct.len() + call - 1].clone()),
        };
        let Column { relation, name, .. } = Column::from((qualifier, field));
        outputs.push(value.alias_qualified(relation, name));
    }
    LogicalPlanBuilder::from(plan).project(outputs)?.build()
}
