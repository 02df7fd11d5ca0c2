//! Stopping a running statement from outside its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::error::{Error, Result, SqlState};

/// A handle that stops the statement that a session is running. Clones belong to the same session.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    cancelled: AtomicBool,
    wake: Notify,
}

impl CancelToken {
    /// Stops the running statement with 57014; without one nothing happens.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::SeqCst);
        self.inner.wake.notify_waiters();
    }

    /// Forgets an earlier cancellation: a new statement begins.
    pub(crate) fn rearm(&self) {
        self.inner.cancelled.store(false, Ordering::SeqCst);
    }

    /// Fails with 57014 if the statement has been cancelled.
    ///
    /// # Errors
    /// `57014`.
    pub fn check(&self) -> Result<()> {
        if self.inner.cancelled.load(Ordering::SeqCst) { Err(cancelled()) } else { Ok(()) }
    }

    /// Returns when the statement is cancelled.
    pub async fn cancelled(&self) {
        loop {
            let woken = self.inner.wake.notified();
            if self.inner.cancelled.load(Ordering::SeqCst) {
                return;
            }
            woken.await;
        }
    }

    /// Runs `work` until it is done, the statement is cancelled or `timeout` is over.
    ///
    /// # Errors
    /// `57014`, or what `work` fails with.
    pub(crate) async fn guard<T>(
        &self,
        timeout: Option<std::time::Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let deadline = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = self.cancelled() => Err(cancelled()),
            () = deadline => Err(timed_out()),
        }
    }
}

/// `57014` by request.
pub(crate) fn cancelled() -> Error {
    Error::new(SqlState::QueryCanceled, "canceling statement due to user request")
}

/// `57014` by `statement_timeout`.
pub(crate) fn timed_out() -> Error {
    Error::new(SqlState::QueryCanceled, "canceling statement due to statement timeout")
}
