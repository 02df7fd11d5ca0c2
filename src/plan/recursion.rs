//! `WITH RECURSIVE`: DataFusion converts the recursive term to the types of the other one, and would cut
//! off what these do not hold; Postgres refuses.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{
    Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, RecursiveQuery,
};
use itertools::izip;

use super::function::{common_type, conversion};
use super::operator::sql_name;
use crate::error::{Error, Result, SqlState};

/// Checks every recursive query of `plan`, as it comes from SQL.
///
/// # Errors
/// `42804` if a recursive term has columns of wider types. What it converts itself is labeled (see
/// `syntax/label.rs`), so that a bare conversion is DataFusion's.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::RecursiveQuery(query) = node {
            check_query(query)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn check_query(query: &RecursiveQuery) -> DataFusionResult<()> {
    let LogicalPlan::Projection(recursive) = query.recursive_term.as_ref() else { return Ok(()) };
    for (index, expr) in recursive.expr.iter().enumerate() {
        let Some(wider) = wider(expr, recursive.input.schema())? else { continue };
        let start = match query.static_term.schema().field(index).data_type() {
            DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
            other => sql_name(other),
        };
        let (name, column, overall) = (&query.name, index + 1, sql_name(&wider));
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            format!(
                "recursive query \"{name}\" column {column} has type {start} in non-recursive \
                 term but type {overall} overall"
            ),
        )
        .hint("Cast the output of the non-recursive term to the correct type.")
        .into());
    }
    Ok(())
}

/// `plan` with the decimals of recursive queries in their types: a conversion to bare `numeric` would
/// keep the digits that each term has.
///
/// # Errors
/// What building the plan reports.
pub(super) fn pinned(plan: LogicalPlan) -> Result<LogicalPlan> {
    let pinned = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::RecursiveQuery(query) => {
            let fields = query.static_term.schema();
            if !fields.fields().iter().any(|field| is_decimal(field)) {
                return Ok(Transformed::no(LogicalPlan::RecursiveQuery(query)));
            }
            let recursive = Arc::new(converted(&query.recursive_term, fields)?);
            let start = Arc::new(converted(&query.static_term, fields)?);
            let query = RecursiveQuery::try_new(query.name, start, recursive, query.is_distinct)?;
            Ok(Transformed::yes(LogicalPlan::RecursiveQuery(query)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(pinned.data)
}

fn is_decimal(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Decimal128(_, _))
}

/// A term with its decimals converted to those of `schema`.
fn converted(term: &Arc<LogicalPlan>, schema: &DFSchema) -> DataFusionResult<LogicalPlan> {
    let columns = izip!(term.schema().columns(), schema.fields(), term.schema().iter());
    let columns = columns.map(|(column, to, (qualifier, field))| {
        let column = Expr::Column(column);
        if !is_decimal(to) {
            return column;
        }
        let kind = Arc::new(Field::new("", to.data_type().clone(), true));
        let pinned = conversion(column, field.data_type(), kind, false);
        pinned.alias_qualified(qualifier.cloned(), field.name())
    });
    LogicalPlanBuilder::from(Arc::clone(term)).project(columns.collect::<Vec<_>>())?.build()
}

/// The type that both terms have in common, if the converted one does not hold it.
fn wider(expr: &Expr, schema: &DFSchema) -> DataFusionResult<Option<DataType>> {
    let mut expr = expr;
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    let Expr::Cast(Cast { expr, field }) = expr else { return Ok(None) };
    let (from, to) = (expr.get_type(schema)?, field.data_type());
    // A number that fits is an integer; DataFusion reads it as a bigint first.
    if let (Expr::Literal(ScalarValue::Int64(Some(number)), _), DataType::Int32) =
        (expr.as_ref(), to)
        && i32::try_from(*number).is_ok()
    {
        return Ok(None);
    }
    let literal = matches!(expr.as_ref(), Expr::Literal(..) | Expr::Placeholder(_));
    if literal && from.is_string() || from.is_null() || to.is_null() || to.is_string() {
        return Ok(None);
    }
    if let (DataType::Decimal128(_, digits), DataType::Decimal128(_, more)) = (to, &from) {
        let bare = *to == DataType::Decimal128(38, 10);
        return Ok((more > digits && !bare).then_some(from));
    }
    Ok(match common_type(&[to.clone(), from.clone()]) {
        Some(common) if sql_name(&common) == sql_name(to) => None,
        Some(common) => Some(common),
        None => Some(from),
    })
}
