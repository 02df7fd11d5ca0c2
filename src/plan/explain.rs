//! The text of EXPLAIN: the logical plan, and the incremental plan with each node's changelog mode,
//! key and growth of state.

use super::node::Node;
use super::select::Select;
use super::view::ViewPlan;

/// The optimized logical plan of a query that is run once.
///
/// # Errors
/// What optimizing it reports.
pub fn select(select: &Select) -> crate::error::Result<String> {
    Ok(select.state.optimize(&select.plan)?.display_indent().to_string())
}

/// Both plans of a maintained view.
#[must_use]
pub fn view(view: &ViewPlan) -> String {
    format!("{}\n\n{}", view.logical, incremental(&view.node))
}

/// The incremental plan, one line per node, inputs indented below it.
#[must_use]
pub fn incremental(node: &Node) -> String {
    let mut text = String::new();
    write_node(node, 0, &mut text);
    text
}

fn write_node(node: &Node, depth: usize, text: &mut String) {
    let _ =
        std::fmt::Write::write_fmt(text, format_args!("{:1$}{2:?}\n", "", depth * 2, node.kind));
    for input in node.kind.inputs() {
        write_node(input, depth + 1, text);
    }
}
