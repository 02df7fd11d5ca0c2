//! Rows of equal key within one batch.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, take, take_record_batch};

use super::request::Conflict;
use crate::error::Result;
use crate::types::key::{KeyBatch, Keys};

/// Which rows of a batch have the same key.
pub(super) struct Groups {
    /// Per row, the number of its key, counted from 0 in the order of first appearance.
    of_row: Vec<u32>,
    /// Per key, its first row.
    first: Vec<u32>,
}

impl Groups {
    /// Groups the rows with these keys.
    pub(super) fn new(keys: &KeyBatch) -> Groups {
        match &keys.keys {
            Keys::Fixed(values) => Groups::of(values.iter()),
            Keys::Rows(rows) => Groups::of(rows.iter()),
        }
    }

    fn of<K: Hash + Eq>(keys: impl Iterator<Item = K>) -> Groups {
        let mut numbers: HashMap<K, u32> = HashMap::new();
        let mut groups = Groups { of_row: vec![], first: vec![] };
        for (row, key) in (0..).zip(keys) {
            let number = *numbers.entry(key).or_insert_with(|| {
                groups.first.push(row);
                index(groups.first.len() - 1)
            });
            groups.of_row.push(number);
        }
        groups
    }

    /// Whether no key stands there twice.
    pub(super) fn distinct(&self) -> bool {
        self.first.len() == self.of_row.len()
    }

    /// The first row that has the key of one before it.
    pub(super) fn repeated(&self) -> Option<usize> {
        (0..self.of_row.len()).find(|&row| self.first[self.of_row[row] as usize] != index(row))
    }

    /// The rows that are the first ones of their keys.
    pub(super) fn firsts(&self) -> &[u32] {
        &self.first
    }

    /// What is left of each key's rows when they go into a table one after another: a row per key.
    pub(super) fn merged(&self, rows: &RecordBatch, conflict: Conflict) -> Result<RecordBatch> {
        match conflict {
            Conflict::Error | Conflict::Raced | Conflict::Ignore => {
                Ok(take_record_batch(rows, &UInt32Array::from(self.first.clone()))?)
            }
            Conflict::Overwrite => self.chosen(rows, |_, _| true),
            Conflict::Newer(version) => {
                let column = rows.column(version);
                let options = SortOptions { descending: false, nulls_first: true };
                let order = make_comparator(column, column, options)?;
                self.chosen(rows, |new, old| order(new as usize, old as usize).is_ge())
            }
            Conflict::UpdateNonNull => {
                let merge = |column: &ArrayRef| Ok(take(column, &self.last_given(column), None)?);
                let columns = rows.columns().iter().map(merge).collect::<Result<Vec<_>>>()?;
                Ok(RecordBatch::try_new(Arc::clone(rows.schema_ref()), columns)?)
            }
        }
    }

    /// Per key one of its rows: each replaces the one before it if `replaces` says so.
    fn chosen(
        &self,
        rows: &RecordBatch,
        replaces: impl Fn(u32, u32) -> bool,
    ) -> Result<RecordBatch> {
        let mut chosen = self.first.clone();
        for (row, &group) in (0..).zip(&self.of_row) {
            let kept = &mut chosen[group as usize];
            if replaces(row, *kept) {
                *kept = row;
            }
        }
        Ok(take_record_batch(rows, &UInt32Array::from(chosen))?)
    }

    /// Per key the last of its rows with a value in `column`, if there is one.
    fn last_given(&self, column: &ArrayRef) -> UInt32Array {
        let mut last = self.first.clone();
        for (row, &group) in (0..).zip(&self.of_row) {
            if column.is_valid(row as usize) {
                last[group as usize] = row;
            }
        }
        UInt32Array::from(last)
    }
}

fn index(row: usize) -> u32 {
    u32::try_from(row).expect("a batch has fewer than 2^32 rows")
}
