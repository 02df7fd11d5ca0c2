//! A socket with its buffers: whole messages in, messages collected and flushed out.

use std::io;

use bytes::{Buf, BytesMut};
use pgwire::error::PgWireError;
use pgwire::messages::{
    DecodeContext, PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::framing::{Malformed, malformed};
use crate::error::Error;

/// Bytes of answers collected before they are sent.
const FLUSH_SIZE: usize = 64 << 10;
/// Bytes read ahead while a statement runs; a client that has sent more waits.
const READ_AHEAD_SIZE_MAX: usize = 256 << 10;

/// One client's connection.
pub(super) struct Connection {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    context: DecodeContext,
    /// What is wrong with the last message.
    malformed: Option<Error>,
}

impl Connection {
    /// A connection on which nothing has been said yet.
    pub(super) fn new(stream: TcpStream) -> Connection {
        let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        Connection {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            context,
            malformed: None,
        }
    }

    /// What the codec expects next.
    pub(super) fn context(&mut self) -> &mut DecodeContext {
        &mut self.context
    }

    /// The next message; `None` when the client has gone. Nothing is lost if the future is dropped.
    pub(super) async fn receive(&mut self) -> Result<Option<PgWireFrontendMessage>, PgWireError> {
        loop {
            if let Some(Malformed { message, size, error }) = malformed(&self.input) {
                self.input.advance(size);
                self.malformed = Some(error);
                return Ok(Some(message));
            }
            if let Some(message) = PgWireFrontendMessage::decode(&mut self.input, &self.context)? {
                return Ok(Some(message));
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Fails if the last message was not what it seems.
    ///
    /// # Errors
    /// `08P01`, or `22021` for a statement that is not text.
    pub(super) fn check_message(&mut self) -> Result<(), Error> {
        self.malformed.take().map_or(Ok(()), Err)
    }

    /// Whether the message that follows, as far as it has arrived, is a Sync.
    pub(super) fn sync_follows(&self) -> bool {
        self.input.first() == Some(&b'S')
    }

    /// Returns when the client has gone; reads ahead within bounds meanwhile.
    pub(super) async fn gone(&mut self) {
        loop {
            if self.input.len() >= READ_AHEAD_SIZE_MAX {
                return std::future::pending().await;
            }
            if !matches!(self.stream.read_buf(&mut self.input).await, Ok(size) if size > 0) {
                return;
            }
        }
    }

    /// Adds a message to the answer.
    pub(super) fn put(&mut self, message: PgWireBackendMessage) -> io::Result<()> {
        message.encode(&mut self.output).map_err(io::Error::other)
    }

    /// The answer collected so far, to add encoded messages to.
    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Sends what has been collected if it is much.
    pub(super) async fn flush_if_large(&mut self) -> io::Result<()> {
        if self.output.len() >= FLUSH_SIZE { self.flush().await } else { Ok(()) }
    }

    /// Sends what has been collected. If the future is dropped the rest stays to be sent.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while self.output.has_remaining() {
            if self.stream.write_buf(&mut self.output).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
