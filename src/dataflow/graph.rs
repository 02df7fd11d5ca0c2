//! The operators of all views of a worker and who feeds whom.
//!
//! While a view is being filled its operators are its own. Then [`Graph::share`] replaces each one
//! that equals a complete operator of another view by that one; the rest become shareable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::{Index, IndexMut};

use arrow::datatypes::SchemaRef;

use super::exchange::Exchange;
use super::failed_rows::FailedRows;
use super::fingerprint::Fingerprint;
use super::operator::{Operator, Port};
use crate::state::{ArrangementId, Arrangements};
use crate::types::{Delta, ObjectId, Selection};

/// A node of the graph, within one worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(u32);

/// What a node does with a delta.
pub enum Body {
    /// Computes.
    Operator(Box<dyn Operator>),
    /// Sends rows to the workers that own them.
    Exchange(Exchange),
}

/// An operator with its place in the graph.
///
/// # Invariants
/// 1. `consumers` of a node and `inputs` of its consumers mirror each other (kept by the methods of
///    [`Graph`] that connect and free).
/// 2. `level` is the number of exchanges, `depth` the number of nodes on the longest path from a
///    scan. Both follow from the plan alone, so nodes of equal fingerprint agree on them, and
///    (level, depth) orders every producer before its consumers.
pub struct GraphNode {
    /// What it does.
    pub body: Body,
    /// Producers, with the port at which each arrives here.
    pub inputs: Vec<(NodeId, Port)>,
    /// Consumers, with the port at which this arrives there.
    pub consumers: Vec<(NodeId, Port)>,
    /// Round of a tick in which what it puts out is consumed.
    pub level: usize,
    /// Order within the round.
    pub depth: usize,
    /// The views whose plans contain it.
    pub views: Vec<ObjectId>,
    /// What it computes.
    pub fingerprint: Fingerprint,
    /// The arrangement that it writes, if any; freed with it.
    pub arrangement: Option<ArrangementId>,
    /// Of a scan: the relation.
    pub relation: Option<ObjectId>,
    /// Whether changes are let in: not while a scan waits for its view to be filled.
    pub open: bool,
    /// How many watched views have it as root.
    pub watchers: usize,
    /// Whether all its views have failed.
    pub dead: bool,
    /// Whether it has not lived through an epoch yet.
    pub fresh: bool,
    /// Whether it waits to run in the open tick.
    pub scheduled: bool,
    /// What it has been given in the open tick.
    pub pending: Vec<(Port, Selection)>,
    /// Rows that it has left out.
    pub failed_rows: FailedRows,
}

impl GraphNode {
    /// The round of a tick in which it runs: an exchange sends at the end of its producers' round.
    #[must_use]
    pub fn round(&self) -> usize {
        self.level - usize::from(matches!(self.body, Body::Exchange(_)))
    }
}

/// A view in the graph.
pub struct View {
    /// The node whose output, restricted to `columns` if given, is the view.
    pub root: NodeId,
    /// Columns of the root that the view shows.
    pub columns: Option<Vec<usize>>,
    /// Columns of the view.
    pub schema: SchemaRef,
    /// The node that can enumerate the root's collection.
    pub store: NodeId,
    /// All nodes of its plan.
    pub nodes: Vec<NodeId>,
    /// Whether existing rows are still being fed.
    pub filling: bool,
    /// Whether it has stopped.
    pub failed: bool,
    /// Whether its changes are collected.
    pub watched: bool,
    /// Its changes in the open tick.
    pub changes: Vec<Delta>,
}

/// The operator graph of one worker.
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Option<GraphNode>>,
    free: Vec<NodeId>,
    complete: HashMap<Fingerprint, NodeId>,
    scans: HashMap<ObjectId, Vec<NodeId>>,
    channels: HashMap<u64, NodeId>,
    reach: HashMap<ObjectId, usize>,
    /// The views, in order of id.
    pub views: BTreeMap<ObjectId, View>,
}

impl Index<NodeId> for Graph {
    type Output = GraphNode;

    fn index(&self, id: NodeId) -> &GraphNode {
        self.nodes[id.0 as usize].as_ref().expect("ids of freed nodes are kept nowhere")
    }
}

impl IndexMut<NodeId> for Graph {
    fn index_mut(&mut self, id: NodeId) -> &mut GraphNode {
        self.nodes[id.0 as usize].as_mut().expect("ids of freed nodes are kept nowhere")
    }
}

impl Graph {
    /// Adds a node and connects it to its inputs.
    pub fn add(&mut self, node: GraphNode) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            NodeId(u32::try_from(self.nodes.len() - 1).expect("fewer than four billion nodes"))
        });
        for &(input, port) in &node.inputs {
            self[input].consumers.push((id, port));
        }
        if let Body::Exchange(exchange) = &node.body {
            let other = self.channels.insert(exchange.channel, id);
            debug_assert!(other.is_none(), "the ids of views are never used again");
        }
        self.nodes[id.0 as usize] = Some(node);
        self.reach.clear();
        id
    }

    /// Makes a node an entry point of `relation`, closed for now.
    pub fn set_scan(&mut self, id: NodeId, relation: ObjectId) {
        self[id].relation = Some(relation);
        self[id].open = false;
        self.scans.entry(relation).or_default().push(id);
    }

    /// The exchange with this channel, unless it is gone.
    #[must_use]
    pub fn channel(&self, channel: u64) -> Option<NodeId> {
        self.channels.get(&channel).copied()
    }

    /// The scans of `relation`, of all views.
    #[must_use]
    pub fn scans(&self, relation: ObjectId) -> &[NodeId] {
        self.scans.get(&relation).map_or(&[], Vec::as_slice)
    }

    /// The scans of `view`; of one relation, if given.
    #[must_use]
    pub fn scans_of(&self, view: ObjectId, relation: Option<ObjectId>) -> Vec<NodeId> {
        let Some(view) = self.views.get(&view) else { return vec![] };
        let nodes = view.nodes.iter().copied();
        let scans = nodes.filter(|&id| match relation {
            Some(relation) => self[id].relation == Some(relation),
            None => self[id].relation.is_some(),
        });
        scans.collect()
    }

    /// The highest level that a change of `relation` can get to.
    pub fn reach(&mut self, relation: ObjectId) -> usize {
        if let Some(&level) = self.reach.get(&relation) {
            return level;
        }
        let level = self.highest(self.scans(relation));
        self.reach.insert(relation, level);
        level
    }

    /// The highest level among `from` and everything downstream of them.
    #[must_use]
    pub fn highest(&self, from: &[NodeId]) -> usize {
        self.downstream(from).into_iter().map(|id| self[id].level).max().unwrap_or(0)
    }

    /// Whether all consumers of a node are exchanges, and there are any.
    #[must_use]
    pub fn only_exchanges_consume(&self, id: NodeId) -> bool {
        let consumers = &self[id].consumers;
        let exchanges =
            |&(consumer, _): &(NodeId, Port)| matches!(self[consumer].body, Body::Exchange(_));
        !consumers.is_empty() && consumers.iter().all(exchanges)
    }

    /// `from` and everything downstream of them.
    #[must_use]
    pub fn downstream(&self, from: &[NodeId]) -> HashSet<NodeId> {
        let mut reached: HashSet<NodeId> = from.iter().copied().collect();
        let mut ahead = from.to_vec();
        while let Some(id) = ahead.pop() {
            let next = self[id].consumers.iter().map(|&(consumer, _)| consumer);
            ahead.extend(next.filter(|&consumer| reached.insert(consumer)));
        }
        reached
    }

    /// Stops every view that `id` is part of or feeds; the views that had not stopped before.
    pub fn fail(&mut self, id: NodeId) -> Vec<ObjectId> {
        let mut failed = vec![];
        let reached = self.downstream(&[id]);
        let views: HashSet<ObjectId> =
            reached.iter().flat_map(|&node| self[node].views.iter().copied()).collect();
        for id in views {
            let view = self.views.get_mut(&id).expect("a node's views exist");
            if !std::mem::replace(&mut view.failed, true) {
                failed.push(id);
            }
        }
        for &view in &failed {
            for node in self.views[&view].nodes.clone() {
                self[node].dead = self[node].views.iter().all(|id| self.views[id].failed);
            }
        }
        failed.sort();
        failed
    }

    /// The view is filled: replaces its operators by complete equal ones where there are any, and
    /// offers the others for sharing. To be called between ticks, when equal operators of equal
    /// inputs have equal state. Whether the view now depends on a failed operator.
    pub fn share(&mut self, view: ObjectId, arrangements: &mut Arrangements) -> bool {
        let Some(shared) = self.views.get_mut(&view) else { return false };
        shared.filling = false;
        let mut nodes = shared.nodes.clone();
        // Producers first: a node's inputs are then already those of its equal.
        nodes.sort_by_key(|&id| (self[id].level, self[id].depth));
        let mut depends_on_dead = false;
        for id in nodes {
            let fingerprint = self[id].fingerprint;
            match self.complete.get(&fingerprint).copied() {
                Some(kept) => {
                    self.replace(view, id, kept, arrangements);
                    depends_on_dead |= self[kept].dead;
                }
                None => {
                    self.complete.insert(fingerprint, id);
                }
            }
        }
        self.reach.clear();
        depends_on_dead
    }

    /// Lets `kept` stand for `gone` in `view`.
    fn replace(
        &mut self,
        view: ObjectId,
        gone: NodeId,
        kept: NodeId,
        arrangements: &mut Arrangements,
    ) {
        let consumers = std::mem::take(&mut self[gone].consumers);
        let renamed = (self[gone].arrangement, self[kept].arrangement);
        for &(consumer, port) in &consumers {
            let node = &mut self[consumer];
            for input in &mut node.inputs {
                if *input == (gone, port) {
                    *input = (kept, port);
                }
            }
            if let ((Some(from), Some(to)), Body::Operator(operator)) = (renamed, &mut node.body) {
                operator.rebind(from, to);
            }
        }
        let watchers = self[gone].watchers;
        let node = &mut self[kept];
        node.consumers.extend(consumers);
        node.watchers += watchers;
        node.views.push(view);
        let owner = self.views.get_mut(&view).expect("the view that is being shared");
        for id in owner.nodes.iter_mut().chain([&mut owner.root, &mut owner.store]) {
            if *id == gone {
                *id = kept;
            }
        }
        self.free(gone, arrangements);
    }

    /// Removes a view and every node that no other view uses.
    pub fn release(&mut self, view: ObjectId, arrangements: &mut Arrangements) {
        let Some(gone) = self.views.remove(&view) else { return };
        if gone.watched {
            self[gone.root].watchers -= 1;
        }
        self.release_nodes(view, &gone.nodes, arrangements);
    }

    /// Takes `view` off the owners of `nodes` and frees those without owners.
    pub fn release_nodes(
        &mut self,
        view: ObjectId,
        nodes: &[NodeId],
        arrangements: &mut Arrangements,
    ) {
        for &id in nodes {
            self[id].views.retain(|&owner| owner != view);
            if self[id].views.is_empty() {
                self.free(id, arrangements);
            } else {
                self[id].dead = self[id].views.iter().all(|owner| self.views[owner].failed);
            }
        }
        self.reach.clear();
    }

    /// Disconnects and drops a node.
    fn free(&mut self, id: NodeId, arrangements: &mut Arrangements) {
        let node = self.nodes[id.0 as usize].take().expect("a node is freed once");
        for &(input, port) in &node.inputs {
            if let Some(input) = &mut self.nodes[input.0 as usize] {
                input.consumers.retain(|&consumer| consumer != (id, port));
            }
        }
        for &(consumer, _) in &node.consumers {
            if let Some(consumer) = &mut self.nodes[consumer.0 as usize] {
                consumer.inputs.retain(|&(input, _)| input != id);
            }
        }
        if let Some(scans) = node.relation.and_then(|relation| self.scans.get_mut(&relation)) {
            scans.retain(|&scan| scan != id);
        }
        if let Body::Exchange(exchange) = &node.body {
            self.channels.remove(&exchange.channel);
        }
        if self.complete.get(&node.fingerprint) == Some(&id) {
            self.complete.remove(&node.fingerprint);
        }
        if let Some(arrangement) = node.arrangement {
            arrangements.release(arrangement);
        }
        self.free.push(id);
    }

    /// Whether the node is there.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes[id.0 as usize].is_some()
    }

    /// The nodes that can be shared: those of all filled views.
    pub fn complete(&self) -> impl Iterator<Item = &GraphNode> {
        self.complete.values().map(|&id| &self[id])
    }

    /// The same, to change.
    pub fn complete_mut(&mut self) -> impl Iterator<Item = &mut GraphNode> {
        self.nodes.iter_mut().flatten().filter(|node| {
            node.views.iter().any(|view| self.views.get(view).is_some_and(|view| !view.filling))
        })
    }
}
