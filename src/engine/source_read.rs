//! SELECT over a source: what it has given so far is read again from outside.

use arrow::array::RecordBatch;

use crate::catalog::Source;
use crate::connector::{self, Position, SourceReader};
use crate::error::{Error, Result, SqlState};
use crate::runtime::source::spec;
use crate::types::Delta;

/// Rows per poll.
const POLL_ROWS: usize = 64 * 1024;
/// Most rows of a source that no view reads, and that has not come to an end by then.
const ROWS_MAX: usize = 10_000_000;

/// The source's rows up to `position`, where the views that read it are; if no view reads it, up to
/// its end.
///
/// # Errors
/// `0A000` if the source has no end, or what the connector reports.
pub(super) async fn rows(
    source: &Source,
    position: Option<String>,
    now_us: i64,
) -> Result<Vec<Delta>> {
    let source = source.clone();
    // Readers block on files.
    let reading = tokio::task::spawn_blocking(move || match position {
        Some(position) => {
            let reader = connector::open_until(&spec(&source), &Position(position))?;
            drain(reader, &source, now_us, true)
        }
        None => drain(connector::open(&spec(&source), None)?, &source, now_us, false),
    });
    reading.await.map_err(|error| Error::internal(format!("reading a source failed: {error}")))?
}

fn drain(
    mut reader: Box<dyn SourceReader>,
    source: &Source,
    now_us: i64,
    ends: bool,
) -> Result<Vec<Delta>> {
    let (mut deltas, mut rows) = (vec![], 0);
    loop {
        let polled = reader.poll(POLL_ROWS, now_us)?;
        let batch = polled.batch.filter(|batch| batch.num_rows() > 0);
        let count = batch.as_ref().map_or(0, RecordBatch::num_rows);
        rows += count;
        deltas.extend(batch.map(Delta::insert));
        if polled.done {
            return Ok(deltas);
        }
        let waits = count == 0 && polled.bad.is_empty();
        if !ends && (waits || rows > ROWS_MAX) {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                format!("source \"{}\" has no end up to which it could be read", source.name.name),
            )
            .hint("Create a materialized view over it and read that."));
        }
    }
}
