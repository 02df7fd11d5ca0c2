//! `GROUPING SETS`, `ROLLUP` and `CUBE` as a union of one aggregate per grouping set.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
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

/// `plan`, before analysis, with grouping sets of columns only: other expressions are columns below.
/// (A conversion of types within a set would lose the set.)
pub(crate) fn by_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => match &aggregate.group_expr[..] {
            [Expr::GroupingSet(set)] => projected(&aggregate, set),
            _ => Ok(Transformed::no(LogicalPlan::Aggregate(aggregate))),
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

fn projected(
    aggregate: &Aggregate,
    set: &GroupingSet,
) -> DataFusionResult<Transformed<LogicalPlan>> {
    let computed: Vec<Expr> = set
        .distinct_expr()
        .into_iter()
        .filter(|expr| !matches!(expr, Expr::Column(_)))
        .cloned()
        .collect();
    if computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate.clone())));
    }
    // Names of their own: a conversion is called like the column that it converts.
    let name = |index: usize| format!("__grouped{index}");
    let column = |expr: &Expr| match computed.iter().position(|other| other == expr) {
        Some(index) => Expr::Column(Column::new_unqualified(name(index))),
        None => expr.clone(),
    };
    let columns = |exprs: &Vec<Expr>| exprs.iter().map(column).collect::<Vec<_>>();
    let set = match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(columns(exprs)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(columns(exprs)),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.iter().map(columns).collect())
        }
    };
    let calls = aggregate.aggr_expr.iter().cloned().map(|call| {
        let call = call.transform_down(|part| match part {
            Expr::AggregateFunction(mut call) if call.func.name() == "grouping" => {
                call.params.args = columns(&call.params.args);
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(call.data)
    });
    let calls = calls.collect::<DataFusionResult<Vec<_>>>()?;
    let below = aggregate.input.schema().columns().into_iter().map(Expr::Column);
    let named = computed.iter().enumerate();
    let named = named.map(|(index, expr)| expr.clone().alias(name(index)));
    let input = LogicalPlanBuilder::from(Arc::clone(&aggregate.input))
        .project(below.chain(named).collect::<Vec<_>>())?
        .build()?;
    let group = vec![Expr::GroupingSet(set)];
    let grouped = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), group, calls)?);
    // Above, the columns have the names that they are known by; nobody knows the set's number.
    let columns = itertools::zip_eq(grouped.schema().columns(), aggregate.schema.iter());
    let columns = columns.filter(|(column, _)| column.name != Aggregate::INTERNAL_GROUPING_ID).map(
        |(column, (qualifier, field))| {
            Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
        },
    );
    let plan = LogicalPlanBuilder::from(grouped).project(columns.collect::<Vec<_>>())?.build()?;
    Ok(Transformed::yes(plan))
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
