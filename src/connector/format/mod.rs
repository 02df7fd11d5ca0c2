//! Encodings of records as text: where a record ends, and how many of them become a batch.

mod csv;
mod ndjson;

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub(super) use csv::CsvFormat;
pub(super) use ndjson::NdjsonFormat;

use super::options::Options;
use crate::error::{Error, Result, SqlState};

/// A text encoding with its options, bound to the columns of one file.
#[derive(Clone, Debug)]
pub(super) enum TextFormat {
    /// Comma-separated values, with or without a header line.
    Csv(CsvFormat),
    /// One JSON object a line.
    Ndjson(NdjsonFormat),
}

impl TextFormat {
    /// Reads the encoding's options.
    pub(super) fn new(
        encode: &str,
        schema: &SchemaRef,
        options: &mut Options<'_>,
    ) -> Result<TextFormat> {
        match encode {
            "csv" => Ok(TextFormat::Csv(CsvFormat::new(schema, options)?)),
            _ => Ok(TextFormat::Ndjson(NdjsonFormat::new(schema)?)),
        }
    }

    /// Whether the first record of a file is its header.
    pub(super) fn header(&self) -> bool {
        matches!(self, TextFormat::Csv(csv) if csv.header())
    }

    /// Takes a file's header.
    pub(super) fn bind(&mut self, header: &[u8], path: &str) -> Result<()> {
        match self {
            TextFormat::Csv(csv) => csv.bind(header, path),
            TextFormat::Ndjson(_) => Ok(()),
        }
    }

    /// Where the record that begins at `from` ends, behind its line break; none if it goes on.
    pub(super) fn record_end(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match self {
            TextFormat::Csv(csv) => csv.record_end(bytes, from),
            TextFormat::Ndjson(_) => line_end(bytes, from),
        }
    }

    /// Decodes `rows` records.
    pub(super) fn decode(&self, bytes: &[u8], rows: usize) -> Result<RecordBatch> {
        let batch = match self {
            TextFormat::Csv(csv) => csv.decode(bytes, rows),
            TextFormat::Ndjson(json) => json.decode(bytes, rows),
        }?;
        if batch.num_rows() != rows {
            let message = format!("{} records where {rows} were expected", batch.num_rows());
            return Err(Error::new(SqlState::BadCopyFileFormat, message));
        }
        Ok(batch)
    }
}

/// Behind the next line feed.
pub(super) fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].iter().position(|byte| *byte == b'\n').map(|at| from + at + 1)
}

/// Pieces that were decoded, by their range of records, and the records that could not be.
#[derive(Default)]
pub(super) struct Isolated {
    pub(super) good: Vec<(Range<usize>, RecordBatch)>,
    pub(super) bad: Vec<(usize, Error)>,
}

/// Decodes records together, and where that fails by halves, so that a bad record costs one row.
pub(super) fn isolate(
    range: Range<usize>,
    decode: &mut dyn FnMut(Range<usize>) -> Result<RecordBatch>,
    into: &mut Isolated,
) {
    match decode(range.clone()) {
        _ if range.is_empty() => {}
        Ok(batch) => into.good.push((range, batch)),
        Err(error) if range.len() == 1 => into.bad.push((range.start, error)),
        Err(_) => {
            let middle = range.start + range.len() / 2;
            isolate(range.start..middle, decode, into);
            isolate(middle..range.end, decode, into);
        }
    }
}
