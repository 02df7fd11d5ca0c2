//! Arrays as rows, one per element.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, UInt32Builder};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use super::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::types::Delta;

/// Replaces array columns by their elements, and repeats the others.
pub struct Unnest {
    lists: Vec<usize>,
    schema: SchemaRef,
}

impl Unnest {
    /// Rows of the arrays in columns `lists` as batches of `schema`.
    #[must_use]
    pub fn new(lists: Vec<usize>, schema: SchemaRef) -> Unnest {
        assert!(!lists.is_empty(), "there is an array");
        Unnest { lists, schema }
    }
}

/// Rows that come out of one row: as many as its longest array has elements, null being none.
fn rows_of(lists: &[&arrow::array::ListArray], row: usize) -> u32 {
    let length = |list: &&arrow::array::ListArray| {
        if list.is_null(row) { 0 } else { list.value_length(row).unsigned_abs() }
    };
    lists.iter().map(length).max().unwrap_or(0)
}

impl Operator for Unnest {
    fn name(&self) -> &'static str {
        "unnest"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        let lists: Vec<_> =
            self.lists.iter().map(|&column| delta.column(column).as_list::<i32>()).collect();
        let mut rows = vec![];
        let mut elements: Vec<_> = lists.iter().map(|_| UInt32Builder::new()).collect();
        for (index, row) in (0..delta.rows()).map(|index| (index, index as u32)) {
            let count = rows_of(&lists, index);
            for number in 0..count {
                rows.push(row);
                for (list, elements) in itertools::zip_eq(&lists, &mut elements) {
                    let has =
                        !list.is_null(index) && number < list.value_length(index).unsigned_abs();
                    let first = list.value_offsets()[index].unsigned_abs();
                    elements.append_option(has.then_some(first + number));
                }
            }
        }
        let rows = UInt32Array::from(rows);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(delta.batch.num_columns());
        for (index, column) in delta.batch.columns().iter().enumerate() {
            columns.push(match self.lists.iter().position(|&list| list == index) {
                Some(list) => take(lists[list].values(), &elements[list].finish(), None)?,
                None => take(column, &rows, None)?,
            });
        }
        let weights = rows.values().iter().map(|&row| delta.weight(row as usize)).collect();
        let batch = arrow::array::RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        out.deltas.push(Delta::new(batch, weights));
        Ok(())
    }
}
