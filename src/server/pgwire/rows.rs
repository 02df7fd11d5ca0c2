//! Sending a result: batch by batch, encoded by column, stopped by a row limit, by cancel, or by the
//! client's going away.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::BufMut;
use futures::StreamExt;

use super::connection::Connection;
use super::failure::Failure;
use crate::engine::{CancelToken, RowStream};
use crate::error::{Error, Result, SqlState};
use crate::types::binary;
use crate::types::text::{Cells, Style, encode};

/// Rows encoded at a time: few enough to stay in cache and to notice a cancel soon.
const CHUNK_ROWS: usize = 1024;
/// How long rows wait for more before they are sent: a slow result is shown as it comes.
const FLUSH_AFTER: Duration = Duration::from_millis(20);

/// A result that is being sent.
pub(super) struct Rows {
    pub(super) schema: SchemaRef,
    pub(super) binary: Vec<bool>,
    pub(super) style: Style,
    stream: RowStream,
    /// The part of the last batch that a row limit has held back.
    rest: Option<RecordBatch>,
}

/// How far sending came.
pub(super) enum Sent {
    /// To the end; so many rows in this call.
    All(usize),
    /// To the row limit.
    Limit,
}

impl Rows {
    /// A result of which nothing has been sent.
    pub(super) fn new(
        schema: SchemaRef,
        stream: RowStream,
        binary: Vec<bool>,
        style: Style,
    ) -> Rows {
        Rows { schema, binary, style, stream, rest: None }
    }

    /// Sends rows, at most `limit` of them.
    pub(super) async fn send(
        &mut self,
        connection: &mut Connection,
        cancel: &CancelToken,
        limit: Option<usize>,
    ) -> Result<Sent, Failure> {
        let mut sent = 0;
        loop {
            let left = limit.map(|limit| limit - sent);
            if left == Some(0) {
                return Ok(Sent::Limit);
            }
            let Some(batch) = self.next(connection, cancel).await? else {
                return Ok(Sent::All(sent));
            };
            let size = batch.num_rows().min(CHUNK_ROWS).min(left.unwrap_or(usize::MAX));
            self.put(&batch.slice(0, size), connection)?;
            sent += size;
            self.rest =
                (size < batch.num_rows()).then(|| batch.slice(size, batch.num_rows() - size));
            cancel.check()?;
            tokio::select! {
                biased;
                flushed = connection.flush_if_large() => flushed?,
                () = cancel.cancelled() => cancel.check()?,
            }
        }
    }

    /// Passes over rows, at most `limit` of them; returns over how many.
    pub(super) async fn skip(
        &mut self,
        connection: &mut Connection,
        cancel: &CancelToken,
        limit: Option<usize>,
    ) -> Result<usize, Failure> {
        let mut passed = 0;
        while limit.is_none_or(|limit| passed < limit) {
            let Some(batch) = self.next(connection, cancel).await? else { break };
            let left = limit.map_or(usize::MAX, |limit| limit - passed);
            let size = batch.num_rows().min(left);
            passed += size;
            self.rest =
                (size < batch.num_rows()).then(|| batch.slice(size, batch.num_rows() - size));
        }
        Ok(passed)
    }

    async fn next(
        &mut self,
        connection: &mut Connection,
        cancel: &CancelToken,
    ) -> Result<Option<RecordBatch>, Failure> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let mut idle = false;
        loop {
            tokio::select! {
                biased;
                batch = self.stream.next() => return Ok(batch.transpose()?),
                () = cancel.cancelled() => cancel.check()?,
                () = tokio::time::sleep(FLUSH_AFTER), if !idle => {
                    connection.flush().await?;
                    idle = true;
                }
                () = connection.gone(), if idle => {
                    return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
                }
            }
        }
    }

    /// Adds DataRow messages: all columns are encoded, then put together row by row.
    fn put(&self, batch: &RecordBatch, connection: &mut Connection) -> Result<()> {
        let schema = batch.schema();
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (index, column) in batch.columns().iter().enumerate() {
            // The response's schema says what the types mean; batches may have lost it.
            let field = self.schema.fields().get(index).unwrap_or(&schema.fields()[index]);
            columns.push(match self.binary[index] {
                true => binary::encode(column, field)?,
                false => encode(column, field, &self.style)?,
            });
        }
        let out = connection.output();
        let count = count(&columns)?;
        for row in 0..batch.num_rows() {
            let cells = || columns.iter().map(|column| column.get(row));
            let size: usize = cells().map(|cell| 4 + cell.map_or(0, <[u8]>::len)).sum();
            let length = length(size + 6)?;
            out.put_u8(b'D');
            out.put_i32(length);
            out.put_u16(count);
            for cell in cells() {
                match cell {
                    None => out.put_i32(-1),
                    Some(bytes) => {
                        out.put_i32(i32::try_from(bytes.len()).expect("shorter than its row"));
                        out.put_slice(bytes);
                    }
                }
            }
        }
        Ok(())
    }
}

fn length(size: usize) -> Result<i32> {
    i32::try_from(size).map_err(|_| {
        Error::new(SqlState::ProgramLimitExceeded, "a row of the result is longer than 2 GB")
    })
}

fn count(columns: &[Cells]) -> Result<u16> {
    u16::try_from(columns.len()).map_err(|_| {
        Error::new(SqlState::ProgramLimitExceeded, "a result has at most 65535 columns")
    })
}
