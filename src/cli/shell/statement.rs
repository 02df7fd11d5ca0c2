//! Running statements and showing what they answer, in psql's words.

use std::io::Write;

use bytes::Bytes;
use futures::StreamExt;

use super::{Shell, Stop};
use crate::cli::message;
use crate::cli::table::Table;
use crate::clock::monotonic;
use crate::engine::Response;
use crate::error::{Error, Result};

impl Shell<'_> {
    /// Runs a statement and shows its answer, or its error.
    pub(super) fn statement(&mut self, text: &str) -> Result<(), Stop> {
        let started = monotonic();
        let cancel = self.session.cancel_token();
        let done = self.runtime.block_on(async {
            let expanded = self.expanded;
            let work = message::run(&mut self.session, text, async |response, session| {
                show(response, expanded, session).await
            });
            tokio::pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => break done,
                    _ = tokio::signal::ctrl_c() => cancel.cancel(),
                }
            }
        });
        for notice in self.session.take_notices() {
            write!(std::io::stderr(), "{}", describe(notice.severity, &notice.content, None))?;
        }
        match done {
            Ok(()) if self.timing => {
                let ms = (monotonic() - started).as_secs_f64() * 1e3;
                Ok(writeln!(std::io::stdout(), "Time: {ms:.3} ms")?)
            }
            Ok(()) => Ok(()),
            Err(error) => self.failed(&error, Some(text)),
        }
    }

    /// Feeds a running `COPY … FROM STDIN`.
    pub(super) fn copy_data(&mut self, data: String) -> Result<(), Stop> {
        match self.session.copy_data(&Bytes::from(data)) {
            Ok(()) => Ok(()),
            Err(error) => self.failed(&error, None),
        }
    }

    /// Ends a running `COPY … FROM STDIN`.
    pub(super) fn copy_end(&mut self) -> Result<(), Stop> {
        let done = self.runtime.block_on(async {
            let response = self.session.copy_finish().await?;
            show(response, self.expanded, &self.session).await
        });
        match done {
            Ok(()) => Ok(()),
            Err(error) => self.failed(&error, None),
        }
    }
}

/// Writes an answer to standard output.
async fn show(response: Response, expanded: bool, session: &crate::engine::Session) -> Result<()> {
    let mut out = std::io::stdout();
    match response {
        Response::Rows { schema, mut rows, .. } => {
            let mut table = Table::new(&schema, session.text_style());
            while let Some(batch) = rows.next().await {
                table.add(&batch?)?;
            }
            write!(out, "{}", if expanded { table.expanded() } else { table.aligned() })?;
        }
        Response::Done { tag } => writeln!(out, "{tag}")?,
        Response::CopyOut { mut data, .. } => {
            while let Some(chunk) = data.next().await {
                out.write_all(&chunk?.data)?;
            }
        }
        Response::CopyIn { .. } => {
            writeln!(
                std::io::stderr(),
                "Enter the rows, and \\. on a line of its own at the end."
            )?;
        }
        Response::Empty => {}
    }
    Ok(out.flush()?)
}

/// An error or notice, with the line of `text` that it is about.
pub(super) fn describe(severity: &str, error: &Error, text: Option<&str>) -> String {
    let mut lines = format!("{severity}:  {error}\n");
    if let (Some(text), Some(position)) = (text, error.position()) {
        lines.push_str(&pointer(text, position));
    }
    if let Some(detail) = error.detail_text() {
        lines.push_str(&format!("DETAIL:  {detail}\n"));
    }
    if let Some(hint) = error.hint_text() {
        lines.push_str(&format!("HINT:  {hint}\n"));
    }
    lines
}

/// The line at a position, and a caret below the character.
fn pointer(text: &str, position: usize) -> String {
    let before: String = text.chars().take(position.saturating_sub(1)).collect();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let number = before.matches('\n').count() + 1;
    let line = text[line_start..].lines().next().unwrap_or_default();
    let prefix = format!("LINE {number}: ");
    let column = prefix.len() + before[line_start..].chars().count();
    format!("{prefix}{line}\n{}^\n", " ".repeat(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    #[test]
    fn errors_point_at_the_place() {
        let error = Error::new(SqlState::UndefinedColumn, "column \"x\" does not exist")
            .at(12)
            .hint("Perhaps you meant \"y\".");
        assert_eq!(
            describe("ERROR", &error, Some("SELECT\n  ä, x")),
            "ERROR:  column \"x\" does not exist\nLINE 2:   ä, x\n             ^\nHINT:  Perhaps you meant \"y\".\n"
                .replace("             ^", "            ^")
        );
    }
}
