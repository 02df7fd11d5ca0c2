//! Semi, anti and mark joins.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::SchemaRef;

use super::JoinCondition;
use super::inputs::Inputs;
use super::presence::Presence;
use crate::dataflow::operator::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::plan::node::JoinKind;
use crate::state::ArrangementId;
use crate::types::{Delta, Selection};

/// Left rows by whether they have a match.
pub struct SemiJoin {
    inputs: Inputs,
    answer: Answer,
    schema: SchemaRef,
}

/// What becomes of left rows.
#[derive(Clone, Copy)]
enum Answer {
    /// Those where having a match is this come out.
    Keep(bool),
    /// All come out, with a column that says whether they have a match.
    Mark,
}

impl SemiJoin {
    /// A semi, anti or mark join, as batches of `schema`.
    ///
    /// # Errors
    /// If a column type cannot be a key.
    ///
    /// # Panics
    /// If `kind` is another.
    pub fn new(kind: JoinKind, condition: JoinCondition, schema: SchemaRef) -> Result<SemiJoin> {
        let answer = match kind {
            JoinKind::Semi => Answer::Keep(true),
            JoinKind::Anti => Answer::Keep(false),
            JoinKind::Mark => Answer::Mark,
            JoinKind::Inner | JoinKind::Left | JoinKind::Right | JoinKind::Full => {
                unreachable!("a {kind} join puts out pairs")
            }
        };
        Ok(SemiJoin { inputs: Inputs::new(condition)?, answer, schema })
    }

    /// What comes out for left rows with whether each has a match.
    fn answer(&self, rows: &Delta, present: &[bool]) -> Result<Delta> {
        let mut rows = rows.clone();
        let mut columns = rows.batch.columns().to_vec();
        match self.answer {
            Answer::Keep(kept) => {
                let mask: BooleanArray = present.iter().map(|&is| Some(is == kept)).collect();
                rows = rows.filter(&mask)?;
                columns = rows.batch.columns().to_vec();
            }
            Answer::Mark => {
                columns.push(Arc::new(BooleanArray::from(present.to_vec())) as ArrayRef);
            }
        }
        rows.with_columns(columns, &self.schema)
    }
}

impl Operator for SemiJoin {
    fn name(&self) -> &'static str {
        "semi join"
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
        _ctx: &mut Context<'_>,
        port: Port,
        rows: Selection,
        _out: &mut Output,
    ) -> Result<()> {
        let keyed = self.inputs.keyed(port, rows)?;
        self.inputs.hold(port, keyed);
        Ok(())
    }

    fn finish(&mut self, ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        let other =
            if self.inputs.deltas(1).is_empty() { None } else { Some(self.inputs.table(1)?) };
        let presence = Presence::new(&self.inputs, ctx.arrangements, 0, other.as_ref());
        let Output { deltas, errors, .. } = out;
        presence.change(errors, &mut |rows, present| {
            let answer = self.answer(rows, present)?;
            if !answer.is_empty() {
                deltas.push(answer);
            }
            Ok(())
        })?;
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
