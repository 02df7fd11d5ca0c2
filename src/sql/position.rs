//! From the tokenizer's lines and columns to Postgres' character positions.

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// Where the lines of a message begin.
#[derive(Clone, Debug)]
pub struct Positions {
    /// Per line: number of characters before it.
    lines: Arc<[usize]>,
    /// Byte where each line begins.
    bytes: Arc<[usize]>,
    /// Characters in the message.
    length: usize,
}

impl Positions {
    /// The positions of `text`.
    #[must_use]
    pub fn new(text: &str) -> Positions {
        let (mut lines, mut bytes, mut length) = (vec![0], vec![0], 0);
        for (byte, c) in text.char_indices() {
            length += 1;
            if c == '\n' {
                lines.push(length);
                bytes.push(byte + 1);
            }
        }
        Positions { lines: lines.into(), bytes: bytes.into(), length }
    }

    /// The 1-based character of a location; `None` for the tokenizer's "nowhere".
    #[must_use]
    pub fn of(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?;
        Some((self.lines.get(line)? + column).min(self.end()))
    }

    /// The 1-based character where a span begins.
    #[must_use]
    pub fn of_span(&self, span: Span) -> Option<usize> {
        self.of(span.start)
    }

    /// The position just after the last character.
    #[must_use]
    pub fn end(&self) -> usize {
        self.length + 1
    }

    /// The byte of a location in `text`, the text these are the positions of.
    pub(super) fn byte(&self, text: &str, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(usize::MAX).saturating_sub(1);
        let column = usize::try_from(location.column).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(start) = self.bytes.get(line) else { return text.len() };
        text[*start..].char_indices().nth(column).map_or(text.len(), |(byte, _)| start + byte)
    }
}
