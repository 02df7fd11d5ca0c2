//! Subqueries whose meaning DataFusion's rewrites would lose: scalar ones that might return several
//! rows, `IN` with nulls under `OR` and `NOT`, and predicates outside of WHERE.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as DataFusionResult, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprSchemable, Filter, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, Subquery, Union, binary_expr, lit, when,
};

use super::function::single_value;
use crate::error::Result;

/// Scalar subqueries that might return several rows, checked: their value is `single_value` of
/// theirs. Uncorrelated ones too if `all`; DataFusion checks those where it runs them itself.
pub(crate) fn single_values(plan: LogicalPlan, all: bool) -> Result<LogicalPlan> {
    in_expressions(plan, &|part| {
        let Expr::ScalarSubquery(subquery) = part else { return Ok(Transformed::no(part)) };
        let correlated = !subquery.outer_ref_columns.is_empty();
        let several = (all || correlated) && !at_most_one_row(&subquery.subquery);
        match several || hides_null(&subquery.subquery) {
            true => Ok(Transformed::yes(Expr::ScalarSubquery(checked(subquery)?))),
            false => Ok(Transformed::no(Expr::ScalarSubquery(subquery))),
        }
    })
}

/// Applies `each` to every part of every expression of the plan, from the root down; columns keep their names.
fn in_expressions(
    plan: LogicalPlan,
    each: &dyn Fn(Expr) -> DataFusionResult<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_down(each)?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        match node.transformed {
            true => node.map_data(LogicalPlan::recompute_schema),
            false => Ok(node),
        }
    })?;
    Ok(rewritten.data)
}

/// Correlated subqueries with columns of names of ours.
fn with_own_names(plan: LogicalPlan) -> Result<LogicalPlan> {
    in_expressions(plan, &|part| match part {
        Expr::ScalarSubquery(subquery) => {
            renamed(subquery)?.map_data(|subquery| Ok(Expr::ScalarSubquery(subquery)))
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => renamed(subquery)?
            .map_data(|subquery| Ok(Expr::InSubquery(InSubquery { expr, subquery, negated }))),
        Expr::Exists(Exists { subquery, negated }) => {
            renamed(subquery)?.map_data(|subquery| Ok(Expr::Exists(Exists { subquery, negated })))
        }
        Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => renamed(subquery)?
            .map_data(|subquery| {
                Ok(Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }))
            }),
        other => Ok(Transformed::no(other)),
    })
}

/// What a subquery's column is called among ours.
const VALUE: &str = "__single_value";

/// A correlated subquery with columns of names of ours: the columns that it is joined by will stand beside them,
/// and may be called like one.
fn renamed(subquery: Subquery) -> DataFusionResult<Transformed<Subquery>> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(Transformed::no(subquery));
    }
    Ok(match renamed_columns(&subquery.subquery)? {
        None => Transformed::no(subquery),
        Some(plan) => Transformed::yes(Subquery { subquery: Arc::new(plan), ..subquery }),
    })
}

/// A query under other names, if a projection gives it its own.
fn renamed_columns(plan: &LogicalPlan) -> DataFusionResult<Option<LogicalPlan>> {
    Ok(Some(match plan {
        LogicalPlan::Projection(projection) => {
            let ours = |expr: &Expr| expr.schema_name().to_string().starts_with(VALUE);
            if projection.expr.iter().all(ours) {
                return Ok(None);
            }
            let named = projection.expr.iter().enumerate();
            let named = named.map(|(index, expr)| match index {
                0 => expr.clone().unalias().alias(VALUE),
                index => expr.clone().unalias().alias(format!("{VALUE}{index}")),
            });
            let input = LogicalPlanBuilder::from(Arc::clone(&projection.input));
            input.project(named.collect::<Vec<_>>())?.build()?
        }
        LogicalPlan::Limit(limit) => {
            let Some(input) = renamed_columns(&limit.input)? else { return Ok(None) };
            LogicalPlan::Limit(Limit { input: Arc::new(input), ..limit.clone() })
        }
        _ => return Ok(None),
    }))
}

/// Whether a scalar subquery may be null, for want of a row, though its column is not: DataFusion would take
/// the column's word.
fn hides_null(plan: &LogicalPlan) -> bool {
    !plan.schema().field(0).is_nullable() && !exactly_one_row(plan)
}

fn exactly_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Values(values) => values.values.len() == 1,
        LogicalPlan::Projection(projection) => exactly_one_row(&projection.input),
        LogicalPlan::Sort(sort) => exactly_one_row(&sort.input),
        LogicalPlan::SubqueryAlias(alias) => exactly_one_row(&alias.input),
        _ => false,
    }
}

fn at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() <= 1,
        LogicalPlan::Limit(limit) => {
            let one = matches!(
                limit.fetch.as_deref().and_then(Expr::as_literal),
                Some(ScalarValue::Int64(Some(0 | 1)))
            );
            one || at_most_one_row(&limit.input)
        }
        LogicalPlan::Projection(projection) => at_most_one_row(&projection.input),
        LogicalPlan::Filter(filter) => at_most_one_row(&filter.input),
        LogicalPlan::Sort(sort) => at_most_one_row(&sort.input),
        LogicalPlan::SubqueryAlias(alias) => at_most_one_row(&alias.input),
        LogicalPlan::Distinct(Distinct::All(input)) => at_most_one_row(input),
        _ => false,
    }
}

fn checked(subquery: Subquery) -> DataFusionResult<Subquery> {
    let Subquery { subquery, outer_ref_columns, spans } = subquery;
    // Sorting decides nothing about a single row, and would stand in the way of decorrelation.
    let mut plan = subquery.as_ref();
    while let LogicalPlan::Sort(sort) = plan
        && sort.fetch.is_none()
    {
        plan = &sort.input;
    }
    let (input, value) = match plan {
        LogicalPlan::Projection(projection) if projection.expr.len() == 1 => {
            (projection.input.as_ref().clone(), projection.expr[0].clone().unalias())
        }
        other => {
            let column = other.schema().columns().swap_remove(0);
            (other.clone(), Expr::Column(column))
        }
    };
    let value = single_value().call(vec![value]).alias(VALUE);
    let plan =
        LogicalPlanBuilder::from(input).aggregate(Vec::<Expr>::new(), vec![value])?.build()?;
    Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans })
}

/// VALUES with subqueries as a union of queries: lists of values are evaluated before subqueries are.
pub(crate) fn values(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Values(values) = node else { return Ok(Transformed::no(node)) };
        let mut found = false;
        for expr in values.values.iter().flatten() {
            found |= holds_subquery(expr)?;
        }
        if !found {
            return Ok(Transformed::no(LogicalPlan::Values(values)));
        }
        let columns = values.schema.columns();
        let rows = values.values.into_iter().map(|row| {
            let exprs = itertools::zip_eq(row, &columns)
                .map(|(expr, column)| expr.unalias().alias(column.name.clone()));
            let plan =
                LogicalPlanBuilder::empty(true).project(exprs.collect::<Vec<_>>())?.build()?;
            Ok(Arc::new(plan))
        });
        let mut rows = rows.collect::<DataFusionResult<Vec<_>>>()?;
        Ok(Transformed::yes(match rows.len() {
            1 => rows.swap_remove(0).as_ref().clone(),
            _ => LogicalPlan::Union(Union::try_new_with_loose_types(rows)?),
        }))
    })?;
    Ok(rewritten.data)
}

fn holds_subquery(expr: &Expr) -> DataFusionResult<bool> {
    expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    })
}

/// Aggregates without subqueries in their arguments, filters and orders: those are columns below.
pub(crate) fn below_aggregates(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => computed_below(aggregate),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

fn computed_below(aggregate: Aggregate) -> DataFusionResult<Transformed<LogicalPlan>> {
    let mut computed: Vec<Expr> = vec![];
    let calls = aggregate.aggr_expr.iter().cloned().map(|call| {
        call.transform_down(|part| {
            let Expr::AggregateFunction(mut call) = part else { return Ok(Transformed::no(part)) };
            let params = &mut call.params;
            let sorts = params.order_by.iter_mut().map(|sort| &mut sort.expr);
            let filter = params.filter.iter_mut().map(AsMut::as_mut);
            let mut transformed = false;
            for expr in params.args.iter_mut().chain(filter).chain(sorts) {
                if !holds_subquery(expr)? {
                    continue;
                }
                transformed = true;
                let known = computed.iter().position(|other| other == expr);
                let index = known.unwrap_or(computed.len());
                let column = Expr::Column(Column::new_unqualified(format!("__computed{index}")));
                let expr = std::mem::replace(expr, column);
                if known.is_none() {
                    computed.push(expr);
                }
            }
            Ok(Transformed::new(
                Expr::AggregateFunction(call),
                transformed,
                TreeNodeRecursion::Jump,
            ))
        })
    });
    let calls = calls.collect::<DataFusionResult<Vec<_>>>()?;
    if computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    // The columns above are called as before.
    let others = aggregate.schema.fields().len() - calls.len();
    let calls = calls.into_iter().enumerate().map(|(index, call)| match call.transformed {
        true => call.data.unalias().alias(aggregate.schema.field(others + index).name()),
        false => call.data,
    });
    let own = aggregate.input.schema().columns().into_iter().map(Expr::Column);
    let named = computed.into_iter().enumerate();
    let named = named.map(|(index, expr)| expr.alias(format!("__computed{index}")));
    let input = LogicalPlanBuilder::from(Arc::clone(&aggregate.input))
        .project(own.chain(named).collect::<Vec<_>>())?
        .build()?;
    let aggregate =
        Aggregate::try_new(Arc::new(input), aggregate.group_expr.clone(), calls.collect())?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
}

/// `IN` and `EXISTS` in forms that DataFusion decorrelates with their three-valued meaning.
pub(crate) fn predicates(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = with_own_names(plan)?.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) => {
            let schema = Arc::clone(filter.input.schema());
            let conditions = split_conjunction_owned(filter.predicate).into_iter();
            let conditions = conditions.map(|condition| match condition {
                // At the top, false and null are the same, and NOT IN has its own join. (It looks for
                // nulls in all of the subquery, so not for a correlated one, and joins by columns.)
                Expr::InSubquery(ref within) if !within.negated || is_closed(within) => {
                    Ok(condition)
                }
                Expr::Not(inner) => match *inner {
                    Expr::InSubquery(within) if within.negated || is_closed(&within) => {
                        Ok(Expr::Not(Box::new(Expr::InSubquery(within))))
                    }
                    Expr::InSubquery(within) => {
                        let negated = InSubquery { negated: true, ..within };
                        within_or(Expr::InSubquery(negated), &schema)
                    }
                    other => within_or(Expr::Not(Box::new(other)), &schema),
                },
                other => within_or(other, &schema),
            });
            let predicate = conjunction(conditions.collect::<DataFusionResult<Vec<_>>>()?);
            let predicate = predicate.unwrap_or_else(|| lit(true));
            let filter = Filter::try_new(predicate, filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        LogicalPlan::Projection(_) => {
            let schema = merge_schema(&node.inputs());
            let mapped = node.map_expressions(|expr| {
                let name = expr.schema_name().to_string();
                let expr = expr.transform_down(|part| known_in(part, &schema))?;
                let expr = expr.transform_data(|expr| expr.transform_down(exists_as_count))?;
                expr.map_data(|expr| expr.alias_if_changed(name))
            })?;
            match mapped.transformed {
                true => mapped.map_data(LogicalPlan::recompute_schema),
                false => Ok(mapped),
            }
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

fn is_closed(within: &InSubquery) -> bool {
    within.subquery.outer_ref_columns.is_empty() && matches!(*within.expr, Expr::Column(_))
}

/// A condition of which only truth matters: under AND and OR, `IN` without NOT may stay.
fn within_or(expr: Expr, schema: &DFSchema) -> DataFusionResult<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let left = Box::new(within_or(*left, schema)?);
            let right = Box::new(within_or(*right, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(expr),
        Expr::InSubquery(InSubquery { expr, subquery, negated: true }) => {
            truly_not_in(*expr, &subquery, schema)
        }
        other => Ok(other.transform_down(|part| known_in(part, schema))?.data),
    }
}

/// `x NOT IN (SELECT y …)` where null is as good as false: no `y` equals `x`, none is null, and if `x`
/// is null there is none.
fn truly_not_in(x: Expr, subquery: &Subquery, schema: &DFSchema) -> DataFusionResult<Expr> {
    let [equal, unknown] = existences(&x, subquery, schema)?;
    let mut truth = Expr::Not(Box::new(equal)).and(Expr::Not(Box::new(unknown)));
    if x.nullable(schema)? {
        let empty = Expr::Not(Box::new(exists(subquery, None)?));
        truth = truth.and(x.is_not_null().or(empty));
    }
    Ok(truth)
}

/// Whether some `y` equals `x`, and whether some `y` is null.
fn existences(x: &Expr, subquery: &Subquery, schema: &DFSchema) -> DataFusionResult<[Expr; 2]> {
    let y = Expr::Column(subquery.subquery.schema().columns().swap_remove(0));
    let outer = outer(x.clone(), schema)?;
    let mut equal = exists(subquery, Some(outer.clone().eq(y.clone())))?;
    refer(&mut equal, &outer)?;
    Ok([equal, exists(subquery, Some(y.is_null()))?])
}

/// `x IN (SELECT y …)` by existence: true if some `y` equals `x`; else null if some `y` is null, or
/// `x` is and there is any `y`; else false.
pub(super) fn known_in(expr: Expr, schema: &DFSchema) -> DataFusionResult<Transformed<Expr>> {
    let (x, subquery, negated) = match expr {
        Expr::InSubquery(InSubquery { expr: x, subquery, negated }) => (x, subquery, negated),
        Expr::SetComparison(comparison) => return known_comparison(&comparison, schema),
        other => return Ok(Transformed::no(other)),
    };
    let [equal, mut unknown] = existences(&x, &subquery, schema)?;
    if x.nullable(schema)? {
        unknown = unknown.or(x.is_null().and(exists(&subquery, None)?));
    }
    let known = when(equal, lit(!negated))
        .when(unknown, Expr::Literal(ScalarValue::Boolean(None), None))
        .otherwise(lit(negated))?;
    Ok(Transformed::yes(known))
}

/// `x op ANY (SELECT y …)` by existence: true if it holds for some `y`; else null if it is null for some;
/// else false. `ALL` is the other way round.
fn known_comparison(
    comparison: &SetComparison,
    schema: &DFSchema,
) -> DataFusionResult<Transformed<Expr>> {
    let SetComparison { expr: x, subquery, op, quantifier } = comparison;
    let y = Expr::Column(subquery.subquery.schema().columns().swap_remove(0));
    let x = outer(x.as_ref().clone(), schema)?;
    let holds = binary_expr(x.clone(), *op, y);
    let any = matches!(quantifier, SetQuantifier::Any);
    let decides = if any { holds.clone() } else { Expr::Not(Box::new(holds.clone())) };
    let mut decided = exists(subquery, Some(decides))?;
    let mut unknown = exists(subquery, Some(holds.is_null()))?;
    for existence in [&mut decided, &mut unknown] {
        refer(existence, &x)?;
    }
    let known = when(decided, lit(any))
        .when(unknown, Expr::Literal(ScalarValue::Boolean(None), None))
        .otherwise(lit(!any))?;
    Ok(Transformed::yes(known))
}

/// Notes that an existence refers to the outer columns of `x`.
fn refer(existence: &mut Expr, x: &Expr) -> DataFusionResult<()> {
    if let Expr::Exists(Exists { subquery, .. }) = existence {
        x.apply(|part| {
            if let Expr::OuterReferenceColumn(_, _) = part {
                subquery.outer_ref_columns.push(part.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}

/// Whether rows of `subquery` satisfy `condition`.
fn exists(subquery: &Subquery, condition: Option<Expr>) -> DataFusionResult<Expr> {
    let Subquery { subquery, outer_ref_columns, spans } = subquery.clone();
    let plan = match condition {
        Some(condition) => Arc::new(
            LogicalPlanBuilder::from(subquery.as_ref().clone()).filter(condition)?.build()?,
        ),
        None => subquery,
    };
    let subquery = Subquery { subquery: plan, outer_ref_columns, spans };
    Ok(Expr::Exists(Exists { subquery, negated: false }))
}

/// `expr` as seen from a subquery.
fn outer(expr: Expr, schema: &DFSchema) -> DataFusionResult<Expr> {
    let moved = expr.transform_up(|part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(moved.data)
}

/// `EXISTS` as a scalar subquery, which DataFusion decorrelates in a select list too.
pub(super) fn exists_as_count(expr: Expr) -> DataFusionResult<Transformed<Expr>> {
    let Expr::Exists(Exists { subquery, negated }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let Subquery { subquery, outer_ref_columns, spans } = subquery;
    let rows = count(lit(1_i64)).alias("rows");
    let some = datafusion::logical_expr::col("rows").gt(lit(0_i64));
    let some = if negated { Expr::Not(Box::new(some)) } else { some };
    let plan = LogicalPlanBuilder::from(subquery.as_ref().clone())
        .aggregate(Vec::<Expr>::new(), vec![rows])?
        .project(vec![some.alias("exists")])?
        .build()?;
    let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans };
    Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
}
