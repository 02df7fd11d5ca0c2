//! The only reader of time. Everything else is handed a [`Clock`], so tests move time by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    fn now_us(&self) -> i64;

    /// The instant `duration` from now has come on this clock: for the system clock after that real
    /// time, for [`SimClock`] at once when the test has moved it there.
    fn simulated(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one door to the machine's time")]
    fn now_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct SimClock {
    now_us: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock standing at `now_us` microseconds since the Unix epoch.
    #[must_use]
    pub fn new(now_us: i64) -> SimClock {
        SimClock { now_us: Arc::new(AtomicI64::new(now_us)) }
    }

    /// Sets the time; it may go backwards, as a machine's may.
    pub fn set(&self, now_us: i64) {
        self.now_us.store(now_us, Ordering::SeqCst);
    }

    /// Moves the time by `by_us` microseconds.
    pub fn advance(&self, by_us: i64) {
        self.now_us.fetch_add(by_us, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::SeqCst)
    }

    fn simulated(&self) -> bool {
        true
    }
}

/// Monotonic time for measuring durations: seconds since the first call in this process.
#[expect(clippy::disallowed_methods, reason = "the one door to the machine's time")]
#[must_use]
pub fn monotonic() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// The monotonic present in the form that libraries ask for which measure on their own.
#[expect(clippy::disallowed_methods, reason = "the one door to the machine's time")]
#[must_use]
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
