//! `f(DISTINCT x)`: the distinct values of every group, shared by all calls on one argument.

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, take};
use arrow::datatypes::DataType;
use itertools::zip_eq;

use super::cell::Cell;
use super::changes::Changes;
use super::column::Accumulator;
use crate::error::{Error, Result, SqlState};
use crate::state::{GroupTable, SegmentedVec};
use crate::types::Weights;

/// The values of one argument by group, with a count per call (calls differ in their FILTER); a value
/// reaches a call's accumulator while its count there is positive.
#[derive(Debug)]
pub struct DistinctValues {
    table: GroupTable,
    /// Counts by value number and call, the calls of a value side by side.
    counts: SegmentedVec<i64>,
    calls: usize,
    /// Values held, by group.
    held: SegmentedVec<u32>,
}

/// Rows at which a value appears in a call or disappears from it.
#[derive(Debug, Default)]
struct Transitions {
    rows: Vec<u32>,
    groups: Vec<u32>,
    weights: Vec<i64>,
}

impl DistinctValues {
    /// No values of a type, for this many calls.
    ///
    /// # Errors
    /// If values of the type cannot be compared.
    pub fn new(argument: &DataType, calls: usize) -> Result<DistinctValues> {
        let table = GroupTable::owned(argument)?;
        Ok(DistinctValues { table, counts: SegmentedVec::new(), calls, held: SegmentedVec::new() })
    }

    /// Makes room for groups `0..groups`.
    pub fn grow(&mut self, groups: usize) {
        self.held.grow(groups, &0);
    }

    /// Takes in rows, of which call `i` counts those in `masks[i]` (`None`: all), and passes what
    /// appears and disappears to `accumulators[i]`.
    ///
    /// # Errors
    /// If an array is not of the right type, which would be a bug.
    pub fn update(
        &mut self,
        argument: &ArrayRef,
        groups: &[u32],
        weights: &Weights,
        masks: &[Option<BooleanBuffer>],
        accumulators: &mut [&mut Accumulator],
    ) -> Result<()> {
        let all = Changes { groups, weights, mask: any(masks) }.where_valid(argument);
        let (argument, rows): (_, Vec<u32>) = match &all.mask {
            None => (ArrayRef::clone(argument), (0u32..).take(groups.len()).collect()),
            Some(mask) => {
                let kept = filter(argument, &BooleanArray::new(mask.clone(), None))?;
                (kept, mask.set_indices_u32().collect())
            }
        };
        let owners: Vec<u32> = rows.iter().map(|&row| groups[row as usize]).collect();
        let values = self.table.assign_owned(&owners, &argument)?;
        self.counts.grow(self.table.numbers() * self.calls, &0);
        for &value in self.table.created() {
            self.held[self.table.owner(value)] += 1;
        }
        let mut emptied = vec![];
        for (call, (mask, accumulator)) in zip_eq(masks, accumulators).enumerate() {
            let mut moved = Transitions::default();
            for (at, (&row, &value)) in zip_eq(&rows, &values).enumerate() {
                if mask.as_ref().is_some_and(|mask| !mask.value(row as usize)) {
                    continue;
                }
                let weight = match weights {
                    Weights::One => 1,
                    Weights::Each(weights) => weights[row as usize],
                };
                let count = &mut self.counts[value * narrow(self.calls) + narrow(call)];
                let was = *count > 0;
                *count += weight;
                if was != (*count > 0) {
                    moved.push(narrow(at), owners[at], if was { -1 } else { 1 });
                }
                if *count == 0 {
                    emptied.push(value);
                }
            }
            moved.apply(&argument, accumulator)?;
        }
        self.release(emptied);
        Ok(())
    }

    /// Frees those of the given values that no call counts.
    fn release(&mut self, mut values: Vec<u32>) {
        values.sort_unstable();
        values.dedup();
        values.retain(|&value| self.counts_of(value).all(|count| count == 0));
        for &value in &values {
            self.held[self.table.owner(value)] -= 1;
        }
        self.table.release(&values);
    }

    fn counts_of(&self, value: u32) -> impl Iterator<Item = i64> {
        let first = value * narrow(self.calls);
        (first..first + narrow(self.calls)).map(|slot| self.counts[slot])
    }

    /// The type of the values.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        &self.table.types()[0]
    }

    /// Whether a group has no values.
    #[must_use]
    pub fn clear(&self, group: u32) -> bool {
        self.held[group] == 0
    }

    /// All values as parallel vectors: number, group, saved counts.
    #[must_use]
    pub fn entries(&self) -> (Vec<u32>, Vec<u32>, Vec<Vec<u8>>) {
        let (mut values, mut groups, mut counts) = (vec![], vec![], vec![]);
        for value in (0u32..).take(self.table.numbers()) {
            // Numbers not in use have no counts.
            if self.counts_of(value).any(|count| count != 0) {
                let mut bytes = vec![];
                self.counts_of(value).for_each(|count| count.write(&mut bytes));
                values.push(value);
                groups.push(self.table.owner(value));
                counts.push(bytes);
            }
        }
        (values, groups, counts)
    }

    /// The values themselves.
    ///
    /// # Errors
    /// If stored bytes cannot be decoded, which would be a bug.
    pub fn values(&self, numbers: &[u32]) -> Result<ArrayRef> {
        Ok(self.table.columns(numbers)?.remove(0))
    }

    /// Puts back saved values with their groups and counts; accumulators are restored by themselves.
    ///
    /// # Errors
    /// `XX001` if counts are cut short.
    pub fn restore<'a>(
        &mut self,
        groups: &[u32],
        values: &ArrayRef,
        counts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<()> {
        let numbers = self.table.assign_owned(groups, values)?;
        self.counts.grow(self.table.numbers() * self.calls, &0);
        for (&number, (&group, mut bytes)) in zip_eq(&numbers, zip_eq(groups, counts)) {
            self.held[group] += 1;
            for call in 0..narrow(self.calls) {
                let count = Cell::read(&mut bytes);
                let cut = || Error::new(SqlState::DataCorrupted, "saved values are cut short");
                self.counts[number * narrow(self.calls) + call] = count.ok_or_else(cut)?;
            }
        }
        Ok(())
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.table.byte_size() + self.counts.byte_size() + self.held.byte_size()
    }
}

impl Transitions {
    fn push(&mut self, row: u32, group: u32, weight: i64) {
        self.rows.push(row);
        self.groups.push(group);
        self.weights.push(weight);
    }

    fn apply(self, argument: &ArrayRef, accumulator: &mut Accumulator) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let weights = Weights::Each(self.weights.into());
        let changes = Changes { groups: &self.groups, weights: &weights, mask: None };
        if accumulator.counts_only() {
            // The values are not null, and counting does not look at them.
            return accumulator.update(None, &changes);
        }
        let moved = take(argument, &UInt32Array::from(self.rows), None)?;
        accumulator.update(Some(&moved), &changes)
    }
}

/// Rows that any of the masks lets through; `None`: all.
fn any(masks: &[Option<BooleanBuffer>]) -> Option<BooleanBuffer> {
    let mut all = masks.first()?.clone()?;
    for mask in &masks[1..] {
        all = &all | mask.as_ref()?;
    }
    Some(all)
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("fewer than 2^32 rows, values and calls")
}
