//! All aggregate calls of an operator, by group number.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, UInt32Array,
    new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter_record_batch, kernels::cmp};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, UInt32Type};
use itertools::zip_eq;

use super::{Accumulator, Changes, DistinctValues, Function};
use crate::error::{Error, Result};
use crate::state::SegmentedVec;
use crate::types::Weights;

/// One aggregate call over columns of the input.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which function.
    pub function: Function,
    /// Argument column, if any.
    pub argument: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// Boolean column that must be true for a row to count, if any.
    pub filter: Option<usize>,
}

/// The state of several calls.
#[derive(Debug)]
pub struct Accumulators {
    calls: Vec<Call>,
    /// Number of rows by group; what `count(*)` shows.
    rows: SegmentedVec<i64>,
    /// By call; empty where `rows` says it all.
    columns: Vec<Accumulator>,
    shared: Vec<Shared>,
}

/// The DISTINCT calls on one argument.
#[derive(Debug)]
struct Shared {
    argument: usize,
    /// Their indexes, ascending.
    calls: Vec<usize>,
    values: DistinctValues,
}

impl Call {
    /// `count(*)` without a filter.
    fn counts_rows(&self) -> bool {
        self.function == Function::Count && self.argument.is_none() && self.filter.is_none()
    }
}

impl Accumulators {
    /// State of `calls` over rows of `input`, with these result types.
    ///
    /// # Errors
    /// `42883` if a function is not defined for its argument.
    pub fn new(
        mut calls: Vec<Call>,
        input: &SchemaRef,
        results: &[DataType],
        append_only: bool,
    ) -> Result<Accumulators> {
        let type_of = |column: usize| input.field(column).data_type();
        let mut columns = vec![];
        for (call, result) in zip_eq(&mut calls, results) {
            // These see no difference.
            let same = matches!(
                call.function,
                Function::Min | Function::Max | Function::And | Function::Or
            );
            call.distinct &= !same && call.argument.is_some();
            let argument = call.argument.map(type_of);
            columns.push(Accumulator::new(call.function, argument, result, append_only)?);
        }
        let mut shared: Vec<(usize, Vec<usize>)> = vec![];
        for (index, call) in calls.iter().enumerate().filter(|(_, call)| call.distinct) {
            let argument = call.argument.expect("distinct calls have an argument");
            match shared.iter_mut().find(|(column, _)| *column == argument) {
                Some((_, members)) => members.push(index),
                None => shared.push((argument, vec![index])),
            }
        }
        let shared = shared.into_iter().map(|(argument, calls)| {
            let values = DistinctValues::new(type_of(argument), calls.len())?;
            Ok(Shared { argument, calls, values })
        });
        let shared = shared.collect::<Result<_>>()?;
        Ok(Accumulators { columns, shared, calls, rows: SegmentedVec::new() })
    }

    /// Makes room for groups `0..groups`.
    pub fn grow(&mut self, groups: usize) {
        self.rows.grow(groups, &0);
        for (call, column) in zip_eq(&self.calls, &mut self.columns) {
            if !call.counts_rows() {
                column.grow(groups);
            }
        }
        self.shared.iter_mut().for_each(|shared| shared.values.grow(groups));
    }

    /// Number of rows of a group.
    #[must_use]
    #[inline]
    pub fn rows(&self, group: u32) -> i64 {
        self.rows[group]
    }

    /// Takes in rows with their groups; groups whose number of rows came to zero go to `emptied`.
    ///
    /// # Errors
    /// If a column is not of the type given at the start, which would be a bug.
    pub fn update(
        &mut self,
        batch: &RecordBatch,
        groups: &[u32],
        weights: &Weights,
        emptied: &mut Vec<u32>,
    ) -> Result<()> {
        self.count_rows(groups, weights, emptied);
        let mut filters: Vec<(usize, BooleanBuffer)> = vec![];
        let mut mask = |call: &Call| {
            let column = call.filter?;
            let known = filters.iter().position(|(filter, _)| *filter == column);
            let known = known.unwrap_or_else(|| {
                filters.push((column, true_rows(batch.column(column))));
                filters.len() - 1
            });
            Some(filters[known].1.clone())
        };
        for (call, column) in zip_eq(&self.calls, &mut self.columns) {
            if !call.distinct && !call.counts_rows() {
                let changes = Changes { groups, weights, mask: mask(call) };
                column.update(call.argument.map(|column| batch.column(column)), &changes)?;
            }
        }
        for Shared { argument, calls, values } in &mut self.shared {
            let masks: Vec<_> = calls.iter().map(|&call| mask(&self.calls[call])).collect();
            let members = self.columns.iter_mut().enumerate();
            let mut members: Vec<&mut Accumulator> = members
                .filter(|(index, _)| calls.contains(index))
                .map(|(_, column)| column)
                .collect();
            values.update(batch.column(*argument), groups, weights, &masks, &mut members)?;
        }
        Ok(())
    }

    fn count_rows(&mut self, groups: &[u32], weights: &Weights, emptied: &mut Vec<u32>) {
        match weights {
            Weights::One => groups.iter().for_each(|&group| self.rows[group] += 1),
            Weights::Each(weights) => {
                for (&group, &weight) in zip_eq(groups, weights) {
                    let rows = &mut self.rows[group];
                    *rows += weight;
                    if *rows == 0 {
                        emptied.push(group);
                    }
                }
            }
        }
    }

    /// Results of the given groups, a column per call.
    ///
    /// # Errors
    /// As [`Accumulator::output`].
    pub fn output(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let output = |(call, column): (&Call, &Accumulator)| {
            if call.counts_rows() {
                let rows = groups.iter().map(|&group| self.rows[group]);
                return Ok(Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef);
            }
            column.output(groups)
        };
        zip_eq(&self.calls, &self.columns).map(output).collect()
    }

    /// Groups that may have come to fail since the last call.
    pub fn take_suspects(&mut self) -> Vec<u32> {
        self.columns.iter_mut().flat_map(Accumulator::take_suspects).collect()
    }

    /// The first call that has no result for a group but should, and why.
    #[must_use]
    pub fn failure(&self, group: u32) -> Option<(usize, Error)> {
        let mut calls = zip_eq(&self.calls, &self.columns).enumerate();
        calls.find_map(|(index, (call, column))| {
            let failure = if call.counts_rows() { None } else { column.failure(group) };
            failure.map(|failure| (index, failure))
        })
    }

    /// Whether a group's state is that of no rows.
    #[must_use]
    pub fn clear(&self, group: u32) -> bool {
        self.rows[group] == 0
            && self.stateful().all(|column| column.clear(group))
            && self.shared.iter().all(|shared| shared.values.clear(group))
    }

    /// Frees what a clear group holds.
    pub fn reset(&mut self, group: u32) {
        for (call, column) in zip_eq(&self.calls, &mut self.columns) {
            if !call.counts_rows() {
                column.reset(group);
            }
        }
    }

    /// The accumulators that keep something.
    fn stateful(&self) -> impl Iterator<Item = &Accumulator> {
        let calls = zip_eq(&self.calls, &self.columns);
        calls.filter(|(call, _)| !call.counts_rows()).map(|(_, column)| column)
    }

    /// The saved form of the given groups' state: the number of rows, then a column per call that keeps
    /// more than that; distinct values apart.
    #[must_use]
    pub fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let save = |column: &Accumulator| {
            let cells = groups.iter().map(|&group| {
                let mut bytes = vec![];
                column.write(group, &mut bytes);
                Some(bytes)
            });
            Arc::new(cells.collect::<BinaryArray>()) as ArrayRef
        };
        let rows = groups.iter().map(|&group| self.rows[group]);
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
        std::iter::once(rows).chain(self.stateful().map(save)).collect()
    }

    /// Reads back what [`Accumulators::save`] wrote.
    ///
    /// # Errors
    /// `XX001` if it does not fit these calls.
    pub fn restore(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<()> {
        let (rows, states) = saved.split_first().expect("the number of rows comes first");
        for (&group, &rows) in zip_eq(groups, rows.as_primitive::<Int64Type>().values()) {
            self.rows[group] = rows;
        }
        let columns = zip_eq(&self.calls, &mut self.columns);
        let columns = columns.filter(|(call, _)| !call.counts_rows()).map(|(_, column)| column);
        for (column, saved) in zip_eq(columns, states) {
            for (&group, bytes) in zip_eq(groups, saved.as_binary::<i32>()) {
                column.read(group, bytes.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Types of the arguments of DISTINCT calls, one per set of values held.
    #[must_use]
    pub fn distinct_types(&self) -> Vec<&DataType> {
        self.shared.iter().map(|shared| shared.values.data_type()).collect()
    }

    /// The saved form of the distinct values, a batch per set: their groups, and the columns `set`,
    /// `counts` and one value column per set, null in the other sets' rows.
    ///
    /// # Errors
    /// As [`DistinctValues::values`].
    pub fn save_distinct(&self) -> Result<Vec<(Vec<u32>, Vec<ArrayRef>)>> {
        let mut saved = vec![];
        for (set, shared) in self.shared.iter().enumerate() {
            let (numbers, groups, counts) = shared.values.entries();
            let set_number = u32::try_from(set).expect("few sets");
            let sets = UInt32Array::from_value(set_number, groups.len());
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(sets),
                Arc::new(counts.into_iter().map(Some).collect::<BinaryArray>()),
            ];
            for (other, data_type) in self.distinct_types().into_iter().enumerate() {
                columns.push(if other == set {
                    shared.values.values(&numbers)?
                } else {
                    new_null_array(data_type, groups.len())
                });
            }
            saved.push((groups, columns));
        }
        Ok(saved)
    }

    /// Reads back what [`Accumulators::save_distinct`] wrote: a batch of the same columns, with the
    /// groups of its rows.
    ///
    /// # Errors
    /// `XX001` if it does not fit these calls.
    pub fn restore_distinct(&mut self, groups: &[u32], saved: &RecordBatch) -> Result<()> {
        let groups: ArrayRef = Arc::new(UInt32Array::from(groups.to_vec()));
        let with_groups = std::iter::once(("group".to_owned(), groups));
        let columns = zip_eq(saved.schema().fields(), saved.columns())
            .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
            .collect::<Vec<_>>();
        let saved = RecordBatch::try_from_iter(with_groups.chain(columns))?;
        for (set, shared) in self.shared.iter_mut().enumerate() {
            let set_number = u32::try_from(set).expect("few sets");
            let mine = cmp::eq(saved.column(1), &UInt32Array::new_scalar(set_number))?;
            let mine = filter_record_batch(&saved, &mine)?;
            let groups = mine.column(0).as_primitive::<UInt32Type>().values();
            let counts = mine.column(2).as_binary::<i32>();
            let counts = (0..counts.len()).map(|row| counts.value(row));
            shared.values.restore(groups, mine.column(3 + set), counts)?;
        }
        Ok(())
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let values = self.shared.iter().map(|shared| shared.values.byte_size());
        let columns = self.columns.iter().map(Accumulator::byte_size);
        self.rows.byte_size() + columns.sum::<usize>() + values.sum::<usize>()
    }
}

/// Rows where a boolean column is true.
fn true_rows(column: &ArrayRef) -> BooleanBuffer {
    let column: &BooleanArray = column.as_boolean();
    match column.nulls() {
        None => column.values().clone(),
        Some(nulls) => column.values() & nulls.inner(),
    }
}
