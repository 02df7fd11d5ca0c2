//! Sources that make up their rows: a row is a function of its number.

use arrow::array::RecordBatch;

use super::metadata::Assembler;
use super::pace::Pace;
use super::{Metadata, Polled, Position, SourceReader, SourceSpec};
use crate::error::{Error, Result, SqlState};

/// Most rows made in one poll.
const POLL_ROWS_MAX: usize = 65_536;

/// Makes rows from their numbers.
pub(super) trait Generator: Send {
    /// Rows `from..from + count`, in the schema of the decoded columns.
    fn rows(&mut self, from: u64, count: usize) -> Result<RecordBatch>;
    /// How many rows there are; none: no end.
    fn count(&self) -> Option<u64>;
}

/// Reads a generator.
pub(super) struct GeneratorReader {
    generator: Box<dyn Generator>,
    assembler: Assembler,
    pace: Pace,
    next: u64,
    end: Option<u64>,
}

impl GeneratorReader {
    /// Reads from `position` to `until`, or to the end; `rate` counts only where there is no `until`.
    pub(super) fn new(
        spec: &SourceSpec,
        generator: Box<dyn Generator>,
        rate: Option<f64>,
        position: Option<&Position>,
        until: Option<&Position>,
    ) -> Result<GeneratorReader> {
        let assembler = Assembler::new(spec)?;
        assembler.refuse(Metadata::File, &spec.connector)?;
        let next = position.map(row_number).transpose()?.unwrap_or(0);
        let until = until.map(row_number).transpose()?;
        let pace = Pace::new(rate.filter(|_| until.is_none()));
        let end = [until, generator.count()].into_iter().flatten().min();
        Ok(GeneratorReader { generator, assembler, pace, next, end })
    }
}

impl SourceReader for GeneratorReader {
    fn poll(&mut self, rows_max: usize, now_us: i64) -> Result<Polled> {
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.next));
        let allowed = rows_max.min(POLL_ROWS_MAX).min(self.pace.allowance(now_us));
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(allowed);
        let mut batch = None;
        if count > 0 {
            let from = self.next;
            let rows = self.generator.rows(from, count)?;
            batch = Some(self.assembler.assemble(&rows, from.., "", now_us)?);
            self.next += count as u64;
            self.pace.took(count);
        }
        let done = self.end.is_some_and(|end| self.next >= end);
        Ok(Polled {
            batch,
            position: Position(self.next.to_string()),
            bad: Vec::new(),
            done,
            next_poll_us: self.pace.next_poll_us(now_us).filter(|_| !done),
        })
    }
}

fn row_number(position: &Position) -> Result<u64> {
    position.0.parse().map_err(|_| {
        let message = format!("recorded position \"{}\" is not one of this source", position.0);
        Error::new(SqlState::DataCorrupted, message)
    })
}
