//! Tells equal plans: what two views may share, and by which saved state finds its operator again.

use std::fmt::Write;

use arrow::datatypes::Schema;
use xxhash_rust::xxh3::xxh3_128;

use super::eval::canonical;
use crate::error::Result;
use crate::plan::node::{Expr, Node, NodeKind};
use crate::types::Delta;
use crate::types::key::KeyEncoder;

/// Hash of a canonical text of a plan subtree, schemas and relation ids included.
///
/// # Invariants
/// 1. It depends on the plan only: not on the worker, the number of workers or the process. Workers
///    share operators by it on their own and must come to the same graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// The fingerprint of `node`, whose inputs have the fingerprints `inputs`.
    ///
    /// # Errors
    /// If constant rows have a type without a canonical form.
    pub fn of(node: &Node, inputs: &[Fingerprint]) -> Result<Fingerprint> {
        let mut text = String::new();
        describe(node, &mut text)?;
        describe_schema(&node.schema, &mut text);
        if node.append_only {
            text.push_str(" append only");
        }
        for input in inputs {
            let _ = write!(text, " {:032x}", input.0);
        }
        Ok(Fingerprint(xxh3_128(text.as_bytes())))
    }

    /// The fingerprint of something made of this one's rows by `columns`: an exchange, an index.
    #[must_use]
    pub fn by(self, role: &str, columns: &[usize]) -> Fingerprint {
        Fingerprint(xxh3_128(format!("{role} {columns:?} {:032x}", self.0).as_bytes()))
    }
}

/// What `node` itself computes, without its inputs and schema.
fn describe(node: &Node, text: &mut String) -> Result<()> {
    let _ = match &node.kind {
        NodeKind::Scan { relation, columns } => write!(text, "scan {relation} {columns:?}"),
        NodeKind::Constant { rows } => write!(text, "constant {:?}", digest(rows)?),
        NodeKind::Filter { predicate, input } => {
            write!(text, "filter {}", canonical(predicate, &input.schema))
        }
        NodeKind::Project { exprs, input } => {
            let text_of = |expr: &Expr| canonical(expr, &input.schema);
            write!(text, "project {:?}", exprs.iter().map(text_of).collect::<Vec<_>>())
        }
        NodeKind::Hop { time, slide_us, size_us, offset_us, .. } => {
            write!(text, "hop {time} {slide_us} {size_us} {offset_us}")
        }
        NodeKind::Repeat { .. } => write!(text, "repeat"),
        NodeKind::Unnest { lists, .. } => write!(text, "unnest {lists:?}"),
        NodeKind::Join { kind, on, null_equals_null, residual, left, right } => {
            let both: Vec<_> =
                left.schema.fields().iter().chain(right.schema.fields()).cloned().collect();
            let residual = residual.as_ref().map(|expr| canonical(expr, &Schema::new(both)));
            write!(text, "join {kind} {on:?} {null_equals_null} {residual:?}")
        }
        NodeKind::Aggregate { group, calls, .. } => write!(text, "aggregate {group:?} {calls:?}"),
        NodeKind::Distinct { .. } => write!(text, "distinct"),
        NodeKind::Union { .. } => write!(text, "union"),
        NodeKind::TopN { partition, order, offset, limit, rank, .. } => {
            write!(text, "top-n {partition:?} {order:?} {offset} {limit:?} {rank:?}")
        }
        NodeKind::Recompute { partition, order, calls, input } => {
            let calls = calls.canonical(|expr| canonical(expr, &input.schema));
            write!(text, "recompute {partition:?} {order:?} {calls}")
        }
        NodeKind::AtMostOne { key, .. } => write!(text, "at-most-one {key:?}"),
    };
    Ok(())
}

/// Names, types and metadata of columns, metadata in order of key (its own order is random).
fn describe_schema(schema: &Schema, text: &mut String) {
    for field in schema.fields() {
        let _ = write!(text, " {:?} {} {}", field.name(), field.data_type(), field.is_nullable());
        let mut metadata: Vec<_> = field.metadata().iter().collect();
        metadata.sort();
        let _ = write!(text, " {metadata:?}");
    }
}

/// Hashes and weights of constant rows.
fn digest(rows: &Delta) -> Result<(Vec<u64>, Vec<i64>)> {
    let all: Vec<usize> = (0..rows.batch.num_columns()).collect();
    let encoder = KeyEncoder::for_columns(&rows.batch.schema(), &all)?;
    let hashes = encoder.encode_batch(&rows.batch, &all)?.hashes;
    Ok((hashes, (0..rows.rows()).map(|row| rows.weight(row)).collect()))
}
