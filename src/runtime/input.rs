//! Spreading a tick's input over the workers.

use crate::types::Delta;

/// Deltas smaller than this go to one worker whole: cutting them costs more than it brings.
const ROWS_PER_PIECE_MIN: usize = 1024;

/// Cuts `delta` into contiguous pieces for `workers` workers. Small deltas go to one worker in turn.
pub(super) fn distribute(delta: Delta, workers: usize, turn: &mut usize) -> Vec<(usize, Delta)> {
    if workers == 1 || delta.rows() < ROWS_PER_PIECE_MIN * 2 {
        *turn = (*turn + 1) % workers;
        return vec![(*turn, delta)];
    }
    let rows = delta.rows();
    let bound = |worker: usize| rows * worker / workers;
    (0..workers)
        .map(|worker| (worker, delta.slice(bound(worker), bound(worker + 1) - bound(worker))))
        .collect()
}
