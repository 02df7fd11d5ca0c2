//! How many rows a source with a `rate` may give by now.

/// Shortest time between two polls of a paced source: batches, not single rows, at high rates.
const POLL_INTERVAL_US: i64 = 10_000;
/// A source that was not polled for longer than this does not make up for it in one burst.
const LAG_MAX_US: f64 = 1_000_000.0;

/// Meters out rows by the given clock; the first is due at once.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    rate: Option<f64>,
    /// When the next row is due, microseconds since the Unix epoch.
    due_us: Option<f64>,
}

impl Pace {
    pub(super) fn new(rate: Option<f64>) -> Pace {
        Pace { rate, due_us: None }
    }

    /// How many rows may be given now.
    pub(super) fn allowance(&mut self, now_us: i64) -> usize {
        let Some(rate) = self.rate else { return usize::MAX };
        let now = now_us as f64;
        let due = self.due_us.get_or_insert(now);
        // The clock may also have been set back.
        *due = due.clamp(now - LAG_MAX_US, now + 1e6 / rate);
        if *due > now { 0 } else { ((now - *due) * rate / 1e6) as usize + 1 }
    }

    /// So many rows were given.
    pub(super) fn took(&mut self, rows: usize) {
        if let (Some(rate), Some(due)) = (self.rate, &mut self.due_us) {
            *due += rows as f64 * 1e6 / rate;
        }
    }

    /// When to poll again; none: at once.
    pub(super) fn next_poll_us(&self, now_us: i64) -> Option<i64> {
        let due = self.due_us?;
        (due > now_us as f64).then(|| (due.ceil() as i64).max(now_us + POLL_INTERVAL_US))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_at_the_rate_whatever_the_polls() {
        let mut pace = Pace::new(Some(2000.0));
        let (mut rows, mut now) = (0, 1_000_000_000_000_000);
        let end = now + 10_000_000;
        while now < end {
            let allowed = pace.allowance(now);
            pace.took(allowed.min(100));
            rows += allowed.min(100);
            now = pace.next_poll_us(now).unwrap_or(now + 1);
        }
        assert!((19_950..=20_050).contains(&rows), "{rows}");
    }

    #[test]
    fn slow_rates_sleep_and_long_pauses_are_forgotten() {
        let mut pace = Pace::new(Some(0.5));
        assert_eq!(pace.allowance(0), 1);
        pace.took(1);
        assert_eq!((pace.allowance(0), pace.next_poll_us(0)), (0, Some(2_000_000)));
        let mut pace = Pace::new(Some(10.0));
        pace.allowance(0);
        assert_eq!(pace.allowance(3_600_000_000), 11);
        assert_eq!(Pace::new(None).allowance(0), usize::MAX);
    }
}
