//! Window functions: ranks as rankings, with a bound on them as a limit; the others over partitions.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, Window, WindowFunctionDefinition};

use super::Lowering;
use crate::error::{Error, Result};
use crate::plan::node::{
    Expr as PhysicalExpr, Node, NodeKind, PartitionCalls, RankKind, SortColumn, WindowCall,
};

/// The window functions that are maintained, besides ranks and aggregates.
const MAINTAINED: [&str; 8] =
    ["lag", "lead", "first_value", "last_value", "nth_value", "ntile", "percent_rank", "cume_dist"];

/// Where a window's functions look: partition columns, then sort columns.
struct Place {
    input: Node,
    partition: Vec<usize>,
    order: Vec<SortColumn>,
}

impl Lowering<'_> {
    /// The window's functions, one node above the other, each appending its columns.
    pub(super) fn window(&self, window: &Window) -> Result<Node> {
        self.windows(window, None)
    }

    /// A filter over a window: a bound on the outermost rank becomes its limit.
    pub(super) fn filtered_window(&self, predicate: &Expr, window: &Window) -> Result<Node> {
        let last = window.schema.fields().len() - 1;
        let name = window.schema.columns().swap_remove(last);
        let outermost = window.window_expr.last().map(call_of).transpose()?;
        let ranked = outermost.and_then(rank_kind).is_some();
        let mut bound = None;
        let mut rest = vec![];
        for condition in split_conjunction(predicate) {
            match upper_bound(condition, &Expr::Column(name.clone())) {
                Some(limit) if ranked => {
                    bound = Some(bound.map_or(limit, |other: usize| other.min(limit)));
                }
                _ => rest.push(condition.clone()),
            }
        }
        let node = self.windows(window, bound)?;
        match conjunction(rest) {
            Some(rest) => Ok(node.filter(self.condition(&rest, &window.schema)?)),
            None => Ok(node),
        }
    }

    fn windows(&self, window: &Window, limit: Option<usize>) -> Result<Node> {
        let plan = &window.input;
        let own = plan.schema().fields().len();
        let mut node = self.lower(plan)?;
        let calls = window.window_expr.iter().map(call_of).collect::<Result<Vec<_>>>()?;
        let mut done = 0;
        while let Some(call) = calls.get(done) {
            let fields = &window.schema.fields()[own + done..];
            match rank_kind(call) {
                Some(rank) => {
                    done += 1;
                    let limit = limit.filter(|_| done == calls.len());
                    node = self.ranked(node, call, (rank, limit), &fields[0], plan)?;
                }
                None => {
                    let alike = |other: &&&WindowFunction| {
                        rank_kind(other).is_none()
                            && other.params.partition_by == call.params.partition_by
                            && other.params.order_by == call.params.order_by
                    };
                    let count = calls[done..].iter().take_while(alike).count();
                    let calls = &calls[done..done + count];
                    node = self.recomputed(node, calls, &fields[..count], plan)?;
                    done += count;
                }
            }
        }
        Ok(node)
    }

    /// `node` with the columns by which `call` partitions and orders.
    fn place(&self, node: Node, call: &WindowFunction, plan: &LogicalPlan) -> Result<Place> {
        let params = &call.params;
        let mut exprs = params.partition_by.clone();
        exprs.extend(params.order_by.iter().map(|sort| sort.expr.clone()));
        let (input, columns) = self.with_columns(node, &exprs, plan.schema())?;
        let (partition, sort) = columns.split_at(params.partition_by.len());
        let order = itertools::zip_eq(sort, &params.order_by).map(|(&column, sort)| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            SortColumn { column, options }
        });
        Ok(Place { partition: partition.to_vec(), order: order.collect(), input })
    }

    fn ranked(
        &self,
        node: Node,
        call: &WindowFunction,
        (rank, limit): (RankKind, Option<usize>),
        field: &FieldRef,
        plan: &LogicalPlan,
    ) -> Result<Node> {
        // The columns of the functions before stand between the input's and the projected ones.
        let before = node.width();
        let Place { input, partition, mut order } = self.place(node, call, plan)?;
        // Within a partition, its columns order nothing.
        order.retain(|sort| !partition.contains(&sort.column));
        let input = Box::new(input);
        let rank_field = field.as_ref().clone().with_name(rank.name());
        let rank = Some(rank);
        let kind = NodeKind::TopN { partition, order, offset: 0, limit, rank, input };
        Ok(with_fields(kind, before, &[Arc::new(rank_field)]))
    }

    /// Functions that look at the same partitions in the same order. What their arguments compute
    /// is projected below, so that a row on which it fails is left out alone.
    fn recomputed(
        &self,
        node: Node,
        calls: &[&WindowFunction],
        fields: &[FieldRef],
        plan: &LogicalPlan,
    ) -> Result<Node> {
        let before = node.width();
        let read = calls
            .iter()
            .flat_map(|call| call.params.args.iter().chain(call.params.filter.as_deref()));
        let exprs: Vec<Expr> = read.filter(|expr| !constant(expr)).cloned().collect();
        let (node, columns) = self.with_columns(node, &exprs, plan.schema())?;
        let names: Vec<PhysicalExpr> =
            columns.into_iter().map(|index| node.column(index)).collect();
        let mut columns = names.into_iter();
        let mut column = |expr: &Expr| match constant(expr) {
            true => self.physical(expr, plan.schema()),
            false => Ok(columns.next().expect("one column per expression")),
        };
        let made = calls.iter().map(|call| window_call(call, &mut column));
        let made = PartitionCalls::Windows(made.collect::<Result<_>>()?);
        let Place { input, partition, order } = self.place(node, calls[0], plan)?;
        let kind = NodeKind::Recompute { partition, order, calls: made, input: Box::new(input) };
        Ok(with_fields(kind, before, fields))
    }
}

fn constant(expr: &Expr) -> bool {
    expr.column_refs().is_empty()
}

/// The call with arguments and filter as `column` gives them, in that order.
fn window_call(
    call: &WindowFunction,
    column: &mut impl FnMut(&Expr) -> Result<PhysicalExpr>,
) -> Result<WindowCall> {
    let params = &call.params;
    let name = call.fun.name();
    let window = matches!(call.fun, WindowFunctionDefinition::WindowUDF(_));
    if window && !MAINTAINED.contains(&name) {
        let error = format!("window function {name} in a materialized view");
        return Err(Error::unsupported(error)
            .hint("A plain SELECT over a materialized view may use any window function."));
    }
    if params.distinct {
        return Err(Error::unsupported("DISTINCT for window functions")
            .hint("Compute the distinct values in a subquery."));
    }
    Ok(WindowCall {
        function: call.fun.clone(),
        arguments: params.args.iter().map(&mut *column).collect::<Result<_>>()?,
        filter: params.filter.as_deref().map(column).transpose()?,
        frame: Arc::new(params.window_frame.clone()),
        ignore_nulls: params.null_treatment == Some(NullTreatment::IgnoreNulls),
    })
}

/// A node of `kind` that appends columns `fields` to its input's, without those of the input from
/// `before` on.
fn with_fields(kind: NodeKind, before: usize, fields: &[FieldRef]) -> Node {
    let mut all: Vec<FieldRef> = kind.inputs()[0].schema.fields().iter().map(Arc::clone).collect();
    let width = all.len();
    all.extend(fields.iter().map(Arc::clone));
    let kept: Vec<usize> = (0..before).chain(width..all.len()).collect();
    let node = Node::new(kind, Arc::new(Schema::new(all)));
    if width > before { node.columns(&kept) } else { node }
}

fn call_of(expr: &Expr) -> Result<&WindowFunction> {
    match expr {
        Expr::WindowFunction(call) => Ok(call.as_ref()),
        Expr::Alias(alias) => call_of(&alias.expr),
        other => Err(Error::internal(format!("{other} among window functions"))),
    }
}

fn rank_kind(call: &WindowFunction) -> Option<RankKind> {
    match call.fun.name() {
        "row_number" => Some(RankKind::RowNumber),
        "rank" => Some(RankKind::Rank),
        "dense_rank" => Some(RankKind::DenseRank),
        _ => None,
    }
}

/// `n` if `condition` says that `rank` is at most `n` and nothing more.
fn upper_bound(condition: &Expr, rank: &Expr) -> Option<usize> {
    let Expr::BinaryExpr(binary) = condition else { return None };
    let (op, value) = match (binary.left.as_ref(), binary.right.as_ref()) {
        (left, Expr::Literal(value, _)) if left == rank => (binary.op, value),
        (Expr::Literal(value, _), right) if right == rank => (binary.op.swap()?, value),
        _ => return None,
    };
    let ScalarValue::Int64(Some(n)) = value.cast_to(&arrow::datatypes::DataType::Int64).ok()?
    else {
        return None;
    };
    let limit = match op {
        Operator::LtEq => n,
        Operator::Lt => n - 1,
        // No rank is less than 1, so that `= 1` is `<= 1`.
        Operator::Eq if n == 1 => 1,
        _ => return None,
    };
    Some(usize::try_from(limit).unwrap_or(0))
}
