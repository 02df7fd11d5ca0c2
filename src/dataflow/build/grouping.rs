//! Builds the operators that work on one group of rows at a time.

use super::{Builder, Built};
use crate::dataflow::operator::{Aggregate, AtMostOne, Distinct, Ranking, Recompute, TopN};
use crate::dataflow::placement::positions;
use crate::error::Result;
use crate::plan::node::{Node, NodeKind, PartitionCalls};
use crate::types::Vnode;
use crate::types::key::KeyEncoder;

impl Builder<'_> {
    /// The operators that work on one group of rows at a time.
    pub(super) fn grouping(&mut self, node: &Node, wanted: &[usize]) -> Result<Built> {
        let [input] = node.kind.inputs()[..] else { unreachable!("grouping nodes have one input") };
        let append_only = input.append_only;
        let below = self.node(input, &[])?;
        let schema = &node.schema;
        match &node.kind {
            NodeKind::Aggregate { group, calls, .. } => {
                let inside = wanted.iter().map(|&column| group.get(column).copied());
                let inside = inside.collect::<Option<Vec<_>>>().unwrap_or_default();
                let (input, placed) = self.gather(below, group, &inside)?;
                let operator = Aggregate::new(
                    (group, &placed),
                    calls,
                    &input.schema,
                    schema,
                    append_only,
                    self.owns_unit_key()?,
                )?;
                // Group columns come first.
                let placed = positions(group, &placed).into_iter().collect();
                self.unary(node, &input, placed, operator)
            }
            NodeKind::Distinct { .. } => {
                let all: Vec<usize> = (0..schema.fields().len()).collect();
                let (input, placed) = self.gather(below, &all, wanted)?;
                let operator = Distinct::new(schema, placed.clone())?;
                self.unary(node, &input, vec![placed], operator)
            }
            NodeKind::TopN { partition, order, offset, limit, rank, .. } => {
                let (input, placed) = self.gather(below, partition, &[])?;
                let ranking = Ranking {
                    partition: partition.clone(),
                    placed: placed.clone(),
                    order: order.clone(),
                    offset: *offset,
                    limit: *limit,
                    rank: *rank,
                };
                let operator = TopN::new(ranking, &input.schema, schema, append_only)?;
                self.unary(node, &input, vec![placed], operator)
            }
            NodeKind::Recompute { partition, order, calls, .. } => {
                let input = self.exchange(below, partition)?;
                let unit = self.owns_unit_key()?;
                let placed = match calls {
                    PartitionCalls::Windows(_) => partition.clone(),
                    PartitionCalls::Aggregates(_) => (0..partition.len()).collect(),
                };
                let operator =
                    Recompute::new(partition, order, calls, (&input.schema, schema), unit)?;
                self.unary(node, &input, vec![placed], operator)
            }
            NodeKind::AtMostOne { key, .. } => {
                let (input, placed) = self.gather(below, key, &[])?;
                let operator = AtMostOne::new(key, placed.clone(), &input.schema)?;
                self.unary(node, &input, vec![placed], operator)
            }
            other => unreachable!("not a grouping node: {other:?}"),
        }
    }

    /// `input` with all rows of equal `key` on one worker, and the columns by which they are placed:
    /// where they are placed by a part of the key already, nothing needs to move. If they move, then by
    /// `wanted`, columns of the key, so that they need not move again behind the group; but not by few of
    /// many columns, which could leave workers idle.
    fn gather(
        &mut self,
        input: Built,
        key: &[usize],
        wanted: &[usize],
    ) -> Result<(Built, Vec<usize>)> {
        let within = |placed: &&Vec<usize>| {
            !placed.is_empty() && placed.iter().all(|column| key.contains(column))
        };
        match input.placements.iter().filter(within).max_by_key(|placed| placed.len()).cloned() {
            Some(placed) => Ok((input, placed)),
            None if wanted.len() * 2 > key.len() && wanted != key => {
                let fingerprint = input.fingerprint.by("placed", wanted);
                let input = self.exchange(input, wanted)?;
                // Groups placed in two ways are not the same to those who share and save them.
                Ok((Built { fingerprint, ..input }, wanted.to_vec()))
            }
            None => Ok((self.exchange(input, key)?, key.to_vec())),
        }
    }

    /// Whether this worker owns the one group of an aggregate without group columns.
    fn owns_unit_key(&self) -> Result<bool> {
        let hash = KeyEncoder::new(&[])?.encode(&[], 1)?.hashes[0];
        Ok(Vnode::of_hash(hash).worker(self.workers) == self.worker)
    }
}
