//! What came of a record, as text, and whether a failure is the expected one.

use futures::TryStreamExt;
use regex::Regex;

use super::answer::{Answer, Kind, squeezed};
use super::record::Failure;
use crate::cli::report::described;
use crate::cli::table::Table;
use crate::engine::{Response, Session};
use crate::error::{Error, Result, SqlState};

/// An answer read to its end: the command tag, and the rows as text.
pub(super) async fn of(response: Response, session: &Session) -> Result<Answer> {
    match response {
        Response::Rows { schema, mut rows, verb, counted } => {
            let mut table = Table::new(&schema, session.text_style());
            while let Some(batch) = rows.try_next().await? {
                table.add(&batch)?;
            }
            let rows = cells(table);
            let tag = if counted { format!("{verb} {}", rows.len()) } else { verb.to_owned() };
            let names = schema.fields().iter().map(|field| field.name().clone()).collect();
            Ok(Answer { tag, names, kinds: Kind::all(&schema), rows })
        }
        Response::CopyOut { mut data, .. } => {
            let mut text = vec![];
            while let Some(chunk) = data.try_next().await? {
                text.extend_from_slice(&chunk.data);
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            let rows: Vec<_> = text.lines().map(|line| vec![line.to_owned()]).collect();
            let tag = format!("COPY {}", rows.len());
            Ok(Answer { tag, names: vec!["copy".to_owned()], kinds: vec![Kind::Text], rows })
        }
        other => {
            let (tag, _) = other.finish().await?;
            Ok(Answer { tag, ..Answer::default() })
        }
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

/// The error of a statement as psql shows it, without what is before the message.
pub(super) fn shown(error: &Error, sql: &str) -> Vec<String> {
    described("ERROR", error, Some(sql)).lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Whether an error is the one that is expected.
pub(super) fn is_expected(error: &Error, sql: &str, expected: &Failure) -> bool {
    let shown = shown(error, sql);
    let text = squeezed(&shown.join(" "));
    let says = |wanted: &str| {
        text.contains(&squeezed(wanted))
            || Regex::new(wanted).is_ok_and(|pattern| pattern.is_match(error.message()))
    };
    let block = || match expected.lines.as_slice() {
        [] => true,
        // Where the caret stands counts.
        [first, ..] if first.starts_with("ERROR:  ") => shown == expected.lines,
        // The words of another engine's driver: that it fails is all that can be held to.
        [first, ..] if first.starts_with("db error: ") => true,
        lines => match lines[0].strip_prefix("<REGEX>:") {
            Some(pattern) => Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&text)),
            None => says(&lines.join(" ")),
        },
    };
    expected.state.as_ref().is_none_or(|state| state == error.state().code())
        && says(&expected.message)
        && block()
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
