//! The rows of one file, piece by piece.

use arrow::array::RecordBatch;

use crate::connector::format::{Isolated, isolate};
use crate::error::{Error, Result};

/// Some rows of a file.
#[derive(Default)]
pub(super) struct Piece {
    /// Good rows, each batch with the number of its first row within the piece.
    pub(super) good: Vec<(usize, RecordBatch)>,
    /// Rows that could not be decoded: number within the piece, payload, error.
    pub(super) bad: Vec<(usize, String, Error)>,
    /// Number of rows, good and bad.
    pub(super) rows: usize,
    /// Where in the file it begins.
    pub(super) from: u64,
}

/// Reads a file on.
pub(super) trait Content: Send {
    /// The next rows, at most `rows_max` of them. `last`: the file does not grow any more, so that
    /// what stands at its end is a record even without a line break. No rows: there are none now.
    fn read(&mut self, rows_max: usize, last: bool) -> Result<Piece>;
    /// Where reading goes on.
    fn at(&self) -> u64;
}

impl Piece {
    /// Decodes `rows` records; `payload` is the text of one, for reports.
    pub(super) fn decode(
        rows: usize,
        mut decode: impl FnMut(std::ops::Range<usize>) -> Result<RecordBatch>,
        payload: impl Fn(usize) -> String,
    ) -> Piece {
        let mut isolated = Isolated::default();
        isolate(0..rows, &mut decode, &mut isolated);
        let good = isolated.good.into_iter().map(|(range, batch)| (range.start, batch));
        let bad = isolated.bad.into_iter().map(|(row, error)| (row, payload(row), error));
        Piece { good: good.collect(), bad: bad.collect(), rows, from: 0 }
    }
}
