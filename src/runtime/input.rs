//! Spreading a tick's input over the workers.

use crate::types::Delta;

/// Deltas smaller than this go to one worker whole: cutting them costs more than it brings.
const ROWS_PER_PIECE_MIN: usize = 1024;
/// With at least this many deltas of its size per worker, a delta is not cut: the workers get about as many
/// rows anyway, in fewer pieces.
const DELTAS_PER_WORKER_MIN: usize = 4;

/// Spreads the deltas of one tick.
pub(super) struct Spreading {
    /// Rows of the whole tick.
    total: usize,
    /// Rows given to each worker so far.
    given: Vec<usize>,
}

impl Spreading {
    /// Of `total` rows over `workers` workers.
    pub(super) fn new(total: usize, workers: usize) -> Spreading {
        Spreading { total, given: vec![0; workers] }
    }

    /// Gives `delta` to the worker that has got the fewest rows (of several, the next in `turn`), or
    /// contiguous pieces of it to all.
    pub(super) fn give(&mut self, delta: Delta, turn: &mut usize) -> Vec<(usize, Delta)> {
        let (rows, workers) = (delta.rows(), self.given.len());
        let small =
            rows < ROWS_PER_PIECE_MIN * 2 || rows * workers * DELTAS_PER_WORKER_MIN <= self.total;
        if workers == 1 || small {
            *turn = (*turn + 1) % workers;
            let ahead = (0..workers).map(|offset| (*turn + offset) % workers);
            let worker = ahead.min_by_key(|&worker| self.given[worker]).unwrap_or(0);
            self.given[worker] += rows;
            return vec![(worker, delta)];
        }
        let bound = |worker: usize| rows * worker / workers;
        let piece = |worker| {
            let length = bound(worker + 1) - bound(worker);
            self.given[worker] += length;
            (worker, delta.slice(bound(worker), length))
        };
        (0..workers).map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn delta(rows: usize) -> Delta {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let numbers = Int64Array::from_iter_values(0..rows as i64);
        Delta::insert(RecordBatch::try_new(schema, vec![Arc::new(numbers)]).expect("one column"))
    }

    /// Pieces and rows that each of two workers gets of deltas of `sizes` rows.
    fn spread(sizes: &[usize]) -> [(usize, usize); 2] {
        let (mut spreading, mut turn) = (Spreading::new(sizes.iter().sum(), 2), 0);
        let mut got = [(0, 0); 2];
        for &rows in sizes {
            for (worker, piece) in spreading.give(delta(rows), &mut turn) {
                got[worker].0 += 1;
                got[worker].1 += piece.rows();
            }
        }
        got
    }

    #[test]
    fn one_large_delta_is_cut_and_many_are_handed_out_whole() {
        assert_eq!(spread(&[10_001]), [(1, 5000), (1, 5001)]);
        assert_eq!(spread(&[5000; 10]), [(5, 25_000); 2]);
        assert_eq!(spread(&[100; 4]), [(2, 200); 2]);
        // What is large beside the others is cut.
        assert_eq!(spread(&[100, 9000, 300]), [(2, 4800), (2, 4600)]);
    }
}
