//! The rows that an operator has left out because an expression failed on them: part of its state.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;

use super::operator::ErrorRow;
use crate::error::{Error, Result, SqlState};
use crate::state::Saved;

/// Name of the part of a saved operator.
const PART: &str = "failed rows";

/// Failed rows of one operator on one worker. Weights are to be summed over the workers: a row may come
/// on one of them and go on another.
#[derive(Default)]
pub struct FailedRows {
    /// The rows, all with weight 0 here, and their weights.
    weights: HashMap<ErrorRow, i64>,
}

impl FailedRows {
    /// Adds an error row's weight to those of equal rows.
    pub fn add(&mut self, error: &ErrorRow) {
        let row = ErrorRow { weight: 0, ..error.clone() };
        let weight = self.weights.entry(row.clone()).or_default();
        *weight += error.weight;
        if *weight == 0 {
            self.weights.remove(&row);
        }
    }

    /// The rows with their weights.
    pub fn rows(&self) -> impl Iterator<Item = ErrorRow> {
        self.weights.iter().map(|(row, &weight)| ErrorRow { weight, ..row.clone() })
    }

    /// Adds the rows to the operator's saved form.
    ///
    /// # Errors
    /// Only what Arrow reports.
    pub fn save(&self, to: &mut Saved) -> Result<()> {
        if self.weights.is_empty() {
            return Ok(());
        }
        let texts = |text: fn(&ErrorRow) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.weights.keys().map(text)))
        };
        let batch = RecordBatch::try_from_iter([
            ("state", texts(|row| row.state.code())),
            ("message", texts(|row| &row.message)),
            ("expression", texts(|row| &row.expression)),
            ("row", texts(|row| &row.row)),
            ("weight", Arc::new(Int64Array::from_iter_values(self.weights.values().copied()))),
        ])?;
        // Weights are summed over the workers, so it does not matter which one has them.
        to.put(PART, &batch, &vec![0; batch.num_rows()])
    }

    /// Reads the rows back.
    ///
    /// # Errors
    /// If a SQLSTATE is not one of ours.
    pub fn restore(&mut self, saved: &Saved) -> Result<()> {
        self.weights.clear();
        for batch in saved.part(PART) {
            let text = |column: usize, row: usize| {
                batch.column(column).as_string::<i32>().value(row).to_owned()
            };
            let weights = batch.column(4).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let state = SqlState::from_code(&text(0, row))
                    .ok_or_else(|| Error::internal("a failed row with an unknown SQLSTATE"))?;
                self.add(&ErrorRow {
                    state,
                    message: text(1, row),
                    expression: text(2, row),
                    row: text(3, row),
                    weight: weights.value(row),
                });
            }
        }
        Ok(())
    }
}
