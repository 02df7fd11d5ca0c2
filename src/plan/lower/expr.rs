//! Expressions: logical → physical, and columns below a node for what it wants as plain columns.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_expr::create_physical_expr;

use super::{Lowering, holds_subquery};
use crate::error::{Error, Result};
use crate::plan::build::plain_column;
use crate::plan::node::{Expr as PhysicalExpr, Node};
use crate::plan::short_circuit;

impl Lowering<'_> {
    /// `expr` over columns `schema`.
    pub(super) fn physical(&self, expr: &Expr, schema: &DFSchema) -> Result<PhysicalExpr> {
        self.computed(&short_circuit::guarded(expr.clone(), schema)?.data, schema)
    }

    /// The condition `expr`, of which only truth matters, over columns `schema`.
    pub(super) fn condition(&self, expr: &Expr, schema: &DFSchema) -> Result<PhysicalExpr> {
        self.computed(&short_circuit::guarded_condition(expr.clone(), schema)?.data, schema)
    }

    fn computed(&self, expr: &Expr, schema: &DFSchema) -> Result<PhysicalExpr> {
        if holds_subquery(expr) {
            return Err(Error::unsupported("this form of subquery in a materialized view")
                .hint("Write it as a join, or as a condition of its own in WHERE."));
        }
        let planning = PhysicalPlanningContext::default();
        Ok(create_physical_expr(expr, schema, self.props, &planning)?)
    }

    /// `exprs` over columns `schema`.
    pub(super) fn physical_all(
        &self,
        exprs: &[Expr],
        schema: &DFSchema,
    ) -> Result<Vec<PhysicalExpr>> {
        exprs.iter().map(|expr| self.physical(expr, schema)).collect()
    }

    /// `input` with `exprs` as columns: the node's own columns come first, then those of `exprs`
    /// that are not among them. Returns where each expression is.
    pub(super) fn with_columns(
        &self,
        input: Node,
        exprs: &[Expr],
        schema: &DFSchema,
    ) -> Result<(Node, Vec<usize>)> {
        let mut columns: Vec<PhysicalExpr> =
            (0..input.width()).map(|index| input.column(index)).collect();
        let mut fields: Vec<FieldRef> = input.schema.fields().iter().map(Arc::clone).collect();
        let mut positions = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let physical = self.physical(expr, schema)?;
            let known = plain_column(physical.as_ref())
                .or_else(|| columns.iter().position(|column| column.as_ref() == physical.as_ref()));
            positions.push(known.unwrap_or(columns.len()));
            if known.is_none() {
                columns.push(physical);
                fields.push(expr.to_field(schema)?.1);
            }
        }
        if columns.len() == input.width() {
            return Ok((input, positions));
        }
        Ok((input.project(columns, Arc::new(Schema::new(fields))), positions))
    }
}
