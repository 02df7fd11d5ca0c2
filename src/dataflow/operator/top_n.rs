//! The first rows of each partition in an order.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::rank_change::{Changes, Window};
use super::row_form::RowForm;
use super::{Context, Operator, Output, Port, StateSize};
use crate::error::Result;
use crate::plan::node::{RankKind, SortColumn};
use crate::state::groups::ByteStore;
use crate::state::ordered_rows::{OrderedRows, Probe};
use crate::state::{Arrangements, GroupTable, Saved, SegmentedVec};
use crate::types::Delta;

/// Rows put out in one batch.
const OUTPUT_ROWS: usize = 1 << 16;

/// Which rows a [`TopN`] keeps; fields as in [`crate::plan::node::NodeKind::TopN`].
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Partition columns.
    pub partition: Vec<usize>,
    /// Columns by which rows are placed on workers: all or some of `partition`.
    pub placed: Vec<usize>,
    /// Sort columns.
    pub order: Vec<SortColumn>,
    /// Rows (or ranks) skipped.
    pub offset: usize,
    /// Rows (or ranks) kept.
    pub limit: Option<usize>,
    /// The rank column appended, if any.
    pub rank: Option<RankKind>,
}

/// The operator of [`crate::plan::node::NodeKind::TopN`].
///
/// A row is kept once, as order-preserving bytes: the sort columns, then what else it has, so that
/// bytes compare as rows do, ties broken by the whole row, and the row can be read back from them.
///
/// # Invariants
/// 1. A touched partition's entries tell what they were before the tick; all others are settled.
/// 2. Of an input that only grows, no row is kept that can never be shown.
pub struct TopN {
    partition: Vec<usize>,
    placed: Vec<usize>,
    window: Window,
    append_only: bool,
    form: RowForm,
    input: SchemaRef,
    output: SchemaRef,
    table: GroupTable,
    partitions: SegmentedVec<OrderedRows>,
    store: ByteStore,
    /// Bytes of the sort columns by row, where ranks need to know which rows are peers.
    order_sizes: SegmentedVec<u32>,
    /// Partitions changed in this tick.
    touched: Vec<u32>,
}

impl TopN {
    /// Keeps the rows like `input` that `ranking` names; `append_only`: the input never retracts.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(
        ranking: Ranking,
        input: &SchemaRef,
        output: &SchemaRef,
        append_only: bool,
    ) -> Result<TopN> {
        let types = ranking.partition.iter().map(|&column| input.field(column).data_type().clone());
        let types: Vec<DataType> = types.collect();
        let wide = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let start = wide(ranking.offset);
        let end = ranking.limit.map_or(i64::MAX, |limit| start.saturating_add(wide(limit)));
        Ok(TopN {
            form: RowForm::new(&ranking.order, input)?,
            partition: ranking.partition,
            placed: ranking.placed,
            window: Window { start, end, rank: ranking.rank },
            append_only,
            input: Arc::clone(input),
            output: Arc::clone(output),
            table: GroupTable::new(&types)?,
            partitions: SegmentedVec::new(),
            store: ByteStore::default(),
            order_sizes: SegmentedVec::new(),
            touched: vec![],
        })
    }

    /// Whether it matters which rows are equal in the order.
    fn ranked(&self) -> bool {
        matches!(self.window.rank, Some(RankKind::Rank | RankKind::DenseRank))
    }

    fn peers(&self) -> impl Fn(u32, u32) -> bool {
        let order = |row: u32| &self.store.get(row)[..self.order_sizes[row] as usize];
        move |a, b| order(a) == order(b)
    }

    fn add(&mut self, delta: &Delta) -> Result<()> {
        let keys: Vec<ArrayRef> =
            self.partition.iter().map(|&column| Arc::clone(delta.column(column))).collect();
        let partitions = self.table.assign(&keys, delta.rows())?;
        self.partitions.grow(self.table.numbers(), &OrderedRows::default());
        let rows = self.form.encode(&delta.batch)?;
        let orders = if self.ranked() { Some(self.form.encode_order(&delta.batch)?) } else { None };
        for (index, &number) in partitions.iter().enumerate() {
            let row = rows.row(index);
            let probe = Probe::new(row.data());
            let partition = &mut self.partitions[number];
            if self.append_only && orders.is_none() && partition.rows() >= self.window.end {
                let last = partition.last();
                let better = |last| probe.compare(last, &self.store) == Ordering::Less;
                if !last.is_some_and(better) {
                    continue;
                }
            }
            if partition.first_open().is_none() {
                self.touched.push(number);
            }
            let row = partition.change(&probe, delta.weight(index), &mut self.store);
            if let Some(orders) = &orders {
                self.order_sizes.grow(row as usize + 1, &0);
                // Without sort columns all rows are peers.
                let size = if self.form.order.is_empty() { 0 } else { orders.row_len(index) };
                self.order_sizes[row] = u32::try_from(size).expect("a row is below 4 GB");
            }
        }
        Ok(())
    }

    /// Ends the tick in the touched partitions.
    fn settle(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let bounded = self.append_only && self.window.end < i64::MAX;
        for &number in &touched {
            self.partitions[number].settle(&mut self.store);
            if bounded
                && let Some((block, index)) =
                    self.window.surplus(&self.partitions[number], self.peers())
            {
                self.partitions[number].truncate(block, index, &mut self.store);
            }
        }
        touched.retain(|&number| self.partitions[number].is_empty());
        self.table.release(&touched);
    }

    fn batch(&self, rows: &[u32], ranks: &[i64]) -> Result<RecordBatch> {
        let mut columns = self.form.decode(rows, &self.store)?;
        if self.window.rank.is_some() {
            columns.push(Arc::new(Int64Array::from_iter_values(ranks.iter().copied())));
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.output), columns)?)
    }

    fn deltas(&self, changes: &Changes) -> Result<Vec<Delta>> {
        let starts = (0..changes.rows.len()).step_by(OUTPUT_ROWS);
        let pieces = starts.map(|start| start..(start + OUTPUT_ROWS).min(changes.rows.len()));
        let deltas = pieces.map(|piece| {
            let weights = &changes.weights[piece.clone()];
            let batch = self.batch(&changes.rows[piece.clone()], &changes.ranks[piece])?;
            Ok(if weights.iter().all(|&weight| weight == 1) {
                Delta::insert(batch)
            } else {
                Delta::new(batch, weights.to_vec())
            })
        });
        deltas.collect()
    }

    fn saved_schema(&self) -> SchemaRef {
        let mut fields = self.input.fields().to_vec();
        fields.push(Arc::new(Field::new("count", DataType::Int64, false)));
        Arc::new(Schema::new(fields))
    }
}

impl Operator for TopN {
    fn name(&self) -> &'static str {
        "top-n"
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
        if out.wanted {
            let mut touched = self.touched.clone();
            touched.sort_unstable();
            touched.dedup();
            let mut changes = Changes::default();
            for number in touched {
                self.window.change(&self.partitions[number], self.peers(), &mut changes);
            }
            out.deltas.extend(self.deltas(&changes)?);
        }
        self.settle();
        Ok(())
    }

    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        let mut changes = Changes::default();
        for partition in self.partitions.iter() {
            self.window.contents(partition, self.peers(), &mut changes);
        }
        Some(self.deltas(&changes))
    }

    fn save(&self, _arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        let (mut rows, mut counts) = (vec![], vec![]);
        for number in (0u32..).take(self.partitions.len()) {
            for entry in self.partitions[number].blocks().iter().flat_map(|block| &block.entries) {
                rows.push(entry.row);
                counts.push(entry.new);
            }
        }
        let mut columns = self.form.decode(&rows, &self.store)?;
        columns.push(Arc::new(Int64Array::from(counts)));
        to.put_by("rows", &RecordBatch::try_new(self.saved_schema(), columns)?, &self.placed)
    }

    fn restore(&mut self, _arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        for saved in from.part("rows") {
            let (counts, columns) = saved.columns().split_last().expect("counts come last");
            let weights = counts.as_primitive::<Int64Type>().values().to_vec();
            let batch = RecordBatch::try_new(Arc::clone(&self.input), columns.to_vec())?;
            self.add(&Delta::new(batch, weights))?;
        }
        self.settle();
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
