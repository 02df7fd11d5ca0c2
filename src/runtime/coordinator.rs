//! The coordinator: the one thread that closes epochs.
//!
//! ```text
//! requests ─┐
//! sources  ─┼─▶ step: definitions → writes (validate, log, fsync, acknowledge) → tick → answers
//! fills    ─┘
//! ```
//!
//! # Invariants
//! 1. A write is acknowledged after the log's fsync and before the tick that shows it; a read is
//!    answered after that tick. So an acknowledged write is in every later read.
//! 2. All changes of one step become one epoch in the log, and visible together: a tick takes the changes
//!    of all steps since the last one.
//! 3. Nothing queues without bound: requests wait in a bounded queue, sources in theirs, and both stand
//!    still while a tick runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::oneshot;

use super::command::{Command, Report, TickHeader, WorkerInput};
use super::fabric::Fabric;
use super::fill::{Stage, View};
use super::input::Spreading;
use super::publish::{Reading, Watched};
use super::request::{Request, Snapshot, Status, Write};
use super::source::{Feed, Feeding};
use super::table::Table;
use crate::catalog::Catalog;
use crate::clock::{Clock, monotonic};
use crate::config::Config;
use crate::error::Result;
use crate::storage::Store;
use crate::types::{Delta, Epoch, ObjectId};

/// Rows of compaction per table and step.
const MAINTAIN_ROWS: usize = 4096;
/// Requests taken into one step at most.
const REQUESTS_PER_STEP: usize = 1024;

/// How long dead letters wait that the log has refused.
const RETRY: Duration = Duration::from_secs(1);

/// Everything the engine's one deciding thread owns.
pub(super) struct Coordinator {
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) catalog: Catalog,
    /// None for an engine in memory.
    pub(super) store: Option<Store>,
    pub(super) fabric: Box<dyn Fabric>,
    pub(super) feeding: Feeding,
    pub(super) epoch: Epoch,
    pub(super) tables: HashMap<ObjectId, Table>,
    /// Running sources.
    pub(super) feeds: BTreeMap<ObjectId, Feed>,
    pub(super) recovered_positions: HashMap<ObjectId, String>,
    pub(super) views: BTreeMap<ObjectId, View>,
    /// Commands for the next tick.
    pub(super) commands: Vec<Command>,
    /// How far sources have been read, to be logged with the coming epoch.
    pub(super) positions: Vec<(ObjectId, String)>,
    /// Whether the coming tick's epoch has been given to the log already.
    pub(super) epoch_open: bool,
    /// Dead letters that the log has refused, to be tried again before sources are read on.
    pub(super) undelivered: Vec<Write>,
    /// Changes for the next tick.
    pub(super) changes: Vec<(ObjectId, Delta)>,
    /// When the last tick began, on the monotonic clock.
    pub(super) ticked_at: Duration,
    /// Reads that wait for views being filled.
    pub(super) readings: Vec<Reading>,
    pub(super) watched: HashMap<ObjectId, Watched>,
    pub(super) waiting_filled: Vec<(ObjectId, oneshot::Sender<Result<()>>)>,
    pub(super) waiting_settled: Vec<oneshot::Sender<Result<Epoch>>>,
    /// Why nothing works any more: a worker died.
    pub(super) broken: Option<crate::error::Error>,
    /// Which worker gets the next small delta.
    pub(super) turn: usize,
}

impl Coordinator {
    /// Runs until shutdown, or until every handle is gone.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let waiter = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let Ok(waiter) = waiter else {
            tracing::error!("the coordinator cannot make its timer; the engine stops");
            return;
        };
        loop {
            let (batch, closed) = self.gather(&waiter, &mut requests);
            if batch.iter().any(|request| matches!(request, Request::Crash)) {
                self.crash();
                return;
            }
            let mut farewell = None;
            let mut kept = Vec::with_capacity(batch.len());
            for request in batch {
                match request {
                    Request::Shutdown { reply } => farewell = Some(reply),
                    other => kept.push(other),
                }
            }
            self.step(kept);
            if closed || farewell.is_some() {
                self.fabric.shutdown();
                self.feeds.clear();
                drop(self.store.take());
                if let Some(reply) = farewell {
                    let _ = reply.send(());
                }
                return;
            }
        }
    }

    /// Ends at once: what is queued is not answered, and nothing more is written.
    fn crash(mut self) {
        if let Some(store) = self.store.take() {
            store.abandon();
        }
        self.fabric.shutdown();
    }

    /// Everything queued; waits for the first request unless there is work without one.
    fn gather(
        &self,
        waiter: &tokio::runtime::Runtime,
        requests: &mut mpsc::Receiver<Request>,
    ) -> (Vec<Request>, bool) {
        let mut batch = vec![];
        if !self.busy() {
            let received = match self.idle_limit() {
                None => requests.blocking_recv(),
                Some(limit) => {
                    match waiter
                        .block_on(async { tokio::time::timeout(limit, requests.recv()).await })
                    {
                        Ok(received) => received,
                        Err(_) => return (batch, false),
                    }
                }
            };
            match received {
                Some(request) => batch.push(request),
                None => return (batch, true),
            }
        }
        while batch.len() < REQUESTS_PER_STEP {
            match requests.try_recv() {
                Ok(request) => batch.push(request),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return (batch, true),
            }
        }
        (batch, false)
    }

    /// Whether a step would do something without a request.
    pub(super) fn busy(&self) -> bool {
        let now_us = self.clock.now_us();
        self.broken.is_none()
            && (!self.commands.is_empty()
                || self.views.values().any(|view| view.busy(now_us))
                || self.undelivered.is_empty()
                    && self.feeds.values().any(|feed| feed.ready(now_us)))
    }

    /// Whether nothing will happen any more until the clock moves or a request comes.
    pub(super) fn quiet(&self) -> bool {
        let now_us = self.clock.now_us();
        !self.busy()
            && self.feeds.values().all(|feed| feed.quiet(now_us))
            && !self.views.values().any(|view| matches!(view.stage, Stage::Filling | Stage::Fed))
    }

    /// How long to wait for requests at most: until an inline feed wants to be polled again.
    fn idle_limit(&self) -> Option<Duration> {
        if self.clock.simulated() {
            return None;
        }
        if !self.undelivered.is_empty() {
            return Some(RETRY);
        }
        let put_off = (!self.changes.is_empty()).then(|| self.until_due());
        let poll = self.feeds.values().filter_map(Feed::next_poll_us).min().map(|at_us| {
            Duration::from_micros(u64::try_from(at_us - self.clock.now_us()).unwrap_or(0))
        });
        put_off.into_iter().chain(poll).min()
    }

    /// How long changes may still wait for others to share their tick.
    fn until_due(&self) -> Duration {
        let interval = Duration::from_millis(self.config.tick_interval_ms);
        (self.ticked_at + interval).saturating_sub(monotonic())
    }

    /// Whether the next tick is to run now: somebody waits for it, there is a tick's worth of changes, or
    /// the last tick began long enough ago.
    fn due(&self) -> bool {
        let rows = || self.changes.iter().map(|(_, delta)| delta.rows()).sum::<usize>();
        !self.commands.is_empty()
            || !self.readings.is_empty()
            || !self.waiting_filled.is_empty()
            || !self.waiting_settled.is_empty()
            || !self.watched.is_empty()
            || !self.feeds.is_empty()
            || self.views.values().any(|view| matches!(view.stage, Stage::Filling | Stage::Fed))
            || self.clock.simulated()
            || self.until_due().is_zero()
            || rows() >= self.config.tick_rows_max
    }

    /// One epoch, or less if there is nothing to change.
    fn step(&mut self, batch: Vec<Request>) {
        let mut writes = vec![];
        let mut later = vec![];
        for request in batch {
            match request {
                Request::Define { definition, reply } => {
                    // ORDER: a new view is fed the tables' rows, and then the changes after them.
                    self.run_tick();
                    // A refused reply means that the caller has gone; what was defined stays defined.
                    let _ = reply.send(self.define(definition));
                }
                Request::Write { write, reply } => writes.push((write, reply)),
                other => later.push(other),
            }
        }
        let mut letters = vec![];
        for write in self.dead_letters_due() {
            let (reply, answer) = oneshot::channel();
            letters.push((write.clone(), answer));
            writes.push((write, reply));
        }
        self.write_group(writes);
        self.keep_refused(letters);
        for request in later {
            self.serve(request);
        }
        if self.due() {
            self.run_tick();
        }
        self.answer_readings();
        self.answer_waiting();
        for table in self.tables.values_mut() {
            table.maintain(MAINTAIN_ROWS);
        }
        self.shorten_logs();
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Read { relations, others, reply } => {
                self.readings.push(Reading::Rows { relations, others, reply });
            }
            Request::Lookup { table, keys, reply } => {
                let _ = reply.send(self.lookup(table, &keys));
            }
            Request::Subscribe { relation, reply } => {
                self.readings.push(Reading::Subscribe { relation, reply });
            }
            Request::Filled { view, reply } => self.waiting_filled.push((view, reply)),
            Request::Errors { view, reply } => {
                let _ = reply.send(self.errors(view));
            }
            Request::Settle { reply } => self.waiting_settled.push(reply),
            Request::Status { reply } => {
                let _ = reply.send(self.status());
            }
            Request::SourcePosition { source, reply } => {
                let feed = self.feeds.get(&source);
                let position = feed.and_then(|feed| feed.progress.position.clone());
                let _ = reply.send(position.map(|position| position.0));
            }
            Request::Nudge
            | Request::Define { .. }
            | Request::Write { .. }
            | Request::Crash
            | Request::Shutdown { .. } => {}
        }
    }

    /// Takes what running sources have read, up to a tick's worth.
    /// Returns the writes of undecodable records to their dead letter tables.
    pub(super) fn poll_feeds(&mut self) -> Vec<Write> {
        let now_us = self.clock.now_us();
        let mut rows = 0;
        let mut bad = vec![];
        for (&source, feed) in &mut self.feeds {
            while rows < self.config.tick_rows_max {
                let Some(polled) = feed.take(now_us) else { break };
                bad.extend(polled.bad.into_iter().map(|row| (source, row)));
                self.positions.retain(|(id, _)| *id != source);
                self.positions.push((source, feed.progress.text()));
                if let Some(batch) = polled.batch.filter(|batch| batch.num_rows() > 0) {
                    rows += batch.num_rows();
                    self.changes.push((source, Delta::insert(batch)));
                }
                if !feed.ready(now_us) {
                    break;
                }
            }
        }
        self.bad_rows(bad)
    }

    /// Runs a tick if there is anything to run.
    fn run_tick(&mut self) {
        let fills = self.feed_views();
        // A view may have gone since.
        self.changes.retain(|(relation, _)| scanned(&self.views, *relation));
        if !self.commands.is_empty() || !self.changes.is_empty() || !fills.is_empty() {
            self.tick(fills);
        }
    }

    /// Runs one tick with all commands and changes that have come up, and existing rows for views.
    pub(super) fn tick(&mut self, fills: Vec<(ObjectId, ObjectId, Delta)>) -> Vec<Report> {
        if self.broken.is_some() {
            return vec![];
        }
        self.ticked_at = monotonic();
        if !std::mem::take(&mut self.epoch_open) {
            self.epoch = self.epoch.next();
        }
        let header = self.header(fills);
        self.unpublish(&header.changed);
        match self.fabric.tick(header) {
            Ok(reports) => {
                self.take_reports(&reports);
                reports
            }
            Err(error) => {
                tracing::error!(%error, "a worker died; restart the engine to recover from the log");
                self.broken = Some(error);
                vec![]
            }
        }
    }

    fn header(&mut self, fills: Vec<(ObjectId, ObjectId, Delta)>) -> TickHeader {
        let commands = std::mem::take(&mut self.commands);
        let mut filled = vec![];
        // All scans of a new view are open from its first tick on: what was there before is in its fills.
        for command in &commands {
            if let Command::CreateView { view, .. } = command
                && let Some(state) = self.views.get_mut(view)
            {
                state.created = true;
                filled.extend(state.scans.iter().map(|&relation| (*view, relation)));
            }
        }
        let mut changed = vec![];
        let mut inputs = vec![WorkerInput::default(); self.fabric.local_workers()];
        let deltas = || self.changes.iter().map(|(_, delta)| delta);
        let rows = deltas().chain(fills.iter().map(|(_, _, delta)| delta)).map(Delta::rows).sum();
        let mut spreading = Spreading::new(rows, inputs.len());
        for (relation, delta) in std::mem::take(&mut self.changes) {
            push_new(&mut changed, relation);
            for (worker, piece) in spreading.give(delta, &mut self.turn) {
                inputs[worker].changes.push((relation, piece));
            }
        }
        for (view, relation, delta) in fills {
            push_new(&mut filled, (view, relation));
            for (worker, piece) in spreading.give(delta, &mut self.turn) {
                inputs[worker].fills.push((view, relation, piece));
            }
        }
        TickHeader {
            epoch: self.epoch,
            now_us: self.clock.now_us(),
            commands,
            changed,
            filled,
            inputs,
        }
    }

    /// What the engine is doing.
    fn status(&mut self) -> Status {
        self.commands.push(Command::Sizes);
        let reports = self.tick(vec![]);
        super::status::collect(self, &reports)
    }

    /// Collections of one epoch, for views that are ready.
    pub(super) fn snapshot(&mut self, relations: &[ObjectId]) -> Result<Snapshot> {
        self.publish(relations)?;
        let mut snapshot = Snapshot { epoch: self.epoch, relations: vec![], versions: vec![] };
        for &relation in relations {
            let rows = if let Some(table) = self.tables.get(&relation) {
                snapshot.versions.push((relation, table.version));
                table.contents()?
            } else {
                self.published(relation)?
            };
            snapshot.relations.push((relation, rows));
        }
        Ok(snapshot)
    }
}

/// Whether a view reads `relation` itself.
pub(super) fn scanned(views: &BTreeMap<ObjectId, View>, relation: ObjectId) -> bool {
    views.values().any(|view| view.scans.contains(&relation))
}

fn push_new<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if !items.contains(&item) {
        items.push(item);
    }
}
