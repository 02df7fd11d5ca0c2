//! Backfill: feeding existing rows to a new view in bounded pieces, while changes flow on.
//!
//! A new view gets, from the tick that creates it on, every change of the relations it scans; the rows
//! that were there before come in slices, in later ticks. Deltas add up in any order, so at the end of
//! the slices the view equals its query.

use std::collections::{HashSet, VecDeque};

use super::source::Feed;
use crate::error::{Error, Result};
use crate::types::{Delta, ObjectId};

/// Where a materialized view stands.
pub(super) struct View {
    /// Relations that its plan scans.
    pub(super) scans: Vec<ObjectId>,
    /// Relations that it depends on through other views too.
    pub(super) upstream: HashSet<ObjectId>,
    /// Rows still to be fed.
    pub(super) fills: Vec<Fill>,
    /// How far it is.
    pub(super) stage: Stage,
    /// Whether the workers know it.
    pub(super) created: bool,
    /// Rows fed so far.
    pub(super) filled_rows: u64,
    /// The contents as of the last tick that changed it, while nobody has changed it since.
    pub(super) published: Option<Vec<Delta>>,
}

/// Stages of a view's life.
#[derive(Debug)]
pub(super) enum Stage {
    /// Rows are being fed.
    Filling,
    /// All rows are fed; the command that says so goes with the next tick.
    Fed,
    /// It can be read, once the views that it reads can be.
    Filled,
    /// It failed and is gone from the workers.
    Failed(Error),
}

/// Existing rows of one relation on their way into one view.
pub(super) struct Fill {
    /// The relation.
    pub(super) relation: ObjectId,
    /// Its rows.
    pub(super) rows: FillRows,
}

/// Where the rows of a fill come from.
pub(super) enum FillRows {
    /// A snapshot of a table or view.
    Snapshot(VecDeque<Delta>),
    /// A source, read again from its beginning to where the running reader stood.
    Source(Box<Feed>),
}

impl View {
    /// A view that cannot be maintained.
    pub(super) fn failed(error: Error) -> View {
        View {
            scans: vec![],
            upstream: HashSet::new(),
            fills: vec![],
            stage: Stage::Failed(error),
            created: false,
            filled_rows: 0,
            published: None,
        }
    }

    /// Up to `budget` rows of existing data: (relation, rows). Moves on to [`Stage::Fed`] at the end.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub(super) fn take(&mut self, budget: usize, now_us: i64) -> Result<Vec<(ObjectId, Delta)>> {
        let mut taken = vec![];
        let mut left = budget;
        while let (true, Some(fill)) = (left > 0, self.fills.first_mut()) {
            match fill.next(left, now_us) {
                Next::Rows(delta) => {
                    left = left.saturating_sub(delta.rows());
                    self.filled_rows += delta.rows() as u64;
                    taken.push((fill.relation, delta));
                }
                Next::Later => break,
                Next::Failed(error) => return Err(error),
                Next::Done => {
                    self.fills.remove(0);
                }
            }
        }
        if self.fills.is_empty() && matches!(self.stage, Stage::Filling) {
            self.stage = Stage::Fed;
        }
        Ok(taken)
    }

    /// Whether a tick now would move it on.
    pub(super) fn busy(&self, now_us: i64) -> bool {
        match self.stage {
            Stage::Filling => match self.fills.first() {
                None => true,
                Some(Fill { rows: FillRows::Snapshot(_), .. }) => true,
                Some(Fill { rows: FillRows::Source(feed), .. }) => {
                    feed.ready(now_us) || feed.finished()
                }
            },
            Stage::Fed => true,
            Stage::Filled | Stage::Failed(_) => false,
        }
    }
}

enum Next {
    Rows(Delta),
    Later,
    Failed(Error),
    Done,
}

impl Fill {
    fn next(&mut self, budget: usize, now_us: i64) -> Next {
        match &mut self.rows {
            FillRows::Snapshot(deltas) => match deltas.pop_front() {
                None => Next::Done,
                Some(delta) if delta.rows() > budget => {
                    deltas.push_front(delta.slice(budget, delta.rows() - budget));
                    Next::Rows(delta.slice(0, budget))
                }
                Some(delta) => Next::Rows(delta),
            },
            FillRows::Source(feed) => match feed.take(now_us) {
                Some(polled) => match (polled.batch, polled.done) {
                    (Some(batch), _) if batch.num_rows() > 0 => Next::Rows(Delta::insert(batch)),
                    (_, true) => Next::Done,
                    (_, false) => Next::Later,
                },
                None => match feed.failure() {
                    Some(error) => Next::Failed(error),
                    None if feed.finished() => Next::Done,
                    None => Next::Later,
                },
            },
        }
    }
}
