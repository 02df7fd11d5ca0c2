//! A query that runs apart from its session, so that its session can be cancelled, can time out, and can see
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

/// Stack of threads that plan or run statements: what is taken of it is used. A chain of a thousand operators
/// or set operations is a tree as deep, which DataFusion walks by recursion.
pub const STACK_BYTES: usize = 64 << 20;

/// Most queries that compute at once; more wait. Those whose clients are slow to take rows do not count.
const COMPUTING_MAX: usize = 32;

/// Where queries run: not among the sessions. A query may compute for long before it gives way, and the
/// sockets and timers of all sessions must not wait for that.
fn computing() -> Handle {
    static COMPUTING: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(COMPUTING_MAX).thread_name("millstream-query").enable_time();
        threads.thread_stack_size(STACK_BYTES);
        threads.build().ok()
    };
    let threads = COMPUTING.get_or_init(build);
    threads.as_ref().map_or_else(Handle::current, |threads| threads.handle().clone())
}

impl Running {
    /// Lets a query run.
    ///
    /// # Errors
    /// What starting it reports.
    pub(super) fn start(query: Execution, stop: Stop) -> Result<Running> {
        let (sender, batches) = mpsc::channel(1);
        let threads = computing();
        let mut rows = {
            let _entered = threads.enter();
            query.start()?
        };
        let task = threads.spawn(async move {
            while let Some(batch) = rows.next().await {
                if sender.send(batch.map_err(Error::from)).await.is_err() {
                    return;
                }
            }
        });
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
        self.stop.stop();
        self.task.abort();
    }
}
