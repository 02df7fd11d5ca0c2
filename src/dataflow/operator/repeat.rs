//! Rows as many times as a column says: their weights are multiplied, nothing is copied.

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::{Int64Type, SchemaRef};

use super::{Context, ErrorRow, Operator, Output, Port};
use crate::error::{Error, Result, SqlState};
use crate::types::Delta;

/// Multiplies weights by the last column and drops it.
pub struct Repeat {
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Repeat {
    /// Rows as batches of `schema`: the input's columns but the last, which is the count.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Repeat {
        Repeat { columns: (0..schema.fields().len()).collect(), schema }
    }
}

impl Operator for Repeat {
    fn name(&self) -> &'static str {
        "repeat"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        let counts = delta.column(self.columns.len()).as_primitive::<Int64Type>();
        let mut weights = Vec::with_capacity(delta.rows());
        for row in 0..delta.rows() {
            let count = if counts.is_null(row) { 0 } else { counts.value(row).max(0) };
            let weight = delta.weight(row).checked_mul(count).unwrap_or_else(|| {
                let error = Error::new(SqlState::NumericValueOutOfRange, "bigint out of range");
                out.errors.push(ErrorRow::new(&error, "repeat", &delta, row));
                0
            });
            weights.push(weight);
        }
        let rows = delta.select(&self.columns, &self.schema)?;
        let kept: BooleanArray = weights.iter().map(|&weight| Some(weight != 0)).collect();
        let all = kept.true_count() == kept.len();
        let rows = Delta::new(rows.batch, weights);
        out.deltas.push(if all { rows } else { rows.filter(&kept)? });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::state::Arrangements;
    use crate::types::Epoch;

    #[test]
    fn weights_are_multiplied() {
        let fields = ["x", "n"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let values = Int64Array::from(vec![1, 2, 3, 4]);
        let counts = Int64Array::from(vec![Some(3), Some(0), None, Some(2)]);
        let columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(values), Arc::new(counts)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("two columns");
        let delta = Delta::new(batch, vec![1, 1, 1, -1]);
        let mut repeat = Repeat::new(Arc::new(schema.project(&[0]).expect("one column")));
        let mut arrangements = Arrangements::default();
        let mut ctx = Context { arrangements: &mut arrangements, epoch: Epoch(1) };
        let mut out = Output::default();
        repeat.apply(&mut ctx, 0, delta, &mut out).expect("numbers");
        let result = &out.deltas[0];
        assert_eq!(result.column(0).as_primitive::<Int64Type>().values().to_vec(), [1, 4]);
        assert_eq!((result.weight(0), result.weight(1)), (3, -2));
    }
}
