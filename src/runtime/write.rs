//! Writes: validated against the tables, logged together, acknowledged, and handed to the tick.

use tokio::sync::oneshot;

use super::coordinator::{Coordinator, scanned};
use super::request::{Write, Written};
use super::table::Applied;
use crate::error::{Error, Result, SqlState};
use crate::types::{Delta, ObjectId};

/// A write that has been applied to the tables but not logged yet.
struct Pending {
    deltas: Vec<(ObjectId, Delta)>,
    written: Written,
    reply: oneshot::Sender<Result<Written>>,
}

impl Coordinator {
    /// Group commit: all writes of a step share one fsync and one epoch.
    pub(super) fn write_group(&mut self, writes: Vec<(Write, oneshot::Sender<Result<Written>>)>) {
        let mut pending = vec![];
        for (write, reply) in writes {
            match self.apply_write(write) {
                Ok((deltas, written)) => pending.push(Pending { deltas, written, reply }),
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            }
        }
        let positions: Vec<(ObjectId, String)> = std::mem::take(&mut self.positions);
        if pending.is_empty() && positions.is_empty() {
            return;
        }
        let epoch = self.epoch.next();
        let deltas: Vec<(ObjectId, Delta)> =
            pending.iter().flat_map(|write| write.deltas.iter().cloned()).collect();
        let logged = match &mut self.store {
            Some(store) => store.commit(epoch, &deltas, &positions),
            None => Ok(()),
        };
        if let Err(error) = logged {
            self.positions = positions;
            self.refuse(pending, &error);
            return;
        }
        self.epoch = epoch;
        self.epoch_open = true;
        self.tell_table_watchers(&deltas);
        // What no view reads makes no tick due.
        let views = &self.views;
        self.changes.extend(deltas.into_iter().filter(|(table, _)| scanned(views, *table)));
        for write in pending {
            // The caller may have gone; the write stands.
            let _ = write.reply.send(Ok(Written { epoch, ..write.written }));
        }
    }

    /// The log refused: takes everything back, in reverse.
    fn refuse(&mut self, pending: Vec<Pending>, error: &Error) {
        for write in pending.into_iter().rev() {
            self.undo(&write.deltas);
            let _ = write.reply.send(Err(error.clone()));
        }
    }

    fn undo(&mut self, deltas: &[(ObjectId, Delta)]) {
        for (table, delta) in deltas.iter().rev() {
            if let Some(table) = self.tables.get_mut(table)
                && let Err(error) = table.undo(std::slice::from_ref(delta))
            {
                tracing::error!(%error, table = table.name, "cannot take back a refused write");
                self.broken = Some(error);
            }
        }
    }

    /// Applies a transaction to the tables, all or nothing.
    fn apply_write(&mut self, write: Write) -> Result<(Vec<(ObjectId, Delta)>, Written)> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        for (table, version) in &write.reads {
            if self.tables.get(table).is_none_or(|table| table.version != *version) {
                return Err(Error::new(
                    SqlState::SerializationFailure,
                    "could not serialize access due to concurrent update",
                )
                .hint("Retry the transaction."));
            }
        }
        let mut deltas = vec![];
        let mut written = Written { epoch: self.epoch, counts: vec![], rows: vec![] };
        for change in write.changes {
            let applied = match self.tables.get_mut(&change.table) {
                Some(table) => table.apply(change.kind),
                None => Err(Error::undefined_table(&change.table.to_string())
                    .detail("The table has been dropped.")),
            };
            match applied {
                Ok(Applied { deltas: changed, count, inserted }) => {
                    let changed = changed.into_iter().filter(|delta| !delta.is_empty());
                    deltas.extend(changed.map(|delta| (change.table, delta)));
                    written.counts.push(count);
                    written.rows.push(inserted);
                }
                Err(error) => {
                    self.undo(&deltas);
                    return Err(error);
                }
            }
        }
        Ok((deltas, written))
    }
}
