//! Moves rows to the workers that own their keys.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::datatypes::Schema;

use crate::error::Result;
use crate::types::key::{KeyEncoder, Runs};
use crate::types::{Delta, Selection, Vnode};

/// Parts with at least this many rows share the delta's columns instead of copying them.
const SHARED_ROWS_MIN: usize = if cfg!(debug_assertions) { 16 } else { 4096 };

/// Splits deltas by the worker that owns the key of each row.
pub struct Exchange {
    /// Names the exchange in packets; the same on all workers.
    pub channel: u64,
    keys: Vec<usize>,
    encoder: KeyEncoder,
    workers: usize,
}

impl Exchange {
    /// An exchange of rows of `schema` by the columns `keys` among `workers`.
    ///
    /// # Errors
    /// If a column's type cannot be a key.
    pub fn new(channel: u64, keys: &[usize], schema: &Schema, workers: usize) -> Result<Exchange> {
        let encoder = KeyEncoder::for_columns(schema, keys)?;
        Ok(Exchange { channel, keys: keys.to_vec(), encoder, workers })
    }

    /// The rows of `deltas` by destination. Whoever gets few rows of several deltas gets them as one.
    ///
    /// # Errors
    /// Only what Arrow's kernels report.
    pub fn partition(&self, deltas: &[Delta]) -> Result<Vec<(usize, Selection)>> {
        let mut parts = vec![];
        let mut small: Vec<Vec<(usize, Vec<u32>)>> = vec![vec![]; self.workers];
        for (index, delta) in deltas.iter().enumerate() {
            for (dest, rows) in self.split(delta)?.into_iter().enumerate() {
                if rows.len() >= SHARED_ROWS_MIN {
                    parts.push((dest, selected(delta, rows)));
                } else if !rows.is_empty() {
                    small[dest].push((index, rows));
                }
            }
        }
        for (dest, mut pieces) in small.into_iter().enumerate() {
            if pieces.len() > 1 {
                let places = pieces
                    .iter()
                    .flat_map(|(delta, rows)| rows.iter().map(move |&row| (*delta, row as usize)));
                let gathered = Delta::gather(deltas, &places.collect::<Vec<_>>())?;
                parts.extend(gathered.into_iter().map(|delta| (dest, delta.into())));
            } else if let Some((index, rows)) = pieces.pop() {
                parts.push((dest, selected(&deltas[index], rows).into_delta()?.into()));
            }
        }
        Ok(parts)
    }

    /// The numbers of `delta`'s rows by destination.
    fn split(&self, delta: &Delta) -> Result<Vec<Vec<u32>>> {
        let keys = self.keys.iter().map(|&column| ArrayRef::clone(delta.column(column)));
        let keys: Vec<ArrayRef> = keys.collect();
        let mut rows: Vec<Vec<u32>> = vec![vec![]; self.workers];
        let worker = |hash: u64| Vnode::of_hash(hash).worker(self.workers);
        if let Some(runs) = Runs::of(&keys)? {
            let keys = self.encoder.encode(&runs.columns, runs.ranges.len())?;
            for (range, hash) in itertools::zip_eq(runs.ranges, keys.hashes) {
                rows[worker(hash)].extend(range.start as u32..range.end as u32);
            }
        } else {
            let keys = self.encoder.encode(&keys, delta.rows())?;
            for (row, &hash) in keys.hashes.iter().enumerate() {
                rows[worker(hash)].push(row as u32);
            }
        }
        Ok(rows)
    }
}

/// Rows `rows` of `delta`, in order.
fn selected(delta: &Delta, rows: Vec<u32>) -> Selection {
    if rows.len() == delta.rows() {
        return delta.clone().into();
    }
    Selection::of(delta.clone(), UInt32Array::from(rows))
}
