//! One aggregate call's state for all groups.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, IntervalUnit};

use super::boolean::{self, Truths};
use super::cell::Cell;
use super::changes::Changes;
use super::extreme::Extremes;
use super::float::FloatSums;
use super::function::Function;
use super::integer::Sums;
use super::interval::IntervalSums;
use super::variance::Variances;
use crate::error::{Error, Result, SqlState};
use crate::state::SegmentedVec;

/// The state of one aggregate call, by group number.
///
/// # Invariants
/// 1. A group's state depends on the multiset of its arguments only (checked by the retraction tests).
/// 2. [`Accumulator::clear`] holds for a group whose changes sum up to nothing.
#[derive(Debug)]
pub struct Accumulator {
    state: State,
}

#[derive(Debug)]
enum State {
    Count(SegmentedVec<i64>),
    Sum(Sums),
    FloatSum(FloatSums),
    IntervalSum(IntervalSums),
    Variance(Variances),
    Truth { cells: SegmentedVec<Truths>, and: bool },
    Extreme(Extremes),
}

/// Runs `$cells` for every form that keeps cells, `$extreme` for the one that does not.
macro_rules! by_form {
    ($state:expr, $cells:ident => $body:expr, $extremes:ident => $other:expr) => {
        match $state {
            State::Count($cells) => $body,
            State::Sum(Sums { cells: $cells, .. }) => $body,
            State::FloatSum(FloatSums { cells: $cells, .. }) => $body,
            State::IntervalSum(IntervalSums { cells: $cells, .. }) => $body,
            State::Variance(Variances { cells: $cells, .. }) => $body,
            State::Truth { cells: $cells, .. } => $body,
            State::Extreme($extremes) => $other,
        }
    };
}

impl Accumulator {
    /// State of `function` over arguments of a type (`None`: whole rows), with results of type
    /// `result`. `append_only`: no change will have a negative weight.
    ///
    /// # Errors
    /// `42883` if there is no such function.
    pub fn new(
        function: Function,
        argument: Option<&DataType>,
        result: &DataType,
        append_only: bool,
    ) -> Result<Accumulator> {
        let state = match (function, argument) {
            (Function::Count, _) if *result == DataType::Int64 => {
                Some(State::Count(SegmentedVec::new()))
            }
            (Function::Sum | Function::Average, Some(DataType::Interval(unit))) => {
                let average = function == Function::Average;
                let sums =
                    || IntervalSums { cells: SegmentedVec::new(), average, suspects: vec![] };
                (*unit == IntervalUnit::MonthDayNano).then(|| State::IntervalSum(sums()))
            }
            (Function::Sum | Function::Average, Some(argument)) => {
                let average = function == Function::Average;
                let exact = Sums::new(average, argument, result).map(State::Sum);
                exact.or_else(|| FloatSums::new(average, argument, result).map(State::FloatSum))
            }
            (Function::Min | Function::Max, Some(argument)) if argument == result => {
                let greatest = function == Function::Max;
                Extremes::new(greatest, argument, append_only).map(State::Extreme)
            }
            (Function::And | Function::Or, Some(DataType::Boolean)) => {
                let and = function == Function::And;
                Some(State::Truth { cells: SegmentedVec::new(), and })
            }
            (Function::Variance { sample, root }, Some(argument)) => {
                Variances::new(sample, root, argument, result).map(State::Variance)
            }
            _ => None,
        };
        let state = state.ok_or_else(|| {
            let argument = argument.map_or_else(|| "*".to_owned(), DataType::to_string);
            let message = format!("no aggregate {function:?}({argument}) with result {result}");
            Error::new(SqlState::UndefinedFunction, message)
        })?;
        Ok(Accumulator { state })
    }

    /// Makes room for groups `0..groups`.
    pub fn grow(&mut self, groups: usize) {
        by_form!(&mut self.state,
            cells => cells.grow(groups, &Default::default()),
            extremes => extremes.grow(groups));
    }

    /// Takes in changes; rows whose argument is null do not count.
    ///
    /// # Errors
    /// If the argument is not of the accumulator's type, which would be a bug.
    pub fn update(&mut self, argument: Option<&ArrayRef>, changes: &Changes<'_>) -> Result<()> {
        let Some(argument) = argument else {
            let State::Count(counts) = &mut self.state else {
                return Err(Error::internal("an aggregate other than count has no argument"));
            };
            changes.each(|_, group, weight| counts[group] += weight);
            return Ok(());
        };
        let changes = changes.where_valid(argument);
        match &mut self.state {
            State::Count(counts) => changes.each(|_, group, weight| counts[group] += weight),
            State::Sum(sums) => sums.update(argument, &changes)?,
            State::FloatSum(sums) => sums.update(argument, &changes)?,
            State::IntervalSum(sums) => sums.update(argument, &changes),
            State::Variance(variances) => variances.update(argument, &changes)?,
            State::Truth { cells, .. } => boolean::update(cells, argument, &changes),
            State::Extreme(extremes) => extremes.update(argument, &changes)?,
        }
        Ok(())
    }

    /// Whether the argument's value does not matter.
    #[must_use]
    pub(super) fn counts_only(&self) -> bool {
        matches!(self.state, State::Count(_))
    }

    /// Results of the given groups; null where there is none, also for want of range.
    ///
    /// # Errors
    /// Only what building the array reports.
    pub fn output(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(match &self.state {
            State::Count(counts) => {
                Arc::new(Int64Array::from_iter_values(groups.iter().map(|&group| counts[group])))
            }
            State::Sum(sums) => sums.output(groups),
            State::FloatSum(sums) => sums.output(groups),
            State::IntervalSum(sums) => Arc::new(sums.output(groups)),
            State::Variance(variances) => Arc::new(variances.output(groups)),
            State::Truth { cells, and } => Arc::new(boolean::output(cells, *and, groups)),
            State::Extreme(extremes) => extremes.output(groups)?,
        })
    }

    /// Groups that may have come to fail ([`Accumulator::failure`]) since the last call.
    pub fn take_suspects(&mut self) -> Vec<u32> {
        match &mut self.state {
            State::Sum(Sums { suspects, .. })
            | State::FloatSum(FloatSums { suspects, .. })
            | State::IntervalSum(IntervalSums { suspects, .. })
            | State::Variance(Variances { suspects, .. }) => std::mem::take(suspects),
            State::Count(_) | State::Truth { .. } | State::Extreme(_) => vec![],
        }
    }

    /// Why a group has no result, if it should have one.
    #[must_use]
    pub fn failure(&self, group: u32) -> Option<Error> {
        match &self.state {
            State::Sum(sums) => sums.failure(group),
            State::FloatSum(sums) => sums.failure(group),
            State::IntervalSum(sums) => sums.failure(group),
            State::Variance(variances) => variances.failure(group),
            State::Count(_) | State::Truth { .. } | State::Extreme(_) => None,
        }
    }

    /// Whether a group's state is that of no rows.
    #[must_use]
    pub fn clear(&self, group: u32) -> bool {
        by_form!(&self.state, cells => cells[group].clear(), extremes => extremes.clear(group))
    }

    /// Frees what a clear group holds.
    pub fn reset(&mut self, group: u32) {
        by_form!(&mut self.state,
            cells => cells[group] = Default::default(),
            extremes => extremes.reset(group));
    }

    /// Appends the saved form of a group's state.
    pub fn write(&self, group: u32, to: &mut Vec<u8>) {
        by_form!(&self.state,
            cells => cells[group].write(to),
            extremes => extremes.write(group, to));
    }

    /// Sets a group's state from its saved form.
    ///
    /// # Errors
    /// `XX001` if it is cut short.
    pub fn read(&mut self, group: u32, mut from: &[u8]) -> Result<()> {
        let done = by_form!(&mut self.state,
            cells => Cell::read(&mut from).map(|cell| cells[group] = cell),
            extremes => extremes.read(group, &mut from));
        let cut = || Error::new(SqlState::DataCorrupted, "saved aggregate state is cut short");
        done.ok_or_else(cut)
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        by_form!(&self.state, cells => cells.byte_size(), extremes => extremes.byte_size())
    }
}
