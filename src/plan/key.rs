//! Upsert keys: by which columns the rows of a node's output are known to be unique.

use datafusion::physical_expr::expressions::Column;

use super::node::{JoinKind, Node, NodeKind, PartitionCalls, RankKind};

/// The upsert key of a node of this kind, if one is known. Scans know theirs from the catalog.
pub(crate) fn upsert_key(kind: &NodeKind) -> Option<Vec<usize>> {
    match kind {
        NodeKind::Scan { .. } => None,
        NodeKind::Constant { rows } => (rows.rows() <= 1).then(Vec::new),
        NodeKind::Filter { input, .. } | NodeKind::AtMostOne { input, .. } => {
            input.upsert_key.clone()
        }
        NodeKind::Project { exprs, input } => {
            let position = |key: &usize| {
                exprs.iter().position(|expr| {
                    expr.downcast_ref::<Column>().is_some_and(|column| column.index() == *key)
                })
            };
            input.upsert_key.as_ref()?.iter().map(position).collect()
        }
        NodeKind::Hop { slide_us, size_us, input, .. } => {
            let mut key = input.upsert_key.clone()?;
            // A row falls into one TUMBLE window only: its own key still tells it apart.
            if slide_us != size_us {
                key.push(input.schema.fields().len());
            }
            Some(key)
        }
        NodeKind::Join { kind, on, left, right, .. } => join_key(*kind, on, left, right),
        NodeKind::Recompute { calls: PartitionCalls::Windows(_), input, .. } => {
            input.upsert_key.clone()
        }
        NodeKind::Recompute { calls: PartitionCalls::Aggregates(_), partition: group, .. }
        | NodeKind::Aggregate { group, .. } => Some((0..group.len()).collect()),
        NodeKind::Distinct { input } => {
            Some(input.upsert_key.clone().unwrap_or_else(|| (0..width(input)).collect()))
        }
        // A repeated row is equal to itself.
        NodeKind::Union { .. } | NodeKind::Repeat { .. } | NodeKind::Unnest { .. } => None,
        NodeKind::TopN { partition, limit, rank, input, .. } => {
            let by_position = matches!(rank, None | Some(RankKind::RowNumber));
            if *limit == Some(1) && by_position {
                return Some(partition.clone());
            }
            input.upsert_key.clone().or_else(|| {
                let numbered = *rank == Some(RankKind::RowNumber);
                numbered.then(|| partition.iter().copied().chain([width(input)]).collect())
            })
        }
    }
}

fn width(node: &Node) -> usize {
    node.schema.fields().len()
}

fn join_key(
    kind: JoinKind,
    on: &[(usize, usize)],
    left: &Node,
    right: &Node,
) -> Option<Vec<usize>> {
    let shifted = |key: &Vec<usize>| key.iter().map(|index| index + width(left)).collect();
    let unique = |key: &Option<Vec<usize>>, columns: Vec<usize>| {
        key.as_ref().is_some_and(|key| key.iter().all(|index| columns.contains(index)))
    };
    // At most one row of that side matches a row of the other.
    let one_right = unique(&right.upsert_key, on.iter().map(|pair| pair.1).collect());
    let one_left = unique(&left.upsert_key, on.iter().map(|pair| pair.0).collect());
    let both = || {
        let right: Vec<usize> = shifted(right.upsert_key.as_ref()?);
        Some(left.upsert_key.iter().flatten().copied().chain(right).collect())
            .filter(|_| left.upsert_key.is_some())
    };
    match kind {
        JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => left.upsert_key.clone(),
        JoinKind::Inner if one_right && left.upsert_key.is_some() => left.upsert_key.clone(),
        JoinKind::Inner if one_left => right.upsert_key.as_ref().map(shifted),
        JoinKind::Left if one_right => left.upsert_key.clone(),
        JoinKind::Right if one_left => right.upsert_key.as_ref().map(shifted),
        JoinKind::Inner | JoinKind::Left | JoinKind::Right => both(),
        // A padded row of one side could agree with one of the other where keys may be null.
        JoinKind::Full => None,
    }
}
