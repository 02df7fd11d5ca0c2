//! Checks the invariants of a node tree: a plan that breaks one is a bug of ours and never runs.

use arrow::datatypes::{DataType, Schema};

use super::build::join_schema;
use super::node::{Node, NodeKind};
use super::prune::columns_of;
use crate::error::{Error, Result};

/// Checks `node` and everything below it.
///
/// # Errors
/// `XX000` naming the node that is wrong.
pub fn check(node: &Node) -> Result<()> {
    let width = node.schema.fields().len();
    let bad = |what: &str| Error::internal(format!("{what} in plan node {:?}", node.kind));
    let within = |indexes: &[usize], limit: usize| indexes.iter().all(|&index| index < limit);
    if !within(node.upsert_key.as_deref().unwrap_or_default(), width) {
        return Err(bad("an upsert key out of range"));
    }
    let inputs = node.kind.inputs();
    let below = inputs.first().map_or(0, |input| input.schema.fields().len());
    let fits = match &node.kind {
        NodeKind::Scan { columns, .. } => columns.len() == width,
        NodeKind::Constant { rows } => rows.batch.num_columns() == width,
        NodeKind::Filter { predicate, .. } => {
            let read: Vec<usize> = columns_of(predicate).into_iter().collect();
            within(&read, below) && width == below
        }
        NodeKind::Project { exprs, .. } => {
            let read: Vec<usize> = exprs.iter().flat_map(columns_of).collect();
            within(&read, below) && exprs.len() == width
        }
        NodeKind::Hop { time, slide_us, size_us, offset_us, .. } => {
            *time < below
                && *slide_us > 0
                && slide_us <= size_us
                && (0..*slide_us).contains(offset_us)
                && width == below + 2
        }
        NodeKind::Repeat { .. } => {
            width + 1 == below && type_at(&inputs[0].schema, width) == Some(&DataType::Int64)
        }
        NodeKind::Unnest { lists, .. } => {
            !lists.is_empty() && within(lists, below) && width == below
        }
        NodeKind::Join { kind, on, left, right, residual, .. } => {
            let same = on.iter().all(|&(one, other)| {
                type_at(&left.schema, one).is_some()
                    && type_at(&left.schema, one) == type_at(&right.schema, other)
            });
            let read: Vec<usize> = residual.iter().flat_map(columns_of).collect();
            let both = left.schema.fields().len() + right.schema.fields().len();
            let output = join_schema(*kind, &left.schema, &right.schema);
            same && within(&read, both) && output.fields().len() == width
        }
        NodeKind::Aggregate { group, calls, .. } => {
            let read: Vec<usize> = calls
                .iter()
                .flat_map(|call| call.argument.into_iter().chain(call.filter))
                .collect();
            within(group, below) && within(&read, below) && width == group.len() + calls.len()
        }
        NodeKind::Distinct { .. } => width == below,
        NodeKind::Union { .. } => {
            inputs.iter().all(|input| same_types(&input.schema, &node.schema))
        }
        NodeKind::TopN { partition, order, rank, .. } => {
            within(partition, below)
                && order.iter().all(|sort| sort.column < below)
                && width == below + usize::from(rank.is_some())
        }
        NodeKind::Recompute { partition, order, calls, .. } => {
            let read = order.iter().map(|sort| sort.column).chain(calls.columns());
            within(partition, below)
                && read.into_iter().all(|column| column < below)
                && width == calls.before(below, partition.len()) + calls.len()
        }
        NodeKind::AtMostOne { key, .. } => within(key, below) && width == below,
    };
    if !fits {
        return Err(bad("columns that do not fit"));
    }
    inputs.into_iter().try_for_each(check)
}

fn type_at(schema: &Schema, index: usize) -> Option<&DataType> {
    schema.fields().get(index).map(|field| field.data_type())
}

fn same_types(one: &Schema, other: &Schema) -> bool {
    one.fields().len() == other.fields().len()
        && itertools::zip_eq(one.fields(), other.fields())
            .all(|(one, other)| one.data_type() == other.data_type())
}
