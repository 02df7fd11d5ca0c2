//! Whether a message is built as the protocol says, looked at before the codec takes it apart: the codec
//! trusts lengths and counts, and puts other characters for bytes that are none.

use pgwire::messages::PgWireFrontendMessage as Frontend;
use pgwire::messages::extendedquery::Parse;
use pgwire::messages::simplequery::Query;

use super::invalid_utf8;
use crate::error::{Error, Result, SqlState};

/// A message that cannot be taken.
pub(super) struct Malformed {
    /// An empty one in its place.
    pub(super) message: Frontend,
    /// Its size, type and length included.
    pub(super) size: usize,
    /// What is wrong with it.
    pub(super) error: Error,
}

/// Looks at the message that `input` begins with, if it is complete.
pub(super) fn malformed(input: &[u8]) -> Option<Malformed> {
    let (&kind, rest) = input.split_first()?;
    let (length, body) = rest.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let body = Body(body.get(..length.checked_sub(4)?)?);
    let error = check(kind, body).err()?;
    let message = match kind {
        b'Q' => Frontend::Query(Query::new(String::new())),
        _ => Frontend::Parse(Parse::new(None, String::new(), vec![])),
    };
    Some(Malformed { message, size: length + 1, error })
}

fn check(kind: u8, mut body: Body<'_>) -> Result<()> {
    match kind {
        b'Q' => body.text()?,
        b'P' => {
            body.text()?;
            body.text()?;
            let types = body.count()?;
            body.skip(types * 4)?;
        }
        b'B' => {
            body.text()?;
            body.text()?;
            let formats = body.count()?;
            body.skip(formats * 2)?;
            for _ in 0..body.count()? {
                body.value()?;
            }
            let formats = body.count()?;
            body.skip(formats * 2)?;
        }
        b'D' | b'C' => {
            if !matches!(body.0.first(), Some(b'S' | b'P')) {
                return Err(violation("invalid message subtype"));
            }
            body.skip(1)?;
            body.text()?;
        }
        b'E' => {
            body.text()?;
            body.skip(4)?;
        }
        _ => return Ok(()),
    }
    match body.0.is_empty() {
        true => Ok(()),
        false => Err(violation("invalid message format")),
    }
}

fn violation(message: &str) -> Error {
    Error::new(SqlState::ProtocolViolation, message)
}

/// What is left of a message.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    /// A text, which ends with a zero.
    fn text(&mut self) -> Result<()> {
        let end = self.0.iter().position(|&byte| byte == 0);
        let end = end.ok_or_else(|| violation("invalid string in message"))?;
        std::str::from_utf8(&self.0[..end]).map_err(|_| invalid_utf8())?;
        self.skip(end + 1)
    }

    fn skip(&mut self, size: usize) -> Result<()> {
        let rest = self.0.get(size..);
        self.0 = rest.ok_or_else(|| violation("insufficient data left in message"))?;
        Ok(())
    }

    fn count(&mut self) -> Result<usize> {
        let count = self.0.first_chunk().copied().map(u16::from_be_bytes);
        self.skip(2)?;
        Ok(count.map_or(0, usize::from))
    }

    /// A length and so many bytes; -1 is null.
    fn value(&mut self) -> Result<()> {
        let length = self.0.first_chunk().copied().map_or(0, i32::from_be_bytes);
        self.skip(4)?;
        match usize::try_from(length) {
            Ok(length) => self.skip(length),
            Err(_) if length == -1 => Ok(()),
            Err(_) => Err(violation("invalid message format")),
        }
    }
}
