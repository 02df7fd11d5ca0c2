//! Which rows of one side have a match, and which of them had one before: what outer, semi, anti and
//! mark joins put out besides pairs.
//!
//! Whether a row has a match depends on its values only, not on its weight. So the change of "rows of
//! side p, each with whether it has a match" is: the rows of Δp with how it is now, and of the rows
//! of p before, those where it changed, taken back as it was and put out as it is. Only rows whose
//! key is in the other side's change can be among the latter.

use super::inputs::Inputs;
use super::pairs::{Keyed, PAIRS_MAX, Partner, Table};
use crate::dataflow::operator::{ErrorRow, Port};
use crate::error::Result;
use crate::state::{Arrangements, Matches};
use crate::types::Delta;

/// What becomes of rows with whether each has a match.
pub(super) type Emit<'a> = &'a mut dyn FnMut(&Delta, &[bool]) -> Result<()>;

/// The change of presence of side `port`, `other` being the other side's change.
pub(super) struct Presence<'a> {
    inputs: &'a Inputs,
    arrangements: &'a Arrangements,
    port: Port,
    other: Option<&'a Table>,
}

impl<'a> Presence<'a> {
    /// To compute the change of presence of side `port`; `other` is the other side's change.
    pub(super) fn new(
        inputs: &'a Inputs,
        arrangements: &'a mut Arrangements,
        port: Port,
        other: Option<&'a Table>,
    ) -> Presence<'a> {
        for keyed in inputs.deltas(port) {
            inputs.index(arrangements, 1 - port, &keyed.keys);
        }
        if let Some(other) = other {
            // Rows of either side are looked at only if their key is in the other side's change.
            inputs.index(arrangements, 0, &other.rows.keys);
            inputs.index(arrangements, 1, &other.rows.keys);
        }
        Presence { inputs, arrangements, port, other }
    }

    /// Calls `emit` with the changed rows; pairs on which the condition fails go to `errors`.
    pub(super) fn change(&self, errors: &mut Vec<ErrorRow>, emit: Emit<'_>) -> Result<()> {
        for keyed in self.inputs.deltas(self.port) {
            let (before, change) = self.matches(keyed, errors)?;
            let now =
                itertools::zip_eq(before, change).map(|(before, change)| before + change != 0);
            let rows = keyed.rows.clone().into_delta()?;
            emit(&rows, &now.collect::<Vec<_>>())?;
        }
        match self.other {
            Some(other) => self.committed(other, errors, emit),
            None => Ok(()),
        }
    }

    /// Sums of matches of rows of this side: committed ones, and their change in this epoch.
    fn matches(&self, keyed: &Keyed, errors: &mut Vec<ErrorRow>) -> Result<(Vec<i64>, Vec<i64>)> {
        let state = self.inputs.state(self.arrangements, 1 - self.port);
        let before = self.inputs.matches(self.port, keyed, Partner::State(state), errors)?;
        let change = match self.other {
            Some(other) => self.inputs.matches(self.port, keyed, Partner::Delta(other), errors)?,
            None => vec![0; before.len()],
        };
        Ok((before, change))
    }

    /// Committed rows of this side whose presence changes.
    fn committed(&self, other: &Table, errors: &mut Vec<ErrorRow>, emit: Emit<'_>) -> Result<()> {
        let state = self.inputs.state(self.arrangements, self.port);
        let cursor = state.chains().cursor(&other.rows.keys, self.inputs.null_equals_null());
        let mut cursor = cursor.only(self.touched_keys(other));
        let mut matches = Matches::default();
        while cursor.advance(PAIRS_MAX, &mut matches) {
            let rows = state.gather_batch(&matches.state)?;
            let rows = Delta::new(rows, std::mem::take(&mut matches.weights));
            let keyed = self.inputs.keyed(self.port, rows)?;
            self.recompute(&keyed, other, errors, emit)?;
            matches.clear();
        }
        Ok(())
    }

    /// One row of `other` for each distinct key that can change presence.
    fn touched_keys(&self, other: &Table) -> Vec<bool> {
        let mut touched = vec![false; other.rows.rows.rows()];
        for row in other.chains.heads() {
            touched[row as usize] = true;
        }
        if self.inputs.has_residual() {
            return touched;
        }
        // Without a further condition the key decides for all its rows.
        let state = self.inputs.state(self.arrangements, 1 - self.port).chains();
        let before = state.sums(&state.find(&other.rows.keys, true));
        let change = other.chains.sums(&other.chains.find(&other.rows.keys, true));
        for (touched, (before, change)) in
            itertools::zip_eq(&mut touched, itertools::zip_eq(before, change))
        {
            *touched &= (before != 0) != (before + change != 0);
        }
        touched
    }

    /// Puts out committed rows whose presence changes.
    fn recompute(
        &self,
        keyed: &Keyed,
        other: &Table,
        errors: &mut Vec<ErrorRow>,
        emit: Emit<'_>,
    ) -> Result<()> {
        let state = self.inputs.state(self.arrangements, 1 - self.port);
        // Errors of committed pairs have been reported when the pairs came up.
        let mut known = vec![];
        let before = self.inputs.matches(self.port, keyed, Partner::State(state), &mut known)?;
        let change = self.inputs.matches(self.port, keyed, Partner::Delta(other), errors)?;
        let was: Vec<bool> = before.iter().map(|&before| before != 0).collect();
        let changed = itertools::zip_eq(&before, &change)
            .map(|(before, change)| (*before != 0) != (before + change != 0));
        let changed: Vec<bool> = changed.collect();
        if !changed.contains(&true) {
            return Ok(());
        }
        let rows = keyed.rows.clone().into_delta()?.filter(&changed.clone().into())?;
        let kept = itertools::zip_eq(was, changed).filter(|(_, changed)| *changed);
        let was: Vec<bool> = kept.map(|(was, _)| was).collect();
        let now: Vec<bool> = was.iter().map(|was| !was).collect();
        emit(&rows.negated(), &was)?;
        emit(&rows, &now)
    }
}
