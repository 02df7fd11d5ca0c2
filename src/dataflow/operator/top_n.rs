//! The first rows of each partition in an order.

use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::plan::node::{RankKind, SortColumn};
use crate::types::Delta;

/// Which rows a [`TopN`] keeps; fields as in [`crate::plan::node::NodeKind::TopN`].
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Partition columns.
    pub partition: Vec<usize>,
    /// Sort columns.
    pub order: Vec<SortColumn>,
    /// Rows (or ranks) skipped.
    pub offset: usize,
    /// Rows (or ranks) kept.
    pub limit: Option<usize>,
    /// The rank column appended, if any.
    pub rank: Option<RankKind>,
}

/// The operator of [`crate::plan::node::NodeKind::TopN`].
pub struct TopN {}

impl TopN {
    /// Keeps the rows like `input` that `ranking` names; `append_only`: the input never retracts.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(
        _ranking: Ranking,
        _input: &SchemaRef,
        _output: &SchemaRef,
        _append_only: bool,
    ) -> Result<TopN> {
        Ok(TopN {})
    }
}

impl Operator for TopN {
    fn name(&self) -> &'static str {
        "top-n"
    }

    fn apply(&mut self, _: &mut Context<'_>, _: Port, _: Delta, _: &mut Output) -> Result<()> {
        Ok(())
    }
}
