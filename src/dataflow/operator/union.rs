//! All rows of several inputs.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// Passes the rows of every port on, under one schema.
pub struct Union {
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Union {
    /// Rows as batches of `schema`, whose types are those of all inputs.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Union {
        Union { columns: (0..schema.fields().len()).collect(), schema }
    }
}

impl Operator for Union {
    fn name(&self) -> &'static str {
        "union"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        out.deltas.push(delta.select(&self.columns, &self.schema)?);
        Ok(())
    }
}
