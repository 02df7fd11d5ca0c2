//! `AND` and `OR` that stop where Postgres stops: what stands behind a condition is not computed for rows
//! that the condition has decided already, so `x <> 0 AND 1 / x > 2` never divides by zero.
//!
//! DataFusion computes both sides for all rows of a batch. What may fail goes into a `CASE`, which computes
//! a branch for its own rows only:
//!
//! | written | becomes |
//! |---|---|
//! | `WHERE a AND b` | `a AND CASE WHEN a THEN b ELSE false END` |
//! | `SELECT a AND b` | `a AND CASE WHEN a IS NOT FALSE THEN b ELSE false END` |
//! | `SELECT a OR b` | `a OR CASE WHEN a IS NOT TRUE THEN b ELSE true END` |
//!
//! A condition stays a conjunct of its own in front of the `CASE`, for what looks for conjuncts.
//! ORDER: after all optimization, which would move conditions into one filter again.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, binary_expr, lit, when,
};

/// The optimized `plan`, whose conditions guard what stands behind them.
pub(crate) fn guarded_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let guarded = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let condition = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Join(_));
        if !matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) && !condition {
            return Ok(Transformed::no(node));
        }
        node.map_expressions(|expr| {
            let name = (!condition).then(|| expr.schema_name().to_string());
            let guarded = match condition {
                true => guarded_condition(expr, &schema)?,
                false => guarded(expr, &schema)?,
            };
            match name {
                Some(name) => guarded.map_data(|expr| expr.alias_if_changed(name)),
                None => Ok(guarded),
            }
        })
    })?;
    Ok(guarded.data)
}

/// `expr`, of which only truth matters: a row for which it is null is left out.
pub(crate) fn guarded_condition(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) = &expr else {
        return guarded(expr, schema);
    };
    chain(expr, Operator::And, true, schema)
}

/// `expr` with every `AND` and `OR` in it guarded.
pub(crate) fn guarded(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_down(|part| match part {
        Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) => {
            let chained = chain(part, op, false, schema)?;
            Ok(Transformed { tnr: TreeNodeRecursion::Jump, ..chained })
        }
        other => Ok(Transformed::no(other)),
    })
}

/// The operands of a chain of one operator, those from the first that may fail on behind those before it.
fn chain(expr: Expr, op: Operator, truth: bool, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut operands = vec![];
    flatten(expr, op, &mut operands);
    let mut transformed = false;
    let mut within = vec![];
    for operand in operands {
        let operand = guarded(operand, schema)?;
        transformed |= operand.transformed;
        within.push(operand.data);
    }
    let mut tail: Option<Expr> = None;
    while let Some(last) = within.pop() {
        let fails = may_fail(&last, schema)?;
        let joined = match tail.take() {
            Some(tail) => binary_expr(last, op, tail),
            None => last,
        };
        tail = Some(match fails && !within.is_empty() && !within.iter().any(Expr::is_volatile) {
            true => {
                transformed = true;
                behind(&within, op, truth, joined)?
            }
            false => joined,
        });
    }
    let expr = tail.expect("a chain has operands");
    Ok(Transformed::new(expr, transformed, TreeNodeRecursion::Continue))
}

/// `operand`, computed for those rows alone for which the conditions `before` leave the question open.
fn behind(before: &[Expr], op: Operator, truth: bool, operand: Expr) -> Result<Expr> {
    let all = before.iter().cloned().reduce(|one, other| binary_expr(one, op, other));
    let all = all.expect("there are conditions before it");
    let (open, decided) = match (op, truth) {
        (Operator::And, true) => (all, false),
        (Operator::And, false) => (all.is_not_false(), false),
        _ => (all.is_not_true(), true),
    };
    when(open, operand).otherwise(lit(decided))
}

/// The operands of nested `op`s, from left to right.
fn flatten(expr: Expr, op: Operator, operands: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryExpr(binary) if binary.op == op => {
            flatten(*binary.left, op, operands);
            flatten(*binary.right, op, operands);
        }
        other => operands.push(other),
    }
}

/// Whether computing `expr` may fail for some row.
fn may_fail(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    expr.exists(|part| {
        Ok(match part {
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::Like(_)
            | Expr::ScalarSubquery(_)
            | Expr::Case(_) => false,
            Expr::BinaryExpr(BinaryExpr { op, .. }) => {
                !matches!(op, Operator::And | Operator::Or) && !compares(*op)
            }
            Expr::Cast(Cast { expr, field }) => {
                let (from, to) = (expr.get_type(schema)?, field.data_type());
                let wider = from.is_integer()
                    && (to.is_floating()
                        || to.is_integer() && from.primitive_width() <= to.primitive_width());
                from != *to && !wider
            }
            _ => true,
        })
    })
}

/// Whether an operator compares its operands.
pub(crate) fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}
