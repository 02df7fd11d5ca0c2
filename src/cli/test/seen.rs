//! What came of the records of a file, and how `--complete` writes it there.

use std::path::Path;

use super::outcome;
use super::record::{Failure, Place, Record};
use crate::error::{Error, Result};

/// What became of a record, for `--complete`.
pub(super) struct Seen {
    /// The line that says `statement` or `query`, if it is to be another.
    header: Option<String>,
    /// The lines that should be expected, with the `----` before them.
    lines: Vec<String>,
}

impl Seen {
    /// The rows of a query.
    pub(super) fn rows(lines: Vec<String>) -> Seen {
        Seen { header: None, lines: std::iter::once("----".to_owned()).chain(lines).collect() }
    }

    /// Another first line.
    pub(super) fn header(header: impl Into<String>) -> Seen {
        Seen { header: Some(header.into()), lines: vec![] }
    }

    /// A failure, told in full if it was before.
    pub(super) fn failure(kind: &str, error: &Error, sql: &str, before: Option<&Failure>) -> Seen {
        match before {
            Some(before) if !before.lines.is_empty() => {
                let header = format!("{kind} error ({})", error.state().code());
                Seen { header: Some(header), ..Seen::rows(outcome::shown(error, sql)) }
            }
            _ => Seen::header(format!("{kind} error {}", described(error))),
        }
    }
}

/// An error as a file tells it in a line.
pub(super) fn described(error: &Error) -> String {
    let first_line = error.message().lines().next().unwrap_or_default();
    format!("({}) {first_line}", error.state().code())
}

/// Writes what was seen into the file.
pub(super) fn complete(path: &Path, text: &str, seen: &[(&Record, Seen)]) -> Result<()> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (record, outcome) in seen.iter().rev() {
        let Some(Place { header, expected }) = &record.place else { continue };
        lines.splice(expected.clone(), outcome.lines.iter().cloned());
        if let Some(line) = &outcome.header {
            lines[*header].clone_from(line);
        }
    }
    std::fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}
