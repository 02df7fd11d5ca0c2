//! Rows of a relation at one epoch, as DataFusion reads them.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Result;
use crate::types::{Delta, Weights};

/// Name of the column by which UPDATE and DELETE find the rows they have read; users cannot write it
/// by accident, and it stands in no `*` because only generated queries read such relations.
pub(super) const ROW: &str = "__row";

/// The rows of a relation. Weights are expanded while reading, after projection; a delta in which
/// every weight is one is read without copying.
pub(super) struct Rows {
    schema: SchemaRef,
    deltas: Vec<Delta>,
    /// Whether to add the column [`ROW`]; then every stored row is read once, whatever its weight.
    numbered: bool,
}

impl Rows {
    /// All rows, as a SELECT sees them.
    pub(super) fn new(schema: SchemaRef, deltas: Vec<Delta>) -> Rows {
        Rows { schema, deltas, numbered: false }
    }

    /// Each stored row once, with its number in [`ROW`].
    pub(super) fn numbered(schema: &SchemaRef, deltas: Vec<Delta>) -> Rows {
        Rows { schema: numbered_schema(schema), deltas, numbered: true }
    }

    fn batches(&self, projection: Option<&Vec<usize>>) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::with_capacity(self.deltas.len());
        for (index, delta) in self.deltas.iter().enumerate() {
            let batch = if self.numbered {
                with_numbers(&self.schema, index, &delta.batch)?
            } else {
                under(&self.schema, &delta.batch)?
            };
            let batch = match projection {
                Some(columns) => batch.project(columns)?,
                None => batch,
            };
            let expanded =
                if self.numbered { live(&batch, delta)? } else { expand(&batch, delta)? };
            batches.extend(expanded.filter(|batch| batch.num_rows() > 0));
        }
        Ok(batches)
    }
}

/// `schema` with the column [`ROW`] at the end.
pub(super) fn numbered_schema(schema: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ROW, DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// The rows of a batch with their numbers in [`ROW`].
pub(super) fn numbered(rows: &RecordBatch) -> Result<RecordBatch> {
    with_numbers(&numbered_schema(&rows.schema()), 0, rows)
}

/// Number of row `row` of delta `delta`.
fn number(delta: usize, row: usize) -> i64 {
    (delta as i64) << 32 | row as i64
}

/// Delta and row of a number made by [`number`].
pub(super) fn position(number: i64) -> (usize, usize) {
    ((number >> 32) as usize, (number & 0xffff_ffff) as usize)
}

/// `batch` under the relation's own field names and metadata, which operators do not keep.
fn under(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn with_numbers(schema: &SchemaRef, index: usize, rows: &RecordBatch) -> Result<RecordBatch> {
    let numbers = Int64Array::from_iter_values((0..rows.num_rows()).map(|row| number(index, row)));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(numbers));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// `batch` with every row as often as its weight in `delta` says; `None` for no rows at all.
pub(super) fn expand(batch: &RecordBatch, delta: &Delta) -> Result<Option<RecordBatch>> {
    let Weights::Each(weights) = &delta.weights else { return Ok(Some(batch.clone())) };
    if weights.iter().all(|&weight| weight == 1) {
        return Ok(Some(batch.clone()));
    }
    repeat(batch, weights.iter().map(|&weight| usize::try_from(weight).unwrap_or(0)))
}

/// The rows of `batch` whose weight is positive, each once.
fn live(batch: &RecordBatch, delta: &Delta) -> Result<Option<RecordBatch>> {
    let Weights::Each(weights) = &delta.weights else { return Ok(Some(batch.clone())) };
    repeat(batch, weights.iter().map(|&weight| usize::from(weight > 0)))
}

fn repeat(batch: &RecordBatch, times: impl Iterator<Item = usize>) -> Result<Option<RecordBatch>> {
    let mut indices = Vec::with_capacity(batch.num_rows());
    for (row, count) in times.enumerate() {
        let row = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
        indices.extend(std::iter::repeat_n(row, count));
    }
    if batch.num_columns() == 0 {
        let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
        let counted = RecordBatch::try_new_with_options(batch.schema(), vec![], &options)?;
        return Ok(Some(counted));
    }
    if indices.is_empty() {
        return Ok(None);
    }
    Ok(Some(take_record_batch(batch, &UInt32Array::from(indices))?))
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.deltas.iter().map(Delta::rows).sum();
        f.debug_struct("Rows").field("rows", &rows).field("numbered", &self.numbered).finish()
    }
}

#[async_trait]
impl TableProvider for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let batches = self.batches(projection)?;
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        Ok(MemorySourceConfig::try_new_exec(&[batches], schema, None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    fn delta(values: Vec<i64>, weights: Vec<i64>) -> Delta {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
        let column = Arc::new(Int64Array::from(values));
        Delta::new(RecordBatch::try_new(schema, vec![column]).expect("valid"), weights)
    }

    #[test]
    fn weights_become_repetitions_and_numbers_name_stored_rows() {
        let deltas = vec![delta(vec![1, 2, 3], vec![1, 0, 2]), delta(vec![4], vec![1])];
        let schema = deltas[0].batch.schema();
        let values = |rows: &Rows, column: usize| -> Vec<i64> {
            let batches = rows.batches(None).expect("valid");
            let columns = batches.iter().map(|b| b.column(column).as_primitive::<Int64Type>());
            columns.flat_map(|column| column.values().to_vec()).collect()
        };
        let plain = Rows::new(Arc::clone(&schema), deltas.clone());
        assert_eq!(values(&plain, 0), [1, 3, 3, 4]);
        let counted: usize =
            plain.batches(Some(&vec![])).expect("valid").iter().map(RecordBatch::num_rows).sum();
        assert_eq!(counted, 4);
        let numbered = Rows::numbered(&schema, deltas);
        assert_eq!(values(&numbered, 0), [1, 3, 4]);
        let at: Vec<_> = values(&numbered, 1).into_iter().map(position).collect();
        assert_eq!(at, [(0, 0), (0, 2), (1, 0)]);
    }
}
