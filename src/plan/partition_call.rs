//! Calls that see a whole partition of rows: what they read, moved to other columns, as text.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;
use datafusion::logical_expr::WindowFunctionDefinition;
use itertools::Itertools;

use super::expression;
use super::node::{Expr, OrderedCall, PartitionCalls, SortColumn, WindowCall};
use super::prune::{columns_of, remap};
use crate::error::Result;

impl PartitionCalls {
    /// The input columns that the calls read.
    pub(crate) fn columns(&self) -> BTreeSet<usize> {
        match self {
            PartitionCalls::Windows(calls) => calls
                .iter()
                .flat_map(|call| call.arguments.iter().chain(&call.filter).flat_map(columns_of))
                .collect(),
            PartitionCalls::Aggregates(calls) => calls
                .iter()
                .flat_map(|call| {
                    let order = call.order.iter().map(|sort| sort.column).chain(call.filter);
                    call.arguments.iter().flat_map(columns_of).chain(order)
                })
                .collect(),
        }
    }

    /// How many columns stand before theirs: the input's or the partition's.
    pub(crate) fn before(&self, input: usize, partition: usize) -> usize {
        match self {
            PartitionCalls::Windows(_) => input,
            PartitionCalls::Aggregates(_) => partition,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            PartitionCalls::Windows(calls) => calls.len(),
            PartitionCalls::Aggregates(calls) => calls.len(),
        }
    }

    /// The calls at `kept`.
    pub(crate) fn only(&self, kept: &[usize]) -> PartitionCalls {
        match self {
            PartitionCalls::Windows(calls) => {
                PartitionCalls::Windows(kept.iter().map(|&index| calls[index].clone()).collect())
            }
            PartitionCalls::Aggregates(calls) => {
                PartitionCalls::Aggregates(kept.iter().map(|&index| calls[index].clone()).collect())
            }
        }
    }

    /// The same calls over an input whose columns are at `index`.
    pub(crate) fn moved(&self, index: &impl Fn(usize) -> usize) -> Result<PartitionCalls> {
        let moved = |exprs: &[Expr]| -> Result<Vec<Expr>> {
            exprs.iter().map(|expr| remap(expr, index)).collect()
        };
        Ok(match self {
            PartitionCalls::Windows(calls) => {
                let calls = calls.iter().map(|call| {
                    let filter = call.filter.as_ref().map(|expr| remap(expr, index)).transpose()?;
                    Ok(WindowCall { arguments: moved(&call.arguments)?, filter, ..call.clone() })
                });
                PartitionCalls::Windows(calls.collect::<Result<_>>()?)
            }
            PartitionCalls::Aggregates(calls) => {
                let calls = calls.iter().map(|call| {
                    let sort =
                        |sort: &SortColumn| SortColumn { column: index(sort.column), ..*sort };
                    Ok(OrderedCall {
                        arguments: moved(&call.arguments)?,
                        order: call.order.iter().map(sort).collect(),
                        filter: call.filter.map(index),
                        ..call.clone()
                    })
                });
                PartitionCalls::Aggregates(calls.collect::<Result<_>>()?)
            }
        })
    }

    /// Text that two lists of calls share only if they compute the same; `of` gives an expression's.
    pub(crate) fn canonical(&self, of: impl Fn(&Expr) -> String) -> String {
        let texts = |exprs: &[Expr]| exprs.iter().map(&of).join(", ");
        match self {
            PartitionCalls::Windows(calls) => {
                let text = |call: &WindowCall| {
                    let filter = call.filter.as_ref().map(&of);
                    let WindowCall { function, frame, ignore_nulls, .. } = call;
                    let arguments = texts(&call.arguments);
                    format!(
                        "{} ({arguments}) {filter:?} {frame} {ignore_nulls}",
                        window_name(function)
                    )
                };
                calls.iter().map(text).join("; ")
            }
            PartitionCalls::Aggregates(calls) => {
                let text = |call: &OrderedCall| {
                    let OrderedCall { distinct, order, filter, .. } = call;
                    let arguments = texts(&call.arguments);
                    format!(
                        "{} ({arguments}) {distinct} {order:?} {filter:?}",
                        call.function.name()
                    )
                };
                calls.iter().map(text).join("; ")
            }
        }
    }

    /// The calls over columns named as in `schema`.
    pub(crate) fn text(&self, schema: &Schema) -> String {
        match self {
            PartitionCalls::Windows(calls) => calls.iter().map(WindowCall::text).join(", "),
            PartitionCalls::Aggregates(calls) => {
                calls.iter().map(|call| call.text(schema)).join(", ")
            }
        }
    }
}

impl WindowCall {
    /// The call as SQL.
    pub(crate) fn text(&self) -> String {
        let arguments = self.arguments.iter().map(expression).join(", ");
        let mut text = format!("{}({arguments})", window_name(&self.function));
        if let Some(filter) = &self.filter {
            text.push_str(&format!(" FILTER ({})", expression(filter)));
        }
        text
    }
}

impl OrderedCall {
    /// The call over columns named as in `schema`.
    pub(crate) fn text(&self, schema: &Schema) -> String {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let arguments = self.arguments.iter().map(expression).join(", ");
        let mut text = format!("{}({distinct}{arguments}", self.function.name());
        if !self.order.is_empty() {
            let order = self.order.iter().map(|sort| sort.text(schema)).join(", ");
            text.push_str(&format!(" ORDER BY {order}"));
        }
        text.push(')');
        if let Some(filter) = self.filter {
            text.push_str(&format!(" FILTER ({})", schema.field(filter).name()));
        }
        text
    }
}

fn window_name(function: &WindowFunctionDefinition) -> &str {
    match function {
        WindowFunctionDefinition::WindowUDF(function) => function.name(),
        WindowFunctionDefinition::AggregateUDF(function) => function.name(),
    }
}
