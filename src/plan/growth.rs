//! How the state of a node grows with its input.

use std::fmt;

use super::node::{AggregateFunction, Growth, NodeKind};

/// How the state of a node of this kind grows.
pub(crate) fn growth(kind: &NodeKind) -> Growth {
    match kind {
        NodeKind::Scan { .. }
        | NodeKind::Constant { .. }
        | NodeKind::Filter { .. }
        | NodeKind::Project { .. }
        | NodeKind::Hop { .. }
        | NodeKind::Repeat { .. }
        | NodeKind::Unnest { .. }
        | NodeKind::Union { .. } => Growth::None,
        NodeKind::Join { .. } | NodeKind::Recompute { .. } => Growth::Rows,
        NodeKind::Aggregate { group, calls, input } => {
            let keeps_values = calls.iter().any(|call| {
                let ordered =
                    matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
                call.distinct || (ordered && !input.append_only)
            });
            match (keeps_values, group.is_empty()) {
                (true, _) => Growth::Rows,
                (false, true) => Growth::Constant,
                (false, false) => Growth::Keys,
            }
        }
        NodeKind::Distinct { .. } => Growth::Keys,
        NodeKind::TopN { partition, limit, input, .. } => {
            match (limit.is_some() && input.append_only, partition.is_empty()) {
                // Rows that fell out of the first n of a growing collection never come back.
                (true, true) => Growth::Constant,
                (true, false) => Growth::Keys,
                (false, _) => Growth::Rows,
            }
        }
        NodeKind::AtMostOne { .. } => Growth::Keys,
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Growth::None => "none",
            Growth::Constant => "constant",
            Growth::Keys => "per key",
            Growth::Rows => "per row",
        })
    }
}
