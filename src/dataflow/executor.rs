//! Runs the operator graph of one worker, tick by tick, round by round.
//!
//! In round *r* the operators behind *r* exchanges run, producers before consumers. Only operators
//! that got something run: idle ones cost nothing. State changes when [`Executor::commit`] is called.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Packet;
use super::build::build;
use super::consolidate::consolidate;
use super::fingerprint::Fingerprint;
use super::graph::{Body, Graph, NodeId, View};
use super::operator::{Context, ErrorRow, Output, Port, StateSize};
use crate::error::{Error, Result};
use crate::plan::node::Node;
use crate::state::{Arrangements, Saved};
use crate::types::{Delta, Epoch, ObjectId, Selection};

/// Rows of background work that an operator may do after a tick in which it ran.
const MAINTAIN_ROWS: usize = 4096;

/// The views of worker `worker` of `workers`.
///
/// # Invariants
/// 1. Between ticks no node is scheduled and none has pending deltas (asserted by `commit`).
/// 2. A failed view's nodes stay in the graph until the view is dropped, so that what is shared and
///    how exchanges are named never depends on what happened on one worker.
pub struct Executor {
    worker: usize,
    workers: usize,
    graph: Graph,
    arrangements: Arrangements,
    epoch: Epoch,
    schedule: BTreeSet<(usize, usize, NodeId)>,
    ran: Vec<NodeId>,
    outbox: Vec<Packet>,
    failures: Vec<(ObjectId, Error)>,
}

impl Executor {
    /// An executor without views.
    #[must_use]
    pub fn new(worker: usize, workers: usize) -> Executor {
        assert!(worker < workers, "worker {worker} of {workers}");
        Executor {
            worker,
            workers,
            graph: Graph::default(),
            arrangements: Arrangements::default(),
            epoch: Epoch::default(),
            schedule: BTreeSet::new(),
            ran: vec![],
            outbox: vec![],
            failures: vec![],
        }
    }

    /// A tick opens.
    pub fn open(&mut self, epoch: Epoch) {
        self.epoch = epoch;
    }

    /// Adds a view; its scans let nothing in before [`Executor::let_in`].
    pub fn create(&mut self, view: ObjectId, plan: &Node) {
        let place = (self.worker, self.workers);
        match build(&mut self.graph, &mut self.arrangements, view, plan, place) {
            Ok(()) => {
                for id in self.graph.views[&view].nodes.clone() {
                    self.enlist(id);
                }
            }
            Err(error) => self.failures.push((view, error)),
        }
    }

    /// From now on the view's scans (of `relation`, if given) let changes in.
    pub fn let_in(&mut self, view: ObjectId, relation: Option<ObjectId>) {
        for id in self.graph.scans_of(view, relation) {
            self.graph[id].open = true;
        }
    }

    /// The view has got all existing rows: shares what can be shared. Between ticks only.
    pub fn share(&mut self, view: ObjectId) {
        debug_assert!(self.schedule.is_empty(), "sharing is between ticks");
        if self.graph.share(view, &mut self.arrangements) {
            let error = Error::internal("an operator that the view shares has failed");
            let root = self.graph.views[&view].root;
            self.fail(root, &error);
        }
    }

    /// Removes a view and frees what no other view uses.
    pub fn drop_view(&mut self, view: ObjectId) {
        self.graph.release(view, &mut self.arrangements);
        let graph = &self.graph;
        self.schedule.retain(|&(_, _, id)| graph.contains(id));
    }

    /// The number of data rounds of a tick in which the relations `changed` change, and relations
    /// `filled` are fed to views. Depends on the graph's shape only, which all workers agree on.
    pub fn rounds(&mut self, changed: &[ObjectId], filled: &[(ObjectId, ObjectId)]) -> usize {
        let changes = changed.iter().map(|&relation| self.graph.reach(relation)).max();
        let fills = filled.iter().map(|&(view, relation)| {
            let scans = self.graph.scans_of(view, Some(relation));
            self.graph.highest(&scans)
        });
        let fills = fills.max();
        let fresh = self.schedule.iter().map(|&(level, _, _)| level).max();
        1 + changes.max(fills).max(fresh).unwrap_or(0)
    }

    /// A change of `relation`, for every view that reads it.
    pub fn change(&mut self, relation: ObjectId, delta: &Delta) {
        for id in self.graph.scans(relation).to_vec() {
            self.deliver(id, 0, delta.clone().into());
        }
    }

    /// Existing rows of `relation`, for `view` only.
    pub fn fill(&mut self, view: ObjectId, relation: ObjectId, delta: &Delta) {
        debug_assert!(
            self.graph.views.get(&view).is_none_or(|view| view.filling),
            "only views that share nothing yet are fed on their own"
        );
        for id in self.graph.scans_of(view, Some(relation)) {
            self.deliver(id, 0, delta.clone().into());
        }
    }

    /// Runs round `round`: what peers have sent, then the operators of that level.
    pub fn run(&mut self, round: usize, inbox: Vec<Packet>, out: &mut Vec<Packet>) {
        for packet in inbox {
            // An exchange that is gone belonged to a view dropped since.
            if let Some(id) = self.graph.channel(packet.channel) {
                self.pass_on(id, packet.rows);
            }
        }
        while let Some(&next) = self.schedule.first()
            && next.0 == round
        {
            self.schedule.pop_first();
            self.run_node(next.2);
        }
        out.append(&mut self.outbox);
    }

    /// All rounds have run: staged changes become state.
    pub fn commit(&mut self) {
        assert!(self.schedule.is_empty(), "every scheduled operator has run");
        for id in std::mem::take(&mut self.ran) {
            let node = &mut self.graph[id];
            node.fresh = false;
            let Body::Operator(operator) = &mut node.body else { continue };
            if node.dead {
                continue;
            }
            let arrangements = &mut self.arrangements;
            let committed = guard(operator.name(), || {
                operator.commit(arrangements);
                operator.maintain(arrangements, MAINTAIN_ROWS);
                Ok(())
            });
            if let Err(error) = committed {
                self.fail(id, &error);
            }
        }
    }

    /// Views that have failed since the last call. They stand still until they are dropped.
    pub fn take_failures(&mut self) -> Vec<(ObjectId, Error)> {
        std::mem::take(&mut self.failures)
    }

    /// The rows of a view on this worker as of the last commit.
    ///
    /// # Errors
    /// If the view has failed, or its rows cannot be read back.
    pub fn contents(&self, view: ObjectId) -> Result<Vec<Delta>> {
        let Some(found) = self.live_view(view)? else { return Ok(vec![]) };
        let Body::Operator(store) = &self.graph[found.store].body else {
            return Err(Error::internal("a view is kept by an operator"));
        };
        let deltas = store
            .contents(&self.arrangements)
            .unwrap_or_else(|| Err(Error::internal("a view's store enumerates its rows")))?;
        deltas.into_iter().map(|delta| shown(found, delta)).collect()
    }

    /// The rows that failed on this worker, with the sum of their weights here.
    #[must_use]
    pub fn errors(&self, view: ObjectId) -> Vec<ErrorRow> {
        let Some(view) = self.graph.views.get(&view) else { return vec![] };
        // Each node once, however often the plan has it.
        let nodes: BTreeSet<NodeId> = view.nodes.iter().copied().collect();
        nodes.into_iter().flat_map(|id| self.graph[id].failed_rows.rows()).collect()
    }

    /// Begins or stops collecting a view's changes. Between ticks only.
    pub fn watch(&mut self, view: ObjectId, on: bool) {
        let Some(found) = self.graph.views.get_mut(&view) else { return };
        if found.watched != on {
            found.watched = on;
            let root = found.root;
            let watchers = &mut self.graph[root].watchers;
            *watchers = if on { *watchers + 1 } else { *watchers - 1 };
        }
    }

    /// The consolidated changes of every watched view in the last tick.
    pub fn take_changes(&mut self) -> Vec<(ObjectId, Vec<Delta>)> {
        let mut changes = vec![];
        for (&id, view) in self.graph.views.iter_mut().filter(|(_, view)| view.watched) {
            let deltas = std::mem::take(&mut view.changes);
            match consolidate(&view.schema, &deltas) {
                Ok(delta) if delta.is_empty() => {}
                Ok(delta) => changes.push((id, vec![delta])),
                // Rows of types that cannot be compared go out as they came.
                Err(_) => changes.push((id, deltas)),
            }
        }
        changes
    }

    /// What every operator holds, by view.
    #[must_use]
    pub fn sizes(&self) -> Vec<(ObjectId, &'static str, StateSize)> {
        let mut sizes = vec![];
        for (&id, view) in &self.graph.views {
            for &node in &view.nodes {
                if let Body::Operator(operator) = &self.graph[node].body {
                    sizes.push((id, operator.name(), operator.size(&self.arrangements)));
                }
            }
        }
        sizes
    }

    /// The state of every complete operator of this worker as of the last commit.
    ///
    /// # Errors
    /// Only what encoding reports.
    pub fn save(&self) -> Result<BTreeMap<Fingerprint, Saved>> {
        let mut saved = BTreeMap::new();
        for node in self.graph.complete() {
            if let Body::Operator(operator) = &node.body {
                let mut state = Saved::default();
                operator.save(&self.arrangements, &mut state)?;
                node.failed_rows.save(&mut state)?;
                saved.insert(node.fingerprint, state);
            }
        }
        Ok(saved)
    }

    /// Reads back the state gathered from all workers, whatever their number was, into views that
    /// have been created in the same order but not run. They count as filled.
    ///
    /// # Errors
    /// If the state does not fit an operator, or is missing for one.
    pub fn restore(&mut self, saved: &BTreeMap<Fingerprint, Saved>) -> Result<()> {
        self.schedule.clear();
        for view in self.graph.views.keys().copied().collect::<Vec<_>>() {
            self.let_in(view, None);
            self.share(view);
        }
        for node in self.graph.complete_mut() {
            node.fresh = false;
            node.scheduled = false;
            if let Body::Operator(operator) = &mut node.body {
                let state = saved.get(&node.fingerprint).ok_or_else(|| {
                    Error::internal(format!("no saved state for operator {}", operator.name()))
                })?;
                let mine = state.owned_by(self.worker, self.workers);
                operator.restore(&mut self.arrangements, &mine)?;
                node.failed_rows.restore(&mine)?;
            }
        }
        Ok(())
    }

    fn live_view(&self, view: ObjectId) -> Result<Option<&View>> {
        match self.graph.views.get(&view) {
            Some(view) if view.failed => Err(Error::internal("the view has failed")),
            found => Ok(found),
        }
    }

    /// Makes sure that a node runs in the open tick.
    fn enlist(&mut self, id: NodeId) {
        let node = &mut self.graph[id];
        if !std::mem::replace(&mut node.scheduled, true) {
            self.schedule.insert((node.round(), node.depth, id));
        }
    }

    /// Gives rows to a node.
    fn deliver(&mut self, id: NodeId, port: Port, rows: Selection) {
        let node = &mut self.graph[id];
        if rows.is_empty() || node.dead {
            return;
        }
        node.pending.push((port, rows));
        self.enlist(id);
    }

    /// Sends what exchange `id` has been given in this round to where it belongs.
    fn send(&mut self, id: NodeId, pending: Vec<(Port, Selection)>) {
        let Body::Exchange(exchange) = &self.graph[id].body else { return };
        let channel = exchange.channel;
        let inputs: Vec<Selection> = pending.into_iter().map(|(_, rows)| rows).collect();
        match exchange.partition(&inputs) {
            Ok(parts) => {
                for (dest, rows) in parts {
                    if dest == self.worker {
                        // Its consumers are of a later level: they wait for the next round like packets.
                        self.pass_on(id, rows);
                    } else {
                        self.outbox.push(Packet { channel, dest, rows });
                    }
                }
            }
            Err(error) => self.fail(id, &error),
        }
    }

    /// Gives rows to all consumers of a node.
    fn pass_on(&mut self, id: NodeId, rows: Selection) {
        let consumers = std::mem::take(&mut self.graph[id].consumers);
        if let Some((&(last, last_port), others)) = consumers.split_last() {
            for &(consumer, port) in others {
                self.feed(consumer, port, rows.clone());
            }
            self.feed(last, last_port, rows);
        }
        self.graph[id].consumers = consumers;
    }

    /// Gives rows to a consumer, unless it is a scan that waits for its fill.
    fn feed(&mut self, id: NodeId, port: Port, rows: Selection) {
        if self.graph[id].open {
            self.deliver(id, port, rows);
        }
    }

    /// Runs one operator over what it has been given.
    fn run_node(&mut self, id: NodeId) {
        let node = &mut self.graph[id];
        node.scheduled = false;
        let pending = std::mem::take(&mut node.pending);
        self.ran.push(id);
        if node.dead {
            return;
        }
        let wanted = !node.consumers.is_empty() || node.watchers > 0;
        let selecting = node.watchers == 0 && self.graph.only_exchanges_consume(id);
        let node = &mut self.graph[id];
        let Body::Operator(operator) = &mut node.body else { return self.send(id, pending) };
        let mut ctx = Context { arrangements: &mut self.arrangements, epoch: self.epoch };
        let mut out = Output { wanted, selecting, ..Output::default() };
        let result = guard(operator.name(), || {
            for (port, rows) in pending {
                operator.apply_selection(&mut ctx, port, rows, &mut out)?;
            }
            operator.finish(&mut ctx, &mut out)
        });
        if let Err(error) = result {
            self.fail(id, &error);
            return;
        }
        if !out.errors.is_empty() {
            self.record(id, &out.errors);
        }
        for delta in out.deltas {
            if self.graph[id].watchers > 0 {
                self.show(id, &delta);
            }
            self.pass_on(id, delta.into());
        }
        for rows in out.selections {
            debug_assert_eq!(self.graph[id].watchers, 0, "no watched root puts out selections");
            self.pass_on(id, rows);
        }
    }

    /// Keeps the rows that failed in an operator.
    fn record(&mut self, id: NodeId, errors: &[ErrorRow]) {
        let failed_rows = &mut self.graph[id].failed_rows;
        errors.iter().for_each(|error| failed_rows.add(error));
    }

    /// Collects a root's delta for the watched views that it is the root of.
    fn show(&mut self, id: NodeId, delta: &Delta) {
        for view in self.graph[id].views.clone() {
            let view = self.graph.views.get_mut(&view).expect("a node's views exist");
            if !view.watched || view.root != id || delta.is_empty() {
                continue;
            }
            match shown(view, delta.clone()) {
                Ok(change) => view.changes.push(change),
                Err(error) => {
                    self.fail(id, &error);
                    return;
                }
            }
        }
    }

    /// Stops the views downstream of `id`.
    fn fail(&mut self, id: NodeId, error: &Error) {
        let failed = self.graph.fail(id);
        self.failures.extend(failed.into_iter().map(|view| (view, error.clone())));
    }
}

/// A delta of a view's root as the view shows it.
fn shown(view: &View, delta: Delta) -> Result<Delta> {
    match &view.columns {
        Some(columns) => delta.select(columns, &view.schema),
        None => Ok(delta),
    }
}

/// Runs part of an operator's life; a panic is an error like others, because nothing but the
/// operator's own staged changes can have been left half done.
fn guard(name: &'static str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        Err(Error::internal(format!("operator {name} panicked: {message}")))
    })
}

/// What a panic said.
#[must_use]
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
