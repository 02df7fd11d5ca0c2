//! Rows for which a condition holds.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::dataflow::eval::Predicate;
use crate::error::Result;
use crate::plan::node::Expr;
use crate::types::Delta;

/// Keeps the rows for which the predicate is true.
pub struct Filter {
    predicate: Predicate,
}

impl Filter {
    /// Rows for which `predicate` is true; of them the columns and schema of `output`, if given.
    #[must_use]
    pub fn new(predicate: Expr, output: Option<(Vec<usize>, SchemaRef)>) -> Filter {
        Filter { predicate: Predicate::new(predicate, output) }
    }
}

impl Operator for Filter {
    fn name(&self) -> &'static str {
        "filter"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        if out.selecting {
            out.selections.extend(self.predicate.select(&delta, &mut out.errors)?);
        } else {
            out.deltas.push(self.predicate.apply(&delta, &mut out.errors)?);
        }
        Ok(())
    }
}
