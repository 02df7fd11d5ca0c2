//! Running statements and showing what they answer, in psql's words.

use std::io::Write;

use bytes::Bytes;
use futures::StreamExt;

use super::{Shell, Stop};
use crate::cli::message;
use crate::cli::report::described;
use crate::cli::table::Table;
use crate::clock::monotonic;
use crate::engine::Response;
use crate::error::Result;

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
            write!(std::io::stderr(), "{}", described(notice.severity, &notice.content, None))?;
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
