//! Groups with aggregates: one output row per group that has rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::or;
use arrow::compute::{filter, not};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use itertools::{Itertools, zip_eq};

use super::{Context, ErrorRow, Operator, Output, Port, StateSize};
use crate::error::{Error, Result};
use crate::plan::node::{AggregateCall, AggregateFunction};
use crate::state::accumulator::{Accumulators, Call, Function};
use crate::state::{Arrangements, GroupTable, Saved, SegmentedVec};
use crate::types::Delta;

/// Groups whose output is computed at once.
const OUTPUT_ROWS: usize = 1 << 16;

/// The operator of [`crate::plan::node::NodeKind::Aggregate`].
///
/// A tick remembers the output of every group before its first change of the tick, and puts out the
/// difference at the end: however often a group changes in between, it is retracted and inserted once.
///
/// # Invariants
/// 1. A group has an output row if and only if it exists and no call of it fails.
/// 2. A group whose rows and accumulators sum up to nothing is forgotten at the end of the tick.
pub struct Aggregate {
    group: Vec<usize>,
    /// Positions in `group` of the columns by which rows are placed on workers.
    placed: Vec<usize>,
    output: SchemaRef,
    /// Calls as text, for error rows.
    names: Vec<String>,
    table: GroupTable,
    accumulators: Accumulators,
    /// The one group of a global aggregate on the worker that owns it, once it has been put out.
    unit: Unit,
    /// Groups without a result, and the error put out in place of it.
    failed: BTreeMap<u32, ErrorRow>,
    tick: Tick,
}

/// The row that a global aggregate has even for no input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// Not here.
    Elsewhere,
    /// Here, to be put out at the end of the first tick.
    Due,
    /// Here since some earlier tick.
    There,
}

/// What a tick remembers.
#[derive(Default)]
struct Tick {
    /// By group: whether its old output is remembered.
    touched: SegmentedVec<bool>,
    /// Groups that had output, with it.
    old: Vec<(Vec<u32>, Vec<ArrayRef>)>,
    /// Touched groups that had none.
    absent: Vec<u32>,
    /// Groups whose row count came to zero.
    emptied: Vec<u32>,
}

impl Aggregate {
    /// Groups rows like `input` by `group` and computes `calls`; output columns as in `output`. Rows are
    /// on the workers that own their columns `placed`, all or some of `group`.
    ///
    /// `append_only`: the input never retracts. `emits_empty`: without group columns, this worker
    /// owns the one row that is there even for no input (the owner of the unit key's vnode).
    ///
    /// # Errors
    /// If a column cannot be a group key, or a function is not defined for its argument's type.
    pub fn new(
        (group, placed): (&[usize], &[usize]),
        calls: &[AggregateCall],
        input: &SchemaRef,
        output: &SchemaRef,
        append_only: bool,
        emits_empty: bool,
    ) -> Result<Aggregate> {
        let type_of = |column: usize| input.field(column).data_type().clone();
        let types: Vec<DataType> = group.iter().map(|&column| type_of(column)).collect();
        let results: Vec<DataType> =
            output.fields()[group.len()..].iter().map(|field| field.data_type().clone()).collect();
        let unit = if group.is_empty() && emits_empty { Unit::Due } else { Unit::Elsewhere };
        let placed = placed.iter().filter_map(|column| group.iter().position(|c| c == column));
        Ok(Aggregate {
            group: group.to_vec(),
            placed: placed.collect(),
            output: Arc::clone(output),
            names: calls.iter().map(|call| name(call, input)).collect(),
            table: GroupTable::new(&types)?,
            accumulators: Accumulators::new(
                calls.iter().map(state_call).collect(),
                input,
                &results,
                append_only,
            )?,
            unit,
            failed: BTreeMap::new(),
            tick: Tick::default(),
        })
    }

    fn exists(&self, group: u32) -> bool {
        self.accumulators.rows(group) > 0 || self.unit == Unit::There
    }

    fn has_output(&self, group: u32) -> bool {
        self.exists(group) && !self.failed.contains_key(&group)
    }

    fn grow(&mut self) {
        let groups = self.table.numbers();
        self.tick.touched.grow(groups, &false);
        self.accumulators.grow(groups);
    }

    /// Remembers the output of those of `groups` that this tick has not touched yet.
    fn remember(&mut self, groups: &[u32]) -> Result<()> {
        let mut old = vec![];
        for group in groups.iter().copied().dedup() {
            if !std::mem::replace(&mut self.tick.touched[group], true) {
                let present = self.has_output(group);
                if present { &mut old } else { &mut self.tick.absent }.push(group);
            }
        }
        if !old.is_empty() {
            let columns = self.accumulators.output(&old)?;
            self.tick.old.push((old, columns));
        }
        Ok(())
    }

    /// Brings `failed` up to date for the groups that may have changed in it.
    fn find_failures(
        &mut self,
        mut candidates: Vec<u32>,
        errors: &mut Vec<ErrorRow>,
    ) -> Result<()> {
        candidates.sort_unstable();
        candidates.dedup();
        for group in candidates {
            let failure = self.accumulators.failure(group).filter(|_| self.exists(group));
            let now =
                failure.map(|(call, error)| self.error_row(group, call, &error)).transpose()?;
            let before = match now.clone() {
                Some(row) => self.failed.insert(group, row),
                None => self.failed.remove(&group),
            };
            if now != before {
                errors.extend(before.map(|row| ErrorRow { weight: -row.weight, ..row }));
                errors.extend(now);
            }
        }
        Ok(())
    }

    /// What stands in the error relation in place of a group.
    fn error_row(&self, group: u32, call: usize, error: &Error) -> Result<ErrorRow> {
        let fields = self.output.fields()[..self.group.len()].to_vec();
        let key = batch(&Arc::new(Schema::new(fields)), self.table.columns(&[group])?, 1)?;
        Ok(ErrorRow::new(error, &*self.names[call], &Delta::insert(key), 0))
    }

    /// Puts out what changed of groups that had output.
    fn change(&self, groups: &[u32], old: &[ArrayRef], out: &mut Output) -> Result<()> {
        let gone: BooleanArray =
            groups.iter().map(|&group| Some(!self.has_output(group))).collect();
        let new = self.accumulators.output(groups)?;
        let mut changed = gone.clone();
        for (old, new) in zip_eq(old, &new) {
            changed = or(&changed, &distinct(old, new)?)?;
        }
        if changed.true_count() == 0 {
            return Ok(());
        }
        let groups: Vec<u32> = changed.values().set_indices().map(|row| groups[row]).collect();
        let keys = self.table.columns(&groups)?;
        let columns = kept(old, &changed)?;
        let retracted = self.batch(&keys, columns, groups.len())?;
        out.deltas.push(Delta::delete(retracted));
        let present = not(filter(&gone, &changed)?.as_boolean())?;
        let columns = kept(&kept(&new, &changed)?, &present)?;
        let inserted = self.batch(&kept(&keys, &present)?, columns, present.true_count())?;
        if inserted.num_rows() > 0 {
            out.deltas.push(Delta::insert(inserted));
        }
        Ok(())
    }

    /// The output rows of groups that have them.
    fn insert(&self, groups: &[u32]) -> Result<Delta> {
        let columns = self.accumulators.output(groups)?;
        Ok(Delta::insert(self.batch(&self.table.columns(groups)?, columns, groups.len())?))
    }

    fn batch(
        &self,
        keys: &[ArrayRef],
        mut columns: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch> {
        columns.splice(0..0, keys.iter().cloned());
        batch(&self.output, columns, rows)
    }

    /// Forgets groups of which nothing is left.
    fn forget_emptied(&mut self) {
        let mut emptied = std::mem::take(&mut self.tick.emptied);
        emptied.sort_unstable();
        emptied.dedup();
        let unit = self.unit != Unit::Elsewhere;
        emptied.retain(|&group| !unit && self.accumulators.clear(group));
        emptied.iter().for_each(|&group| self.accumulators.reset(group));
        self.table.release(&emptied);
    }

    fn saved_schema(&self, rest: &[(&str, DataType)]) -> SchemaRef {
        let keys = self.table.types().iter().map(|data_type| ("key", data_type.clone()));
        let fields = keys.chain(rest.iter().cloned());
        let fields = fields.map(|(name, data_type)| Field::new(name, data_type, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn groups_of(&mut self, saved: &RecordBatch) -> Result<Vec<u32>> {
        let keys = &saved.columns()[..self.group.len()];
        let groups = self.table.assign(keys, saved.num_rows())?;
        self.grow();
        Ok(groups)
    }
}

impl Operator for Aggregate {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        let keys: Vec<ArrayRef> =
            self.group.iter().map(|&column| Arc::clone(delta.column(column))).collect();
        let groups = self.table.assign(&keys, delta.rows())?;
        self.grow();
        if out.wanted {
            self.remember(&groups)?;
        }
        let emptied = &mut self.tick.emptied;
        self.accumulators.update(&delta.batch, &groups, &delta.weights, emptied)
    }

    fn finish(&mut self, _ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        if self.unit == Unit::Due {
            let unit = self.table.assign(&[], 1)?;
            self.grow();
            self.remember(&unit)?;
            self.unit = Unit::There;
        }
        let mut candidates = self.accumulators.take_suspects();
        candidates.extend(self.failed.keys());
        self.find_failures(candidates, &mut out.errors)?;
        for (groups, columns) in std::mem::take(&mut self.tick.old) {
            groups.iter().for_each(|&group| self.tick.touched[group] = false);
            if out.wanted {
                self.change(&groups, &columns, out)?;
            }
        }
        let absent = std::mem::take(&mut self.tick.absent);
        absent.iter().for_each(|&group| self.tick.touched[group] = false);
        let appeared: Vec<u32> =
            absent.into_iter().filter(|&group| self.has_output(group)).collect();
        if out.wanted && !appeared.is_empty() {
            out.deltas.push(self.insert(&appeared)?);
        }
        self.forget_emptied();
        Ok(())
    }

    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        let groups = (0u32..).take(self.table.numbers());
        let groups: Vec<u32> = groups.filter(|&group| self.has_output(group)).collect();
        Some(groups.chunks(OUTPUT_ROWS).map(|groups| self.insert(groups)).collect())
    }

    fn save(&self, _arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        let groups: Vec<u32> = (0u32..)
            .take(self.table.numbers())
            .filter(|&group| self.exists(group) || !self.accumulators.clear(group))
            .collect();
        let states = self.accumulators.save(&groups);
        let rest: Vec<_> =
            states.iter().map(|state| ("state", state.data_type().clone())).collect();
        let mut columns = self.table.columns(&groups)?;
        columns.extend(states);
        let saved = batch(&self.saved_schema(&rest), columns, groups.len())?;
        to.put_by("groups", &saved, &self.placed)?;

        let mut rest = vec![("set", DataType::UInt32), ("counts", DataType::Binary)];
        let types = self.accumulators.distinct_types();
        rest.extend(types.into_iter().map(|data_type| ("value", data_type.clone())));
        let schema = self.saved_schema(&rest);
        for (groups, set) in self.accumulators.save_distinct()? {
            let mut columns = self.table.columns(&groups)?;
            columns.extend(set);
            let saved = batch(&schema, columns, groups.len())?;
            to.put_by("distinct", &saved, &self.placed)?;
        }
        Ok(())
    }

    fn restore(&mut self, _arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        for saved in from.part("groups") {
            let groups = self.groups_of(saved)?;
            self.accumulators.restore(&groups, &saved.columns()[self.group.len()..])?;
            if self.unit == Unit::Due {
                self.unit = Unit::There;
            }
        }
        for saved in from.part("distinct") {
            let groups = self.groups_of(saved)?;
            let columns: Vec<usize> = (self.group.len()..saved.num_columns()).collect();
            self.accumulators.restore_distinct(&groups, &saved.project(&columns)?)?;
        }
        // Their errors are put out already; what fails now is known to fail.
        let all = (0u32..).take(self.table.numbers()).collect();
        self.find_failures(all, &mut vec![])
    }

    fn size(&self, _arrangements: &Arrangements) -> StateSize {
        let bytes = self.table.byte_size() + self.accumulators.byte_size();
        StateSize { rows: self.table.len(), bytes }
    }
}

/// The rows of every array where `mask` is true.
fn kept(arrays: &[ArrayRef], mask: &BooleanArray) -> Result<Vec<ArrayRef>> {
    Ok(arrays.iter().map(|array| filter(array, mask)).collect::<Result<_, _>>()?)
}

/// A batch of columns that may be none.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn state_call(call: &AggregateCall) -> Call {
    let variance = |sample, root| Function::Variance { sample, root };
    let function = match call.function {
        AggregateFunction::Count => Function::Count,
        AggregateFunction::Sum => Function::Sum,
        AggregateFunction::Avg => Function::Average,
        AggregateFunction::Min => Function::Min,
        AggregateFunction::Max => Function::Max,
        AggregateFunction::BoolAnd => Function::And,
        AggregateFunction::BoolOr => Function::Or,
        AggregateFunction::VarSamp => variance(true, false),
        AggregateFunction::VarPop => variance(false, false),
        AggregateFunction::StddevSamp => variance(true, true),
        AggregateFunction::StddevPop => variance(false, true),
    };
    let AggregateCall { argument, distinct, filter, .. } = *call;
    Call { function, argument, distinct, filter }
}

/// A call as SQL text, over the input's column names.
fn name(call: &AggregateCall, input: &SchemaRef) -> String {
    let column = |index: usize| input.field(index).name().as_str();
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let argument = call.argument.map_or("*", column);
    let filter = call.filter.map(|filter| format!(" FILTER (WHERE {})", column(filter)));
    format!("{}({distinct}{argument}){}", call.function, filter.unwrap_or_default())
}

#[cfg(test)]
mod tests;
