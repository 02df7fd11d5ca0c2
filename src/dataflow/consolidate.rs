//! Adds up the weights of equal rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use crate::error::Result;
use crate::types::Delta;

/// `deltas` as one, in which every row stands once, with a weight other than zero.
///
/// # Errors
/// If the rows have a type that cannot be compared.
pub fn consolidate(schema: &SchemaRef, deltas: &[Delta]) -> Result<Delta> {
    let all = Delta::concat(schema, deltas)?;
    // Insertions alone cancel nothing; their repetitions may stand.
    if all.insert_only() || schema.fields().is_empty() {
        return Ok(all);
    }
    let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let rows = converter.convert_columns(all.batch.columns())?;
    let mut first: HashMap<&[u8], usize> = HashMap::with_capacity(all.rows());
    let (mut kept, mut weights) = (vec![], vec![]);
    for (index, row) in (0u32..).take(all.rows()).map(|index| (index, index as usize)) {
        let weight = all.weight(row);
        match first.entry(rows.row(row).data()) {
            Entry::Occupied(entry) => weights[*entry.get()] += weight,
            Entry::Vacant(entry) => {
                entry.insert(weights.len());
                kept.push(index);
                weights.push(weight);
            }
        }
    }
    let live: Vec<usize> = (0..kept.len()).filter(|&at| weights[at] != 0).collect();
    let rows = UInt32Array::from_iter_values(live.iter().map(|&at| kept[at]));
    let batch = all.take(&rows)?.batch;
    Ok(Delta::new(batch, live.into_iter().map(|at| weights[at]).collect()))
}
