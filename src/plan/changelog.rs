//! Changelog modes: what kinds of changes a node's output carries.

use std::fmt;

use super::node::{JoinKind, Node, NodeKind};

/// What kinds of changes a node puts out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangelogMode {
    /// Rows are only ever added.
    AppendOnly,
    /// Rows are added and retracted; a later row with the same key replaces the earlier one.
    Upsert,
    /// Rows are added and retracted, and no key is known.
    Retract,
}

impl ChangelogMode {
    /// The mode of `node`'s output.
    #[must_use]
    pub fn of(node: &Node) -> ChangelogMode {
        match (node.append_only, &node.upsert_key) {
            (true, _) => ChangelogMode::AppendOnly,
            (false, Some(_)) => ChangelogMode::Upsert,
            (false, None) => ChangelogMode::Retract,
        }
    }
}

impl fmt::Display for ChangelogMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangelogMode::AppendOnly => "append-only",
            ChangelogMode::Upsert => "upsert",
            ChangelogMode::Retract => "retract",
        })
    }
}

/// Whether the output of a node of this kind only ever grows. Scans know it from the catalog.
pub(crate) fn append_only(kind: &NodeKind) -> bool {
    match kind {
        NodeKind::Scan { .. } => false,
        NodeKind::Constant { .. } => true,
        NodeKind::Filter { input, .. }
        | NodeKind::Project { input, .. }
        | NodeKind::Hop { input, .. }
        | NodeKind::Repeat { input }
        | NodeKind::Unnest { input, .. }
        | NodeKind::Distinct { input }
        | NodeKind::AtMostOne { input, .. } => input.append_only,
        NodeKind::Union { inputs } => inputs.iter().all(|input| input.append_only),
        NodeKind::Join { kind, left, right, .. } => {
            let growing = matches!(kind, JoinKind::Inner | JoinKind::Semi);
            growing && left.append_only && right.append_only
        }
        // Even over growing input: a group's old row, or a row pushed out of the first n, goes.
        NodeKind::Aggregate { .. } | NodeKind::TopN { .. } | NodeKind::Recompute { .. } => false,
    }
}
