//! The session's time zone: where an expression reads the clocks of a zone from an instant, or an
//! instant from clocks, Postgres takes the session's zone and DataFusion UTC.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan};

use super::analyze;
use super::function::{is_epoch, shift, timezone, zoned_cast};
use crate::types::text::Timezone;

/// `plan` with everything that depends on the session's zone computed in `zone`. Doing it twice
/// changes nothing more.
pub(crate) fn zoned(plan: LogicalPlan, zone: Timezone) -> Result<LogicalPlan> {
    if zone == Timezone::default() {
        return Ok(plan);
    }
    analyze::rewrite(plan, &|expr, schema| zoned_expr(expr, schema, zone))
}

fn zoned_expr(expr: Expr, schema: &DFSchema, zone: Timezone) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(schema)?;
            Ok(match converted(*expr, &from, &field, zone) {
                Ok(done) => Transformed::yes(done),
                Err(expr) => Transformed::no(Expr::Cast(Cast { expr: Box::new(expr), field })),
            })
        }
        Expr::ScalarFunction(call) => {
            let types = call.args.iter().map(|arg| arg.get_type(schema));
            let types = types.collect::<Result<Vec<_>>>()?;
            Ok(called(call, &types, zone))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A conversion between an instant and what clocks show; the operand if it is another one.
fn converted(expr: Expr, from: &DataType, to: &Field, zone: Timezone) -> Result<Expr, Expr> {
    let clock = DataType::Timestamp(TimeUnit::Microsecond, None);
    match (from, to.data_type()) {
        (DataType::Timestamp(_, None), DataType::Timestamp(_, Some(_)))
        | (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) => {
            Ok(timezone(zone, expr))
        }
        (DataType::Date32, DataType::Timestamp(_, Some(_))) => {
            Ok(timezone(zone, Expr::Cast(Cast::new(Box::new(expr), clock))))
        }
        (DataType::Timestamp(_, Some(_)), kind @ (DataType::Date32 | DataType::Time64(_))) => {
            Ok(Expr::Cast(Cast::new(Box::new(timezone(zone, expr)), kind.clone())))
        }
        _ => Err(expr),
    }
}

/// A call of a function that looks at the clocks of an instant.
fn called(call: ScalarFunction, types: &[DataType], zone: Timezone) -> Transformed<Expr> {
    let ScalarFunction { func, mut args } = call;
    let instant = |kind: &DataType| matches!(kind, DataType::Timestamp(_, Some(_)));
    let Some(place) = types.iter().position(instant) else {
        return match zoned_cast(&func, types, zone) {
            Some(func) => Transformed::yes(func.call(args)),
            None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        };
    };
    match func.name() {
        "+" | "-" if types.iter().any(|kind| matches!(kind, DataType::Interval(_))) => {
            return Transformed::yes(shift(func.name(), zone).call(args));
        }
        "cast" => {
            if let Some(func) = zoned_cast(&func, types, zone) {
                return Transformed::yes(func.call(args));
            }
        }
        "date_trunc" if args.len() == 2 => {
            args[place] = timezone(zone, std::mem::take(&mut args[place]));
            return Transformed::yes(timezone(zone, func.call(args)));
        }
        "extract" | "date_part" | "time_part" | "to_char" | "date_format"
            if !is_epoch(&func) && !names_epoch(&args) =>
        {
            args[place] = timezone(zone, std::mem::take(&mut args[place]));
            return Transformed::yes(func.call(args));
        }
        _ => {}
    }
    Transformed::no(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&func), args }))
}

/// Whether the part asked for is the seconds since 1970, which no zone changes.
fn names_epoch(args: &[Expr]) -> bool {
    matches!(args.first(), Some(Expr::Literal(ScalarValue::Utf8(Some(part)), _))
        if part.eq_ignore_ascii_case("epoch"))
}
