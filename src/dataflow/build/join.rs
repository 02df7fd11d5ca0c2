//! Builds joins and the arrangements of their inputs.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::{Builder, Built, Part};
use crate::dataflow::eval::residual;
use crate::dataflow::fingerprint::Fingerprint;
use crate::dataflow::graph::Body;
use crate::dataflow::operator::{
    Arrange, Join, JoinCondition, JoinSide, Operator, OuterJoin, SemiJoin,
};
use crate::dataflow::placement::{moved, positions};
use crate::error::Result;
use crate::plan::node::{JoinKind, Node, NodeKind};
use crate::state::ArrangementId;

impl Builder<'_> {
    /// The inputs of a join on these pairs of columns, placed by them where that costs nothing.
    pub(super) fn sides(
        &mut self,
        on: &[(usize, usize)],
        left: &Node,
        right: &Node,
    ) -> Result<[Built; 2]> {
        let (left_key, right_key): (Vec<_>, Vec<_>) = on.iter().copied().unzip();
        Ok([self.node(left, &left_key)?, self.node(right, &right_key)?])
    }

    /// The join `node` of two inputs, restricted to `columns` if given.
    pub(super) fn join(
        &mut self,
        node: &Node,
        [left, right]: [Built; 2],
        columns: Option<Vec<usize>>,
        (fingerprint, schema): (Fingerprint, &SchemaRef),
    ) -> Result<Built> {
        let NodeKind::Join { kind, on, null_equals_null, residual: condition, .. } = &node.kind
        else {
            unreachable!("only called for joins")
        };
        let (left_key, right_key): (Vec<_>, Vec<_>) = on.iter().copied().unzip();
        let width = left.schema.fields().len();
        let (left, left_id) = self.arrange(&left, &left_key)?;
        let (right, right_id) = self.arrange(&right, &right_key)?;
        let side = |built: &Built, arrangement, key: &Vec<usize>| JoinSide {
            arrangement,
            schema: Arc::clone(&built.schema),
            key: key.clone(),
        };
        let condition = JoinCondition {
            left: side(&left, left_id, &left_key),
            right: side(&right, right_id, &right_key),
            null_equals_null: *null_equals_null,
            residual: condition.as_ref().map(residual),
        };
        let shifted: Vec<usize> = right_key.iter().map(|column| column + width).collect();
        let placements = match kind {
            JoinKind::Inner => vec![left_key, shifted],
            JoinKind::Right => vec![shifted],
            JoinKind::Full => vec![],
            JoinKind::Left | JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => vec![left_key],
        };
        let placements = match &columns {
            Some(columns) => moved(&placements, |keys| positions(columns, keys)),
            None => placements,
        };
        let out = Arc::clone(schema);
        let operator: Box<dyn Operator> = match kind {
            JoinKind::Inner => Box::new(Join::new(condition, columns, out)?),
            JoinKind::Left | JoinKind::Right | JoinKind::Full => {
                Box::new(OuterJoin::new(*kind, condition, columns, out)?)
            }
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => {
                Box::new(SemiJoin::new(*kind, condition, out)?)
            }
        };
        self.boxed(fingerprint, schema, &[&left, &right], placements, operator)
    }

    /// `input` indexed by `key`, each row on the worker that owns its key.
    pub(super) fn arrange(
        &mut self,
        input: &Built,
        key: &[usize],
    ) -> Result<(Built, ArrangementId)> {
        let fingerprint = input.fingerprint.by("arrange", key);
        let built = match self.built.get(&fingerprint) {
            Some(built) => built.clone(),
            None => {
                let input = self.exchange(input.clone(), key)?;
                let schema = Arc::clone(&input.schema);
                let id = self.arrangements.create(Arc::clone(&schema), key.to_vec())?;
                let body = Body::Operator(Box::new(Arrange::new(id)));
                let placements = input.placements.clone();
                let part = Part { body, fingerprint, schema, placements };
                self.add(part, vec![(input.id, 0)], 0, Some(id))
            }
        };
        let id = self.graph[built.id].arrangement.expect("an arrange node has its arrangement");
        Ok((built, id))
    }
}
