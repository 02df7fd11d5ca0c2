//! What readers get: collections of one epoch, changes epoch by epoch, error rows.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, Report};
use super::coordinator::Coordinator;
use super::fill::Stage;
use super::request::{Snapshot, SubscriptionItem};
use crate::dataflow::operator::ErrorRow;
use crate::error::{Error, Result, SqlState};
use crate::types::{Delta, ObjectId};

/// Epochs that a subscriber may lag behind before it is cut off.
const SUBSCRIPTION_LENGTH: usize = 1024;

/// The receiving end of a subscription.
type Items = mpsc::Receiver<Result<SubscriptionItem>>;

/// A read that waits until everything it reads is ready.
pub(super) enum Reading {
    /// Collections.
    Rows {
        relations: Vec<ObjectId>,
        others: Vec<ObjectId>,
        reply: oneshot::Sender<Result<Snapshot>>,
    },
    /// A collection and its changes.
    Subscribe { relation: ObjectId, reply: oneshot::Sender<Result<Items>> },
}

impl Reading {
    fn relations(&self) -> &[ObjectId] {
        match self {
            Reading::Rows { relations, .. } => relations,
            Reading::Subscribe { relation, .. } => std::slice::from_ref(relation),
        }
    }

    fn abandoned(&self) -> bool {
        match self {
            Reading::Rows { reply, .. } => reply.is_closed(),
            Reading::Subscribe { reply, .. } => reply.is_closed(),
        }
    }
}

/// Who follows a relation.
pub(super) type Watched = Vec<mpsc::Sender<Result<SubscriptionItem>>>;

impl Coordinator {
    /// Whether a relation can be read now; an error if it never will be.
    pub(super) fn ready(&self, relation: ObjectId) -> Result<bool> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if self.tables.contains_key(&relation) {
            return Ok(true);
        }
        let Some(view) = self.views.get(&relation) else {
            return Err(Error::undefined_table(&relation.to_string())
                .detail("The relation has been dropped."));
        };
        for id in view.upstream.iter().chain([&relation]) {
            match self.views.get(id).map(|view| &view.stage) {
                Some(Stage::Failed(error)) => return Err(failed(error)),
                Some(Stage::Filling | Stage::Fed) => return Ok(false),
                Some(Stage::Filled) | None => {}
            }
        }
        Ok(true)
    }

    /// Answers every read whose relations are ready; the others wait on.
    pub(super) fn answer_readings(&mut self) {
        let mut waiting = vec![];
        let mut answerable = vec![];
        for mut reading in std::mem::take(&mut self.readings) {
            if reading.abandoned() {
                continue;
            }
            let ready = reading.relations().iter().map(|&id| self.ready(id));
            match ready.collect::<Result<Vec<bool>>>() {
                Ok(ready) if ready.iter().all(|&ready| ready) => {
                    if let Reading::Rows { relations, others, .. } = &mut reading {
                        others.retain(|&id| matches!(self.ready(id), Ok(true)));
                        relations.append(others);
                    }
                    answerable.push(reading);
                }
                Ok(_) => waiting.push(reading),
                Err(error) => match reading {
                    Reading::Rows { reply, .. } => drop(reply.send(Err(error))),
                    Reading::Subscribe { reply, .. } => drop(reply.send(Err(error))),
                },
            }
        }
        self.readings = waiting;
        if answerable.is_empty() {
            return;
        }
        // One peek serves all readers of this step.
        let wanted: Vec<ObjectId> =
            answerable.iter().flat_map(|reading| reading.relations().to_vec()).collect();
        let published = self.publish(&wanted);
        for reading in answerable {
            match reading {
                Reading::Rows { relations, reply, .. } => {
                    let snapshot = published.clone().and_then(|()| self.snapshot(&relations));
                    let _ = reply.send(snapshot);
                }
                Reading::Subscribe { relation, reply } => {
                    let items = published.clone().and_then(|()| self.subscribe(relation));
                    let _ = reply.send(items);
                }
            }
        }
    }

    /// Answers those who wait for a view to be filled, or for quiet.
    pub(super) fn answer_waiting(&mut self) {
        for (view, reply) in std::mem::take(&mut self.waiting_filled) {
            match self.ready(view) {
                Ok(true) => drop(reply.send(Ok(()))),
                Ok(false) => self.waiting_filled.push((view, reply)),
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        if !self.waiting_settled.is_empty() && self.quiet() {
            for reply in std::mem::take(&mut self.waiting_settled) {
                let _ = reply.send(Ok(self.epoch));
            }
        }
    }

    /// Rows of a table by primary key: what is in the log, without waiting for the tick.
    pub(super) fn lookup(&mut self, table: ObjectId, keys: &RecordBatch) -> Result<Snapshot> {
        self.ready(table)?;
        let rows = self.tables.get_mut(&table).ok_or_else(|| {
            Error::internal(format!("relation {table} has no primary key to look up rows by"))
        })?;
        let relations = vec![(table, rows.lookup(keys)?)];
        Ok(Snapshot { epoch: self.epoch, relations, versions: vec![(table, rows.version)] })
    }

    fn subscribe(&mut self, relation: ObjectId) -> Result<Items> {
        let snapshot = self.snapshot(&[relation])?;
        let (sender, items) = mpsc::channel(SUBSCRIPTION_LENGTH);
        let deltas = snapshot.relations.into_iter().flat_map(|(_, deltas)| deltas).collect();
        let first = SubscriptionItem { epoch: self.epoch, deltas };
        // A fresh queue has room for one.
        let _ = sender.try_send(Ok(first));
        let watchers = self.watched.entry(relation).or_default();
        // Nothing tells of those who have gone while nothing changes.
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(sender);
        if watchers.len() == 1 && self.views.contains_key(&relation) {
            self.commands.push(Command::Watch { view: relation, on: true });
        }
        Ok(items)
    }

    /// Fetches the contents of those of `relations` that are views and not published yet.
    pub(super) fn publish(&mut self, relations: &[ObjectId]) -> Result<()> {
        let mut views: Vec<ObjectId> = relations
            .iter()
            .copied()
            .filter(|id| self.views.get(id).is_some_and(|view| view.published.is_none()))
            .collect();
        views.sort_unstable();
        views.dedup();
        if views.is_empty() {
            return Ok(());
        }
        self.commands.push(Command::Peek { views: views.clone() });
        let reports = self.tick(vec![]);
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let mut contents: HashMap<ObjectId, Vec<Delta>> = HashMap::new();
        for (view, deltas) in reports.into_iter().flat_map(|report| report.contents) {
            contents.entry(view).or_default().extend(deltas);
        }
        for id in views {
            if let Some(view) = self.views.get_mut(&id) {
                view.published = Some(contents.remove(&id).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// The published contents of a view.
    pub(super) fn published(&self, view: ObjectId) -> Result<Vec<Delta>> {
        match self.views.get(&view) {
            Some(state) => match &state.stage {
                Stage::Failed(error) => Err(failed(error)),
                Stage::Filling | Stage::Fed | Stage::Filled => {
                    Ok(state.published.clone().unwrap_or_default())
                }
            },
            None => Err(Error::undefined_table(&view.to_string())),
        }
    }

    /// Forgets contents that the coming tick changes.
    pub(super) fn unpublish(&mut self, changed: &[ObjectId]) {
        for view in self.views.values_mut() {
            if changed.iter().any(|relation| view.upstream.contains(relation)) {
                view.published = None;
            }
        }
    }

    /// The error rows of a view, from all workers.
    pub(super) fn errors(&mut self, view: ObjectId) -> Result<Vec<ErrorRow>> {
        self.ready(view)?;
        self.commands.push(Command::PeekErrors { view });
        let reports = self.tick(vec![]);
        let mut sums: HashMap<ErrorRow, i64> = HashMap::new();
        for row in reports.into_iter().flat_map(|report| report.errors).flat_map(|(_, rows)| rows) {
            let weight = row.weight;
            *sums.entry(ErrorRow { weight: 0, ..row }).or_default() += weight;
        }
        let mut rows: Vec<ErrorRow> = sums
            .into_iter()
            .filter(|(_, weight)| *weight != 0)
            .map(|(row, weight)| ErrorRow { weight, ..row })
            .collect();
        rows.sort_by(|left, right| {
            (&left.expression, &left.row, &left.message).cmp(&(
                &right.expression,
                &right.row,
                &right.message,
            ))
        });
        Ok(rows)
    }

    /// Keeps what a tick's reports say of views: failures, and changes for those who follow.
    pub(super) fn take_reports(&mut self, reports: &[Report]) {
        let mut changes: HashMap<ObjectId, Vec<Delta>> = HashMap::new();
        for report in reports {
            for (view, error) in &report.failed {
                self.fail_view(*view, error);
            }
            for (view, deltas) in &report.changes {
                changes.entry(*view).or_default().extend(deltas.iter().cloned());
            }
        }
        for (view, deltas) in changes {
            self.tell_watchers(view, deltas);
        }
    }

    /// A view has failed: it is taken from the workers, and those who follow it, or a view that reads it,
    /// are told.
    pub(super) fn fail_view(&mut self, view: ObjectId, error: &Error) {
        let Some(state) = self.views.get_mut(&view) else { return };
        if matches!(state.stage, Stage::Failed(_)) {
            return;
        }
        tracing::error!(%error, view = %view, "a materialized view has failed");
        state.stage = Stage::Failed(error.clone());
        state.published = None;
        state.fills.clear();
        self.commands.push(Command::DropView { view });
        let views = &self.views;
        let reads = |id: &ObjectId| {
            *id == view || views.get(id).is_some_and(|state| state.upstream.contains(&view))
        };
        let told: Vec<ObjectId> = self.watched.keys().copied().filter(reads).collect();
        for watcher in told.iter().filter_map(|id| self.watched.remove(id)).flatten() {
            // The last place of its queue is kept for this.
            let _ = watcher.try_send(Err(failed(error)));
        }
    }

    /// Tells those who follow tables.
    pub(super) fn tell_table_watchers(&mut self, changes: &[(ObjectId, Delta)]) {
        let followed: Vec<ObjectId> = self
            .watched
            .keys()
            .copied()
            .filter(|id| {
                self.tables.contains_key(id) && changes.iter().any(|(table, _)| table == id)
            })
            .collect();
        for table in followed {
            let deltas = changes.iter().filter(|(id, _)| *id == table).map(|(_, d)| d.clone());
            self.tell_watchers(table, deltas.collect());
        }
    }

    fn tell_watchers(&mut self, relation: ObjectId, deltas: Vec<Delta>) {
        let deltas: Vec<Delta> = deltas.into_iter().filter(|delta| !delta.is_empty()).collect();
        let Some(watchers) = self.watched.get_mut(&relation) else { return };
        if !deltas.is_empty() {
            let item = SubscriptionItem { epoch: self.epoch, deltas };
            watchers.retain(|watcher| keep_up(watcher, &item));
        }
        if watchers.is_empty() {
            self.watched.remove(&relation);
            if self.views.contains_key(&relation) {
                self.commands.push(Command::Watch { view: relation, on: false });
            }
        }
    }
}

/// Hands an item over; false if the subscriber has gone or lags too far behind.
fn keep_up(watcher: &mpsc::Sender<Result<SubscriptionItem>>, item: &SubscriptionItem) -> bool {
    // The last place is for saying why the subscription ends.
    if watcher.capacity() > 1 {
        return watcher.try_send(Ok(item.clone())).is_ok();
    }
    let error = Error::new(
        SqlState::ConfigurationLimitExceeded,
        "subscription canceled because its reader is too slow",
    )
    .detail(format!("It lags more than {SUBSCRIPTION_LENGTH} epochs behind."))
    .hint("Subscribe again; the new subscription starts with the current contents.");
    let _ = watcher.try_send(Err(error));
    false
}

fn failed(error: &Error) -> Error {
    Error::new(SqlState::ObjectNotInPrerequisiteState, "the materialized view has failed")
        .detail(format!("{}: {}", error.state().code(), error.message()))
        .hint("Remove the cause; then drop it and create it again, or restart the server.")
}
