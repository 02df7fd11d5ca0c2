//! The end of a window follows from its start: keys that hold both do with the start, and the end is computed
//! from it again where it is put out.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

use super::build::plain_column;
use super::node::{Expr, JoinKind, Node, NodeKind, PartitionCalls};

/// Two columns of a node: `end` is `start` plus `size_us` microseconds, and null where `start` is.
#[derive(Clone, Copy)]
struct Window {
    start: usize,
    end: usize,
    size_us: i64,
}

/// `root` with the same output and smaller keys. What is at the top keeps its own: it enumerates the view's
/// rows as they are, and with an end to compute they would have to be kept once more.
pub(crate) fn derive(root: Node) -> Node {
    let at_top = match &root.kind {
        NodeKind::Project { exprs, .. } => {
            exprs.iter().all(|expr| plain_column(expr.as_ref()).is_some())
        }
        NodeKind::Aggregate { .. } | NodeKind::Distinct { .. } | NodeKind::TopN { .. } => {
            let kind = root.kind.map_inputs(|input| derived(input).0);
            return Node::new(kind, root.schema);
        }
        _ => false,
    };
    match at_top {
        true => Node::new(root.kind.map_inputs(derive), root.schema),
        false => derived(root).0,
    }
}

/// The node, and the windows among its columns.
fn derived(node: Node) -> (Node, Vec<Window>) {
    if node.kind.inputs().is_empty() {
        return (node, vec![]);
    }
    let Node { kind, schema, .. } = node;
    let mut below = vec![];
    let kind = kind.map_inputs(|input| {
        let (input, windows) = derived(input);
        below.push(windows);
        input
    });
    match kind {
        NodeKind::Union { .. } => (Node::new(kind, schema), vec![]),
        NodeKind::Join { .. } => {
            let right = below.pop().unwrap_or_default();
            let left = below.pop().unwrap_or_default();
            join(kind, schema, left, right)
        }
        _ => one_input(kind, schema, below.pop().unwrap_or_default()),
    }
}

/// A node with one input, of which `windows` are columns.
fn one_input(
    mut kind: NodeKind,
    schema: SchemaRef,
    mut windows: Vec<Window>,
) -> (Node, Vec<Window>) {
    match kind {
        NodeKind::Hop { size_us, ref input, .. } => {
            let start = input.width();
            windows.push(Window { start, end: start + 1, size_us });
            (Node::new(kind, schema), windows)
        }
        NodeKind::Project { ref exprs, .. } => {
            let place =
                |column| exprs.iter().position(|expr| plain_column(expr.as_ref()) == Some(column));
            let windows = placed(&windows, place);
            (Node::new(kind, schema), windows)
        }
        NodeKind::Distinct { input } => {
            let kept: Vec<usize> =
                (0..input.width()).filter(|&column| !ends(&windows, column)).collect();
            (with_ends(input.columns(&kept).distinct(), &schema, &windows), windows)
        }
        NodeKind::Aggregate { group, calls, input } => {
            let windows = placed(&windows, |column| group.iter().position(|&key| key == column));
            let places = (0..group.len()).filter(|&place| !ends(&windows, place));
            let group = places.map(|place| group[place]).collect();
            let fields = schema.fields().iter().enumerate();
            let fields = fields.filter(|(place, _)| !ends(&windows, *place));
            let inner: Vec<_> = fields.map(|(_, field)| Arc::clone(field)).collect();
            let inner = Arc::new(arrow::datatypes::Schema::new(inner));
            let node = Node::new(NodeKind::Aggregate { group, calls, input }, inner);
            (with_ends(node, &schema, &windows), windows)
        }
        NodeKind::TopN { ref mut partition, .. }
        | NodeKind::Recompute { ref mut partition, calls: PartitionCalls::Windows(_), .. } => {
            starts(partition, &windows);
            (Node::new(kind, schema), windows)
        }
        NodeKind::AtMostOne { ref mut key, .. } => {
            starts(key, &windows);
            (Node::new(kind, schema), windows)
        }
        NodeKind::Recompute { .. } => (Node::new(kind, schema), vec![]),
        // Their columns are the input's, but for columns that are no window's.
        _ => (Node::new(kind, schema), windows),
    }
}

/// A join whose ends of windows are equal if their starts are.
fn join(
    mut kind: NodeKind,
    schema: SchemaRef,
    mut left: Vec<Window>,
    right: Vec<Window>,
) -> (Node, Vec<Window>) {
    let NodeKind::Join { kind: join, on, left: input, .. } = &mut kind else {
        unreachable!("called for joins")
    };
    let pairs = on.clone();
    on.retain(|&(one, other)| {
        let follows = |left: &Window, right: &Window| {
            (left.end, right.end) == (one, other)
                && left.size_us == right.size_us
                && pairs.contains(&(left.start, right.start))
        };
        !left.iter().any(|one| right.iter().any(|other| follows(one, other)))
    });
    if !matches!(join, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark) {
        let width = input.width();
        left.extend(placed(&right, |column| Some(column + width)));
    }
    (Node::new(kind, schema), left)
}

/// Whether `column` is the end of one of `windows`.
fn ends(windows: &[Window], column: usize) -> bool {
    windows.iter().any(|window| window.end == column)
}

/// Key columns without the ends of windows whose starts are among them.
fn starts(columns: &mut Vec<usize>, windows: &[Window]) {
    let all = columns.clone();
    let follows = |column| windows.iter().any(|w| w.end == column && all.contains(&w.start));
    columns.retain(|&column| !follows(column));
}

/// The windows both of whose columns have a `place`, there.
fn placed(windows: &[Window], place: impl Fn(usize) -> Option<usize>) -> Vec<Window> {
    let placed = |window: &Window| {
        Some(Window { start: place(window.start)?, end: place(window.end)?, ..*window })
    };
    windows.iter().filter_map(placed).collect()
}

/// `node`, which has the columns of `schema` but for the ends of `windows`, with all of them.
fn with_ends(node: Node, schema: &SchemaRef, windows: &[Window]) -> Node {
    let inner = |column: usize| -> Expr {
        let before = windows.iter().filter(|window| window.end < column).count();
        Arc::new(Column::new(schema.field(column).name(), column - before))
    };
    let expr = |column: usize| match windows.iter().find(|window| window.end == column) {
        Some(window) => {
            let size = ScalarValue::DurationMicrosecond(Some(window.size_us));
            let size = Arc::new(Literal::new(size));
            Arc::new(BinaryExpr::new(inner(window.start), Operator::Plus, size)) as Expr
        }
        None => inner(column),
    };
    node.project((0..schema.fields().len()).map(expr).collect(), Arc::clone(schema))
}
