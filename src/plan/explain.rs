//! The text of EXPLAIN: the logical plan, and the incremental plan with each node's changelog mode,
//! key and growth of state.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow::datatypes::Schema;
use itertools::{Itertools, izip};

use super::changelog::ChangelogMode;
use super::expression;
use super::node::{AggregateCall, Growth, Node, NodeKind, RankKind, SortColumn};
use super::select::Select;
use super::syntax::shown;
use super::view::ViewPlan;
use crate::error::Result;
use crate::types::ObjectId;

/// The optimized logical plan of a query that is run once.
///
/// # Errors
/// What optimizing it reports.
pub fn select(select: &Select) -> Result<String> {
    Ok(shown(&select.state.optimize(&select.plan)?.display_indent().to_string()))
}

/// The incremental plan of a maintained view, one line per node, inputs indented below it:
/// `operator details  (changelog mode, key, growth of state)`; the logical plan before it if `verbose`.
#[must_use]
pub fn view(view: &ViewPlan, verbose: bool) -> String {
    let mut text = String::new();
    if verbose {
        text.push_str(&format!("Logical plan:\n{}\n\nIncremental plan:\n", view.logical));
    }
    write_node(&view.node, &view.names, 0, &mut text);
    shown(text.trim_end())
}

fn write_node(node: &Node, names: &BTreeMap<ObjectId, String>, depth: usize, text: &mut String) {
    let line = format!(
        "{:indent$}{}  ({})",
        "",
        details(node, names),
        properties(node),
        indent = depth * 2
    );
    text.push_str(&line);
    text.push('\n');
    for input in node.kind.inputs() {
        write_node(input, names, depth + 1, text);
    }
}

/// Changelog mode, key and growth of state.
fn properties(node: &Node) -> String {
    let mut properties = ChangelogMode::of(node).to_string();
    match &node.upsert_key {
        Some(key) if key.is_empty() => properties.push_str(", at most one row"),
        Some(key) => {
            let _ = write!(properties, ", key: {}", columns(key, &node.schema));
        }
        None => {}
    }
    if node.growth != Growth::None {
        let _ = write!(properties, ", state: {}", node.growth);
    }
    properties
}

fn name(schema: &Schema, index: usize) -> &str {
    schema.fields().get(index).map_or("?", |field| field.name().as_str())
}

fn columns(indexes: &[usize], schema: &Schema) -> String {
    indexes.iter().map(|&index| name(schema, index)).join(", ")
}

fn details(node: &Node, names: &BTreeMap<ObjectId, String>) -> String {
    match &node.kind {
        NodeKind::Scan { relation, .. } => {
            let relation = names.get(relation).cloned().unwrap_or_else(|| relation.to_string());
            let read = node.schema.fields().iter().map(|field| field.name()).join(", ");
            format!("Scan {relation} [{read}]")
        }
        NodeKind::Constant { rows } => format!("Constant {} rows", rows.rows()),
        NodeKind::Filter { predicate, .. } => format!("Filter {}", expression(predicate)),
        NodeKind::Project { exprs, .. } => {
            let columns = izip!(exprs, node.schema.fields()).map(|(expr, field)| {
                let expr = expression(expr);
                if expr == *field.name() { expr } else { format!("{expr} AS {}", field.name()) }
            });
            format!("Project {}", columns.collect_vec().join(", "))
        }
        NodeKind::Hop { time, slide_us, size_us, offset_us, input } => {
            let time = name(&input.schema, *time);
            let seconds = |micros: &i64| format!("{}s", *micros as f64 / 1e6);
            let window = match slide_us == size_us {
                true => format!("Tumble {time} size {}", seconds(size_us)),
                false => {
                    format!("Hop {time} slide {} size {}", seconds(slide_us), seconds(size_us))
                }
            };
            match offset_us {
                0 => window,
                offset => format!("{window} offset {}", seconds(offset)),
            }
        }
        NodeKind::Repeat { input } => {
            format!("Repeat by {}", name(&input.schema, input.width() - 1))
        }
        NodeKind::Unnest { lists, input } => {
            format!("Unnest {}", columns(lists, &input.schema))
        }
        NodeKind::Join { kind, on, null_equals_null, residual, left, right } => {
            let equal = if *null_equals_null { "IS NOT DISTINCT FROM" } else { "=" };
            let on = on.iter().map(|&(one, other)| {
                format!("{} {equal} {}", name(&left.schema, one), name(&right.schema, other))
            });
            let mut text = format!("Join {kind} on [{}]", on.collect_vec().join(", "));
            if let Some(residual) = residual {
                let _ = write!(text, " where {}", expression(residual));
            }
            text
        }
        NodeKind::Aggregate { group, calls, input } => {
            let calls = calls.iter().map(|call| call.text(&input.schema)).join(", ");
            format!("Aggregate by [{}] {calls}", columns(group, &input.schema))
        }
        NodeKind::Distinct { .. } => "Distinct".to_owned(),
        NodeKind::Union { .. } => "Union".to_owned(),
        NodeKind::TopN { .. } => top_n(node),
        NodeKind::Recompute { partition, order, calls, input } => {
            let order = order.iter().map(|sort| sort.text(&input.schema)).join(", ");
            let by = columns(partition, &input.schema);
            format!("Recompute by [{by}] order [{order}] {}", calls.text(&input.schema))
        }
        NodeKind::AtMostOne { key, .. } => {
            format!("AtMostOne by [{}]", columns(key, &node.schema))
        }
    }
}

impl AggregateCall {
    /// The call over columns named as in `schema`.
    pub(crate) fn text(&self, schema: &Schema) -> String {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let argument = self.argument.map_or("*", |index| name(schema, index));
        let mut text = format!("{}({distinct}{argument})", self.function);
        if let Some(filter) = self.filter {
            let _ = write!(text, " FILTER ({})", name(schema, filter));
        }
        text
    }
}

impl SortColumn {
    /// The column of `schema`, and how it is sorted.
    pub(crate) fn text(&self, schema: &Schema) -> String {
        let direction = if self.options.descending { " desc" } else { "" };
        let nulls = match (self.options.descending, self.options.nulls_first) {
            (false, true) => " nulls first",
            (true, false) => " nulls last",
            _ => "",
        };
        format!("{}{direction}{nulls}", name(schema, self.column))
    }
}

fn top_n(node: &Node) -> String {
    let NodeKind::TopN { partition, order, offset, limit, rank, input } = &node.kind else {
        return String::new();
    };
    let mut text = "TopN".to_owned();
    let _ = match limit {
        Some(limit) => write!(text, " {limit}"),
        None => write!(text, " all"),
    };
    if *offset > 0 {
        let _ = write!(text, " after {offset}");
    }
    let _ = write!(
        text,
        " by [{}] order [{}]",
        columns(partition, &input.schema),
        order.iter().map(|sort| sort.text(&input.schema)).join(", ")
    );
    text.push_str(match rank {
        None => "",
        Some(RankKind::RowNumber) => " with row_number",
        Some(RankKind::Rank) => " with rank",
        Some(RankKind::DenseRank) => " with dense_rank",
    });
    text
}
