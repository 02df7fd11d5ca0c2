//! Some rows of a delta that several workers share. Nothing is copied before somebody asks for a column:
//! most operators behind an exchange need few of them, and state can keep the rows where they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{prep_null_mask_filter, take};

use super::delta::take_rows;
use super::key::{KeyBatch, KeyEncoder};
use super::{Delta, Weights};
use crate::error::Result;

/// A delta, or some rows of one.
#[derive(Clone, Debug)]
pub struct Selection {
    delta: Delta,
    /// Which rows of the delta, in which order; `None`: all.
    rows: Option<UInt32Array>,
    /// Their keys by some columns, if somebody has computed them already.
    keyed: Option<(Vec<usize>, Arc<KeyBatch>)>,
}

impl From<Delta> for Selection {
    fn from(delta: Delta) -> Selection {
        Selection { delta, rows: None, keyed: None }
    }
}

impl Selection {
    /// Rows `rows` of `delta`.
    #[must_use]
    pub fn of(delta: Delta, rows: UInt32Array) -> Selection {
        Selection { delta, rows: Some(rows), keyed: None }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.as_ref().map_or_else(|| self.delta.rows(), UInt32Array::len)
    }

    /// Whether there is no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Whether every weight is +1 by construction.
    #[must_use]
    pub fn insert_only(&self) -> bool {
        self.delta.insert_only()
    }

    /// The weight of row `row`.
    #[must_use]
    #[inline]
    pub fn weight(&self, row: usize) -> i64 {
        match (&self.delta.weights, &self.rows) {
            (Weights::One, _) => 1,
            (Weights::Each(weights), None) => weights[row],
            (Weights::Each(weights), Some(rows)) => weights[rows.value(row) as usize],
        }
    }

    /// The delta that the rows are of.
    #[must_use]
    pub fn whole(&self) -> &Delta {
        &self.delta
    }

    /// The rows that are shared, selected or not.
    #[must_use]
    pub fn shared(&self) -> &RecordBatch {
        &self.delta.batch
    }

    /// Which of the shared rows are selected; `None`: all.
    #[must_use]
    pub fn selected(&self) -> Option<&UInt32Array> {
        self.rows.as_ref()
    }

    /// Column `index` of all rows.
    ///
    /// # Errors
    /// Only what Arrow's take kernel reports.
    pub fn column(&self, index: usize) -> Result<ArrayRef> {
        let column = self.delta.column(index);
        match &self.rows {
            None => Ok(ArrayRef::clone(column)),
            Some(rows) => Ok(take(column, rows, None)?),
        }
    }

    /// The same rows with their keys, those of the columns `columns`: whoever asks for them next need not
    /// compute them again.
    #[must_use]
    pub fn with_keys(mut self, columns: &[usize], keys: Arc<KeyBatch>) -> Selection {
        debug_assert_eq!(keys.hashes.len(), self.rows(), "a key per row");
        self.keyed = Some((columns.to_vec(), keys));
        self
    }

    /// The keys of all rows by the columns `columns`, as `encoder`, an encoder of these columns, makes
    /// them.
    ///
    /// # Errors
    /// As [`KeyEncoder::encode`].
    pub fn keys(&self, columns: &[usize], encoder: &KeyEncoder) -> Result<Arc<KeyBatch>> {
        if let Some((keyed, keys)) = &self.keyed
            && keyed == columns
        {
            return Ok(Arc::clone(keys));
        }
        let columns = columns.iter().map(|&column| self.column(column));
        Ok(Arc::new(encoder.encode(&columns.collect::<Result<Vec<_>>>()?, self.rows())?))
    }

    /// Columns `columns` of the given rows, in that order.
    ///
    /// # Errors
    /// If a column of the result would be too long for an Arrow array.
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        // Each row once and in order, as when every row has one match: nothing to copy, or less to do.
        let first = rows.first().map_or(0, |&row| row as usize);
        let in_order = rows.iter().enumerate().all(|(at, &row)| row as usize == first + at);
        let indices = match &self.rows {
            None if in_order => {
                let slice = |&c: &usize| self.delta.column(c).slice(first, rows.len());
                return Ok(columns.iter().map(slice).collect());
            }
            None => UInt32Array::from(rows.to_vec()),
            Some(selected) if in_order => selected.slice(first, rows.len()),
            Some(selected) => rows.iter().map(|&row| selected.value(row as usize)).collect(),
        };
        columns.iter().map(|&c| Ok(take(self.delta.column(c), &indices, None)?)).collect()
    }

    /// The rows by themselves.
    ///
    /// # Errors
    /// If a column of the result would be too long for an Arrow array.
    pub fn into_delta(self) -> Result<Delta> {
        match &self.rows {
            None => Ok(self.delta),
            Some(rows) => self.delta.take(rows),
        }
    }

    /// The given rows by themselves, without weights.
    ///
    /// # Errors
    /// As [`Selection::gather`].
    pub fn take_rows(&self, rows: &[u32]) -> Result<RecordBatch> {
        let indices = match &self.rows {
            None => UInt32Array::from(rows.to_vec()),
            Some(selected) => rows.iter().map(|&row| selected.value(row as usize)).collect(),
        };
        take_rows(&self.delta.batch, &indices)
    }
}

/// The rows at which `mask` is true (not false, not null), in order.
#[must_use]
pub fn true_rows(mask: &BooleanArray) -> Vec<u32> {
    let mut rows = Vec::with_capacity(mask.true_count());
    match mask.null_count() {
        0 => rows.extend(mask.values().set_indices_u32()),
        _ => rows.extend(prep_null_mask_filter(mask).values().set_indices_u32()),
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn a_selection_is_what_its_rows_are() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let numbers = Int64Array::from_iter_values(0..10);
        let batch = RecordBatch::try_new(schema, vec![Arc::new(numbers)]).unwrap();
        let delta = Delta::new(batch, (0..10).map(|weight| weight - 5).collect());
        let values = |array: &ArrayRef| array.as_primitive::<Int64Type>().values().to_vec();
        let selection = Selection::of(delta.clone(), UInt32Array::from(vec![7, 2, 2, 9]));
        assert_eq!((selection.rows(), selection.weight(1), selection.weight(3)), (4, -3, 4));
        assert_eq!(values(&selection.column(0).unwrap()), [7, 2, 2, 9]);
        assert_eq!(values(&selection.gather(&[1, 2, 3], &[0]).unwrap()[0]), [2, 2, 9]);
        assert_eq!(values(&selection.gather(&[3, 0, 3], &[0]).unwrap()[0]), [9, 7, 9]);
        assert_eq!(values(selection.take_rows(&[0, 3]).unwrap().column(0)), [7, 9]);
        let own = selection.into_delta().unwrap();
        assert_eq!((values(own.column(0)), own.weight(0)), (vec![7, 2, 2, 9], 2));
        let all = Selection::from(delta);
        assert_eq!(values(&all.gather(&[4, 5], &[0]).unwrap()[0]), [4, 5]);
        assert_eq!(values(&all.gather(&[5, 4], &[0]).unwrap()[0]), [5, 4]);
    }
}
