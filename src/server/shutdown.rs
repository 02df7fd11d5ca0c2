//! Closing in order: signals, and what is left of the sessions.

use std::time::Duration;

use tokio::task::JoinSet;

use super::pgwire::CancelRegistry;

/// How long running statements may go on after the server has been told to stop.
const DRAIN: Duration = Duration::from_secs(3);
/// How long cancelled statements may take to notice.
const CANCEL: Duration = Duration::from_secs(2);
/// Exit status after a second signal, as shells report an interrupt.
const INTERRUPTED: i32 = 130;

/// Returns at the first Ctrl-C or SIGTERM; the next one ends the process at once.
pub async fn signalled() {
    signal().await;
    tracing::info!("closing; press Ctrl-C again to stop at once");
    tokio::spawn(async {
        signal().await;
        std::process::exit(INTERRUPTED);
    });
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _done = tokio::signal::ctrl_c().await;
}

/// Waits for the sessions, which have been told: idle ones leave at once, statements get some time,
/// then they are cancelled, then they are dropped.
pub(super) async fn drain(sessions: &mut JoinSet<()>, cancels: &CancelRegistry) {
    let done = async |sessions: &mut JoinSet<()>| while sessions.join_next().await.is_some() {};
    if tokio::time::timeout(DRAIN, done(sessions)).await.is_ok() {
        return;
    }
    cancels.cancel_all();
    if tokio::time::timeout(CANCEL, done(sessions)).await.is_err() {
        tracing::warn!(sessions = sessions.len(), "sessions did not end in time");
        sessions.shutdown().await;
    }
}
