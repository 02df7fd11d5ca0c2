//! Analyzer rules of ours: what DataFusion's planner leaves with meanings that are not Postgres'.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Case, InList, Placeholder};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Union, Values};
use datafusion::optimizer::AnalyzerRule;
use itertools::izip;

use super::function::{
    self, ArithmeticOp, arithmetic, differs, interval_order, is_declared, resolved,
};
use super::operator::{cast, sql_name, typed};
use super::{aggregate_check, blank_padded, conversion, typing, union_types};
use crate::error::{Error, SqlState};

/// Marks a parameter whose type nothing has told yet.
pub(crate) const UNDECLARED: &str = "undeclared";

/// Before types are coerced: string literals take the type of what they are compared with.
#[derive(Debug)]
pub(crate) struct TypeLiterals;

impl AnalyzerRule for TypeLiterals {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Union(union) => {
                let union = union_types::unified(union)?;
                matching_columns(&union)?;
                Ok(Transformed::yes(LogicalPlan::Union(union)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let plan = rewrite(plan.data, &blank_padded::trimmed)?;
        let plan = rewrite(plan, &|expr, schema| {
            aggregate_check::check_call(&expr, schema)?;
            typing::check_digits(&expr, schema)?;
            type_literals(expr, schema)
        })?;
        Ok(plan.transform_up_with_subqueries(same_scales)?.data)
    }

    fn name(&self) -> &str {
        "type_literals"
    }
}

/// After types are coerced: conversions and negation as functions of ours.
#[derive(Debug)]
pub(crate) struct PostgresCasts;

impl AnalyzerRule for PostgresCasts {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = rewrite(plan, &postgres_cast)?;
        Ok(plan.transform_up_with_subqueries(interval_sorts)?.data)
    }

    fn name(&self) -> &str {
        "postgres_casts"
    }
}

/// Applies `each` to every expression of the plan, subqueries included, from the leaves up.
pub(super) fn rewrite(
    plan: LogicalPlan,
    each: &dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(scan.projected_schema.as_ref());
        }
        let names = NamePreserver::new(&node);
        let counts_rows = matches!(node, LogicalPlan::Limit(_));
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            if counts_rows && matches!(expr, Expr::Placeholder(Placeholder { field: None, .. })) {
                return Ok(Transformed::yes(typed(expr, &DataType::Int64)?));
            }
            let expr = expr.transform_up(|part| each(part, &schema))?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })?;
        match node.transformed {
            true => node.map_data(LogicalPlan::recompute_schema),
            false => Ok(node),
        }
    })?;
    Ok(rewritten.data)
}

/// VALUES whose numerics have the scale of their column: a cast to bare `numeric` keeps what there is.
fn same_scales(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Values(Values { schema, mut values }) = node else {
        return Ok(Transformed::no(node));
    };
    let empty = DFSchema::empty();
    for (cell, field) in values.iter_mut().flat_map(|row| izip!(row, schema.fields())) {
        let kind = cell.get_type(&empty)?;
        if kind != *field.data_type() && matches!(kind, DataType::Decimal128(_, _)) {
            *cell = cast(std::mem::take(cell), Some(&kind), field.data_type());
        }
    }
    Ok(Transformed::yes(LogicalPlan::Values(Values { schema, values })))
}

/// `42804` where the queries of a UNION have columns that no implicit conversion brings together.
fn matching_columns(union: &Union) -> Result<()> {
    let Some((first, others)) = union.inputs.split_first() else { return Ok(()) };
    for other in others {
        for (one, other) in izip!(first.schema().fields(), other.schema().fields()) {
            let (one, other) = (one.data_type(), other.data_type());
            if conversion::related(one, other) {
                continue;
            }
            return Err(Error::new(
                SqlState::DatatypeMismatch,
                format!("UNION types {} and {} cannot be matched", sql_name(one), sql_name(other)),
            )
            .into());
        }
    }
    Ok(())
}

fn check_case(case: &Case, schema: &DFSchema) -> Result<()> {
    let conditions = case.when_then_expr.iter().map(|(when, _)| when);
    for condition in conditions.filter(|_| case.expr.is_none()) {
        let kind = condition.get_type(schema)?;
        if !matches!(kind, DataType::Boolean | DataType::Null) {
            return Err(Error::new(
                SqlState::DatatypeMismatch,
                format!("argument of CASE/WHEN must be type boolean, not type {}", sql_name(&kind)),
            )
            .into());
        }
    }
    Ok(())
}

fn type_literals(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let expr = match expr {
        // `$1::type` declares the parameter's type. (The cast is visited after what it converts,
        // which is text by then if nothing else said what it is.)
        Expr::Cast(Cast { expr: operand, field }) => match *operand {
            Expr::Placeholder(Placeholder { id, field: of })
                if of.as_ref().is_none_or(|of| of.name() == UNDECLARED) =>
            {
                let field = Arc::new(field.as_ref().clone().with_name(""));
                return Ok(Transformed::yes(Expr::Placeholder(Placeholder {
                    id,
                    field: Some(field),
                })));
            }
            operand => {
                let (_, from) = operand.to_field(schema)?;
                typing::check_cast(&from, &field)?;
                if let Some(kept) = typing::bare_numeric(&operand, from.data_type(), &field) {
                    return Ok(Transformed::yes(kept?));
                }
                Expr::Cast(Cast { expr: Box::new(operand), field })
            }
        },
        Expr::Placeholder(Placeholder { id, field: None }) => {
            let field = Some(Arc::new(Field::new(UNDECLARED, DataType::Utf8, true)));
            return Ok(Transformed::yes(Expr::Placeholder(Placeholder { id, field })));
        }
        Expr::ScalarFunction(call) if is_declared(&call.func) => {
            return Ok(Transformed::yes(resolved(call, schema)?));
        }
        Expr::ScalarFunction(call) if typing::takes_elements(&call) => {
            return Ok(Transformed::yes(typing::typed_elements(call, schema)?));
        }
        Expr::ScalarFunction(call) if typing::unites(&call) => {
            return Ok(Transformed::yes(typing::united_call(call, schema)?));
        }
        Expr::ScalarFunction(mut call) if call.name() == "make_array" => {
            conversion::common("ARRAY", call.args.iter_mut().collect(), schema)?;
            return Ok(Transformed::yes(Expr::ScalarFunction(call)));
        }
        Expr::WindowFunction(call) => return typing::window_call(call, schema),
        Expr::Case(case) => {
            let case = typing::typed_conditions(case)?;
            check_case(&case, schema)?;
            return Ok(Transformed::yes(Expr::Case(typing::united_case(case, schema)?)));
        }
        other => other,
    };
    let Expr::InList(InList { expr, list, negated }) = expr else {
        return Ok(Transformed::no(expr));
    };
    if let Some(united) = typing::united_list(&expr, &list, schema)? {
        let (expr, list) = united;
        return Ok(Transformed::yes(Expr::InList(InList { expr: Box::new(expr), list, negated })));
    }
    let unknown = |item: &Expr| matches!(item, Expr::Literal(ScalarValue::Utf8(_), _));
    let kind = match unknown(&expr) {
        false => Some(expr.get_type(schema)?),
        true => None,
    };
    match kind {
        Some(kind) if !kind.is_string() && !kind.is_null() && list.iter().any(unknown) => {
            let list = list.into_iter().map(|item| Ok(typed(item, &kind)?));
            let list = InList { expr, list: list.collect::<Result<_>>()?, negated };
            let interval = matches!(kind, DataType::Interval(_));
            let list = if interval { typing::lengths(list) } else { list };
            Ok(Transformed::yes(Expr::InList(list)))
        }
        Some(DataType::Interval(_)) => {
            Ok(Transformed::yes(Expr::InList(typing::lengths(InList { expr, list, negated }))))
        }
        _ => Ok(Transformed::no(Expr::InList(InList { expr, list, negated }))),
    }
}

/// `expr` with its parts' types decided, so that what stands above can ask for its own.
pub(super) fn settled(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let open = match &expr {
        Expr::Case(_) => true,
        Expr::ScalarFunction(call) => is_declared(&call.func) || typing::unites(call),
        _ => false,
    };
    match open {
        true => Ok(expr.transform_up(|part| type_literals(part, schema))?.data),
        false => Ok(expr),
    }
}

fn postgres_cast(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(Cast { expr, field }) => {
            let from = expr.get_type(schema)?;
            conversion::check_cast(&from, field.data_type())?;
            if let Some(value) = conversion::literal(&expr, &field)? {
                return Ok(Transformed::yes(value));
            }
            if !differs(&from, &field) {
                return Ok(Transformed::no(Expr::Cast(Cast { expr, field })));
            }
            let to = match field.data_type() {
                // DataFusion's own coercions may ask for views of strings; we keep none.
                DataType::Utf8View | DataType::LargeUtf8 => {
                    Arc::new(Field::new("", DataType::Utf8, true))
                }
                _ => field,
            };
            Ok(Transformed::yes(function::conversion(*expr, &from, to, false)))
        }
        Expr::Negative(operand) => {
            let kind = operand.get_type(schema)?;
            if !(kind.is_numeric() || matches!(kind, DataType::Interval(_))) {
                return Ok(Transformed::no(Expr::Negative(operand)));
            }
            Ok(Transformed::yes(arithmetic(ArithmeticOp::Negate).call(vec![*operand])))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if op.supports_propagation()
                && left
                    .get_type(schema)
                    .is_ok_and(|kind| matches!(kind, DataType::Interval(_)))
                && right
                    .get_type(schema)
                    .is_ok_and(|kind| matches!(kind, DataType::Interval(_))) =>
        {
            let (left, right) = (interval_order(*left), interval_order(*right));
            let (left, right) = (Box::new(left), Box::new(right));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// `ORDER BY` of intervals, by their lengths.
fn interval_sorts(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Sort(mut sort) = plan else { return Ok(Transformed::no(plan)) };
    let schema = Arc::clone(sort.input.schema());
    for by in &mut sort.expr {
        if by.expr.get_type(&schema).is_ok_and(|kind| matches!(kind, DataType::Interval(_))) {
            by.expr = interval_order(std::mem::take(&mut by.expr));
        }
    }
    Ok(Transformed::yes(LogicalPlan::Sort(sort)))
}
