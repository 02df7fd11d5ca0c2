//! Which column of which relation a query's output column is: clients are told, and edit rows by it.

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use super::relation::RelationSource;
use crate::types::pg_type::{PG_COLUMN, PG_TABLE};

/// `schema`, which describes the output of `plan`, with the origin of each column in its metadata.
pub(super) fn with_origins(schema: SchemaRef, plan: &LogicalPlan) -> SchemaRef {
    let origins: Vec<_> = (0..schema.fields().len()).map(|index| origin(plan, index)).collect();
    if origins.iter().all(Option::is_none) {
        return schema;
    }
    let fields = itertools::zip_eq(schema.fields(), origins).map(|(field, origin)| {
        let field: Field = field.as_ref().clone();
        let Some((relation, column)) = origin else { return field };
        let mut metadata = field.metadata().clone();
        metadata.insert(PG_TABLE.to_owned(), relation.to_string());
        metadata.insert(PG_COLUMN.to_owned(), (column + 1).to_string());
        field.with_metadata(metadata)
    });
    std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The relation and the number of the column that output column `index` is, if it is one.
fn origin(plan: &LogicalPlan, index: usize) -> Option<(u32, usize)> {
    match plan {
        LogicalPlan::Projection(projection) => {
            of_expr(projection.expr.get(index)?, &projection.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            of_expr(aggregate.group_expr.get(index)?, &aggregate.input)
        }
        LogicalPlan::SubqueryAlias(alias) => origin(&alias.input, index),
        LogicalPlan::Filter(filter) => origin(&filter.input, index),
        LogicalPlan::Sort(sort) => origin(&sort.input, index),
        LogicalPlan::Limit(limit) => origin(&limit.input, index),
        LogicalPlan::Distinct(Distinct::All(input)) => origin(input, index),
        LogicalPlan::Window(window) => {
            (index < window.input.schema().fields().len()).then(|| origin(&window.input, index))?
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti => origin(&join.right, index),
                _ if index < left => origin(&join.left, index),
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    origin(&join.right, index - left)
                }
                _ => None,
            }
        }
        LogicalPlan::TableScan(scan) => {
            let source = scan.source.downcast_ref::<RelationSource>()?;
            let index = match &scan.projection {
                Some(columns) => *columns.get(index)?,
                None => index,
            };
            Some((source.relation.id.0, index))
        }
        _ => None,
    }
}

fn of_expr(expr: &Expr, input: &LogicalPlan) -> Option<(u32, usize)> {
    match expr {
        Expr::Alias(alias) => of_expr(&alias.expr, input),
        Expr::Column(column) => origin(input, input.schema().maybe_index_of_column(column)?),
        _ => None,
    }
}
