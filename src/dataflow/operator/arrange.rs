//! Writes an arrangement: stages its input and passes it on, so that joins downstream see the change
//! and, until commit, the arrangement without it.

use super::{Context, Operator, Output, Port, StateSize};
use crate::error::Result;
use crate::state::{ArrangementId, Arrangements, Saved};
use crate::types::{Delta, Selection};

/// The one writer of an arrangement.
pub struct Arrange {
    arrangement: ArrangementId,
}

impl Arrange {
    /// An operator that maintains `arrangement`; whoever builds it has created the arrangement and
    /// releases it after the operator is gone.
    #[must_use]
    pub fn new(arrangement: ArrangementId) -> Arrange {
        Arrange { arrangement }
    }
}

impl Operator for Arrange {
    fn name(&self) -> &'static str {
        "arrange"
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
        _port: Port,
        rows: Selection,
        out: &mut Output,
    ) -> Result<()> {
        let arrangement = ctx.arrangements.get_mut(self.arrangement);
        let keys = arrangement.stage(rows.clone())?;
        out.selections.push(rows.with_keys(arrangement.key(), keys));
        Ok(())
    }

    fn commit(&mut self, arrangements: &mut Arrangements) {
        arrangements.get_mut(self.arrangement).commit();
    }

    fn contents(&self, arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        Some(arrangements.get(self.arrangement).contents())
    }

    fn arrangements(&self) -> Vec<ArrangementId> {
        vec![self.arrangement]
    }

    fn save(&self, arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        arrangements.get(self.arrangement).save("rows", to)
    }

    fn restore(&mut self, arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        arrangements.get_mut(self.arrangement).restore("rows", from)
    }

    fn size(&self, arrangements: &Arrangements) -> StateSize {
        let arrangement = arrangements.get(self.arrangement);
        StateSize { rows: arrangement.rows(), bytes: arrangement.byte_size() }
    }

    fn maintain(&mut self, arrangements: &mut Arrangements, budget: usize) {
        arrangements.get_mut(self.arrangement).maintain(budget);
    }
}
