//! The data streams of `COPY FROM STDIN` and `COPY TO STDOUT`.

use std::io;
use std::pin::Pin;

use bytes::BufMut;
use futures::{Stream, StreamExt};
use pgwire::error::PgWireError;
use pgwire::messages::copy::{CopyData, CopyDone, CopyInResponse, CopyOutResponse};
use pgwire::messages::{PgWireBackendMessage as Backend, PgWireFrontendMessage as Frontend};

use super::client::{Client, attended};
use super::failure::{Failure, protocol_violation};
use crate::engine::Response;
use crate::engine::response::CopyChunk;
use crate::error::{Error, Result, SqlState};

/// Format and number of columns, and the format again for each.
fn formats(columns: usize, binary: bool) -> (i8, i16, Vec<i16>) {
    let count = i16::try_from(columns).unwrap_or(i16::MAX);
    (i8::from(binary), count, vec![i16::from(binary); columns])
}

impl Client {
    /// Takes the client's rows until it says that they are all.
    pub(super) async fn copy_in(&mut self, columns: usize, binary: bool) -> Result<(), Failure> {
        let (format, columns, each) = formats(columns, binary);
        let response = CopyInResponse::new(format, columns, each);
        self.connection.put(Backend::CopyInResponse(response))?;
        self.connection.flush().await?;
        loop {
            let received = tokio::select! {
                biased;
                received = self.connection.receive() => received,
                () = self.cancel.cancelled() => {
                    self.cancel.check()?;
                    continue;
                }
            };
            let message = match received {
                Ok(Some(message)) => message,
                Ok(None) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Err(PgWireError::IoError(error)) => return Err(error.into()),
                Err(error) => return Err(protocol_violation(&error).into()),
            };
            match message {
                Frontend::CopyData(CopyData { data, .. }) => {
                    self.session.copy_data(&data)?;
                }
                Frontend::CopyDone(_) => {
                    let finished = self.session.copy_finish();
                    let response = attended(&mut self.connection, finished).await?;
                    return self.copied(response);
                }
                Frontend::CopyFail(fail) => {
                    let response = self.session.copy_fail(&fail.message)?;
                    return self.copied(response);
                }
                // Drivers send these together with the Execute that begins the COPY.
                Frontend::Flush(_) | Frontend::Sync(_) => {}
                _ => {
                    let message = "unexpected message type during COPY from stdin";
                    return Err(Error::new(SqlState::ProtocolViolation, message).into());
                }
            }
        }
    }

    /// The command tag of a finished `COPY FROM STDIN`.
    fn copied(&mut self, response: Response) -> Result<(), Failure> {
        match response {
            Response::Done { tag } => Ok(self.complete(tag)?),
            _ => Err(Error::internal("COPY has answered with something else than a tag").into()),
        }
    }

    /// Adds CopyData messages, one for each row: clients rely on it.
    fn put_copied(&mut self, chunk: &CopyChunk) -> Result<()> {
        let out = self.connection.output();
        out.reserve(chunk.data.len() + chunk.ends.len() * 5);
        let mut start = 0;
        for &end in &chunk.ends {
            let length = i32::try_from(end - start + 4).map_err(|_| {
                Error::new(SqlState::ProgramLimitExceeded, "a row of COPY is longer than 2 GB")
            })?;
            out.put_u8(b'd');
            out.put_i32(length);
            out.put_slice(&chunk.data[start..end]);
            start = end;
        }
        Ok(())
    }

    /// Sends formatted rows.
    pub(super) async fn copy_out(
        &mut self,
        columns: usize,
        binary: bool,
        mut data: Pin<Box<dyn Stream<Item = Result<CopyChunk>> + Send>>,
    ) -> Result<(), Failure> {
        let (format, columns, each) = formats(columns, binary);
        let response = CopyOutResponse::new(format, columns, each);
        self.connection.put(Backend::CopyOutResponse(response))?;
        let mut rows = 0;
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = data.next() => chunk,
                () = self.cancel.cancelled() => {
                    self.cancel.check()?;
                    continue;
                }
                () = self.connection.gone() => {
                    return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
                }
            };
            let Some(chunk) = chunk.transpose()? else { break };
            rows += chunk.rows;
            self.put_copied(&chunk)?;
            self.connection.flush_if_large().await?;
        }
        self.connection.put(Backend::CopyDone(CopyDone::new()))?;
        Ok(self.complete(format!("COPY {rows}"))?)
    }
}
