//! Pairs of a left and a right row, by number, before their columns are copied.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Schema, SchemaRef};

use super::Residual;
use crate::dataflow::operator::ErrorRow;
use crate::error::Result;
use crate::state::{Arrangement, Chains, Cursor, KeyGroups};
use crate::types::key::{KeyBatch, KeyEncoder};
use crate::types::{Delta, Selection};

/// Most pairs handled at once: a cross join must not fill the memory, and what is gathered for them
/// should fit the second-level cache.
pub(super) const PAIRS_MAX: usize = 1 << 13;

/// Rows that are found several times in a row are looked up once if there are at least this many pairs
/// per run.
const RUN_LENGTH_MIN: usize = 2;

/// Rows of the open epoch with their keys.
pub(super) struct Keyed {
    pub(super) rows: Selection,
    pub(super) keys: Arc<KeyBatch>,
    /// The rows by key, if keys repeat and pairs are wanted.
    pub(super) distinct: Option<Distinct>,
}

/// The distinct keys of a batch's rows.
pub(super) struct Distinct {
    pub(super) groups: KeyGroups,
    /// The keys, in the order of the groups.
    pub(super) keys: KeyBatch,
}

impl Keyed {
    /// The keys to be looked up: distinct ones if they are known.
    pub(super) fn wanted(&self) -> &KeyBatch {
        self.distinct.as_ref().map_or(&self.keys, |distinct| &distinct.keys)
    }

    /// The pairs of its rows and rows in `chains`.
    pub(super) fn cursor<'a>(&'a self, chains: &'a Chains, null_equals_null: bool) -> Cursor<'a> {
        let groups = self.distinct.as_ref().map(|distinct| &distinct.groups);
        chains.cursor(self.wanted(), null_equals_null).grouped(groups)
    }
}

/// A side's change of the epoch as one delta, by key.
pub(super) struct Table {
    pub(super) rows: Keyed,
    pub(super) chains: Chains,
}

impl Table {
    pub(super) fn new(encoder: &KeyEncoder, rows: Keyed) -> Table {
        let chains = Chains::of_batch(encoder, &rows.keys, |row| rows.rows.weight(row));
        Table { rows, chains }
    }
}

/// What is probed: the committed rows of the other side, or its change.
#[derive(Clone, Copy)]
pub(super) enum Partner<'a> {
    State(&'a Arrangement),
    Delta(&'a Table),
}

impl<'a> Partner<'a> {
    pub(super) fn chains(self) -> &'a Chains {
        match self {
            Partner::State(arrangement) => arrangement.chains(),
            Partner::Delta(table) => &table.chains,
        }
    }

    /// The given rows.
    pub(super) fn rows<'b>(self, numbers: &'b [u32]) -> Rows<'b>
    where
        'a: 'b,
    {
        match self {
            Partner::State(arrangement) => Rows::State(arrangement, numbers),
            Partner::Delta(table) => Rows::Delta(&table.rows.rows, numbers),
        }
    }
}

/// Rows of one side, by number.
pub(super) enum Rows<'a> {
    Delta(&'a Selection, &'a [u32]),
    State(&'a Arrangement, &'a [u32]),
}

impl Rows<'_> {
    fn gather(&self, columns: &[usize]) -> Result<Vec<ArrayRef>> {
        match *self {
            Rows::State(arrangement, rows) => gather_state(arrangement, rows, columns),
            Rows::Delta(delta, rows) => delta.gather(rows, columns),
        }
    }
}

/// Columns of committed rows. Of a row that is found several times in a row the values are looked up once.
fn gather_state(
    arrangement: &Arrangement,
    rows: &[u32],
    columns: &[usize],
) -> Result<Vec<ArrayRef>> {
    let runs = 1 + rows.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if columns.is_empty() || runs * RUN_LENGTH_MIN > rows.len() {
        return arrangement.gather(rows, columns);
    }
    let mut distinct = Vec::with_capacity(runs);
    let mut places: Vec<u32> = Vec::with_capacity(rows.len());
    for run in rows.chunk_by(|one, other| one == other) {
        places.resize(places.len() + run.len(), distinct.len() as u32);
        distinct.push(run[0]);
    }
    let places = UInt32Array::from(places);
    let arrays = arrangement.gather(&distinct, columns)?;
    arrays.iter().map(|array| Ok(take(array, &places, None)?)).collect()
}

/// Pairs of rows.
pub(super) struct Pairs<'a> {
    /// Left and right rows, equally many.
    pub(super) sides: [Rows<'a>; 2],
    pub(super) count: usize,
}

impl Pairs<'_> {
    /// The pairs as a batch of `schema`: `columns` of left columns (of which there are `width`)
    /// followed by right columns.
    pub(super) fn batch(
        &self,
        columns: &[usize],
        width: usize,
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
        let arrays = self.columns(columns, width)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }

    /// Columns of the pairs, as for [`Pairs::batch`].
    pub(super) fn columns(&self, columns: &[usize], width: usize) -> Result<Vec<ArrayRef>> {
        let (left, right): (Vec<usize>, Vec<usize>) = columns.iter().partition(|&&c| c < width);
        let right: Vec<usize> = right.iter().map(|column| column - width).collect();
        let mut left = self.sides[0].gather(&left)?.into_iter();
        let mut right = self.sides[1].gather(&right)?.into_iter();
        let arrays = columns.iter().map(|&column| {
            let side = if column < width { &mut left } else { &mut right };
            side.next().expect("as many arrays as columns were asked for")
        });
        Ok(arrays.collect())
    }
}

/// Which rows of `batch` satisfy `residual`. An error row's weight is that of its row in `weights`.
pub(super) fn satisfying(
    residual: &Residual,
    batch: RecordBatch,
    weights: impl Fn(usize) -> i64,
    errors: &mut Vec<ErrorRow>,
) -> Result<Vec<usize>> {
    // The condition keeps rows with their weights, so a row's number as its weight tells which rows
    // it kept, and which failed.
    let numbers = (0i64..).take(batch.num_rows()).collect();
    let mut failed = vec![];
    let none = Arc::new(Schema::empty());
    let kept = (residual.keep)(&Delta::new(batch, numbers), (&[], &none), &mut failed)?;
    errors.extend(failed.into_iter().filter_map(|mut error| {
        error.weight = weights(usize::try_from(error.weight).expect("it is a row's number"));
        (error.weight != 0).then_some(error)
    }));
    Ok((0..kept.rows())
        .map(|row| usize::try_from(kept.weight(row)).expect("it is a row's number"))
        .collect())
}

/// `batch` with the products of `weights` and those of the probing rows.
pub(super) fn multiplied(
    batch: RecordBatch,
    probing: &Selection,
    probe: &[u32],
    weights: &[i64],
) -> Delta {
    let ones = weights.iter().all(|&weight| weight == 1);
    if probing.insert_only() {
        return if ones { Delta::insert(batch) } else { Delta::new(batch, weights.to_vec()) };
    }
    let pairs = itertools::zip_eq(probe, weights);
    let products: Vec<i64> =
        pairs.map(|(&row, weight)| probing.weight(row as usize) * weight).collect();
    if products.iter().all(|&weight| weight == 1) {
        return Delta::insert(batch);
    }
    Delta::new(batch, products)
}
