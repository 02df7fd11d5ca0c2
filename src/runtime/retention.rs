//! `RETAIN LOG`: what is older than a table wants to keep goes from its log, behind a base that holds
//! the table's rows. Only history goes: the rows themselves are in the base.

use super::coordinator::Coordinator;
use crate::storage::Retention;
use crate::types::definition::Retain;

/// How long to wait after an attempt that failed: a base costs as much as its table.
const RETRY_US: i64 = 60_000_000;

/// What a table wants to keep of its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retaining {
    retention: Retention,
    /// Not to be tried before: after a failure.
    not_before_us: i64,
}

impl From<Retain> for Retaining {
    fn from(retain: Retain) -> Retaining {
        let retention = match retain {
            Retain::Duration(age_us) => Retention { age_us: Some(age_us), size: None },
            Retain::Size(size) => Retention { age_us: None, size: Some(size) },
        };
        Retaining { retention, not_before_us: i64::MIN }
    }
}

impl Coordinator {
    /// Shortens the logs of which enough has expired. All writes applied so far must be logged.
    pub(super) fn shorten_logs(&mut self) {
        let Some(store) = self.store.as_mut().filter(|_| self.broken.is_none()) else { return };
        let now_us = self.clock.now_us();
        for (&id, table) in &mut self.tables {
            let Some(retaining) = table.retaining.filter(|of| now_us >= of.not_before_us) else {
                continue;
            };
            let retention = retaining.retention;
            if !store.retention_due(id, retention) {
                continue;
            }
            let rows = table.contents();
            let done = rows
                .and_then(|rows| store.rebase(id, self.epoch, &mut rows.into_iter(), retention));
            if let Err(error) = done {
                tracing::warn!(%error, table = table.name, "the table's log cannot be shortened now");
                let not_before_us = now_us.saturating_add(RETRY_US);
                table.retaining = Some(Retaining { not_before_us, ..retaining });
            }
        }
    }
}
