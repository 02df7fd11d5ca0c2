//! Inner and cross joins.

use arrow::datatypes::SchemaRef;

use super::JoinCondition;
use super::inputs::{Columns, Inputs};
use super::pairs::Partner;
use crate::dataflow::operator::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::state::ArrangementId;
use crate::types::{Delta, Selection};

/// Matching pairs.
pub struct Join {
    inputs: Inputs,
    columns: Columns,
}

impl Join {
    /// An inner join putting out `columns` (indexes in left columns followed by right columns; `None`
    /// for all), as batches of `schema`.
    ///
    /// # Errors
    /// If a column type cannot be a key.
    pub fn new(
        condition: JoinCondition,
        columns: Option<Vec<usize>>,
        schema: SchemaRef,
    ) -> Result<Join> {
        let inputs = Inputs::new(condition)?;
        let columns = inputs.columns(columns, schema);
        Ok(Join { inputs, columns })
    }
}

impl Operator for Join {
    fn name(&self) -> &'static str {
        "join"
    }

    fn apply(
        &mut self,
        ctx: &mut Context<'_>,
        port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        self.apply_selection(ctx, port, delta.into(), out)
    }

    fn apply_selection(
        &mut self,
        ctx: &mut Context<'_>,
        port: Port,
        rows: Selection,
        out: &mut Output,
    ) -> Result<()> {
        let keyed = self.inputs.probing(port, rows)?;
        self.inputs.index(ctx.arrangements, 1 - port, keyed.wanted());
        let other = Partner::State(self.inputs.state(ctx.arrangements, 1 - port));
        self.inputs.join(port, &keyed, other, &self.columns, out)?;
        self.inputs.hold(port, keyed);
        Ok(())
    }

    fn finish(&mut self, _ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        self.inputs.join_deltas(&self.columns, out)?;
        self.inputs.settle(&self.columns, out);
        self.inputs.clear();
        Ok(())
    }

    fn arrangements(&self) -> Vec<ArrangementId> {
        self.inputs.arrangements()
    }

    fn rebind(&mut self, from: ArrangementId, to: ArrangementId) {
        self.inputs.rebind(from, to);
    }
}
