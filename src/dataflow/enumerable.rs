//! What of a plan can enumerate its rows, so that no second copy of them is kept.

use super::eval::plain_columns;
use crate::plan::node::{Node, NodeKind};

/// Whether the operator of `node` can enumerate its output.
pub(super) fn enumerable(node: &Node) -> bool {
    matches!(
        node.kind,
        NodeKind::Aggregate { .. } | NodeKind::Distinct { .. } | NodeKind::TopN { .. }
    )
}

/// The enumerable node below the column-only projections at the top of `plan`, and which of its
/// columns the plan shows; `plan` itself if there is none.
pub(super) fn enumerable_root(plan: &Node) -> (&Node, Option<Vec<usize>>) {
    let (mut top, mut shown): (&Node, Option<Vec<usize>>) = (plan, None);
    while let NodeKind::Project { exprs, input } = &top.kind
        && let Some(columns) = plain_columns(exprs)
    {
        shown = Some(match shown {
            Some(above) => above.iter().map(|&column| columns[column]).collect(),
            None => columns,
        });
        top = input;
    }
    if enumerable(top) { (top, shown) } else { (plan, None) }
}
