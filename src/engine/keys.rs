//! Rows of a table with the same primary key as new ones.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::collections::Position;
use super::rules::row_text;
use crate::catalog::Table;
use crate::error::{Error, Result, SqlState, Subject};
use crate::types::Delta;
use crate::types::key::{KeyBatch, KeyEncoder, Keys};

/// For each new row, what has the same key.
#[derive(Debug, Default)]
pub(super) struct SameKey {
    /// Where the stored row stands.
    pub(super) stored: Vec<Option<Position>>,
    /// The first new row with this key: the row itself, or one before it.
    pub(super) first: Vec<usize>,
}

/// Finds the rows of `stored` and of `rows` itself that have the primary key of a row of `rows`. Reads
/// the stored keys once, batch by batch.
pub(super) fn same_key(table: &Table, stored: &[Delta], rows: &RecordBatch) -> Result<SameKey> {
    let key = &table.definition.primary_key;
    let encoder = KeyEncoder::for_columns(rows.schema_ref(), key)?;
    let new = encoder.encode_batch(rows, key)?;
    let mut by_hash: HashMap<u64, Vec<usize>> = HashMap::with_capacity(rows.num_rows());
    let mut first = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let others = by_hash.entry(new.hashes[row]).or_default();
        let earlier = others.iter().copied().find(|&other| equal(&new, row, &new, other));
        if earlier.is_none() {
            others.push(row);
        }
        first.push(earlier.unwrap_or(row));
    }
    let mut found = vec![None; rows.num_rows()];
    for (index, delta) in stored.iter().enumerate() {
        let keys = encoder.encode_batch(&delta.batch, key)?;
        for row in 0..delta.rows() {
            let Some(candidates) = by_hash.get(&keys.hashes[row]) else { continue };
            if delta.weight(row) <= 0 {
                continue;
            }
            let candidate = candidates.iter().find(|&&other| equal(&new, other, &keys, row));
            if let Some(&candidate) = candidate {
                found[candidate] = Some((index, row));
            }
        }
    }
    let stored = first.iter().map(|&first| found[first]).collect();
    Ok(SameKey { stored, first })
}

/// Hashes of the primary keys of rows; none for a table without one.
pub(super) fn key_hashes(table: &Table, rows: &RecordBatch) -> Result<Vec<u64>> {
    let key = &table.definition.primary_key;
    if key.is_empty() {
        return Ok(vec![]);
    }
    let encoder = KeyEncoder::for_columns(rows.schema_ref(), key)?;
    Ok(encoder.encode_batch(rows, key)?.hashes)
}

fn equal(left: &KeyBatch, i: usize, right: &KeyBatch, j: usize) -> bool {
    match (&left.keys, &right.keys) {
        (Keys::Fixed(left), Keys::Fixed(right)) => left[i] == right[j],
        (Keys::Rows(left), Keys::Rows(right)) => left.row(i) == right.row(j),
        _ => false,
    }
}

/// 23505 for row `row` of `rows`.
pub(super) fn duplicate_key(table: &Table, rows: &RecordBatch, row: usize) -> Error {
    let definition = &table.definition;
    let name = definition.primary_key_name.clone();
    let name = name.unwrap_or_else(|| format!("{}_pkey", table.name.name));
    let columns: Vec<_> = definition
        .primary_key
        .iter()
        .map(|&column| definition.columns[column].name.as_str())
        .collect();
    let error = Error::new(
        SqlState::UniqueViolation,
        format!("duplicate key value violates unique constraint \"{name}\""),
    )
    .about(Subject {
        schema: table.name.schema.clone(),
        table: table.name.name.clone(),
        constraint: Some(name),
        ..Subject::default()
    });
    match rows.project(&definition.primary_key).map(|keys| row_text(&keys, row)) {
        Ok(Ok(values)) => {
            error.detail(format!("Key ({})=({values}) already exists.", columns.join(", ")))
        }
        _ => error,
    }
}
