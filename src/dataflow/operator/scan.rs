//! Where a relation's changes enter a view.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// Picks the columns that a view reads.
pub struct Scan {
    ports: [Vec<usize>; 2],
    schema: SchemaRef,
}

impl Scan {
    /// The port on which the root of a view in the graph feeds a view that reads it. Fills and
    /// changes from outside come on port 0.
    pub const FROM_VIEW: Port = 1;

    /// Reads `columns` of a relation's rows as batches of `schema`; if the relation is a view in the
    /// graph, these are columns `inside` of its root's rows.
    #[must_use]
    pub fn new(columns: Vec<usize>, inside: Vec<usize>, schema: SchemaRef) -> Scan {
        Scan { ports: [columns, inside], schema }
    }
}

impl Operator for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        out.deltas.push(delta.select(&self.ports[port], &self.schema)?);
        Ok(())
    }
}
