//! What Postgres demands of a call of an aggregate, and DataFusion does not.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{AggregateFunctionParams, Sort};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::operator::sql_name;
use super::undefined::undefined_function;
use crate::error::{Error, SqlState};

/// Checks `expr`, if it is a call of an aggregate, over columns `schema`.
///
/// # Errors
/// `42804` for a filter that is not boolean, `42P10` for a DISTINCT ordered by something else, `42883` for
/// more arguments than the function takes, `0A000` for a fraction that is not a constant.
pub(super) fn check_call(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::AggregateFunction(call) => check(call.func.name(), &call.params, schema),
        Expr::WindowFunction(call) => check_filter(call.params.filter.as_deref(), schema),
        _ => Ok(()),
    }
}

fn check(name: &str, params: &AggregateFunctionParams, schema: &DFSchema) -> Result<()> {
    check_filter(params.filter.as_deref(), schema)?;
    let AggregateFunctionParams { args, distinct, order_by, .. } = params;
    if name == "count" && args.len() > 1 {
        let types = args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
        return Err(undefined_function(name, &types).into());
    }
    if *distinct && order_by.iter().any(|Sort { expr, .. }| !args.contains(expr)) {
        return Err(Error::new(
            SqlState::InvalidColumnReference,
            "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
        )
        .into());
    }
    if matches!(name, "percentile_cont" | "percentile_disc")
        && args.get(1).is_some_and(|fraction| !fraction.column_refs().is_empty())
    {
        return Err(Error::unsupported(format!("{name} of a fraction that is not a constant"))
            .hint("Write the fraction as a number.")
            .into());
    }
    Ok(())
}

fn check_filter(filter: Option<&Expr>, schema: &DFSchema) -> Result<()> {
    let Some(filter) = filter else { return Ok(()) };
    match filter.get_type(schema)? {
        DataType::Boolean | DataType::Null => Ok(()),
        kind => Err(Error::new(
            SqlState::DatatypeMismatch,
            format!("argument of FILTER must be type boolean, not type {}", sql_name(&kind)),
        )
        .into()),
    }
}
