//! Evaluates functions of whole partitions: window functions, and aggregates of rows in an order.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::compute::{
    CastOptions, SortColumn, cast_with_options, filter, lexsort_to_indices, prep_null_mask_filter,
    take_record_batch,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::window_state::WindowFrameContext;
use datafusion::logical_expr::{Accumulator, WindowFrame, WindowFunctionDefinition};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, lit};
use datafusion::physical_expr::{PhysicalSortExpr, window::WindowExpr};
use datafusion::physical_plan::windows::create_window_expr;

use crate::error::{Error, Result};
use crate::plan::node::{self, Expr, OrderedCall, PartitionCalls, WindowCall};

/// What is computed of a partition's rows.
pub struct PartitionFunctions {
    output: SchemaRef,
    functions: Functions,
    /// Calls as text, for error rows.
    names: Vec<String>,
}

enum Functions {
    Windows(Vec<Window>),
    Aggregates(Vec<Ordered>),
}

/// A window function.
enum Window {
    /// One that DataFusion evaluates over a partition.
    Whole(Arc<dyn WindowExpr>),
    /// An aggregate over every row's frame.
    Frames(Box<Frames>),
}

struct Frames {
    aggregate: AggregateFunctionExpr,
    frame: Arc<WindowFrame>,
    order: Vec<node::SortColumn>,
    filter: Option<Expr>,
}

/// An aggregate over the whole partition in an order of its own.
struct Ordered {
    aggregate: AggregateFunctionExpr,
    call: OrderedCall,
}

/// Which call failed, and why.
pub struct PartitionFailure {
    /// The call as SQL.
    pub call: String,
    /// What it failed with.
    pub error: Error,
}

impl PartitionFunctions {
    /// Computes `calls` over rows like `input` in the given order, as batches of `output`.
    ///
    /// # Errors
    /// If a function does not take its arguments.
    pub fn new(
        calls: &PartitionCalls,
        order: &[node::SortColumn],
        input: &SchemaRef,
        output: &SchemaRef,
    ) -> Result<PartitionFunctions> {
        let (functions, names) = match calls {
            PartitionCalls::Windows(calls) => {
                let windows = calls.iter().map(|call| Window::new(call, order, input));
                let names = calls.iter().map(WindowCall::text).collect();
                (Functions::Windows(windows.collect::<Result<_>>()?), names)
            }
            PartitionCalls::Aggregates(calls) => {
                let ordered = calls.iter().map(|call| Ordered::new(call, input));
                let names = calls.iter().map(|call| call.text(input)).collect();
                (Functions::Aggregates(ordered.collect::<Result<_>>()?), names)
            }
        };
        Ok(PartitionFunctions { output: Arc::clone(output), functions, names })
    }

    /// The output for a partition's rows, which stand in order. `key` are the partition columns of
    /// one row, with which an aggregate's row begins.
    ///
    /// # Errors
    /// If a call fails.
    pub fn evaluate(
        &self,
        rows: &RecordBatch,
        key: &[ArrayRef],
    ) -> Result<RecordBatch, PartitionFailure> {
        let mut columns = match self.functions {
            Functions::Windows(_) => rows.columns().to_vec(),
            Functions::Aggregates(_) => key.to_vec(),
        };
        for (index, name) in self.names.iter().enumerate() {
            let failure = |error| PartitionFailure { call: name.clone(), error };
            let value = match &self.functions {
                Functions::Windows(windows) => windows[index].evaluate(rows),
                Functions::Aggregates(ordered) => ordered[index].evaluate(rows),
            };
            let data_type = self.output.field(columns.len()).data_type();
            columns.push(value.and_then(|value| converted(value, data_type)).map_err(failure)?);
        }
        let count = match self.functions {
            Functions::Windows(_) => rows.num_rows(),
            Functions::Aggregates(_) => 1,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)
            .map_err(|error| PartitionFailure { call: self.names.join(", "), error: error.into() })
    }
}

/// Functions may answer in a type that differs from the planned one in form.
fn converted(value: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if value.data_type() == data_type {
        return Ok(value);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(&value, data_type, &options)?)
}

fn column(index: usize, schema: &SchemaRef) -> Expr {
    Arc::new(Column::new(schema.field(index).name(), index))
}

fn sort_exprs(order: &[node::SortColumn], schema: &SchemaRef) -> Vec<PhysicalSortExpr> {
    order
        .iter()
        .map(|sort| PhysicalSortExpr { expr: column(sort.column, schema), options: sort.options })
        .collect()
}

fn values(exprs: &[Expr], rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let value = |expr: &Expr| Ok(expr.evaluate(rows)?.into_array(rows.num_rows())?);
    exprs.iter().map(value).collect()
}

impl Window {
    fn new(call: &WindowCall, order: &[node::SortColumn], input: &SchemaRef) -> Result<Window> {
        let sorts = sort_exprs(order, input);
        match &call.function {
            WindowFunctionDefinition::WindowUDF(_) => Ok(Window::Whole(create_window_expr(
                &call.function,
                call.text(),
                &call.arguments,
                &[],
                &sorts,
                Arc::clone(&call.frame),
                Arc::clone(input),
                call.ignore_nulls,
                false,
                None,
            )?)),
            WindowFunctionDefinition::AggregateUDF(function) => {
                // count() counts rows, as count(1) does.
                let arguments = match call.arguments.is_empty() {
                    true => vec![lit(1_i64)],
                    false => call.arguments.clone(),
                };
                let aggregate = AggregateExprBuilder::new(Arc::clone(function), arguments)
                    .schema(Arc::clone(input))
                    .alias(call.text())
                    .build()?;
                Ok(Window::Frames(Box::new(Frames {
                    aggregate,
                    frame: Arc::clone(&call.frame),
                    order: order.to_vec(),
                    filter: call.filter.clone(),
                })))
            }
        }
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        match self {
            Window::Whole(window) => Ok(window.evaluate(rows)?),
            Window::Frames(frames) => frames.evaluate(rows),
        }
    }
}

impl Frames {
    /// The aggregate of every row's frame. A frame that only grows is taken in piece by piece; one
    /// that loses rows is computed anew, which is exact for every aggregate.
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let arguments = values(&self.aggregate.expressions(), rows)?;
        let mask = self.filter.as_ref().map(|filter| mask(filter, rows)).transpose()?;
        let columns: Vec<ArrayRef> =
            self.order.iter().map(|sort| Arc::clone(rows.column(sort.column))).collect();
        let options = self.order.iter().map(|sort| sort.options).collect();
        let mut frames = WindowFrameContext::new(Arc::clone(&self.frame), options);
        let mut last = Range { start: 0, end: 0 };
        let mut accumulator = self.aggregate.create_accumulator()?;
        let mut results: Vec<ScalarValue> = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let frame = frames.calculate_range(&columns, &last, rows.num_rows(), row)?;
            if frame == last
                && let Some(result) = results.last()
            {
                results.push(result.clone());
                continue;
            }
            let from = if frame.start == last.start && frame.end >= last.end && row > 0 {
                last.end
            } else {
                accumulator = self.aggregate.create_accumulator()?;
                frame.start
            };
            take_in(accumulator.as_mut(), &arguments, mask.as_ref(), from..frame.end)?;
            results.push(accumulator.evaluate()?);
            last = frame;
        }
        Ok(ScalarValue::iter_to_array(results)?)
    }
}

/// The rows for which a condition is true.
fn mask(condition: &Expr, rows: &RecordBatch) -> Result<BooleanArray> {
    let mask = condition.evaluate(rows)?.into_array(rows.num_rows())?;
    Ok(truths(mask.as_boolean()))
}

fn truths(mask: &BooleanArray) -> BooleanArray {
    if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() }
}

fn take_in(
    accumulator: &mut dyn Accumulator,
    arguments: &[ArrayRef],
    mask: Option<&BooleanArray>,
    rows: Range<usize>,
) -> Result<()> {
    if rows.start >= rows.end {
        return Ok(());
    }
    let count = rows.end - rows.start;
    let mut pieces: Vec<ArrayRef> =
        arguments.iter().map(|argument| argument.slice(rows.start, count)).collect();
    if let Some(mask) = mask {
        let mask = mask.slice(rows.start, count);
        pieces = pieces.iter().map(|piece| filter(piece, &mask)).collect::<Result<_, _>>()?;
    }
    Ok(accumulator.update_batch(&pieces)?)
}

impl Ordered {
    fn new(call: &OrderedCall, input: &SchemaRef) -> Result<Ordered> {
        let mut aggregate =
            AggregateExprBuilder::new(Arc::clone(&call.function), call.arguments.clone())
                .schema(Arc::clone(input))
                .alias(call.text(input));
        // Other functions are given their rows in order; these look at the direction, too.
        if call.function.supports_within_group_clause() {
            aggregate = aggregate.order_by(sort_exprs(&call.order, input));
        }
        Ok(Ordered { aggregate: aggregate.build()?, call: call.clone() })
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let mut rows = rows.clone();
        if let Some(column) = self.call.filter {
            let mask = truths(rows.column(column).as_boolean());
            rows = arrow::compute::filter_record_batch(&rows, &mask)?;
        }
        if !self.call.order.is_empty() || self.call.distinct {
            rows = self.sorted(&rows)?;
        }
        if self.call.distinct {
            rows = self.distinct(&rows)?;
        }
        let arguments = values(&self.aggregate.expressions(), &rows)?;
        let mut accumulator = self.aggregate.create_accumulator()?;
        if rows.num_rows() > 0 {
            accumulator.update_batch(&arguments)?;
        }
        Ok(accumulator.evaluate()?.to_array()?)
    }

    /// The rows in the call's order; distinct arguments are in their own if it has none.
    fn sorted(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns: Vec<SortColumn> = self
            .call
            .order
            .iter()
            .map(|sort| SortColumn {
                values: Arc::clone(rows.column(sort.column)),
                options: Some(sort.options),
            })
            .collect();
        if columns.is_empty() {
            let options = arrow::compute::SortOptions { descending: false, nulls_first: false };
            let arguments = values(&self.aggregate.expressions(), rows)?;
            columns.extend(
                arguments.into_iter().map(|values| SortColumn { values, options: Some(options) }),
            );
        }
        // Rows that are equal in the order stay as they stand.
        let count = u32::try_from(rows.num_rows()).map_err(|_| Error::internal("a huge group"))?;
        let standing = UInt32Array::from_iter_values(0..count);
        columns.push(SortColumn { values: Arc::new(standing), options: None });
        Ok(take_record_batch(rows, &lexsort_to_indices(&columns, None)?)?)
    }

    /// The first of the rows with equal arguments.
    fn distinct(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let arguments = values(&self.aggregate.expressions(), rows)?;
        let fields = arguments.iter().map(|array| SortField::new(array.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        let encoded = converter.convert_columns(&arguments)?;
        let mut seen: HashSet<&[u8]> = HashSet::with_capacity(rows.num_rows());
        let first = (0..rows.num_rows()).filter(|&row| seen.insert(encoded.row(row).data()));
        let first: UInt32Array = first.map(|row| u32::try_from(row).ok()).collect();
        Ok(take_record_batch(rows, &first)?)
    }
}
