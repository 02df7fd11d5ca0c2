//! A query that runs on a thread of its own, so that its session can be cancelled, can time out, and can see
//! its client leave, while the query computes. It ends when its rows are no longer wanted.

use std::sync::OnceLock;

use arrow::array::RecordBatch;
use futures::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Result, SqlState};
use crate::plan::select::Execution;
use crate::plan::stop::Stop;

/// A running query.
pub(super) struct Running {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinHandle<()>,
    stop: Stop,
}

/// Where the tasks go that queries start for parts of themselves: not among the sessions, which they would
/// keep waiting.
fn helpers() -> Handle {
    static HELPERS: OnceLock<Option<Runtime>> = OnceLock::new();
    let build =
        || Builder::new_multi_thread().thread_name("millstream-query").enable_time().build();
    let helpers = HELPERS.get_or_init(|| build().ok());
    helpers.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
}

impl Running {
    /// Lets a query run, on a thread of its own: a query may compute for long before it gives way, and the
    /// sockets and timers of all sessions must not wait for that.
    ///
    /// # Errors
    /// What starting it reports.
    pub(super) fn start(query: Execution, stop: Stop) -> Result<Running> {
        let (sender, batches) = mpsc::channel(1);
        let inner = helpers();
        let mut rows = {
            let _helped = inner.enter();
            query.start()?
        };
        let work = async move {
            loop {
                let batch = tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    batch = rows.next() => batch,
                };
                let Some(batch) = batch else { return };
                if sender.send(batch.map_err(Error::from)).await.is_err() {
                    return;
                }
            }
        };
        let task = tokio::task::spawn_blocking(move || inner.block_on(work));
        Ok(Running { batches, task, stop })
    }

    /// The next rows; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return batch.map(Some);
        }
        // The end of the queue is the end of the rows only if nothing went wrong.
        match (&mut self.task).await {
            Ok(()) => Ok(None),
            // Arrow has no other way to say that a column of a batch has more than 2 GB of text.
            Err(error) if error.to_string().contains("offset overflow") => {
                let message = "a batch of rows has more than 2 GB in one column";
                Err(Error::new(SqlState::ProgramLimitExceeded, message))
            }
            Err(error) => Err(Error::internal(format!("a query has died: {error}"))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It notices by this, or by its queue, which is closed.
        self.stop.stop();
    }
}
