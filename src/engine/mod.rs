//! The façade: what the server, the command line, the tests, the benches and embedding programs use.
//!
//! An [`Engine`] is a cheap handle on one running engine. SQL goes through a [`Session`]; Arrow batches
//! go in by [`Engine::append`] and come out by [`Engine::query`] and [`Engine::subscribe`].
//!
//! ```text
//! Session::parse → Parsed ─┬─ Session::run ─────────────────────────────→ Response
//!                          └─ Session::prepare → Prepared ─ execute_prepared → Response
//! ```
//!
//! # For a server
//! A simple-query message is [`Session::parse`]d; with several statements it runs between
//! [`Session::begin_message`] and [`Session::end_message`], which make it one implicit transaction. So do
//! the Execute messages up to a Sync. When a statement fails, also while its rows are being sent, call
//! [`Session::fail`]. After every statement [`Session::take_notices`] and `settings_mut().take_reports()`
//! have what the client is to be told. [`Response::CopyIn`] is answered with [`Session::copy_data`] and
//! [`Session::copy_finish`] or [`Session::copy_fail`].

pub mod activity;
pub mod advisory;
pub mod cancel;
pub mod response;
pub mod sequence;
pub mod session;
pub mod settings;
pub mod system;

mod alter;
mod arguments;
mod beside;
mod block;
mod by_key;
mod change;
pub mod channel;
mod collections;
mod copy_binary;
mod copy_in;
mod copy_out;
mod copy_text;
mod create;
mod create_as;
pub mod cursor;
mod define;
mod errors;
mod explain;
mod follow;
mod insert;
mod keys;
mod maintain;
mod prepare;
mod reading;
mod rows;
mod rules;
mod running;
mod scope;
mod select;
mod setting;
mod shared;
mod show;
mod source_read;
pub mod statements;
mod stream_catalog;
mod target;
mod transaction;
mod update;
mod upsert;
mod view;

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{Stream, TryStreamExt};

use crate::catalog::Catalog;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::runtime::Runtime;
pub use crate::runtime::request::Status;
use crate::storage::Disk;
use crate::types::{Delta, Epoch};

pub use cancel::CancelToken;
pub use response::{CopyChunk, Notice, Response, RowStream, TransactionStatus};
pub use running::STACK_BYTES;
pub use session::{Prepared, Session, SessionOptions};
pub use settings::Settings;
use shared::Shared;

/// A view's rows and then its changes: first the contents as of one epoch, then one item for every
/// epoch in which it changed. A reader that falls too far behind gets `53400` and the end.
pub type Subscription = Pin<Box<dyn Stream<Item = Result<(Epoch, Delta)>> + Send>>;

/// A running engine. Clones are handles on the same engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Opens an engine with the machine's clock: its data directory is read, its views are filled again
    /// in the background.
    ///
    /// # Errors
    /// 55006 if another process has the directory open, XX001 if its files are damaged.
    pub async fn open(config: Config) -> Result<Engine> {
        Engine::open_with_clock(config, Arc::new(SystemClock)).await
    }

    /// Opens an engine whose time is told by `clock`.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_with_clock(config: Config, clock: Arc<dyn Clock>) -> Result<Engine> {
        let opened = Runtime::open(&config, Arc::clone(&clock))?;
        Ok(Engine { shared: Shared::open(opened, clock).await? })
    }

    /// Opens an engine on a disk of the caller's, whatever `config` says of storage.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_on(
        disk: Box<dyn Disk>,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Engine> {
        let opened = Runtime::open_on(Some(disk), &config, Arc::clone(&clock))?;
        Ok(Engine { shared: Shared::open(opened, clock).await? })
    }

    /// A new session.
    ///
    /// # Errors
    /// If a setting among the options is unknown (42704) or has a bad value (22023).
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::new(Arc::clone(&self.shared), options)
    }

    /// Runs statements in a session of their own and returns their command tags, in order; result rows
    /// are read and dropped.
    ///
    /// # Errors
    /// What the first failing statement reports.
    pub async fn execute(&self, sql: &str) -> Result<Vec<String>> {
        let mut session = self.session(SessionOptions::default())?;
        let mut tags = vec![];
        for response in session.execute(sql).await? {
            tags.push(response.finish().await?.0);
        }
        Ok(tags)
    }

    /// Runs one query in a session of its own and returns its rows.
    ///
    /// # Errors
    /// What the query reports; 42601 if it is not exactly one statement that returns rows.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let mut session = self.session(SessionOptions::default())?;
        let mut responses = session.execute(sql).await?;
        match (responses.pop(), responses.is_empty()) {
            (Some(Response::Rows { rows, .. }), true) => rows.try_collect().await,
            _ => Err(Error::syntax("one statement that returns rows was expected")),
        }
    }

    /// Appends rows to a table: columns are matched by name; missing ones get their defaults. Durable
    /// and visible to every later read when it returns.
    ///
    /// # Errors
    /// As an INSERT: 42P01, 42703, 42804, 23502, 23514, 23505.
    pub async fn append(&self, table: &str, rows: RecordBatch) -> Result<Epoch> {
        self.session(SessionOptions::default())?.append(table, rows).await
    }

    /// The rows of a table or materialized view, and then its changes.
    ///
    /// # Errors
    /// 42P01 if there is no such relation, 42809 if its changes cannot be followed.
    pub async fn subscribe(&self, relation: &str) -> Result<Subscription> {
        self.session(SessionOptions::default())?.subscribe(relation).await
    }

    /// Returns when all views are filled and no source has anything to give at the present time.
    ///
    /// # Errors
    /// If the engine has stopped.
    pub async fn settle(&self) -> Result<Epoch> {
        self.shared.runtime.settle().await
    }

    /// A snapshot of the catalog.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog()
    }

    /// What the engine is doing: epoch, tables, sources, views.
    ///
    /// # Errors
    /// If the engine has stopped.
    pub async fn status(&self) -> Result<Status> {
        self.shared.runtime.status().await
    }

    /// Number of open sessions.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.shared.activity.count()
    }

    /// Closes the engine in order: running writes are finished and durable, the directory is unlocked.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn shutdown(&self) -> Result<()> {
        self.shared.runtime.shutdown().await
    }

    /// Stops as a crash does, between two epochs: what is queued is neither done nor answered, and
    /// nothing further is written, not even that the logs are closed. For tests of recovery.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn crash(&self) -> Result<()> {
        self.shared.runtime.crash().await
    }
}
