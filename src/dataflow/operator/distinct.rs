//! Each distinct row once.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use itertools::zip_eq;

use super::{Context, Operator, Output, Port, StateSize};
use crate::error::Result;
use crate::state::{Arrangements, GroupTable, Saved, SegmentedVec};
use crate::types::{Delta, Weights};

/// Rows of a batch of the contents.
const OUTPUT_ROWS: usize = 1 << 16;

/// The operator of [`crate::plan::node::NodeKind::Distinct`]: groups with nothing but a count.
pub struct Distinct {
    schema: SchemaRef,
    placed: Vec<usize>,
    table: GroupTable,
    /// Multiplicity of each row.
    counts: SegmentedVec<i64>,
    /// The deltas of this tick.
    deltas: Vec<Delta>,
    /// Rows that appeared or disappeared in this tick, once for every time they did.
    crossed: Vec<Crossing>,
    /// Rows whose count came to zero in this tick.
    emptied: Vec<u32>,
}

/// A row that appeared or disappeared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Crossing {
    number: u32,
    /// Which delta of the tick it was in.
    delta: u32,
    /// Where in the delta.
    row: u32,
}

impl Distinct {
    /// Distinct rows of `schema`, on the workers that own their columns `placed`.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(schema: &SchemaRef, placed: Vec<usize>) -> Result<Distinct> {
        let types: Vec<DataType> =
            schema.fields().iter().map(|field| field.data_type().clone()).collect();
        Ok(Distinct {
            schema: Arc::clone(schema),
            placed,
            table: GroupTable::new(&types)?,
            counts: SegmentedVec::new(),
            deltas: vec![],
            crossed: vec![],
            emptied: vec![],
        })
    }

    fn rows(&self, numbers: &[u32]) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
        let columns = self.table.columns(numbers)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// What `changes` put out, each once: rows that are there now come, others go.
    fn changed(&self, changes: &[Crossing]) -> Result<Vec<Delta>> {
        let weight = |change: &Crossing| if self.counts[change.number] > 0 { 1 } else { -1 };
        let weights: Vec<i64> = changes.iter().map(weight).collect();
        let batches = if self.table.verbatim() {
            // Equal to what the table holds, and not to be decoded.
            let place = |change: &Crossing| (change.delta as usize, change.row as usize);
            let places: Vec<_> = changes.iter().map(place).collect();
            let found = Delta::gather(&self.deltas, &places)?;
            let own =
                |delta: Delta| delta.with_columns(delta.batch.columns().to_vec(), &self.schema);
            found.into_iter().map(|delta| Ok(own(delta)?.batch)).collect::<Result<_>>()?
        } else {
            let numbers: Vec<u32> = changes.iter().map(|change| change.number).collect();
            vec![self.rows(&numbers)?]
        };
        let mut rest = weights.as_slice();
        let delta = |batch: RecordBatch| {
            let (own, behind) = rest.split_at(batch.num_rows());
            rest = behind;
            match own.contains(&-1) {
                true => Delta::new(batch, own.to_vec()),
                false => Delta::insert(batch),
            }
        };
        Ok(batches.into_iter().map(delta).collect())
    }

    fn numbers(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        let numbers = self.table.assign(columns, rows)?;
        self.counts.grow(self.table.numbers(), &0);
        Ok(numbers)
    }

    fn held(&self, holds: impl Fn(i64) -> bool) -> Vec<u32> {
        let numbers = (0u32..).take(self.table.numbers());
        numbers.filter(|&number| holds(self.counts[number])).collect()
    }
}

impl Operator for Distinct {
    fn name(&self) -> &'static str {
        "distinct"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        _out: &mut Output,
    ) -> Result<()> {
        let numbers = self.numbers(delta.batch.columns(), delta.rows())?;
        let (counts, crossed, emptied) = (&mut self.counts, &mut self.crossed, &mut self.emptied);
        let which = self.deltas.len() as u32;
        let mut add = |row: usize, number: u32, weight: i64| {
            let count = &mut counts[number];
            if (*count > 0) != (*count + weight > 0) {
                crossed.push(Crossing { number, delta: which, row: row as u32 });
            }
            *count += weight;
            if *count == 0 {
                emptied.push(number);
            }
        };
        match &delta.weights {
            Weights::One => {
                numbers.iter().enumerate().for_each(|(row, &number)| add(row, number, 1));
            }
            Weights::Each(weights) => {
                let rows = zip_eq(&numbers, weights).enumerate();
                rows.for_each(|(row, (&number, &weight))| add(row, number, weight));
            }
        }
        self.deltas.push(delta);
        Ok(())
    }

    fn finish(&mut self, _ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        let mut crossed = std::mem::take(&mut self.crossed);
        if out.wanted && !crossed.is_empty() {
            crossed.sort_unstable();
            // Whoever crossed twice is back where it was.
            let odd =
                crossed.chunk_by(|a, b| a.number == b.number).filter(|run| run.len() % 2 == 1);
            let changes: Vec<Crossing> = odd.map(|run| run[0]).collect();
            if !changes.is_empty() {
                out.deltas.extend(self.changed(&changes)?);
            }
        }
        self.deltas.clear();
        let mut emptied = std::mem::take(&mut self.emptied);
        emptied.sort_unstable();
        emptied.dedup();
        emptied.retain(|&number| self.counts[number] == 0);
        self.table.release(&emptied);
        Ok(())
    }

    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        let numbers = self.held(|count| count > 0);
        let batches = numbers.chunks(OUTPUT_ROWS).map(|numbers| self.rows(numbers));
        Some(batches.map(|batch| Ok(Delta::insert(batch?))).collect())
    }

    fn save(&self, _arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        let numbers = self.held(|count| count != 0);
        let mut columns = self.table.columns(&numbers)?;
        columns.push(Arc::new(Int64Array::from_iter_values(
            numbers.iter().map(|&number| self.counts[number]),
        )));
        let mut fields = self.schema.fields().to_vec();
        fields.push(Arc::new(Field::new("count", DataType::Int64, false)));
        let saved = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        to.put_by("rows", &saved, &self.placed)
    }

    fn restore(&mut self, _arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        for saved in from.part("rows") {
            let (counts, columns) = saved.columns().split_last().expect("counts come last");
            let numbers = self.numbers(columns, saved.num_rows())?;
            for (&number, &count) in zip_eq(&numbers, counts.as_primitive::<Int64Type>().values()) {
                self.counts[number] = count;
            }
        }
        Ok(())
    }

    fn size(&self, _arrangements: &Arrangements) -> StateSize {
        let bytes = self.table.byte_size() + self.counts.byte_size();
        StateSize { rows: self.table.len(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::dataflow::operator::oracle::{Collection, add, check};

    #[test]
    fn equals_recomputation() {
        let make = |_: usize, _: usize| -> Box<dyn Operator> {
            Box::new(Distinct::new(&schema(), vec![1]).unwrap())
        };
        for seed in 0..5 {
            let pool = pool(seed);
            for append_only in [false, true] {
                check(seed, &make, &[1], &pool, append_only, &|rows| {
                    let mut collection = Collection::new();
                    add(&mut collection, &Delta::insert(rows.clone()));
                    collection.values_mut().for_each(|weight| *weight = 1);
                    collection
                });
            }
        }
    }

    fn schema() -> SchemaRef {
        let k = Field::new("k", DataType::Int64, true);
        Arc::new(Schema::new(vec![k, Field::new("s", DataType::Utf8, true)]))
    }

    fn pool(seed: u64) -> RecordBatch {
        let mut rng = StdRng::seed_from_u64(seed);
        let keys: Int64Array =
            (0..30).map(|_| rng.random_bool(0.8).then(|| rng.random_range(0..4))).collect();
        let strings: StringArray = (0..30)
            .map(|_| rng.random_bool(0.8).then(|| ["", "a"][rng.random_range(0..2)]))
            .collect();
        RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(strings)]).unwrap()
    }
}
