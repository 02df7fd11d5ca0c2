//! Column pruning: every node reads and puts out only what something above it needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};

use super::build::plain_column;
use super::node::{AggregateCall, Expr, JoinKind, Node, NodeKind, PartitionCalls, SortColumn};
use crate::error::Result;
use crate::types::Delta;

/// Columns of a node, by index.
type Columns = BTreeSet<usize>;

/// `root` with the same output, computed from no more columns than it takes.
pub(crate) fn prune(root: Node) -> Result<Node> {
    let schema = Arc::clone(&root.schema);
    let needed = (0..root.width()).collect();
    let (node, kept) = pruned(root, &needed)?;
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    Ok(exactly(node, &kept, &all).named(&schema))
}

/// `expr` with column indexes replaced by `index`.
pub(crate) fn remap(expr: &Expr, index: &impl Fn(usize) -> usize) -> Result<Expr> {
    let mapped = Arc::clone(expr).transform(|part| match part.downcast_ref::<Column>() {
        Some(column) => {
            let moved: Expr = Arc::new(Column::new(column.name(), index(column.index())));
            Ok(Transformed::yes(moved))
        }
        None => Ok(Transformed::no(part)),
    })?;
    Ok(mapped.data)
}

/// The columns that `expr` reads.
pub(crate) fn columns_of(expr: &Expr) -> Columns {
    let mut columns = Columns::new();
    let visited = expr.apply(|part| {
        columns.extend(plain_column(part.as_ref()));
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(visited.is_ok(), "the visitor does not fail");
    columns
}

/// A node with at least the `needed` columns of `node`, and which of its columns those it has are.
fn pruned(node: Node, needed: &Columns) -> Result<(Node, Vec<usize>)> {
    let all: Vec<usize> = (0..node.width()).collect();
    let schema = Arc::clone(&node.schema);
    match node.kind {
        NodeKind::Scan { .. } => {
            let kept = at_least_one(needed, &node);
            Ok((node.narrowed_scan(&kept), kept))
        }
        NodeKind::Constant { ref rows } => {
            if needed.is_empty() {
                return Ok((node, all));
            }
            let kept: Vec<usize> = needed.iter().copied().collect();
            let batch = rows.batch.project(&kept)?;
            let schema = batch.schema();
            let rows = Delta { batch, weights: rows.weights.clone() };
            Ok((Node::new(NodeKind::Constant { rows }, schema), kept))
        }
        NodeKind::Filter { predicate, input } => filter(&predicate, *input, needed),
        NodeKind::Project { exprs, input } => project(&exprs, *input, &schema, needed),
        NodeKind::Hop { .. } => hop(node, needed),
        NodeKind::Repeat { input } => {
            let count = input.width() - 1;
            let mut below = needed.clone();
            below.insert(count);
            let (input, mut kept) = pruned(*input, &below)?;
            let input = exactly(input, &kept, &below.into_iter().collect::<Vec<_>>());
            kept = needed.iter().copied().collect();
            Ok((input.repeat(), kept))
        }
        NodeKind::Unnest { lists, input } => {
            let below = needed.union(&lists.iter().copied().collect()).copied().collect();
            let (input, kept) = pruned(*input, &below)?;
            let lists = lists.iter().map(|&index| position(&kept, index)).collect();
            let fields: Vec<_> =
                kept.iter().map(|&index| Arc::clone(&schema.fields()[index])).collect();
            let schema = Arc::new(arrow::datatypes::Schema::new(fields));
            Ok((Node::new(NodeKind::Unnest { lists, input: Box::new(input) }, schema), kept))
        }
        NodeKind::Join { .. } => join(node, needed),
        NodeKind::Aggregate { group, calls, input } => {
            aggregate(group, calls, *input, &schema, needed)
        }
        NodeKind::Distinct { input } => Ok((exact_input(*input)?.distinct(), all)),
        NodeKind::Union { inputs } => {
            let kept = at_least_one_of(needed, schema.fields().len());
            let fields: Vec<_> =
                kept.iter().map(|&index| Arc::clone(&schema.fields()[index])).collect();
            let schema = Arc::new(arrow::datatypes::Schema::new(fields));
            let inputs = inputs.into_iter().map(|input| {
                let (input, has) = pruned(input, &kept.iter().copied().collect())?;
                Ok(exactly(input, &has, &kept).named(&schema))
            });
            let inputs = inputs.collect::<Result<_>>()?;
            Ok((Node::new(NodeKind::Union { inputs }, schema), kept))
        }
        NodeKind::TopN { .. } => top_n(node, needed),
        NodeKind::Recompute { .. } => recompute(node, needed),
        NodeKind::AtMostOne { key, input } => {
            let below = needed.union(&key.iter().copied().collect()).copied().collect();
            let (input, kept) = pruned(*input, &below)?;
            let key = key.iter().map(|&index| position(&kept, index)).collect();
            let schema = Arc::clone(&input.schema);
            let kind = NodeKind::AtMostOne { key, input: Box::new(input) };
            Ok((Node::new(kind, schema), kept))
        }
    }
}

/// The columns that tell the rows of a scan apart (a table's key, a source's offset), if one of `exprs`
/// over it may fail: failing rows are reported with them.
fn identity(input: &Node, exprs: &[Expr]) -> Vec<usize> {
    let mut below = input;
    while let NodeKind::Filter { input, .. } = &below.kind {
        below = input;
    }
    let scanned = matches!(below.kind, NodeKind::Scan { .. }) && exprs.iter().any(fallible);
    below.upsert_key.clone().filter(|_| scanned).unwrap_or_default()
}

/// Whether `expr` does more than compare and combine: arithmetic, conversions and other functions fail.
fn fallible(expr: &Expr) -> bool {
    expr.exists(|part| Ok(part.is::<ScalarFunctionExpr>() || part.is::<CastExpr>())).unwrap_or(true)
}

/// Where column `index` is among the columns kept.
fn position(kept: &[usize], index: usize) -> usize {
    kept.iter().position(|&column| column == index).expect("a needed column is kept")
}

/// `node`, which has columns `kept`, with columns `wanted` exactly.
fn exactly(node: Node, kept: &[usize], wanted: &[usize]) -> Node {
    if kept == wanted {
        return node;
    }
    let indexes: Vec<usize> = wanted.iter().map(|&index| position(kept, index)).collect();
    node.columns(&indexes)
}

/// `node` pruned below, with all its columns.
fn exact_input(node: Node) -> Result<Node> {
    let all: Vec<usize> = (0..node.width()).collect();
    let (node, kept) = pruned(node, &all.iter().copied().collect())?;
    Ok(exactly(node, &kept, &all))
}

/// The needed columns; where none is, the narrowest of a scan, since batches want a column.
fn at_least_one(needed: &Columns, node: &Node) -> Vec<usize> {
    if !needed.is_empty() {
        return needed.iter().copied().collect();
    }
    let width = |index: &usize| {
        let width = node.schema.field(*index).data_type().primitive_width();
        width.unwrap_or(usize::MAX)
    };
    (0..node.width()).min_by_key(width).into_iter().collect()
}

fn at_least_one_of(needed: &Columns, width: usize) -> Vec<usize> {
    match needed.is_empty() {
        true => (0..width.min(1)).collect(),
        false => needed.iter().copied().collect(),
    }
}

fn filter(predicate: &Expr, input: Node, needed: &Columns) -> Result<(Node, Vec<usize>)> {
    let mut below: Columns = needed.union(&columns_of(predicate)).copied().collect();
    below.extend(identity(&input, std::slice::from_ref(predicate)));
    let (input, kept) = pruned(input, &below)?;
    let predicate = remap(predicate, &|index| position(&kept, index))?;
    Ok((input.filter(predicate), kept))
}

fn project(
    exprs: &[Expr],
    input: Node,
    schema: &arrow::datatypes::Schema,
    needed: &Columns,
) -> Result<(Node, Vec<usize>)> {
    let kept = at_least_one_of(needed, exprs.len());
    let mut below: Columns = kept.iter().flat_map(|&index| columns_of(&exprs[index])).collect();
    let wanted: Vec<Expr> = kept.iter().map(|&index| Arc::clone(&exprs[index])).collect();
    below.extend(identity(&input, &wanted));
    let (input, has) = pruned(input, &below)?;
    let moved = |index: &usize| remap(&exprs[*index], &|column| position(&has, column));
    let exprs = kept.iter().map(moved).collect::<Result<Vec<_>>>()?;
    let fields: Vec<_> = kept.iter().map(|&index| Arc::clone(&schema.fields()[index])).collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    Ok((merged(exprs, input, schema)?, kept))
}

/// A projection of `input`; over another projection, one of both where no work is repeated.
fn merged(exprs: Vec<Expr>, input: Node, schema: arrow::datatypes::SchemaRef) -> Result<Node> {
    let NodeKind::Project { exprs: inner, input: below } = &input.kind else {
        return Ok(input.project(exprs, schema));
    };
    let cheap = |index: usize| {
        let expr = &inner[index];
        let uses = exprs.iter().filter(|outer| columns_of(outer).contains(&index)).count();
        plain_column(expr.as_ref()).is_some() || columns_of(expr).is_empty() || uses <= 1
    };
    if !(0..inner.len()).all(cheap) {
        return Ok(input.project(exprs, schema));
    }
    let substituted = exprs.into_iter().map(|expr| {
        let whole = expr.transform_up(|part| match plain_column(part.as_ref()) {
            Some(index) => Ok(Transformed::yes(Arc::clone(&inner[index]))),
            None => Ok(Transformed::no(part)),
        })?;
        Ok(whole.data)
    });
    Ok(below.as_ref().clone().project(substituted.collect::<Result<_>>()?, schema))
}

fn hop(node: Node, needed: &Columns) -> Result<(Node, Vec<usize>)> {
    let NodeKind::Hop { time, slide_us, size_us, offset_us, input } = node.kind else {
        unreachable!("called for windows")
    };
    let width = input.width();
    let mut below: Columns = needed.iter().copied().filter(|&index| index < width).collect();
    below.insert(time);
    let (input, mut kept) = pruned(*input, &below)?;
    let time = position(&kept, time);
    kept.extend([width, width + 1]);
    let mut fields: Vec<_> = input.schema.fields().iter().map(Arc::clone).collect();
    fields.extend(node.schema.fields()[width..].iter().map(Arc::clone));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let input = Box::new(input);
    Ok((Node::new(NodeKind::Hop { time, slide_us, size_us, offset_us, input }, schema), kept))
}

fn join(node: Node, needed: &Columns) -> Result<(Node, Vec<usize>)> {
    let NodeKind::Join { kind, on, null_equals_null, residual, left, right } = node.kind else {
        unreachable!("called for joins")
    };
    let width = left.width();
    let paired = !matches!(kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark);
    let output = |index: &usize| paired || *index < width;
    let mut both: Columns = needed.iter().copied().filter(output).collect();
    both.extend(on.iter().flat_map(|&(one, other)| [one, other + width]));
    both.extend(residual.iter().flat_map(columns_of));
    let left_needed = both.iter().copied().filter(|&index| index < width).collect();
    let right_needed = both.iter().filter(|&&index| index >= width).map(|index| index - width);
    let (left, left_kept) = pruned(*left, &left_needed)?;
    let (right, right_kept) = pruned(*right, &right_needed.collect())?;
    let pair =
        |pair: &(usize, usize)| (position(&left_kept, pair.0), position(&right_kept, pair.1));
    let on = on.iter().map(pair).collect();
    let mut kept = left_kept;
    let all: Vec<usize> =
        kept.iter().copied().chain(right_kept.iter().map(|index| index + width)).collect();
    let residual = residual.map(|expr| remap(&expr, &|index| position(&all, index))).transpose()?;
    match kind {
        JoinKind::Semi | JoinKind::Anti => {}
        JoinKind::Mark => kept.push(width),
        _ => kept = all,
    }
    let node = Node::join(kind, on, null_equals_null, residual, left, right);
    // What only the condition needed is not gathered for the output.
    let wanted: Vec<usize> = kept.iter().copied().filter(|index| needed.contains(index)).collect();
    if wanted.is_empty() || wanted.len() == kept.len() {
        return Ok((node, kept));
    }
    Ok((exactly(node, &kept, &wanted), wanted))
}

fn aggregate(
    group: Vec<usize>,
    calls: Vec<AggregateCall>,
    input: Node,
    schema: &arrow::datatypes::Schema,
    needed: &Columns,
) -> Result<(Node, Vec<usize>)> {
    let mut kept: Vec<usize> = (0..group.len()).collect();
    let wanted = (0..calls.len()).filter(|index| needed.contains(&(group.len() + index)));
    let mut wanted: Vec<usize> = wanted.collect();
    if wanted.is_empty() {
        wanted.push(0);
    }
    kept.extend(wanted.iter().map(|index| group.len() + index));
    let calls: Vec<&AggregateCall> = wanted.iter().map(|&index| &calls[index]).collect();
    let mut below: Columns = group.iter().copied().collect();
    below.extend(calls.iter().flat_map(|call| call.argument.into_iter().chain(call.filter)));
    let (input, has) = pruned(input, &below)?;
    let group = group.iter().map(|&index| position(&has, index)).collect();
    let moved = calls.into_iter().map(|call| AggregateCall {
        argument: call.argument.map(|index| position(&has, index)),
        filter: call.filter.map(|index| position(&has, index)),
        ..call.clone()
    });
    let calls = moved.collect();
    let fields: Vec<_> = kept.iter().map(|&index| Arc::clone(&schema.fields()[index])).collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let kind = NodeKind::Aggregate { group, calls, input: Box::new(input) };
    Ok((Node::new(kind, schema), kept))
}

fn top_n(node: Node, needed: &Columns) -> Result<(Node, Vec<usize>)> {
    let NodeKind::TopN { partition, order, offset, limit, rank, input } = node.kind else {
        unreachable!("called for top-n")
    };
    let width = input.width();
    let below = if order.is_empty() && rank.is_none() {
        // The order is the whole row's: no column may go.
        (0..width).collect()
    } else {
        let mut below: Columns = needed.iter().copied().filter(|&index| index < width).collect();
        below.extend(&partition);
        below.extend(order.iter().map(|sort| sort.column));
        below
    };
    let (input, mut kept) = pruned(*input, &below)?;
    let partition = partition.iter().map(|&index| position(&kept, index)).collect();
    let moved = |sort: &SortColumn| SortColumn { column: position(&kept, sort.column), ..*sort };
    let order = order.iter().map(moved).collect();
    let ranked = needed.contains(&width) || (rank.is_some() && limit.is_none());
    let mut fields: Vec<_> = input.schema.fields().iter().map(Arc::clone).collect();
    // The rank's kind decides what the limit counts, so that only row_number goes when not asked for.
    let keeps_rank = match rank {
        None => false,
        Some(super::node::RankKind::RowNumber) => ranked,
        Some(_) => true,
    };
    if keeps_rank {
        fields.push(Arc::clone(&node.schema.fields()[width]));
        kept.push(width);
    }
    let rank = rank.filter(|_| keeps_rank);
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let kind = NodeKind::TopN { partition, order, offset, limit, rank, input: Box::new(input) };
    Ok((Node::new(kind, schema), kept))
}

fn recompute(node: Node, needed: &Columns) -> Result<(Node, Vec<usize>)> {
    let NodeKind::Recompute { partition, order, calls, input } = node.kind else {
        unreachable!("called for functions of partitions")
    };
    let windows = matches!(calls, PartitionCalls::Windows(_));
    let before = calls.before(input.width(), partition.len());
    let mut wanted: Vec<usize> =
        (0..calls.len()).filter(|index| needed.contains(&(before + index))).collect();
    let mut below = Columns::new();
    if windows {
        below.extend(needed.iter().copied().filter(|&index| index < before));
        if wanted.is_empty() {
            return pruned(*input, &below);
        }
    } else if wanted.is_empty() {
        wanted.push(0);
    }
    let calls = calls.only(&wanted);
    below.extend(partition.iter().copied());
    below.extend(order.iter().map(|sort| sort.column));
    below.extend(calls.columns());
    if below.is_empty() {
        below.extend(at_least_one(&below, &input));
    }
    let (input, has) = pruned(*input, &below)?;
    let mut kept = if windows { has.clone() } else { (0..before).collect() };
    kept.extend(wanted.iter().map(|index| before + index));
    let fields: Vec<_> =
        kept.iter().map(|&index| Arc::clone(&node.schema.fields()[index])).collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let calls = calls.moved(&|index| position(&has, index))?;
    let partition = partition.iter().map(|&index| position(&has, index)).collect();
    let moved = |sort: &SortColumn| SortColumn { column: position(&has, sort.column), ..*sort };
    let order = order.iter().map(moved).collect();
    let kind = NodeKind::Recompute { partition, order, calls, input: Box::new(input) };
    Ok((Node::new(kind, schema), kept))
}
