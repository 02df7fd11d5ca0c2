//! Each distinct row once.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// The operator of [`crate::plan::node::NodeKind::Distinct`].
pub struct Distinct {}

impl Distinct {
    /// Distinct rows of `schema`.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(_schema: &SchemaRef) -> Result<Distinct> {
        Ok(Distinct {})
    }
}

impl Operator for Distinct {
    fn name(&self) -> &'static str {
        "distinct"
    }

    fn apply(&mut self, _: &mut Context<'_>, _: Port, _: Delta, _: &mut Output) -> Result<()> {
        Ok(())
    }
}
