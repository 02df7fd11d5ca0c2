//! Outer joins.

use arrow::datatypes::SchemaRef;

use super::JoinCondition;
use crate::dataflow::operator::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::plan::node::JoinKind;
use crate::types::Delta;

/// Matching pairs, and rows of one or both inputs without a match, padded with nulls.
pub struct OuterJoin {}

impl OuterJoin {
    /// A left, right or full join putting out `columns` (indexes in left columns followed by right columns; `None`
    /// for all), as batches of `schema`.
    ///
    /// # Errors
    /// If a column type cannot be a key.
    pub fn new(
        _kind: JoinKind,
        _condition: JoinCondition,
        _columns: Option<Vec<usize>>,
        _schema: SchemaRef,
    ) -> Result<OuterJoin> {
        unimplemented!()
    }
}

impl Operator for OuterJoin {
    fn name(&self) -> &'static str {
        "outer join"
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
