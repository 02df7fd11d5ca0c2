//! Functions of whole partitions, computed anew for every partition that a tick touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::row_form::RowForm;
use super::{Context, ErrorRow, Operator, Output, Port, StateSize};
use crate::dataflow::consolidate::consolidate;
use crate::dataflow::eval::PartitionFunctions;
use crate::error::Result;
use crate::plan::node::{PartitionCalls, SortColumn};
use crate::state::groups::ByteStore;
use crate::state::ordered_rows::{Entry, OrderedRows, Probe};
use crate::state::{Arrangements, GroupTable, Saved, SegmentedVec};
use crate::types::Delta;

/// The operator of [`crate::plan::node::NodeKind::Recompute`].
///
/// # Invariants
/// 1. A touched partition's entries tell what they were before the tick; all others are settled.
/// 2. A partition's output is a function of its rows: what was put out is computed again to be
///    taken back.
pub struct Recompute {
    partition: Vec<usize>,
    functions: PartitionFunctions,
    aggregates: bool,
    form: RowForm,
    input: SchemaRef,
    output: SchemaRef,
    table: GroupTable,
    partitions: SegmentedVec<OrderedRows>,
    store: ByteStore,
    /// Partitions changed in this tick.
    touched: Vec<u32>,
    /// Partitions without a result, and the error put out in place of it.
    failed: BTreeMap<u32, ErrorRow>,
    unit: Unit,
}

/// The row that an aggregate without partition columns has even for no input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// Not here.
    Elsewhere,
    /// Here, to be put out at the end of the first tick.
    Due,
    /// Here since some earlier tick.
    There,
}

/// Which of a partition's multiplicities count.
#[derive(Clone, Copy)]
enum At {
    /// Those before the tick.
    Old,
    /// Those now.
    New,
}

impl Recompute {
    /// Computes `calls` over the partitions, by the columns `partition`, of rows like `input` in
    /// `order`; output columns as in `output`. `unit`: this worker owns the partition of a collection
    /// that is not partitioned.
    ///
    /// # Errors
    /// If a column cannot be a key, or a function does not take its arguments.
    pub fn new(
        partition: &[usize],
        order: &[SortColumn],
        calls: &PartitionCalls,
        (input, output): (&SchemaRef, &SchemaRef),
        unit: bool,
    ) -> Result<Recompute> {
        let types = partition.iter().map(|&column| input.field(column).data_type().clone());
        let types: Vec<DataType> = types.collect();
        let aggregates = matches!(calls, PartitionCalls::Aggregates(_));
        let due = unit && aggregates && partition.is_empty();
        Ok(Recompute {
            partition: partition.to_vec(),
            functions: PartitionFunctions::new(calls, order, input, output)?,
            aggregates,
            form: RowForm::new(order, input)?,
            input: Arc::clone(input),
            output: Arc::clone(output),
            table: GroupTable::new(&types)?,
            partitions: SegmentedVec::new(),
            store: ByteStore::default(),
            touched: vec![],
            failed: BTreeMap::new(),
            unit: if due { Unit::Due } else { Unit::Elsewhere },
        })
    }

    fn add(&mut self, delta: &Delta) -> Result<()> {
        let keys: Vec<ArrayRef> =
            self.partition.iter().map(|&column| Arc::clone(delta.column(column))).collect();
        let partitions = self.table.assign(&keys, delta.rows())?;
        self.partitions.grow(self.table.numbers(), &OrderedRows::default());
        let rows = self.form.encode(&delta.batch)?;
        for (index, &number) in partitions.iter().enumerate() {
            let row = rows.row(index);
            let partition = &mut self.partitions[number];
            if partition.first_open().is_none() {
                self.touched.push(number);
            }
            partition.change(&Probe::new(row.data()), delta.weight(index), &mut self.store);
        }
        Ok(())
    }

    /// The partitions changed in this tick, each once.
    fn take_touched(&mut self) -> Vec<u32> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Ends the tick in the touched partitions.
    fn settle(&mut self, mut touched: Vec<u32>) {
        for &number in &touched {
            self.partitions[number].settle(&mut self.store);
        }
        let unit = self.unit != Unit::Elsewhere;
        touched.retain(|&number| !unit && self.partitions[number].is_empty());
        self.table.release(&touched);
    }

    /// A partition's rows in order, each as often as it is there.
    fn rows(&self, number: u32, at: At) -> Result<RecordBatch> {
        let count = |entry: &Entry| match at {
            At::Old => entry.old,
            At::New => entry.new,
        };
        let entries = self.partitions[number].blocks().iter().flat_map(|block| &block.entries);
        let rows: Vec<u32> = entries
            .flat_map(|entry| {
                let times = usize::try_from(count(entry)).unwrap_or(0);
                std::iter::repeat_n(entry.row, times)
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let columns = self.form.decode(&rows, &self.store)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.input), columns, &options)?)
    }

    /// A partition's output: nothing if it has no rows, an error row if a call fails.
    fn result(&self, number: u32, at: At) -> Result<Result<Option<RecordBatch>, ErrorRow>> {
        let there = match at {
            At::Old => self.unit == Unit::There,
            At::New => self.unit != Unit::Elsewhere,
        };
        let rows = self.rows(number, at)?;
        if rows.num_rows() == 0 && !there {
            return Ok(Ok(None));
        }
        let key = if self.aggregates { self.table.columns(&[number])? } else { vec![] };
        match self.functions.evaluate(&rows, &key) {
            Ok(batch) => Ok(Ok(Some(batch))),
            Err(failure) => {
                let key = self.key(number)?;
                let row = ErrorRow::new(&failure.error, failure.call, &Delta::insert(key), 0);
                Ok(Err(row))
            }
        }
    }

    /// What tells a partition in the error relation.
    fn key(&self, number: u32) -> Result<RecordBatch> {
        let fields = self.partition.iter().map(|&column| Arc::clone(&self.input.fields()[column]));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let columns = self.table.columns(&[number])?;
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    /// Adds what a touched partition takes back and puts out.
    fn change(&mut self, number: u32, deltas: &mut Vec<Delta>, out: &mut Output) -> Result<()> {
        let before = self.failed.remove(&number);
        if before.is_none()
            && let Ok(Some(batch)) = self.result(number, At::Old)?
        {
            deltas.push(Delta::delete(batch));
        }
        let now = match self.result(number, At::New)? {
            Ok(batch) => {
                deltas.extend(batch.map(Delta::insert));
                None
            }
            Err(row) => Some(row),
        };
        if now != before {
            out.errors.extend(before.map(|row| ErrorRow { weight: -row.weight, ..row }));
            out.errors.extend(now.clone());
        }
        if let Some(row) = now {
            self.failed.insert(number, row);
        }
        Ok(())
    }

    fn saved_schema(&self) -> SchemaRef {
        let mut fields = self.input.fields().to_vec();
        fields.push(Arc::new(Field::new("count", DataType::Int64, false)));
        Arc::new(Schema::new(fields))
    }

    /// Makes the partition of a collection that is not partitioned, if it is to be here.
    fn make_unit(&mut self) -> Result<Vec<u32>> {
        let unit = self.table.assign(&[], 1)?;
        self.partitions.grow(self.table.numbers(), &OrderedRows::default());
        Ok(unit)
    }
}

impl Operator for Recompute {
    fn name(&self) -> &'static str {
        "recompute"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        _out: &mut Output,
    ) -> Result<()> {
        self.add(&delta)
    }

    fn finish(&mut self, _ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        if self.unit == Unit::Due {
            let unit = self.make_unit()?;
            self.touched.extend(unit);
        }
        let touched = self.take_touched();
        let mut deltas = vec![];
        for &number in &touched {
            self.change(number, &mut deltas, out)?;
        }
        if self.unit == Unit::Due {
            self.unit = Unit::There;
        }
        let change = consolidate(&self.output, &deltas)?;
        if !change.is_empty() {
            out.deltas.push(change);
        }
        self.settle(touched);
        Ok(())
    }

    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        let numbers = (0u32..).take(self.partitions.len());
        let shown = numbers.filter(|number| !self.failed.contains_key(number));
        let results = shown.map(|number| Ok(self.result(number, At::Old)?.ok().flatten()));
        let batches = results.filter_map(Result::transpose);
        Some(batches.map(|batch| batch.map(Delta::insert)).collect())
    }

    fn save(&self, _arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        let (mut rows, mut counts, mut hashes) = (vec![], vec![], vec![]);
        for number in (0u32..).take(self.partitions.len()) {
            for entry in self.partitions[number].blocks().iter().flat_map(|block| &block.entries) {
                rows.push(entry.row);
                counts.push(entry.new);
                hashes.push(self.table.hash(number));
            }
        }
        let mut columns = self.form.decode(&rows, &self.store)?;
        columns.push(Arc::new(Int64Array::from(counts)));
        to.put("rows", &RecordBatch::try_new(self.saved_schema(), columns)?, &hashes)?;
        if self.unit == Unit::There {
            let schema = Schema::new(vec![Field::new("there", DataType::Boolean, false)]);
            let there: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
            let batch = RecordBatch::try_new(Arc::new(schema), vec![there])?;
            to.put("unit", &batch, &[self.table.hash(0)])?;
        }
        Ok(())
    }

    fn restore(&mut self, _arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        if from.part("unit").next().is_some() {
            self.make_unit()?;
            self.unit = Unit::There;
        }
        for saved in from.part("rows") {
            let (counts, columns) = saved.columns().split_last().expect("counts come last");
            let weights = counts.as_primitive::<Int64Type>().values().to_vec();
            let batch = RecordBatch::try_new(Arc::clone(&self.input), columns.to_vec())?;
            self.add(&Delta::new(batch, weights))?;
        }
        let touched = self.take_touched();
        // Their errors are put out already; what fails now is known to fail.
        for &number in &touched {
            if let Err(row) = self.result(number, At::New)? {
                self.failed.insert(number, row);
            }
        }
        self.settle(touched);
        Ok(())
    }

    fn size(&self, _arrangements: &Arrangements) -> StateSize {
        let partitions = self.partitions.iter().map(OrderedRows::byte_size).sum::<usize>();
        let bytes = self.table.byte_size() + self.store.byte_size() + partitions;
        StateSize { rows: self.store.len(), bytes }
    }
}

#[cfg(test)]
mod tests;
