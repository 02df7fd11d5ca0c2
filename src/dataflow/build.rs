//! Plan → operators: where exchanges and arrangements go, what keeps a view's rows.

mod grouping;
mod join;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::enumerable::{enumerable, enumerable_root};
use super::eval::{carried, plain_columns};
use super::exchange::Exchange;
use super::failed_rows::FailedRows;
use super::fingerprint::Fingerprint;
use super::graph::{Body, Graph, GraphNode, NodeId, View};
use super::operator::{
    Constant, Filter, Hop, Materialize, Operator, Port, Project, Repeat, Scan, Union, Unnest,
    Windows,
};
use super::placement::{Placements, kept, moved, positions};
use crate::error::Result;
use crate::plan::node::{JoinKind, Node, NodeKind};
use crate::state::{ArrangementId, Arrangements};
use crate::types::ObjectId;

/// A node that has been built, as the nodes above it see it.
#[derive(Clone)]
struct Built {
    id: NodeId,
    fingerprint: Fingerprint,
    schema: SchemaRef,
    placements: Placements,
}

/// What a node is before it has a place in the graph.
struct Part {
    body: Body,
    fingerprint: Fingerprint,
    schema: SchemaRef,
    placements: Placements,
}

/// Builds the operators of one view, all its own.
pub struct Builder<'a> {
    graph: &'a mut Graph,
    arrangements: &'a mut Arrangements,
    view: ObjectId,
    worker: usize,
    workers: usize,
    built: HashMap<Fingerprint, Built>,
    nodes: Vec<NodeId>,
}

/// Adds `plan` to `graph` as `view`, with all scans closed. On an error the graph is unchanged.
///
/// # Errors
/// If an operator refuses its part of the plan.
pub fn build(
    graph: &mut Graph,
    arrangements: &mut Arrangements,
    view: ObjectId,
    plan: &Node,
    (worker, workers): (usize, usize),
) -> Result<()> {
    let (built, nodes) = (HashMap::new(), vec![]);
    let mut builder = Builder { graph, arrangements, view, worker, workers, built, nodes };
    match builder.view(plan) {
        Ok(built) => {
            graph.views.insert(view, built);
            Ok(())
        }
        Err(error) => {
            let nodes = builder.nodes;
            graph.release_nodes(view, &nodes, arrangements);
            Err(error)
        }
    }
}

impl Builder<'_> {
    /// The whole plan, and what keeps its rows.
    fn view(&mut self, plan: &Node) -> Result<View> {
        let (top, columns) = enumerable_root(plan);
        let root = self.node(top, &[])?;
        let store = if enumerable(top) { root.clone() } else { self.store(plan, &root)? };
        Ok(View {
            root: root.id,
            columns,
            schema: Arc::clone(&plan.schema),
            store: store.id,
            nodes: std::mem::take(&mut self.nodes),
            filling: true,
            failed: false,
            watched: false,
            changes: vec![],
        })
    }

    /// Keeps the rows of `root`: a list if they only grow, else an index by which they can go.
    fn store(&mut self, plan: &Node, root: &Built) -> Result<Built> {
        if plan.append_only {
            let fingerprint = root.fingerprint.by("materialize", &[]);
            let operator = Materialize::new(Arc::clone(&root.schema));
            return self.operator(fingerprint, &plan.schema, &[root], vec![], operator);
        }
        let all = || (0..plan.schema.fields().len()).collect();
        let key: Vec<usize> = plan.upsert_key.clone().unwrap_or_else(all);
        Ok(self.arrange(root, &key)?.0)
    }

    /// Builds `node` for a reader that would place its rows by the columns `wanted`, if any.
    fn node(&mut self, node: &Node, wanted: &[usize]) -> Result<Built> {
        let input_width = node.kind.inputs().first().map_or(0, |input| input.schema.fields().len());
        let carried_over = match wanted.iter().all(|&column| column < input_width) {
            true => wanted,
            false => &[],
        };
        match &node.kind {
            NodeKind::Scan { relation, columns } => self.scan(node, *relation, columns),
            NodeKind::Constant { rows } => {
                let rows = (self.worker == 0).then(|| rows.clone());
                let fingerprint = Fingerprint::of(node, &[])?;
                self.operator(fingerprint, &node.schema, &[], vec![], Constant::new(rows))
            }
            NodeKind::Filter { predicate, input } => {
                let input = self.node(input, wanted)?;
                let placements = input.placements.clone();
                let operator = Filter::new(Arc::clone(predicate), None);
                self.unary(node, &input, placements, operator)
            }
            NodeKind::Project { exprs, input } => {
                if let Some(columns) = plain_columns(exprs)
                    && let Some(fused) = self.fused(node, &columns, input, wanted)?
                {
                    return Ok(fused);
                }
                let source = |&column: &usize| plain_columns(&exprs[column..=column]);
                let inside: Option<Vec<_>> = wanted.iter().map(source).collect();
                let input = self.node(input, &inside.unwrap_or_default().concat())?;
                let placements = moved(&input.placements, |columns| carried(exprs, columns));
                let operator = Project::new(exprs.clone(), Arc::clone(&node.schema));
                self.unary(node, &input, placements, operator)
            }
            NodeKind::Hop { time, slide_us, size_us, offset_us, input } => {
                let input = self.node(input, carried_over)?;
                let windows =
                    Windows { slide_us: *slide_us, size_us: *size_us, offset_us: *offset_us };
                let placements = input.placements.clone();
                let operator = Hop::new(*time, windows, Arc::clone(&node.schema));
                self.unary(node, &input, placements, operator)
            }
            NodeKind::Repeat { input } => {
                let input = self.node(input, &[])?;
                let placements =
                    kept(&input.placements, |column| column < node.schema.fields().len());
                self.unary(node, &input, placements, Repeat::new(Arc::clone(&node.schema)))
            }
            NodeKind::Unnest { lists, input } => {
                let input = self.node(input, &[])?;
                let placements = kept(&input.placements, |column| !lists.contains(&column));
                let schema = Arc::clone(&node.schema);
                self.unary(node, &input, placements, Unnest::new(lists.clone(), schema))
            }
            NodeKind::Union { inputs } => self.union(node, inputs),
            NodeKind::Join { on, left, right, .. } => {
                let [left, right] = self.sides(on, left, right)?;
                let fingerprint = Fingerprint::of(node, &[left.fingerprint, right.fingerprint])?;
                self.join(node, [left, right], None, (fingerprint, &node.schema))
            }
            NodeKind::Aggregate { .. }
            | NodeKind::Distinct { .. }
            | NodeKind::TopN { .. }
            | NodeKind::Recompute { .. }
            | NodeKind::AtMostOne { .. } => self.grouping(node, wanted),
        }
    }

    fn scan(&mut self, node: &Node, relation: ObjectId, columns: &[usize]) -> Result<Built> {
        let fingerprint = Fingerprint::of(node, &[])?;
        if let Some(built) = self.built.get(&fingerprint) {
            return Ok(built.clone());
        }
        // A view in the graph feeds its readers directly. Its root may have other columns than it
        // shows, which is what fills and changes from outside have.
        let feed = self.graph.views.get(&relation).map(|view| {
            let inside = match &view.columns {
                Some(shown) => columns.iter().map(|&column| shown[column]).collect(),
                None => columns.to_vec(),
            };
            (view.root, inside)
        });
        let (inputs, inside) = match feed {
            Some((root, inside)) => (vec![(root, Scan::FROM_VIEW)], inside),
            None => (vec![], vec![]),
        };
        let operator = Scan::new(columns.to_vec(), inside, Arc::clone(&node.schema));
        let schema = Arc::clone(&node.schema);
        let body = Body::Operator(Box::new(operator));
        let part = Part { body, fingerprint, schema, placements: vec![] };
        let built = self.add(part, inputs, 0, None);
        self.graph.set_scan(built.id, relation);
        Ok(built)
    }

    /// A projection to plain columns as part of the filter or join below it, which then need not put
    /// out the others.
    fn fused(
        &mut self,
        node: &Node,
        columns: &[usize],
        input: &Node,
        wanted: &[usize],
    ) -> Result<Option<Built>> {
        match &input.kind {
            NodeKind::Filter { predicate, input: below } => {
                let wanted: Vec<usize> = wanted.iter().map(|&column| columns[column]).collect();
                let below = self.node(below, &wanted)?;
                let inner = Fingerprint::of(input, &[below.fingerprint])?;
                let fingerprint = Fingerprint::of(node, &[inner])?;
                let placements = moved(&below.placements, |keys| positions(columns, keys));
                let output = (columns.to_vec(), Arc::clone(&node.schema));
                let operator = Filter::new(Arc::clone(predicate), Some(output));
                self.operator(fingerprint, &node.schema, &[&below], placements, operator).map(Some)
            }
            NodeKind::Join { kind, on, left, right, .. }
                if !matches!(kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark) =>
            {
                let [left, right] = self.sides(on, left, right)?;
                let inner = Fingerprint::of(input, &[left.fingerprint, right.fingerprint])?;
                let output = (Fingerprint::of(node, &[inner])?, &node.schema);
                self.join(input, [left, right], Some(columns.to_vec()), output).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn union(&mut self, node: &Node, inputs: &[Node]) -> Result<Built> {
        let inputs: Vec<Built> =
            inputs.iter().map(|input| self.node(input, &[])).collect::<Result<_>>()?;
        let fingerprints: Vec<_> = inputs.iter().map(|input| input.fingerprint).collect();
        let everywhere = |placement: &Vec<usize>| {
            inputs.iter().all(|input| input.placements.contains(placement))
        };
        let placements = match inputs.first() {
            Some(first) => first.placements.iter().filter(|p| everywhere(p)).cloned().collect(),
            None => vec![],
        };
        let fingerprint = Fingerprint::of(node, &fingerprints)?;
        let inputs: Vec<&Built> = inputs.iter().collect();
        let operator = Union::new(Arc::clone(&node.schema));
        self.operator(fingerprint, &node.schema, &inputs, placements, operator)
    }

    /// `input` with each row on the worker that owns its key.
    fn exchange(&mut self, input: Built, key: &[usize]) -> Result<Built> {
        if input.placements.iter().any(|placed| placed == key) {
            return Ok(input);
        }
        if self.workers == 1 {
            // Saved state, whose places follow from this, does not depend on the number of workers.
            return Ok(Built { placements: vec![key.to_vec()], ..input });
        }
        let fingerprint = input.fingerprint.by("exchange", key);
        if let Some(built) = self.built.get(&fingerprint) {
            // Above an exchange, a node's fingerprint is its input's: saved state and sharing do not
            // depend on the number of workers.
            return Ok(Built { fingerprint: input.fingerprint, ..built.clone() });
        }
        // Unique and the same on all workers: exchanges are numbered within their first view.
        let channel = u64::from(self.view.0) << 32 | self.nodes.len() as u64;
        let exchange = Exchange::new(channel, key, &input.schema, self.workers)?;
        let (body, placements) = (Body::Exchange(exchange), vec![key.to_vec()]);
        let part = Part { body, fingerprint, schema: Arc::clone(&input.schema), placements };
        let built = self.add(part, vec![(input.id, 0)], 1, None);
        Ok(Built { fingerprint: input.fingerprint, ..built })
    }

    /// An operator for `node` with one input.
    fn unary(
        &mut self,
        node: &Node,
        input: &Built,
        placements: Placements,
        operator: impl Operator + 'static,
    ) -> Result<Built> {
        let fingerprint = Fingerprint::of(node, &[input.fingerprint])?;
        self.operator(fingerprint, &node.schema, &[input], placements, operator)
    }

    fn operator(
        &mut self,
        fingerprint: Fingerprint,
        schema: &SchemaRef,
        inputs: &[&Built],
        placements: Placements,
        operator: impl Operator + 'static,
    ) -> Result<Built> {
        self.boxed(fingerprint, schema, inputs, placements, Box::new(operator))
    }

    fn boxed(
        &mut self,
        fingerprint: Fingerprint,
        schema: &SchemaRef,
        inputs: &[&Built],
        placements: Placements,
        operator: Box<dyn Operator>,
    ) -> Result<Built> {
        if let Some(built) = self.built.get(&fingerprint) {
            return Ok(built.clone());
        }
        let inputs = inputs.iter().enumerate().map(|(port, input)| (input.id, port)).collect();
        let (body, schema) = (Body::Operator(operator), Arc::clone(schema));
        Ok(self.add(Part { body, fingerprint, schema, placements }, inputs, 0, None))
    }

    /// Puts a node into the graph, `exchanges` rounds behind its inputs.
    fn add(
        &mut self,
        part: Part,
        inputs: Vec<(NodeId, Port)>,
        exchanges: usize,
        arrangement: Option<ArrangementId>,
    ) -> Built {
        let producers = || inputs.iter().map(|&(input, _)| &self.graph[input]);
        let level = producers().map(|node| node.level).max().unwrap_or(0) + exchanges;
        let depth = producers().map(|node| node.depth + 1).max().unwrap_or(0);
        let Part { body, fingerprint, schema, placements } = part;
        let id = self.graph.add(GraphNode {
            body,
            inputs,
            consumers: vec![],
            level,
            depth,
            views: vec![self.view],
            fingerprint,
            arrangement,
            relation: None,
            open: true,
            watchers: 0,
            dead: false,
            fresh: true,
            scheduled: false,
            pending: vec![],
            failed_rows: FailedRows::default(),
        });
        self.nodes.push(id);
        let built = Built { id, fingerprint, schema, placements };
        self.built.insert(fingerprint, built.clone());
        built
    }
}
