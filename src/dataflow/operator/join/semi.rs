//! Semi, anti and mark joins.

use arrow::datatypes::SchemaRef;

use super::JoinCondition;
use crate::dataflow::operator::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::plan::node::JoinKind;
use crate::types::Delta;

/// Left rows by whether they have a match.
pub struct SemiJoin {}

impl SemiJoin {
    /// A semi, anti or mark join, as batches of `schema`.
    ///
    /// # Errors
    /// If a column type cannot be a key.
    pub fn new(_kind: JoinKind, _condition: JoinCondition, _schema: SchemaRef) -> Result<SemiJoin> {
        unimplemented!()
    }
}

impl Operator for SemiJoin {
    fn name(&self) -> &'static str {
        "semi join"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        _delta: Delta,
        _out: &mut Output,
    ) -> Result<()> {
        unimplemented!()
    }
}
