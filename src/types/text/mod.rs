//! Values as Postgres writes and reads them in text: what psql shows, `COPY` moves and text
//! parameters carry. One column at a time: the type is looked at once, not once per row.
//!
//! Guarantees: [`encode`] writes byte for byte what PostgreSQL 15 writes for the same value and
//! [`Style`]; [`decode`] reads back everything that [`encode`] writes.

mod decode;
mod decode_composite;
mod decode_interval;
mod decode_loose;
mod decode_time;
mod encode;
mod encode_composite;
mod encode_number;
mod encode_time;
mod json;
mod timezone;

pub use decode::{decode, decode_numeric, precision, to_precision};
pub use decode_interval::{IntervalField, IntervalRange};
pub use encode::{canonical, each, encode, is_bare_numeric};
pub use timezone::Timezone;

use arrow::buffer::NullBuffer;
use arrow::datatypes::IntervalMonthDayNano;

use crate::error::Result;

/// Reads an interval.
///
/// # Errors
/// `22007` if the text is none, `22015` if it does not fit.
pub fn interval(text: &str) -> Result<IntervalMonthDayNano> {
    decode_interval::interval(text, None)
}

/// Reads an interval of some fields only.
///
/// # Errors
/// As [`interval`].
pub fn interval_of(text: &str, range: Option<IntervalRange>) -> Result<IntervalMonthDayNano> {
    decode_interval::interval(text, range)
}

/// How values are written, as the session's settings say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// `TimeZone`: in which zone a `timestamptz` is shown, and read if it names none.
    pub timezone: Timezone,
    /// `bytea_output = escape` instead of `hex`.
    pub bytea_escape: bool,
    /// `extra_float_digits` of zero or less: that many of the guaranteed digits instead of the
    /// shortest text that reads back as the same number.
    pub float_digits_lost: Option<u8>,
}

/// The encoded values of one column, laid end to end.
#[derive(Debug, Default)]
pub struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    nulls: Option<NullBuffer>,
}

impl Cells {
    /// Room for `rows` cells, `nulls` of which are null.
    #[must_use]
    pub fn with_capacity(rows: usize, nulls: Option<&NullBuffer>) -> Cells {
        let (bytes, ends) = (Vec::with_capacity(rows * 8), Vec::with_capacity(rows));
        Cells { bytes, ends, nulls: nulls.cloned() }
    }

    /// Ends the cell whose bytes were written to [`Cells::bytes_mut`].
    pub fn finish(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// Where the bytes of the next cell go.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of a cell; `None` for null.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        Some(&self.bytes[start..self.ends[row]])
    }

    /// The text of a cell that was written as text.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&str> {
        self.get(row).map(|bytes| std::str::from_utf8(bytes).expect("text encoders write UTF-8"))
    }
}

#[cfg(test)]
mod tests;
