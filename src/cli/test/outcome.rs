//! What came of a record, as text, and whether it is what was expected.

use futures::TryStreamExt;

use super::script::{Failure, Sort};
use crate::cli::table::Table;
use crate::engine::{Response, Session};
use crate::error::{Error, Result, SqlState};

/// An answer read to its end: the command tag, and the rows as text.
pub(super) async fn of(
    response: Response,
    session: &Session,
) -> Result<(String, Vec<Vec<String>>)> {
    match response {
        Response::Rows { schema, mut rows, verb, counted } => {
            let mut table = Table::new(&schema, session.text_style());
            while let Some(batch) = rows.try_next().await? {
                table.add(&batch)?;
            }
            let rows = cells(table);
            let tag = if counted { format!("{verb} {}", rows.len()) } else { verb.to_owned() };
            Ok((tag, rows))
        }
        Response::CopyOut { mut data, .. } => {
            let mut text = vec![];
            while let Some(chunk) = data.try_next().await? {
                text.extend_from_slice(&chunk.data);
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            let rows: Vec<_> = text.lines().map(|line| vec![line.to_owned()]).collect();
            Ok((format!("COPY {}", rows.len()), rows))
        }
        other => other.finish().await.map(|(tag, _)| (tag, vec![])),
    }
}

/// A table's cells as a test file writes them.
fn cells(table: Table) -> Vec<Vec<String>> {
    let cell = |cell: Option<String>| match cell {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text.replace('\n', "\\n"),
    };
    table.into_rows().into_iter().map(|row| row.into_iter().map(cell).collect()).collect()
}

/// The lines to compare, sorted as `sort` says.
pub(super) fn sorted(rows: Vec<Vec<String>>, sort: Sort) -> Vec<String> {
    let mut lines: Vec<String> = match sort {
        Sort::Values => rows.into_iter().flatten().collect(),
        Sort::No | Sort::Rows => rows.into_iter().map(|row| row.join(" ")).collect(),
    };
    if sort != Sort::No {
        lines.sort();
    }
    lines
}

/// Lines that are expected, in the order of `sort`, so that a file may list them in any.
pub(super) fn expected(lines: &[String], sort: Sort) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| squeezed(line)).collect();
    if sort != Sort::No {
        lines.sort();
    }
    lines
}

/// Runs of blanks count as one.
pub(super) fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether an error is the one that is expected.
pub(super) fn is_expected(error: &Error, expected: &Failure) -> bool {
    expected.state.as_ref().is_none_or(|state| state == error.state().code())
        && squeezed(error.message()).contains(&squeezed(&expected.message))
}

/// The difference between what is expected and what is.
pub(super) fn difference(expected: &[String], actual: &[String]) -> String {
    let mut text = String::from("expected:\n");
    expected.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    text.push_str("actual:\n");
    actual.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    text
}

/// A record that did not do what it says.
pub(super) fn mismatch(message: impl Into<String>) -> Error {
    Error::new(SqlState::DataException, message)
}
