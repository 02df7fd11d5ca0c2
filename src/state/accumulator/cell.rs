//! Fixed-width state of one group.

use crate::error::{Error, SqlState};
use crate::types::exact_float::split;

/// What an accumulator keeps for one group. The default is the state of no rows.
pub(super) trait Cell: Clone + Default {
    /// Whether this is exactly the state of no rows.
    fn clear(&self) -> bool;
    /// Appends the saved form.
    fn write(&self, to: &mut Vec<u8>);
    /// Reads the saved form and advances `from`; `None` if it is cut short.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

impl Cell for i64 {
    fn clear(&self) -> bool {
        *self == 0
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<i64> {
        split(from).map(|bytes| i64::from_le_bytes(*bytes))
    }
}

impl Cell for i128 {
    fn clear(&self) -> bool {
        *self == 0
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<i128> {
        split(from).map(|bytes| i128::from_le_bytes(*bytes))
    }
}

/// Why a group has no result.
pub(super) fn out_of_range(what: &str) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, what)
}
