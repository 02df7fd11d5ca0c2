//! A query that runs on a task of its own, so that its session can be cancelled, can time out, and can see
//! its client leave, while the query computes. It ends when its rows are no longer wanted.

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::plan::stop::Stop;

/// A running query.
pub(super) struct Running {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinHandle<()>,
    stop: Stop,
}

impl Running {
    /// Lets `rows` run.
    pub(super) fn start(mut rows: SendableRecordBatchStream, stop: Stop) -> Running {
        let (sender, batches) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Some(batch) = rows.next().await {
                if sender.send(batch.map_err(Error::from)).await.is_err() {
                    return;
                }
            }
        });
        Running { batches, task, stop }
    }

    /// The next rows; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return batch.map(Some);
        }
        // The end of the queue is the end of the rows only if nothing went wrong.
        match (&mut self.task).await {
            Ok(()) => Ok(None),
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
