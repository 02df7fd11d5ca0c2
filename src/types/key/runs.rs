//! Runs of equal keys: rows of a stream grouped by window, date or region often come one like the other,
//! and what is done for a key need be done only once a run.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{partition, take};

use crate::error::Result;

/// Neighboring rows looked at to guess whether there are runs, in several places: rows in order of their keys
/// may start with rare ones.
const SAMPLE: usize = 16;
/// Places of samples.
const PLACES: usize = 4;
/// Runs are used if there are fewer than one in this many rows.
const LENGTH_MIN: usize = 2;

/// Neighboring rows of equal keys.
pub struct Runs {
    /// The rows of each run, in order, together all.
    pub ranges: Vec<Range<usize>>,
    /// The key columns of each run.
    pub columns: Vec<ArrayRef>,
}

impl Runs {
    /// The runs of equal rows of `columns`, if they are long. Rows of two runs may be equal, too.
    ///
    /// # Errors
    /// Only what Arrow's kernels report.
    pub fn of(columns: &[ArrayRef]) -> Result<Option<Runs>> {
        let rows = columns.first().map_or(0, |column| column.len());
        let nested = columns.iter().any(|column| column.data_type().is_nested());
        if rows < SAMPLE * PLACES || nested {
            return Ok(None);
        }
        let mut found = 0;
        for place in (0..rows / PLACES * PLACES).step_by(rows / PLACES) {
            let slice = |column: &ArrayRef| column.slice(place, SAMPLE);
            found += partition(&columns.iter().map(slice).collect::<Vec<_>>())?.len();
        }
        if found * LENGTH_MIN > SAMPLE * PLACES {
            return Ok(None);
        }
        let ranges = partition(columns)?.ranges();
        if ranges.len() * LENGTH_MIN > rows {
            return Ok(None);
        }
        let heads: UInt32Array = ranges.iter().map(|range| range.start as u32).collect();
        let columns =
            columns.iter().map(|column| Ok(take(column, &heads, None)?)).collect::<Result<_>>()?;
        Ok(Some(Runs { ranges, columns }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn long_runs_are_found_and_short_ones_left_alone() {
        let numbers: Int64Array = (0..1000).map(|n| (n / 300 != 1).then_some(n / 300)).collect();
        let texts: StringArray = (0..1000).map(|n| Some(if n < 500 { "a" } else { "b" })).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts)];
        let runs = Runs::of(&columns).unwrap().unwrap();
        assert_eq!(runs.ranges, [0..300, 300..500, 500..600, 600..900, 900..1000]);
        assert!(runs.columns.iter().all(|column| column.len() == 5));
        // The rare ones first.
        let rare: Int64Array =
            (0..1000).map(|n| Some(if n < 100 { n } else { n / 50 + 100 })).collect();
        assert_eq!(Runs::of(&[Arc::new(rare)]).unwrap().unwrap().ranges.len(), 118);
        let own: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        assert!(Runs::of(&[own]).unwrap().is_none());
        assert!(Runs::of(&[]).unwrap().is_none());
    }
}
