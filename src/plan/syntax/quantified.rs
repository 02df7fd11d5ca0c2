//! `x op ANY (query)`: DataFusion compares `x` within the query, where a relation of the same name would
//! take it for its own column.

use datafusion::sql::sqlparser::ast::{Expr, SetExpr, TableFactor};

/// Gives the columns of a subquery a qualifier that no statement has.
pub(super) fn rename(right: &mut Expr) {
    let Expr::Subquery(query) = right else { return };
    let outer = crate::sql::parse_query("SELECT * FROM (SELECT 1) AS \"\u{1}\"");
    let Ok(mut outer) = outer else { return };
    if let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        std::mem::swap(subquery, query);
        std::mem::swap(query, &mut outer);
    }
}
