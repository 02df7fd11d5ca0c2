//! The simple protocol: a message of statements, each answered before the next is run.

use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::response::EmptyQueryResponse;

use super::client::{Client, attended};
use super::describe;
use super::failure::Failure;
use super::rows::{Rows, Sent};
use crate::engine::Response;
use crate::error::{Error, Result};
use crate::sql::Statement;

impl Client {
    /// Answers a Query message. Several statements are one implicit transaction: a failure undoes
    /// those before it.
    pub(super) async fn query(&mut self, text: &str) -> Result<(), Failure> {
        self.connection.check_message()?;
        self.portals.remove("");
        self.unnamed = None;
        let statements = self.session.parse(text)?;
        if statements.is_empty() {
            self.connection.put(Backend::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        if statements.len() > 1 && !self.in_message {
            self.in_message = true;
            self.session.begin_message();
        }
        for parsed in &statements {
            if let Statement::Fetch(fetch) = &parsed.statement
                && let Some(count) = self.moves_portal(fetch)
            {
                self.move_portal(&fetch.cursor, count).await?;
                continue;
            }
            let done = match attended(&mut self.connection, self.session.run(parsed)).await {
                Ok(response) => self.answer(response).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = done {
                self.session.fail();
                // What went wrong first is what the client is told.
                let _undone = self.end_message().await;
                return Err(failure);
            }
        }
        self.end_message().await
    }

    /// Sends what a statement has answered.
    pub(super) async fn answer(&mut self, response: Response) -> Result<(), Failure> {
        match response {
            Response::Rows { schema, rows, verb, counted } => {
                let binary = vec![false; schema.fields().len()];
                self.connection.put(describe::rows(&schema, &binary))?;
                let mut rows = Rows::new(schema, rows, binary, self.session.text_style());
                let sent = rows.send(&mut self.connection, &self.cancel, None).await?;
                self.complete(tag(verb, counted, &sent))?;
            }
            Response::Done { tag } => self.complete(tag)?,
            Response::CopyIn { columns, binary } => self.copy_in(columns, binary).await?,
            Response::CopyOut { columns, binary, data } => {
                self.copy_out(columns, binary, data).await?;
            }
            Response::Empty => {
                self.connection.put(Backend::EmptyQueryResponse(EmptyQueryResponse::new()))?;
            }
        }
        Ok(())
    }
}

/// The command tag of a result set.
pub(super) fn tag(verb: &str, counted: bool, sent: &Sent) -> String {
    match sent {
        Sent::All(count) if counted => format!("{verb} {count}"),
        _ => verb.to_owned(),
    }
}

/// `42601` for several statements where one is meant.
pub(super) fn several_statements() -> Error {
    Error::syntax("cannot insert multiple commands into a prepared statement")
}
