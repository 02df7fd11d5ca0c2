//! Moves rows to the workers that own their keys.

use arrow::array::UInt32Array;
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

    /// The rows of `inputs` by destination. Whoever gets few rows of several inputs gets them as one.
    ///
    /// # Errors
    /// Only what Arrow's kernels report.
    pub fn partition(&self, inputs: &[Selection]) -> Result<Vec<(usize, Selection)>> {
        let mut parts = vec![];
        let mut small: Vec<Vec<Piece>> = (0..self.workers).map(|_| vec![]).collect();
        for (index, input) in inputs.iter().enumerate() {
            for (dest, mut rows) in self.split(input)?.into_iter().enumerate() {
                if let Some(selected) = input.selected() {
                    rows.iter_mut().for_each(|row| *row = selected.value(*row as usize));
                }
                // State keeps what is shared: it must not be much more than what is meant.
                let dense = rows.len() * self.workers * 2 >= input.whole().rows();
                if rows.len() >= SHARED_ROWS_MIN && dense {
                    parts.push((dest, some(input.whole(), rows)));
                } else if !rows.is_empty() {
                    small[dest].push(Piece { index, rows });
                }
            }
        }
        for (dest, pieces) in small.into_iter().enumerate() {
            let gathered = gathered(inputs, pieces)?;
            parts.extend(gathered.into_iter().map(|delta| (dest, delta.into())));
        }
        Ok(parts)
    }

    /// The numbers of the rows of `input` by destination.
    fn split(&self, input: &Selection) -> Result<Vec<Vec<u32>>> {
        let columns = self.keys.iter().map(|&column| input.column(column));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut rows: Vec<Vec<u32>> = vec![vec![]; self.workers];
        let worker = |hash: u64| Vnode::of_hash(hash).worker(self.workers);
        if let Some(runs) = Runs::of(&columns)? {
            let hashes = self.encoder.hashes(&runs.columns, runs.ranges.len())?;
            for (range, hash) in itertools::zip_eq(runs.ranges, hashes) {
                rows[worker(hash)].extend(range.start as u32..range.end as u32);
            }
            return Ok(rows);
        }
        let hashes = self.encoder.hashes(&columns, input.rows())?;
        // A little more than an even share.
        let share = input.rows() / self.workers;
        rows.iter_mut().for_each(|rows| rows.reserve(share + share / 8));
        for (row, hash) in hashes.into_iter().enumerate() {
            rows[worker(hash)].push(row as u32);
        }
        Ok(rows)
    }
}

/// Rows of one input for one destination.
struct Piece {
    index: usize,
    /// Of the input's whole delta.
    rows: Vec<u32>,
}

/// Rows `rows` of `whole`, in order.
fn some(whole: &Delta, rows: Vec<u32>) -> Selection {
    match rows.len() == whole.rows() {
        true => whole.clone().into(),
        false => Selection::of(whole.clone(), UInt32Array::from(rows)),
    }
}

/// Pieces copied into one, or into a few where one would be too long.
fn gathered(inputs: &[Selection], mut pieces: Vec<Piece>) -> Result<Vec<Delta>> {
    if pieces.len() > 1 {
        let wholes: Vec<Delta> = inputs.iter().map(|input| input.whole().clone()).collect();
        let place = |index: usize| move |&row: &u32| (index, row as usize);
        let places = pieces.iter().flat_map(|piece| piece.rows.iter().map(place(piece.index)));
        return Delta::gather(&wholes, &places.collect::<Vec<_>>());
    }
    let one = pieces.pop().map(|piece| some(inputs[piece.index].whole(), piece.rows).into_delta());
    Ok(one.transpose()?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type};

    use super::*;

    fn input(first: i64, rows: i64, step: usize, weighted: bool) -> Selection {
        let fields = vec![
            Field::new("n", DataType::Int64, false),
            Field::new("text", DataType::Utf8, false),
        ];
        let numbers = Int64Array::from_iter_values(first..first + rows);
        let texts = StringArray::from_iter_values((first..first + rows).map(|n| n.to_string()));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(numbers), Arc::new(texts)]);
        let batch = batch.expect("two columns");
        let delta = match weighted {
            true => Delta::new(batch, (first..first + rows).collect()),
            false => Delta::insert(batch),
        };
        match step {
            1 => delta.into(),
            _ => Selection::of(delta, (0..rows as u32).step_by(step).collect::<Vec<_>>().into()),
        }
    }

    #[test]
    fn every_row_arrives_once_where_it_belongs_with_its_weight() {
        let inputs = [
            input(0, 10, 1, false),
            input(100, 90, 2, true),
            input(1000, 4, 1, true),
            input(2000, 900, 1, false),
            input(4000, 900, 30, false),
        ];
        let mut sent: BTreeMap<i64, i64> = BTreeMap::new();
        for input in &inputs {
            let numbers = input.column(0).expect("a column");
            let numbers = numbers.as_primitive::<Int64Type>().values();
            sent.extend(numbers.iter().enumerate().map(|(row, &n)| (n, input.weight(row))));
        }
        let schema = inputs[0].whole().batch.schema();
        for workers in 1..4 {
            let exchange = Exchange::new(7, &[0], &schema, workers).expect("a key");
            let mut arrived = BTreeMap::new();
            for (dest, rows) in exchange.partition(&inputs).expect("a partition") {
                let own = rows.into_delta().expect("a delta");
                let numbers = own.column(0).as_primitive::<Int64Type>();
                let texts = own.column(1).as_string::<i32>();
                let keys = exchange.encoder.encode_batch(&own.batch, &[0]).expect("keys");
                for row in 0..own.rows() {
                    let number = numbers.value(row);
                    assert_eq!(texts.value(row), number.to_string());
                    let owner = Vnode::of_hash(keys.hashes[row]).worker(workers);
                    assert_eq!(owner, dest);
                    assert!(arrived.insert(number, own.weight(row)).is_none());
                }
            }
            assert_eq!(arrived, sent);
        }
    }
}
