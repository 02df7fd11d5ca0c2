//! Stopping a running statement from outside its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    /// Whether the session is to end.
    terminated: AtomicBool,
    /// Whether the statement is past the point where it could be stopped.
    held: AtomicBool,
    wake: Notify,
}

impl CancelToken {
    /// Stops the running statement with 57014; without one nothing happens.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::SeqCst);
        self.inner.wake.notify_waiters();
    }

    /// Ends the session: stops the running statement with 57P01 and tells whoever serves the session.
    pub fn terminate(&self) {
        self.inner.terminated.store(true, Ordering::SeqCst);
        self.cancel();
    }

    /// Returns when the session is to end.
    pub async fn terminated(&self) {
        self.until(|inner| inner.terminated.load(Ordering::SeqCst)).await;
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
        if self.inner.cancelled.load(Ordering::SeqCst) { Err(self.reason()) } else { Ok(()) }
    }

    /// Returns when the statement is cancelled.
    pub async fn cancelled(&self) {
        self.until(|inner| inner.cancelled.load(Ordering::SeqCst)).await;
    }

    /// While the value lives, the statement runs on although it is cancelled: its write has been sent,
    /// and must not be reported as stopped when it has happened.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.inner.held.store(true, Ordering::SeqCst);
        Hold { token: self }
    }

    fn reason(&self) -> Error {
        if self.inner.terminated.load(Ordering::SeqCst) {
            return terminated();
        }
        Error::new(SqlState::QueryCanceled, "canceling statement due to user request")
    }

    async fn until(&self, come: impl Fn(&Inner) -> bool) {
        loop {
            let woken = self.inner.wake.notified();
            tokio::pin!(woken);
            // Taken into the queue before looking, so that no wake-up falls in between.
            woken.as_mut().enable();
            if come(&self.inner) {
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
        timeout: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let stopped = async {
            let deadline = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep(timeout).await,
                    None => std::future::pending().await,
                }
            };
            let error = tokio::select! {
                () = self.cancelled() => self.reason(),
                () = deadline => timed_out(),
            };
            self.until(|inner| !inner.held.load(Ordering::SeqCst)).await;
            error
        };
        tokio::select! {
            biased;
            done = work => done,
            error = stopped => Err(error),
        }
    }
}

/// See [`CancelToken::hold`].
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    token: &'a CancelToken,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.token.inner.held.store(false, Ordering::SeqCst);
        self.token.inner.wake.notify_waiters();
    }
}

/// `57P01`: the session is ended from outside.
#[must_use]
pub fn terminated() -> Error {
    let message = "terminating connection due to administrator command";
    Error::new(SqlState::AdminShutdown, message)
}

/// `57014` by `statement_timeout`.
pub(crate) fn timed_out() -> Error {
    Error::new(SqlState::QueryCanceled, "canceling statement due to statement timeout")
}
