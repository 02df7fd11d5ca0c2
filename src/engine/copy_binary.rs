//! The binary format of COPY, both ways: a signature, then records of values with their lengths.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use bytes::Bytes;
use futures::{StreamExt, stream};

use super::copy_text::{Cells, CopyReader};
use super::response::{CopyChunk, Response, RowStream};
use crate::error::{Error, Result, SqlState};
use crate::types::binary;
use crate::types::text::{self, Style};

/// How the data begin: the signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Length of the signature alone.
const SIGNATURE: usize = 11;
/// How they end: a record of -1 values.
const TRAILER: &[u8] = &[0xff, 0xff];

/// `COPY … TO STDOUT (FORMAT binary)`. As in PostgreSQL the first row comes together with the signature.
pub(super) fn response(schema: &SchemaRef, rows: RowStream) -> Response {
    let columns = schema.fields().len();
    let fields = Arc::clone(schema);
    let data = stream::unfold(Some((rows, true)), move |state| {
        let fields = Arc::clone(&fields);
        async move {
            let (mut rows, first) = state?;
            let mut out = if first { HEADER.to_vec() } else { vec![] };
            loop {
                match rows.next().await {
                    Some(Ok(batch)) if batch.num_rows() == 0 => {}
                    Some(batch) => {
                        let chunk = batch.and_then(|batch| write(&batch, &fields, out));
                        return Some((chunk, Some((rows, false))));
                    }
                    None => {
                        out.extend_from_slice(TRAILER);
                        let ends = vec![out.len()];
                        return Some((
                            Ok(CopyChunk { data: Bytes::from(out), ends, rows: 0 }),
                            None,
                        ));
                    }
                }
            }
        }
    });
    Response::CopyOut { columns, binary: true, data: Box::pin(data) }
}

fn write(batch: &RecordBatch, schema: &SchemaRef, mut out: Vec<u8>) -> Result<CopyChunk> {
    let columns = itertools::zip_eq(batch.columns(), schema.fields())
        .map(|(column, field)| binary::encode(column, field))
        .collect::<Result<Vec<_>>>()?;
    let count = i16::try_from(columns.len()).map_err(|_| {
        Error::new(SqlState::ProgramLimitExceeded, "COPY has at most 32767 columns")
    })?;
    let mut ends = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        out.extend_from_slice(&count.to_be_bytes());
        for column in &columns {
            let value = column.get(row);
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(value.unwrap_or_default());
        }
        ends.push(out.len());
    }
    Ok(CopyChunk { data: Bytes::from(out), ends, rows: batch.num_rows() })
}

/// Takes the data of COPY FROM apart, in either format.
pub(super) enum Reader {
    /// Text or CSV.
    Text(Box<CopyReader>),
    /// Binary.
    Binary(BinaryReader),
}

impl Reader {
    /// Complete records so far.
    pub(super) fn rows(&self) -> usize {
        match self {
            Reader::Text(reader) => reader.rows(),
            Reader::Binary(reader) => reader.cells.rows(),
        }
    }

    /// The complete records.
    pub(super) fn take(&mut self) -> Cells {
        match self {
            Reader::Text(reader) => reader.take(),
            Reader::Binary(reader) => {
                let columns = reader.columns;
                std::mem::replace(&mut reader.cells, Cells::new(columns))
            }
        }
    }

    /// Takes a piece of the data.
    ///
    /// # Errors
    /// 22P04 for a record that does not fit.
    pub(super) fn feed(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Reader::Text(reader) => reader.feed(data),
            Reader::Binary(reader) => reader.feed(data),
        }
    }

    /// The data are complete.
    ///
    /// # Errors
    /// 22P04 if they are not.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self {
            Reader::Text(reader) => reader.finish(),
            Reader::Binary(reader) => reader.finish(),
        }
    }

    /// The values of a column.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn decode(
        &self,
        cells: &Cells,
        index: usize,
        field: &FieldRef,
        style: &Style,
    ) -> Result<ArrayRef> {
        match self {
            Reader::Text(_) => text::decode(&cells.column(index)?, field, style),
            Reader::Binary(_) => binary::decode(&cells.bytes(index), field),
        }
    }
}

/// Takes binary data apart as they arrive.
pub(super) struct BinaryReader {
    columns: usize,
    /// Bytes that are no complete record yet.
    pending: Vec<u8>,
    begun: bool,
    ended: bool,
    records: u64,
    cells: Cells,
}

impl BinaryReader {
    /// A reader of records with so many columns.
    pub(super) fn new(columns: usize) -> BinaryReader {
        let cells = Cells::new(columns);
        BinaryReader { columns, pending: vec![], begun: false, ended: false, records: 0, cells }
    }

    fn feed(&mut self, data: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(data);
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        if !self.begun {
            self.begun = header(&mut rest)?;
        }
        while self.begun && self.record(&mut rest)? {}
        self.pending = rest.to_vec();
        Ok(())
    }

    /// Takes one record; false if it is not complete.
    fn record(&mut self, rest: &mut &[u8]) -> Result<bool> {
        if self.ended {
            return match rest.is_empty() {
                true => Ok(false),
                false => Err(bad("received copy data after EOF marker")),
            };
        }
        let Some(count) = take::<2>(rest).map(i16::from_be_bytes) else { return Ok(false) };
        let mut after = &rest[2..];
        if count == -1 {
            self.ended = true;
            *rest = after;
            return Ok(true);
        }
        if usize::try_from(count) != Ok(self.columns) {
            let message = format!("row field count is {count}, expected {}", self.columns);
            return Err(bad(message));
        }
        let mut values = Vec::with_capacity(self.columns);
        for _ in 0..count {
            let Some(length) = take::<4>(after).map(i32::from_be_bytes) else { return Ok(false) };
            after = &after[4..];
            let value = match usize::try_from(length) {
                Ok(length) => match after.split_at_checked(length) {
                    Some((value, others)) => {
                        after = others;
                        Some(value)
                    }
                    None => return Ok(false),
                },
                Err(_) if length == -1 => None,
                Err(_) => return Err(bad("invalid field size")),
            };
            values.push(value);
        }
        self.records += 1;
        self.cells.push(&values, self.records);
        *rest = after;
        Ok(true)
    }

    fn finish(&self) -> Result<()> {
        match self.begun {
            false => Err(bad("COPY file signature not recognized")),
            true if self.pending.is_empty() => Ok(()),
            true => Err(bad("unexpected EOF in COPY data")),
        }
    }
}

/// Skips the header; false if it is not complete.
fn header(rest: &mut &[u8]) -> Result<bool> {
    let known = rest.len().min(SIGNATURE);
    if rest[..known] != HEADER[..known] {
        return Err(bad("COPY file signature not recognized"));
    }
    let Some(numbers) = rest.get(SIGNATURE..) else { return Ok(false) };
    let Some(flags) = take::<4>(numbers).map(u32::from_be_bytes) else { return Ok(false) };
    if flags & 0xffff_0000 != 0 {
        return Err(bad("unrecognized critical flags in COPY file header"));
    }
    let extension = numbers.get(4..).and_then(take::<4>).map(i32::from_be_bytes);
    let Some(extension) = extension else { return Ok(false) };
    let length = usize::try_from(extension).map_err(|_| bad("invalid COPY file header"))?;
    let Some(records) = numbers[8..].get(length..) else { return Ok(false) };
    *rest = records;
    Ok(true)
}

fn take<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(SqlState::BadCopyFileFormat, message.into())
}
