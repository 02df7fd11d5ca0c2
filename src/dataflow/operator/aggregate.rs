//! Groups with aggregates: one output row per group that has rows.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::plan::node::AggregateCall;
use crate::types::Delta;

/// The operator of [`crate::plan::node::NodeKind::Aggregate`].
pub struct Aggregate {}

impl Aggregate {
    /// Groups rows like `input` by `group` and computes `calls`; output columns as in `output`.
    ///
    /// `append_only`: the input never retracts. `emits_empty`: without group columns, this worker
    /// owns the one row that is there even for no input (the owner of the unit key's vnode).
    ///
    /// # Errors
    /// If a column cannot be a group key, or a function is not defined for its argument's type.
    pub fn new(
        _group: &[usize],
        _calls: &[AggregateCall],
        _input: &SchemaRef,
        _output: &SchemaRef,
        _append_only: bool,
        _emits_empty: bool,
    ) -> Result<Aggregate> {
        Ok(Aggregate {})
    }
}

impl Operator for Aggregate {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn apply(&mut self, _: &mut Context<'_>, _: Port, _: Delta, _: &mut Output) -> Result<()> {
        Ok(())
    }
}
