//! The engine's handle on the running coordinator: asynchronous calls over one bounded queue.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::{mpsc, oneshot};

use super::request::{Definition, Request, Snapshot, Status, SubscriptionItem, Write, Written};
use crate::dataflow::operator::ErrorRow;
use crate::error::{Error, Result, SqlState};
use crate::types::{Epoch, ObjectId};

/// Requests that may wait in front of the coordinator; more callers wait in `await`.
pub(super) const QUEUE_LENGTH: usize = 1024;

/// A cheap handle on the coordinator. All calls are answered in the order in which they are taken
/// from the queue: a call made after another has returned sees its effects.
#[derive(Clone)]
pub struct Runtime {
    requests: mpsc::Sender<Request>,
    thread: Arc<parking_lot::Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Runtime {
    pub(super) fn new(
        requests: mpsc::Sender<Request>,
        thread: std::thread::JoinHandle<()>,
    ) -> Runtime {
        Runtime { requests, thread: Arc::new(parking_lot::Mutex::new(Some(thread))) }
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }

    /// Commits a transaction's changes: durable when this returns, visible to every later read.
    ///
    /// # Errors
    /// 23505 for a duplicate key, 40001 for a conflict with a concurrent transaction, 53100 when the
    /// disk is full, 58030 after a failed fsync.
    pub async fn write(&self, write: Write) -> Result<Written> {
        self.ask(|reply| Request::Write { write, reply }).await?
    }

    /// The collections of tables and materialized views, all of one epoch that includes every write
    /// acknowledged before. Waits for views that are being filled.
    ///
    /// # Errors
    /// 42P01 for a relation that is gone, 55000 for a view that has failed.
    pub async fn read(&self, relations: &[ObjectId]) -> Result<Snapshot> {
        self.read_with(relations, vec![]).await
    }

    /// The same with those of `others` that can be read: that are there, filled, and have not failed.
    ///
    /// # Errors
    /// As [`Runtime::read`].
    pub async fn read_with(
        &self,
        relations: &[ObjectId],
        others: Vec<ObjectId>,
    ) -> Result<Snapshot> {
        let relations = relations.to_vec();
        self.ask(|reply| Request::Read { relations, others, reply }).await?
    }

    /// The rows of a table that have the primary keys `keys` (a batch of the key's columns), as of an
    /// epoch that includes every write acknowledged before. The cost is that of the rows found.
    ///
    /// # Errors
    /// 42P01 for a table that is gone.
    pub async fn lookup(&self, table: ObjectId, keys: RecordBatch) -> Result<Snapshot> {
        self.ask(|reply| Request::Lookup { table, keys, reply }).await?
    }

    /// Changes the catalog durably and the operator graph with it. New views are filled in the
    /// background. At start-up, views already in the catalog are given with `changes` empty.
    ///
    /// # Errors
    /// If the change cannot be logged; nothing has happened then.
    pub async fn define(&self, definition: Definition) -> Result<Epoch> {
        self.ask(|reply| Request::Define { definition, reply }).await?
    }

    /// A view's contents and then its changes, epoch by epoch. A reader that falls too far behind is
    /// cut off with 53400.
    ///
    /// # Errors
    /// As [`Runtime::read`].
    pub async fn subscribe(
        &self,
        relation: ObjectId,
    ) -> Result<mpsc::Receiver<Result<SubscriptionItem>>> {
        self.ask(|reply| Request::Subscribe { relation, reply }).await?
    }

    /// Returns when the view (and what it reads) has been filled.
    ///
    /// # Errors
    /// 57014 after `timeout`, or what the view failed with.
    pub async fn filled(&self, view: ObjectId, timeout: Option<Duration>) -> Result<()> {
        let waiting = self.ask(|reply| Request::Filled { view, reply });
        match timeout {
            None => waiting.await?,
            Some(limit) => tokio::time::timeout(limit, waiting).await.map_err(|_| {
                Error::new(SqlState::QueryCanceled, "canceling statement due to timeout")
                    .detail("The view is still being filled.")
            })??,
        }
    }

    /// The rows left out of a view because an expression failed on them, with their weights.
    ///
    /// # Errors
    /// As [`Runtime::read`].
    pub async fn errors(&self, view: ObjectId) -> Result<Vec<ErrorRow>> {
        self.ask(|reply| Request::Errors { view, reply }).await?
    }

    /// Returns when all views are filled and no source has anything to give at the present time.
    ///
    /// # Errors
    /// If the engine has stopped.
    pub async fn settle(&self) -> Result<Epoch> {
        self.ask(|reply| Request::Settle { reply }).await?
    }

    /// What the engine is doing: epoch, sources, views.
    ///
    /// # Errors
    /// If the engine has stopped.
    pub async fn status(&self) -> Result<Status> {
        self.ask(|reply| Request::Status { reply }).await
    }

    /// The position up to which a source has been read into views, if it is running.
    ///
    /// # Errors
    /// If the engine has stopped.
    pub async fn source_position(&self, source: ObjectId) -> Result<Option<String>> {
        self.ask(|reply| Request::SourcePosition { source, reply }).await
    }

    /// Ends the coordinator and its workers after everything queued has been done.
    ///
    /// # Errors
    /// Never; stopping twice is fine.
    pub async fn shutdown(&self) -> Result<()> {
        // A second shutdown finds the queue closed, which is what it wants.
        let _ = self.ask(|reply| Request::Shutdown { reply }).await;
        self.join().await
    }

    /// Ends the coordinator between two steps, as a kill does: what is queued is neither done nor
    /// answered, nothing further is written.
    ///
    /// # Errors
    /// If the coordinator or a worker panicked.
    pub async fn crash(&self) -> Result<()> {
        // One that has stopped already is what is wanted.
        let _ = self.requests.send(Request::Crash).await;
        self.join().await
    }

    async fn join(&self) -> Result<()> {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(Error::internal("the coordinator thread panicked"));
            }
        }
        Ok(())
    }
}

fn stopped() -> Error {
    Error::new(SqlState::AdminShutdown, "the engine has stopped")
}
