//! Keeps the rows of a view that only grows: a list of batches, not indexed.
//!
//! Views whose rows may go are kept by an [`Arrange`](super::Arrange) keyed by the whole row instead.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{Context, Operator, Output, Port, StateSize};
use crate::error::Result;
use crate::state::{Arrangements, Batches, Saved};
use crate::types::Delta;
use crate::types::key::KeyEncoder;

const PART: &str = "rows";

/// The rows of an append-only collection.
pub struct Materialize {
    schema: SchemaRef,
    batches: Batches,
    staged: Vec<Delta>,
}

impl Materialize {
    /// Keeps rows of `schema`.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Materialize {
        Materialize { batches: Batches::new(Arc::clone(&schema)), schema, staged: vec![] }
    }

    /// The schema of the saved form: the rows' columns, then their weights.
    fn saved_schema(&self) -> SchemaRef {
        let mut fields = self.schema.fields().to_vec();
        fields.push(Arc::new(Field::new("weight", DataType::Int64, false)));
        Arc::new(Schema::new(fields))
    }
}

impl Operator for Materialize {
    fn name(&self) -> &'static str {
        "materialize"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        _out: &mut Output,
    ) -> Result<()> {
        if !delta.is_empty() {
            self.staged.push(delta);
        }
        Ok(())
    }

    fn commit(&mut self, _arrangements: &mut Arrangements) {
        for delta in self.staged.drain(..) {
            self.batches.push(delta);
        }
    }

    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        Some(Ok(self.batches.contents().to_vec()))
    }

    fn save(&self, _arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let encoder = KeyEncoder::for_columns(&self.schema, &all)?;
        let schema = self.saved_schema();
        for delta in self.batches.contents() {
            let hashes = encoder.encode_batch(&delta.batch, &all)?.hashes;
            let weights = Int64Array::from_iter_values((0..delta.rows()).map(|r| delta.weight(r)));
            let mut columns = delta.batch.columns().to_vec();
            columns.push(Arc::new(weights));
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
            to.put(PART, &batch, &hashes)?;
        }
        Ok(())
    }

    fn restore(&mut self, _arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        let saved = concat_batches(&self.saved_schema(), from.part(PART))?;
        let columns = self.schema.fields().len();
        let weights: &Int64Array = arrow::array::AsArray::as_primitive(saved.column(columns));
        let rows = saved.project(&(0..columns).collect::<Vec<_>>())?;
        let rows = rows.with_schema(Arc::clone(&self.schema))?;
        self.batches.push(Delta::new(rows, weights.values().to_vec()));
        Ok(())
    }

    fn size(&self, _arrangements: &Arrangements) -> StateSize {
        StateSize { rows: self.batches.rows(), bytes: self.batches.byte_size() }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    fn values(operator: &Materialize) -> Vec<i64> {
        let of = |delta: &Delta| delta.column(0).as_primitive::<Int64Type>().values().to_vec();
        operator.batches.contents().iter().flat_map(of).collect()
    }

    #[test]
    fn rows_survive_a_change_of_workers() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let mut operator = Materialize::new(Arc::clone(&schema));
        let numbers = Int64Array::from_iter_values(0..500);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers)]);
        operator.staged.push(Delta::insert(batch.expect("one column")));
        operator.commit(&mut Arrangements::default());
        assert_eq!(values(&operator), (0..500).collect::<Vec<_>>());

        let mut saved = Saved::default();
        operator.save(&Arrangements::default(), &mut saved).expect("a saved form");
        let mut restored = Vec::new();
        for worker in 0..3 {
            let mut part = Materialize::new(Arc::clone(&schema));
            let owned = saved.owned_by(worker, 3);
            part.restore(&mut Arrangements::default(), &owned).expect("state that fits");
            restored.extend(values(&part));
        }
        restored.sort_unstable();
        assert_eq!(restored, (0..500).collect::<Vec<_>>());
    }
}
