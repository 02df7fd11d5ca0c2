//! What changes would make of a table, without making them.

use super::request::ChangeKind;
use super::table::Table;
use crate::catalog;
use crate::error::Result;
use crate::types::Delta;

/// The rows of a table that has `rows` after `changes`, by the rules of a commit.
///
/// # Errors
/// What a commit would report: 23505 for a duplicate key, 40001 when a row to retract is not there.
pub fn preview(
    table: &catalog::Table,
    rows: &[Delta],
    changes: Vec<ChangeKind>,
) -> Result<Vec<Delta>> {
    let mut preview = Table::new(table)?;
    preview.commit(rows)?;
    for change in changes {
        preview.apply(change)?;
    }
    preview.contents()
}
