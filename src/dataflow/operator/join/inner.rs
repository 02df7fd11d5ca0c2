//! Inner and cross joins.

use arrow::datatypes::SchemaRef;

use super::JoinCondition;
use crate::dataflow::operator::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// Matching pairs.
pub struct Join {}

impl Join {
    /// An inner join putting out `columns` (indexes in left columns followed by right columns; `None`
    /// for all), as batches of `schema`.
    ///
    /// # Errors
    /// If a column type cannot be a key.
    pub fn new(
        _condition: JoinCondition,
        _columns: Option<Vec<usize>>,
        _schema: SchemaRef,
    ) -> Result<Join> {
        unimplemented!()
    }
}

impl Operator for Join {
    fn name(&self) -> &'static str {
        "join"
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
