//! The Postgres types of a catalog query's columns where DataFusion has forgotten them: what an
//! `array_agg(oid)` holds, what a CASE over subqueries gives. Drivers decode by them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use crate::types::pg_type::{self, PG_TYPE};

/// The output columns of a plan, with their types.
pub(super) fn with_kinds(plan: &LogicalPlan) -> SchemaRef {
    let field = |(index, field): (usize, &Arc<Field>)| {
        let field = field.as_ref().clone();
        match kind(plan, index).filter(|kind| fits(&field, kind)) {
            Some(kind) => field.with_metadata(HashMap::from([(PG_TYPE.to_owned(), kind)])),
            None => field,
        }
    };
    let fields = plan.schema().inner().fields().iter().enumerate().map(field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Whether a column's values are kept as those of a type are.
fn fits(field: &Field, kind: &str) -> bool {
    let scalar = pg_type::element(field.data_type()).unwrap_or_else(|| field.data_type());
    pg_type::by_name(kind).is_some_and(|kind| pg_type::arrow_type(kind) == *scalar)
}

fn kind(plan: &LogicalPlan, index: usize) -> Option<String> {
    if let Some(known) = plan.schema().field(index).metadata().get(PG_TYPE) {
        return Some(known.clone());
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            of_expr(projection.expr.get(index)?, &projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr.len();
            match index.checked_sub(groups) {
                None => of_expr(&aggregate.group_expr[index], &aggregate.input),
                Some(index) => of_expr(aggregate.aggr_expr.get(index)?, &aggregate.input),
            }
        }
        LogicalPlan::SubqueryAlias(alias) => kind(&alias.input, index),
        LogicalPlan::Filter(filter) => kind(&filter.input, index),
        LogicalPlan::Sort(sort) => kind(&sort.input, index),
        LogicalPlan::Limit(limit) => kind(&limit.input, index),
        LogicalPlan::Distinct(Distinct::All(input)) => kind(input, index),
        LogicalPlan::Union(union) => union.inputs.iter().find_map(|input| kind(input, index)),
        LogicalPlan::RecursiveQuery(query) => kind(&query.static_term, index),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match index.checked_sub(left) {
                None => kind(&join.left, index),
                Some(index) => {
                    let known = index < join.right.schema().fields().len();
                    known.then(|| kind(&join.right, index))?
                }
            }
        }
        _ => None,
    }
}

fn of_expr(expr: &Expr, input: &LogicalPlan) -> Option<String> {
    match expr {
        Expr::Alias(alias) => of_expr(&alias.expr, input),
        Expr::Column(column) => kind(input, input.schema().maybe_index_of_column(column)?),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, result)| result);
            results.chain(&case.else_expr).find_map(|result| of_expr(result, input))
        }
        Expr::ScalarSubquery(subquery) => kind(&subquery.subquery, 0),
        Expr::AggregateFunction(call)
            if ["array_agg", "min", "max", "first_value"].contains(&call.func.name()) =>
        {
            let AggregateFunctionParams { args, .. } = &call.params;
            of_expr(args.first()?, input)
        }
        Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
            call.args.iter().find_map(|arg| of_expr(arg, input))
        }
        _ => None,
    }
}
