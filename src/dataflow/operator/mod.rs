//! The contract of an operator; one file per operator below.

mod aggregate;
mod arrange;
mod at_most_one;
mod constant;
mod distinct;
mod filter;
mod hop;
mod join;
mod materialize;
#[cfg(test)]
mod oracle;
mod project;
mod rank_change;
mod recompute;
mod repeat;
mod row_form;
mod scan;
mod top_n;
mod union;
mod unnest;

pub use aggregate::Aggregate;
pub use arrange::Arrange;
pub use at_most_one::AtMostOne;
pub use constant::Constant;
pub use distinct::Distinct;
pub use filter::Filter;
pub use hop::{Hop, Windows};
pub use join::{Join, JoinCondition, JoinSide, OuterJoin, Residual, SemiJoin};
pub use materialize::Materialize;
pub use project::Project;
pub use recompute::Recompute;
pub use repeat::Repeat;
pub use scan::Scan;
pub use top_n::{Ranking, TopN};
pub use union::Union;
pub use unnest::Unnest;

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;

use crate::error::{Error, Result, SqlState};
use crate::state::{ArrangementId, Arrangements, Saved};
use crate::types::{Delta, Epoch, Selection};

/// Which input of an operator a delta arrives on: 0 is left or only.
pub type Port = usize;

/// What an operator may see besides its input.
pub struct Context<'a> {
    /// All arrangements of this worker. Read-only during a tick: changes are staged, and applied when
    /// the executor commits them.
    pub arrangements: &'a mut Arrangements,
    /// The open epoch.
    pub epoch: Epoch,
}

/// What an operator puts out.
#[derive(Default)]
pub struct Output {
    /// Deltas for the consumers.
    pub deltas: Vec<Delta>,
    /// More of them, of an operator that passes on what it is given, or some of it.
    pub selections: Vec<Selection>,
    /// Rows that failed.
    pub errors: Vec<ErrorRow>,
    /// Whether anybody consumes `deltas`; if not, an operator that can enumerate its output
    /// ([`Operator::contents`]) may skip producing them.
    pub wanted: bool,
    /// Whether nobody will copy the rows of `selections` before they are sent elsewhere, so that an operator
    /// which leaves out rows need not copy the others.
    pub selecting: bool,
}

/// A row left out of a view because an expression failed on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorRow {
    /// SQLSTATE of the failure.
    pub state: SqlState,
    /// Its message.
    pub message: String,
    /// The expression, as text.
    pub expression: String,
    /// The operator's input row, as a JSON object.
    pub row: String,
    /// The row's weight.
    pub weight: i64,
}

impl ErrorRow {
    /// Row `row` of `delta`, left out because `expression` failed on it with `error`.
    #[must_use]
    pub fn new(
        error: &Error,
        expression: impl Into<String>,
        delta: &Delta,
        row: usize,
    ) -> ErrorRow {
        ErrorRow {
            state: error.state(),
            message: error.message().to_owned(),
            expression: expression.into(),
            row: json(&delta.batch.slice(row, 1)),
            weight: delta.weight(row),
        }
    }
}

/// The one row of `batch` as a JSON object; for types that JSON lacks, its debug form.
fn json(batch: &RecordBatch) -> String {
    let mut writer =
        WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    match writer.write(batch).and_then(|()| writer.finish()) {
        Ok(()) => String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned(),
        Err(_) => format!("{:?}", batch.columns()),
    }
}

/// Rows and bytes that an operator holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Rows (groups, pairs) held.
    pub rows: usize,
    /// Bytes held, as far as it can be told cheaply.
    pub bytes: usize,
}

/// An incremental operator: synchronous, single-threaded, deterministic. No I/O, clock, lock, async or
/// randomness.
///
/// # Invariants (checked by the oracle test)
/// 1. The sum of all outputs up to epoch *e* is the operator's SQL meaning applied to the sum of all
///    inputs up to *e*. Inputs may hold transient negative multiplicities while a view is being filled;
///    at the end they are non-negative, and so must the output be.
/// 2. Cost per epoch follows the change, never the state.
/// 3. The same input gives the same output whatever the split into deltas and epochs, and up to order
///    whatever the number of workers.
/// 4. Nothing outside the operator changes before [`Operator::commit`].
pub trait Operator: Send {
    /// Name for EXPLAIN and metrics, such as `"filter"`.
    fn name(&self) -> &'static str;

    /// Consumes one delta of the open epoch arriving on `port`.
    ///
    /// # Errors
    /// An error fails every view downstream; a row's failure is not an error but an [`ErrorRow`].
    fn apply(
        &mut self,
        ctx: &mut Context<'_>,
        port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()>;

    /// Consumes rows of a delta that other workers share; operators that need not copy all of their
    /// columns do better than this.
    ///
    /// # Errors
    /// As for [`Operator::apply`].
    fn apply_selection(
        &mut self,
        ctx: &mut Context<'_>,
        port: Port,
        rows: Selection,
        out: &mut Output,
    ) -> Result<()> {
        self.apply(ctx, port, rows.into_delta()?, out)
    }

    /// All inputs of this epoch have been applied; puts out what waits for its end. Called only in
    /// epochs in which `apply` was called, and in the first epoch of the operator's life (so that a
    /// global aggregate can put out its row for no input).
    ///
    /// # Errors
    /// As for [`Operator::apply`].
    fn finish(&mut self, _ctx: &mut Context<'_>, _out: &mut Output) -> Result<()> {
        Ok(())
    }

    /// Makes this epoch's staged changes permanent. Cannot fail.
    fn commit(&mut self, _arrangements: &mut Arrangements) {}

    /// The whole output collection as of the last commit, if the operator can enumerate it from its
    /// state (aggregates, distinct, top-n, materialize); the sum of the deltas' rows is exact.
    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        None
    }

    /// The arrangements this operator reads or writes.
    fn arrangements(&self) -> Vec<ArrangementId> {
        vec![]
    }

    /// Arrangement `from` was a duplicate of `to` and is gone: read `to` instead. Both held the same
    /// collection, nothing was staged.
    fn rebind(&mut self, _from: ArrangementId, _to: ArrangementId) {}

    /// Writes all state, by vnode.
    ///
    /// # Errors
    /// Only what encoding reports.
    fn save(&self, _arrangements: &Arrangements, _to: &mut Saved) -> Result<()> {
        Ok(())
    }

    /// Reads back what [`Operator::save`] wrote, of the vnodes that this worker owns now.
    ///
    /// # Errors
    /// If the saved form does not fit this operator.
    fn restore(&mut self, _arrangements: &mut Arrangements, _from: &Saved) -> Result<()> {
        Ok(())
    }

    /// What it holds.
    fn size(&self, _arrangements: &Arrangements) -> StateSize {
        StateSize::default()
    }

    /// A little background work between ticks (compaction), at most about `budget` rows.
    fn maintain(&mut self, _arrangements: &mut Arrangements, _budget: usize) {}
}
