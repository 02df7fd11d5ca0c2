//! Joins: inner, outer and semi, over arrangements of both inputs that [`Arrange`] operators upstream
//! keep.
//!
//! Port 0 is left, port 1 right; a join must be given exactly the deltas that its arrangements staged
//! in the same epoch. In a tick it puts out ΔL⋈R + L⋈ΔR + ΔL⋈ΔR, where L and R are the arrangements as
//! of the last commit.
//!
//! [`Arrange`]: super::Arrange

mod inner;
mod inputs;
mod outer;
mod pairs;
mod presence;
mod semi;

pub use inner::Join;
pub use outer::OuterJoin;
pub use semi::SemiJoin;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::SchemaRef;

use super::ErrorRow;
use crate::error::Result;
use crate::state::ArrangementId;
use crate::types::Delta;

/// One input of a join.
pub struct JoinSide {
    /// Its arrangement, keyed by `key`.
    pub arrangement: ArrangementId,
    /// Columns of its rows.
    pub schema: SchemaRef,
    /// The columns that must equal the other side's, in the same order. Empty for cross and theta
    /// joins: every row then has the same key.
    pub key: Vec<usize>,
}

/// A join's further condition on pairs: left columns followed by right columns.
pub struct Residual {
    /// The columns that it reads.
    pub reads: Vec<usize>,
    /// Which of so many pairs satisfy it, by those columns of them; `None` if it fails on one.
    pub test: Box<dyn Fn(&[ArrayRef], usize) -> Option<BooleanArray> + Send>,
    /// The rows, over all columns, that satisfy it, and of them the given columns, as a batch of the given
    /// schema; rows on which it fails go to the errors, with their weights.
    pub keep:
        Box<dyn Fn(&Delta, (&[usize], &SchemaRef), &mut Vec<ErrorRow>) -> Result<Delta> + Send>,
}

/// When a left and a right row match.
pub struct JoinCondition {
    /// Left input.
    pub left: JoinSide,
    /// Right input.
    pub right: JoinSide,
    /// Whether a null key equals a null key (set operations) or nothing (SQL's `=`).
    pub null_equals_null: bool,
    /// Further condition.
    pub residual: Option<Residual>,
}

#[cfg(test)]
mod tests;
