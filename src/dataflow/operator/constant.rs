//! Fixed rows.

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// Puts its rows out in its first epoch.
pub struct Constant {
    rows: Option<Delta>,
}

impl Constant {
    /// Puts out `rows`; `None` on all workers but one.
    #[must_use]
    pub fn new(rows: Option<Delta>) -> Constant {
        Constant { rows }
    }
}

impl Operator for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn apply(&mut self, _: &mut Context<'_>, _: Port, _: Delta, _: &mut Output) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self, _ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        out.deltas.extend(self.rows.take());
        Ok(())
    }
}
