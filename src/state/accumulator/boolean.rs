//! `bool_and` and `bool_or`: how many true, how many false.

use arrow::array::{ArrayRef, AsArray, BooleanArray};

use super::cell::Cell;
use super::changes::Changes;
use crate::state::SegmentedVec;

/// True and false arguments of a group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Truths {
    trues: i64,
    falses: i64,
}

impl Cell for Truths {
    fn clear(&self) -> bool {
        self.trues == 0 && self.falses == 0
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.trues.write(to);
        self.falses.write(to);
    }

    fn read(from: &mut &[u8]) -> Option<Truths> {
        Some(Truths { trues: i64::read(from)?, falses: i64::read(from)? })
    }
}

pub(super) fn update(cells: &mut SegmentedVec<Truths>, argument: &ArrayRef, changes: &Changes<'_>) {
    let values = argument.as_boolean().values();
    changes.each(|row, group, weight| {
        let cell = &mut cells[group];
        *(if values.value(row) { &mut cell.trues } else { &mut cell.falses }) += weight;
    });
}

/// `and`: whether all must be true, rather than any.
pub(super) fn output(cells: &SegmentedVec<Truths>, and: bool, groups: &[u32]) -> BooleanArray {
    let result = |group: &u32| {
        let Truths { trues, falses } = cells[*group];
        let (decisive, other) = if and { (falses, trues) } else { (trues, falses) };
        (decisive > 0).then_some(!and).or_else(|| (other > 0).then_some(and))
    };
    groups.iter().map(result).collect()
}
