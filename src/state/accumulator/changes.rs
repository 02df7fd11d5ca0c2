//! The rows that an accumulator is to take in: group, weight and whether the row counts.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;

use crate::types::Weights;

/// Rows of a batch with their groups.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    /// Group of each row.
    pub groups: &'a [u32],
    /// Weight of each row.
    pub weights: &'a Weights,
    /// Rows that count, if not all do.
    pub mask: Option<BooleanBuffer>,
}

impl Changes<'_> {
    /// The rows among these where `argument` is not null.
    #[must_use]
    pub fn where_valid(&self, argument: &ArrayRef) -> Self {
        match argument.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.clone(),
            Some(nulls) => {
                let mask = match &self.mask {
                    None => nulls.into_inner(),
                    Some(mask) => mask & nulls.inner(),
                };
                Changes { mask: Some(mask), ..*self }
            }
        }
    }

    /// Calls `change(row, group, weight)` for every row that counts.
    #[inline]
    pub fn each(&self, mut change: impl FnMut(usize, u32, i64)) {
        match (&self.mask, self.weights) {
            (None, Weights::One) => {
                for (row, &group) in self.groups.iter().enumerate() {
                    change(row, group, 1);
                }
            }
            (None, Weights::Each(weights)) => {
                for (row, (&group, &weight)) in itertools::zip_eq(self.groups, weights).enumerate()
                {
                    change(row, group, weight);
                }
            }
            (Some(mask), Weights::One) => {
                mask.set_indices().for_each(|row| change(row, self.groups[row], 1));
            }
            (Some(mask), Weights::Each(weights)) => {
                mask.set_indices().for_each(|row| change(row, self.groups[row], weights[row]));
            }
        }
    }
}
