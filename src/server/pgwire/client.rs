//! One client's session: its messages, one after another, until it leaves or the server closes.

use std::collections::HashMap;
use std::io;

use pgwire::error::PgWireError;
use pgwire::messages::response::{self, CommandComplete, NotificationResponse, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;
use pgwire::messages::{PgWireBackendMessage as Backend, PgWireFrontendMessage as Frontend};
use tokio::sync::watch;

use super::connection::Connection;
use super::failure::{self, Failure};
use super::portal::{Portal, Statement};
use crate::engine::cancel::terminated;
use crate::engine::channel::Notification;
use crate::engine::{CancelToken, Session, TransactionStatus};
use crate::error::{Error, Result};

/// A client whose session has begun.
///
/// # Invariants
/// 1. `in_message` says whether the session is between `begin_message` and `end_message`.
/// 2. Outside a transaction block no portal outlives a Sync.
pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) session: Session,
    pub(super) cancel: CancelToken,
    /// The unnamed statement; those with names are the session's.
    pub(super) unnamed: Option<Statement>,
    pub(super) portals: HashMap<String, Portal>,
    pub(super) in_message: bool,
}

impl Client {
    /// A client that was let in.
    pub(super) fn new(connection: Connection, session: Session) -> Client {
        let cancel = session.cancel_token();
        let portals = HashMap::new();
        Client { connection, session, cancel, unnamed: None, portals, in_message: false }
    }

    /// Answers messages until the client leaves, or `closing` becomes true.
    pub(super) async fn serve(mut self, mut closing: watch::Receiver<bool>) -> io::Result<()> {
        self.ready().await?;
        // After a failed message of the extended protocol all others are ignored up to a Sync.
        let mut skipping = false;
        loop {
            let idle = !self.in_message && self.session.status() == TransactionStatus::Idle;
            let received = tokio::select! {
                biased;
                () = closed(&mut closing) => return self.close().await,
                () = self.cancel.terminated() => return self.close().await,
                // In a block they wait for its end.
                notification = self.session.notified(), if idle => {
                    self.notify(notification)?;
                    self.connection.flush().await?;
                    continue;
                }
                received = self.connection.receive() => received,
            };
            let message = match received {
                Ok(Some(Frontend::Terminate(_)) | None) => return Ok(()),
                Ok(Some(message)) => message,
                Err(PgWireError::IoError(error)) => return Err(error),
                Err(error) => return self.fatal(&failure::protocol_violation(&error)).await,
            };
            let done = match message {
                Frontend::Sync(_) => {
                    skipping = false;
                    let done = self.end_message().await;
                    self.report(done)?;
                    self.ready().await?;
                    continue;
                }
                _ if skipping => continue,
                Frontend::Query(query) => {
                    let done = self.query(&query.query).await;
                    self.report(done)?;
                    self.ready().await?;
                    continue;
                }
                Frontend::Flush(_) => {
                    self.connection.flush().await?;
                    continue;
                }
                Frontend::Parse(parse) => self.parse(parse).await,
                Frontend::Bind(bind) => self.bind(&bind),
                Frontend::Describe(describe) => self.describe(&describe),
                Frontend::Execute(execute) => self.execute(&execute).await,
                Frontend::Close(close) => self.close_target(&close),
                // What is left of a COPY that has failed.
                _ => continue,
            };
            skipping = done.is_err();
            self.report(done)?;
            if skipping {
                // Who sent Flush instead of Sync waits for it.
                self.connection.flush().await?;
            }
        }
    }

    /// Tells the client of a failed statement; passes on a failed connection.
    fn report(&mut self, done: Result<(), Failure>) -> io::Result<()> {
        match done {
            Ok(()) => Ok(()),
            Err(Failure::Connection(error)) => Err(error),
            Err(Failure::Statement(error)) => {
                self.session.fail();
                self.portals.clear();
                let response = failure::response("ERROR", &error);
                self.connection.put(Backend::ErrorResponse(response))
            }
        }
    }

    /// Ends the implicit transaction of a message, if there is one.
    pub(super) async fn end_message(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.in_message) {
            self.session.end_message().await?;
        }
        Ok(())
    }

    /// Notices and changed settings, ReadyForQuery, flush.
    async fn ready(&mut self) -> io::Result<()> {
        let status = match self.session.status() {
            TransactionStatus::Idle => {
                self.portals.clear();
                for notification in self.session.take_notifications() {
                    self.notify(notification)?;
                }
                response::TransactionStatus::Idle
            }
            TransactionStatus::Active => response::TransactionStatus::Transaction,
            TransactionStatus::Failed => response::TransactionStatus::Error,
        };
        self.news()?;
        self.connection.put(Backend::ReadyForQuery(ReadyForQuery::new(status)))?;
        self.connection.flush().await
    }

    fn notify(&mut self, notification: Notification) -> io::Result<()> {
        let Notification { session, channel, payload } = notification;
        let process = i32::try_from(session).unwrap_or(i32::MAX);
        let response = NotificationResponse::new(process, channel, payload);
        self.connection.put(Backend::NotificationResponse(response))
    }

    /// Notices and changed settings that the client has not been told of.
    pub(super) fn news(&mut self) -> io::Result<()> {
        for notice in self.session.take_notices() {
            self.connection.put(Backend::NoticeResponse(failure::notice(&notice)))?;
        }
        for (name, value) in self.session.settings_mut().take_reports() {
            let status = ParameterStatus::new(name.to_owned(), value);
            self.connection.put(Backend::ParameterStatus(status))?;
        }
        Ok(())
    }

    /// News, then the command tag.
    pub(super) fn complete(&mut self, tag: String) -> io::Result<()> {
        self.news()?;
        self.connection.put(Backend::CommandComplete(CommandComplete::new(tag)))
    }

    /// Ends the session because the server is closing, or somebody wants it ended.
    async fn close(&mut self) -> io::Result<()> {
        self.fatal(&terminated()).await
    }

    async fn fatal(&mut self, error: &Error) -> io::Result<()> {
        let response = failure::response("FATAL", error);
        self.connection.put(Backend::ErrorResponse(response))?;
        self.connection.flush().await
    }
}

/// Returns when the server closes.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _closed = closing.wait_for(|closing| *closing).await;
}

/// Does a session's work while watching whether its client is still there; if it has gone the work
/// is dropped, as by a cancel.
pub(super) async fn attended<T>(
    connection: &mut Connection,
    work: impl Future<Output = Result<T>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        done = work => Ok(done?),
        () = connection.gone() => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
    }
}
