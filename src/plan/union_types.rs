//! The types of a UNION's columns where Postgres and DataFusion choose differently: string literals take the
//! type of the other queries' column, and a float is a float though the others are numeric.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection, Union,
};

use super::blank_padded;
use super::operator::typed;

/// `union` with the columns of its queries converted.
pub(super) fn unified(union: Union) -> Result<Union> {
    let width = union.inputs.first().map_or(0, |input| input.schema().fields().len());
    let union = match blank_padded::alike(&union.inputs)? {
        Some(inputs) => Union::try_new_with_loose_types(inputs)?,
        None => union,
    };
    let targets: Vec<Option<DataType>> = (0..width).map(|n| target(&union, n)).collect();
    if targets.iter().all(Option::is_none) {
        return Ok(union);
    }
    let inputs = union.inputs.iter().map(|input| converted(input, &targets).map(Arc::new));
    Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)
}

/// The type that the columns at `index` are converted to, if they are not left as they are.
fn target(union: &Union, index: usize) -> Option<DataType> {
    let known = union.inputs.iter().filter(|input| literal(input, index).is_none());
    let known = known.filter_map(|input| input.schema().fields().get(index));
    let mut kinds = known.map(|field| field.data_type()).filter(|kind| !kind.is_null());
    let first = kinds.next()?;
    let literals = union.inputs.iter().any(|input| literal(input, index).is_some());
    let all = || std::iter::once(first).chain(kinds.clone());
    let float = all().filter(|kind| kind.is_floating()).max_by_key(|kind| kind.primitive_width());
    match float {
        Some(float) if all().any(|kind| matches!(kind, DataType::Decimal128(_, _))) => {
            Some(float.clone())
        }
        _ if literals && !first.is_string() => Some(first.clone()),
        _ => None,
    }
}

/// The literal of unknown type that a query has at `index`.
pub(super) fn literal(plan: &LogicalPlan, index: usize) -> Option<&Expr> {
    let LogicalPlan::Projection(projection) = plan else { return None };
    let mut expr = projection.expr.get(index)?;
    while let Expr::Alias(alias) = expr {
        expr = &alias.expr;
    }
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _)).then_some(expr)
}

fn converted(plan: &LogicalPlan, targets: &[Option<DataType>]) -> Result<LogicalPlan> {
    if let LogicalPlan::Projection(projection) = plan {
        let exprs = projection.expr.iter().zip(targets).enumerate();
        let exprs = exprs.map(|(index, (expr, target))| {
            let (Some(target), Some(literal)) = (target, literal(plan, index)) else {
                return Ok(expr.clone());
            };
            let (qualifier, name) = expr.qualified_name();
            Ok(typed(literal.clone(), target)?.alias_qualified(qualifier, name))
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let projection = Projection::try_new(exprs, Arc::clone(&projection.input))?;
        return cast(LogicalPlan::Projection(projection), targets);
    }
    cast(plan.clone(), targets)
}

/// Numbers to floats.
fn cast(plan: LogicalPlan, targets: &[Option<DataType>]) -> Result<LogicalPlan> {
    let differs = |kind: &DataType, target: &Option<DataType>| {
        target
            .as_ref()
            .is_some_and(|target| target.is_floating() && kind != target && kind.is_numeric())
    };
    let fields = plan.schema().fields().iter().zip(targets);
    if !fields.clone().any(|(field, target)| differs(field.data_type(), target)) {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().zip(fields);
    let exprs = columns.map(|(column, (field, target))| {
        let expr = Expr::Column(column.clone());
        match target {
            Some(kind) if differs(field.data_type(), target) => {
                Ok(expr.cast_to(kind, plan.schema())?.alias_qualified(column.relation, column.name))
            }
            _ => Ok(expr),
        }
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}
