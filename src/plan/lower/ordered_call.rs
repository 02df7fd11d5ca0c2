//! Aggregates that are computed from all rows of a group, in an order: `string_agg`, `array_agg` and
//! the like.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::AggregateFunction as LogicalCall;

use super::Lowering;
use crate::error::{Error, Result};
use crate::plan::node::{Node, NodeKind, OrderedCall, PartitionCalls, SortColumn};

/// The functions that are maintained so.
const ORDERED: [&str; 22] = [
    // Of arrays and rows.
    "max",
    "min",
    "string_agg",
    "array_agg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_slope",
    "regr_intercept",
    "regr_r2",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
    "median",
];

/// The columns of a call as positions in the list of expressions to project.
pub(super) struct OrderedSlots {
    /// Of arguments that are constants, nothing.
    arguments: Vec<Option<usize>>,
    order: Vec<usize>,
    filter: Option<usize>,
}

impl OrderedSlots {
    pub(super) fn new(call: &LogicalCall, exprs: &mut Vec<Expr>) -> Result<OrderedSlots> {
        let name = call.func.name();
        if !ORDERED.contains(&name) {
            let error = format!("aggregate function {name} in a materialized view");
            return Err(Error::unsupported(error).hint(
                "Maintained aggregates are count, sum, avg, min, max, bool_and, bool_or, stddev, \
                 variance, string_agg, array_agg, bit_and, bit_or, bit_xor, corr, covar_pop, \
                 covar_samp, the regr_ functions, mode, percentile_cont and percentile_disc.",
            ));
        }
        let mut add = |expr: &Expr| {
            exprs.push(expr.clone());
            exprs.len() - 1
        };
        let params = &call.params;
        let constant = |expr: &Expr| expr.column_refs().is_empty();
        let arguments = params.args.iter();
        Ok(OrderedSlots {
            arguments: arguments.map(|expr| (!constant(expr)).then(|| add(expr))).collect(),
            order: params.order_by.iter().map(|sort| add(&sort.expr)).collect(),
            filter: params.filter.as_deref().map(add),
        })
    }
}

impl Lowering<'_> {
    /// The call over an input whose projected expressions are at `columns`.
    pub(super) fn ordered_call(
        &self,
        call: &LogicalCall,
        slots: &OrderedSlots,
        columns: &[usize],
        schema: &DFSchema,
    ) -> Result<OrderedCall> {
        let params = &call.params;
        let arguments =
            itertools::zip_eq(&params.args, &slots.arguments).map(|(expr, slot)| match slot {
                Some(slot) => {
                    let name = expr.schema_name().to_string();
                    let column = datafusion::physical_expr::expressions::Column::new;
                    Ok(Arc::new(column(&name, columns[*slot])) as crate::plan::node::Expr)
                }
                None => self.physical(expr, schema),
            });
        let order = itertools::zip_eq(&params.order_by, &slots.order).map(|(sort, slot)| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            SortColumn { column: columns[*slot], options }
        });
        Ok(OrderedCall {
            function: Arc::clone(&call.func),
            arguments: arguments.collect::<Result<_>>()?,
            distinct: params.distinct,
            order: order.collect(),
            filter: slots.filter.map(|slot| columns[slot]),
        })
    }
}

/// Groups with `calls`; output columns as in `schema`.
pub(super) fn ordered_aggregate(
    partition: Vec<usize>,
    calls: Vec<OrderedCall>,
    input: Node,
    schema: SchemaRef,
) -> Node {
    let calls = PartitionCalls::Aggregates(calls);
    let input = Box::new(input);
    Node::new(NodeKind::Recompute { partition, order: vec![], calls, input }, schema)
}
