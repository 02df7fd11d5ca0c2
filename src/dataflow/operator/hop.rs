//! Rows by the time windows they fall into (`HOP`, `TUMBLE`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray, UInt32Array};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};

use super::{Context, ErrorRow, Operator, Output, Port};
use crate::error::{Error, Result, SqlState};
use crate::types::Delta;

/// Windows of `size_us` microseconds, beginning every `slide_us` from `offset_us` on.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Distance of starts.
    pub slide_us: i64,
    /// Length.
    pub size_us: i64,
    /// Shift of all starts.
    pub offset_us: i64,
}

impl Windows {
    /// Start of the last window that begins at or before `time_us`, and the number of windows,
    /// counted back from it, that hold `time_us`. `None` where microseconds overflow. `near` is what came
    /// out for another time: most times are near the one before, and need no division.
    fn of(&self, time_us: i64, near: Option<(i64, i64)>) -> Option<(i64, i64)> {
        if let Some((last, _)) = near
            && self.size_us == self.slide_us
            && last <= time_us
            && time_us.abs_diff(last) < self.slide_us.unsigned_abs()
        {
            return near;
        }
        let since = time_us.checked_sub(self.offset_us)?.rem_euclid(self.slide_us);
        let last = time_us.checked_sub(since)?;
        // Window `last - k * slide` holds the time while `since + k * slide < size`.
        let count = self.size_us.checked_sub(since)?.max(0);
        let count = count / self.slide_us + i64::from(count % self.slide_us != 0);
        // Both ends of all of them must be representable.
        last.checked_sub(count.checked_mul(self.slide_us)?)?;
        last.checked_add(self.size_us)?;
        Some((last, count))
    }
}

/// Repeats each row once per window it falls into and appends the window's bounds.
pub struct Hop {
    time: usize,
    windows: Windows,
    schema: SchemaRef,
}

impl Hop {
    /// Windows of column `time` (microseconds); output as batches of `schema`: the input's columns,
    /// then start and end.
    #[must_use]
    pub fn new(time: usize, windows: Windows, schema: SchemaRef) -> Hop {
        assert!(windows.slide_us > 0, "windows advance");
        Hop { time, windows, schema }
    }

    /// Start and end columns, in the type that the schema gives them.
    fn bounds(&self, starts: Vec<i64>) -> [ArrayRef; 2] {
        let fields = self.schema.fields();
        let zone = match fields[fields.len() - 2].data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let starts = TimestampMicrosecondArray::from(starts).with_timezone_opt(zone);
        let size_us = self.windows.size_us;
        let ends: TimestampMicrosecondArray = starts.unary(|start| start + size_us);
        let ends = ends.with_data_type(starts.data_type().clone());
        [Arc::new(starts), Arc::new(ends)]
    }
}

impl Operator for Hop {
    fn name(&self) -> &'static str {
        "hop"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        let times = delta.column(self.time).as_primitive::<TimestampMicrosecondType>();
        let mut rows = Vec::with_capacity(delta.rows());
        let mut starts = Vec::with_capacity(delta.rows());
        let mut near = None;
        for (index, row) in (0..delta.rows()).map(|index| (index, index as u32)) {
            if times.is_null(index) {
                continue;
            }
            let found = self.windows.of(times.value(index), near);
            let Some((last, count)) = found else {
                let error = Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range");
                out.errors.push(ErrorRow::new(&error, "window", &delta, index));
                continue;
            };
            near = found;
            for back in 0..count {
                rows.push(row);
                starts.push(last - back * self.windows.slide_us);
            }
        }
        // TUMBLE over times without nulls: every row once, nothing to copy.
        let once = rows.len() == delta.rows() && self.windows.size_us <= self.windows.slide_us;
        let expanded = if once { delta } else { delta.take(&UInt32Array::from(rows))? };
        let mut columns = expanded.batch.columns().to_vec();
        columns.extend(self.bounds(starts));
        out.deltas.push(expanded.with_columns(columns, &self.schema)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts of the windows that hold `time`, by looking at all of them.
    fn naive(windows: Windows, time: i64) -> Vec<i64> {
        let all = (-100..100).map(|index| windows.offset_us + index * windows.slide_us).rev();
        all.filter(|&start| start <= time && time < start + windows.size_us).collect()
    }

    #[test]
    fn a_time_falls_into_the_windows_around_it() {
        for (slide_us, size_us) in [(10, 10), (5, 10), (4, 10), (10, 3), (1, 7)] {
            for offset_us in 0..slide_us {
                let windows = Windows { slide_us, size_us, offset_us };
                let mut near = None;
                for time in -30..30 {
                    near = windows.of(time, near);
                    let (last, count) = near.expect("small numbers");
                    let starts: Vec<_> = (0..count).map(|back| last - back * slide_us).collect();
                    assert_eq!(starts, naive(windows, time), "{windows:?} {time}");
                }
            }
        }
    }

    #[test]
    fn times_at_the_end_of_time_are_out_of_range() {
        let windows = Windows { slide_us: 10, size_us: 10, offset_us: 3 };
        assert_eq!(windows.of(i64::MAX, None), None);
        assert_eq!(windows.of(i64::MIN, None), None);
    }
}
