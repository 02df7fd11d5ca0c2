//! Computed columns.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::dataflow::eval::Projection;
use crate::error::Result;
use crate::plan::node::Expr;
use crate::types::Delta;

/// One output column per expression.
pub struct Project {
    projection: Projection,
}

impl Project {
    /// Computes `exprs` as batches of `schema`.
    #[must_use]
    pub fn new(exprs: Vec<Expr>, schema: SchemaRef) -> Project {
        Project { projection: Projection::new(exprs, schema) }
    }
}

impl Operator for Project {
    fn name(&self) -> &'static str {
        "project"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        out.deltas.push(self.projection.apply(&delta, &mut out.errors)?);
        Ok(())
    }
}
