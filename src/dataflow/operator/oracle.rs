//! Checks an operator against recomputation: random changes in random epochs, deletion of everything,
//! transient negative multiplicities, and moves of saved state between numbers of workers.

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::row::{RowConverter, SortField};
use itertools::Itertools;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::{Context, ErrorRow, Operator, Output};
use crate::state::{Arrangements, Saved};
use crate::types::key::KeyEncoder;
use crate::types::{Delta, Epoch, Vnode};

/// Rows (as arrow-row bytes: bit for bit) with their weights, none of them zero.
pub(super) type Collection = BTreeMap<Vec<u8>, i64>;

/// Adds rows to a collection.
pub(super) fn add(to: &mut Collection, delta: &Delta) {
    let schema = delta.batch.schema();
    let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
    let converter = RowConverter::new(fields.collect()).unwrap();
    let rows = converter.convert_columns(delta.batch.columns()).unwrap();
    for (index, row) in rows.iter().enumerate() {
        *to.entry(row.data().to_vec()).or_default() += delta.weight(index);
    }
    to.retain(|_, weight| *weight != 0);
}

/// The same operator on some workers, and the sum of what it put out.
pub(super) struct Workers<'a> {
    make: &'a dyn Fn(usize, usize) -> Box<dyn Operator>,
    key: Vec<usize>,
    workers: Vec<Box<dyn Operator>>,
    pub(super) output: Collection,
    pub(super) errors: BTreeMap<String, i64>,
}

impl<'a> Workers<'a> {
    /// One worker; `make(worker, workers)` builds the operator, whose input is routed by `key`.
    pub(super) fn new(
        make: &'a dyn Fn(usize, usize) -> Box<dyn Operator>,
        key: &[usize],
    ) -> Workers<'a> {
        let (workers, key) = (vec![make(0, 1)], key.to_vec());
        Workers { make, key, workers, output: Collection::new(), errors: BTreeMap::new() }
    }

    /// One epoch.
    pub(super) fn tick(&mut self, deltas: &[Delta]) {
        let count = self.workers.len();
        for (worker, operator) in self.workers.iter_mut().enumerate() {
            let mut arrangements = Arrangements::default();
            let mut ctx = Context { arrangements: &mut arrangements, epoch: Epoch(1) };
            let mut out = Output { wanted: true, ..Output::default() };
            for delta in deltas {
                let encoder = KeyEncoder::for_columns(&delta.batch.schema(), &self.key).unwrap();
                let hashes = encoder.encode_batch(&delta.batch, &self.key).unwrap().hashes;
                let rows =
                    hashes.iter().positions(|&hash| Vnode::of_hash(hash).worker(count) == worker);
                let mine: Vec<u32> = rows.map(|row| row.try_into().unwrap()).collect();
                let delta = delta.take(&UInt32Array::from(mine)).unwrap();
                operator.apply(&mut ctx, 0, delta, &mut out).unwrap();
            }
            operator.finish(&mut ctx, &mut out).unwrap();
            operator.commit(&mut arrangements);
            out.deltas.iter().for_each(|delta| add(&mut self.output, delta));
            for ErrorRow { state, message, row, weight, .. } in out.errors {
                let text = format!("{} {message} {row}", state.code());
                *self.errors.entry(text).or_default() += weight;
            }
            self.errors.retain(|_, weight| *weight != 0);
        }
    }

    /// What the operators enumerate.
    pub(super) fn contents(&self) -> Collection {
        let mut contents = Collection::new();
        let arrangements = Arrangements::default();
        for operator in &self.workers {
            let deltas = operator.contents(&arrangements).unwrap().unwrap();
            deltas.iter().for_each(|delta| add(&mut contents, delta));
        }
        contents
    }

    /// Saves all state and goes on with another number of workers.
    pub(super) fn restart(&mut self, count: usize) {
        let mut arrangements = Arrangements::default();
        let mut saved = Saved::default();
        for operator in &self.workers {
            let mut part = Saved::default();
            operator.save(&arrangements, &mut part).unwrap();
            saved.merge(part);
        }
        self.workers = (0..count).map(|worker| (self.make)(worker, count)).collect();
        for (worker, operator) in self.workers.iter_mut().enumerate() {
            operator.restore(&mut arrangements, &saved.owned_by(worker, count)).unwrap();
        }
    }

    pub(super) fn rows_held(&self) -> usize {
        self.workers.iter().map(|operator| operator.size(&Arrangements::default()).rows).sum()
    }
}

/// A delta of rows of `pool` with weights, in random pieces.
fn deltas(rng: &mut StdRng, pool: &RecordBatch, changes: &[(u32, i64)]) -> Vec<Delta> {
    let mut rest = changes;
    let mut deltas = vec![];
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(rng.random_range(1..=rest.len()));
        let (rows, weights): (Vec<u32>, Vec<i64>) = piece.iter().copied().unzip();
        let rows = Delta::insert(pool.clone()).take(&UInt32Array::from(rows)).unwrap();
        let ones = weights.iter().all(|&weight| weight == 1);
        deltas.push(if ones { rows } else { Delta::new(rows.batch, weights) });
        rest = next;
    }
    deltas
}

/// The rows of `pool` as often as `counts` says.
fn repeated(pool: &RecordBatch, counts: &[i64]) -> RecordBatch {
    let rows = counts.iter().enumerate().flat_map(|(row, &count)| {
        std::iter::repeat_n(u32::try_from(row).unwrap(), usize::try_from(count).unwrap())
    });
    arrow::compute::take_record_batch(pool, &UInt32Array::from_iter_values(rows)).unwrap()
}

/// Feeds random changes of rows of `pool` and compares with `expected` of the rows there are.
pub(super) fn check(
    seed: u64,
    make: &dyn Fn(usize, usize) -> Box<dyn Operator>,
    key: &[usize],
    pool: &RecordBatch,
    append_only: bool,
    expected: &dyn Fn(&RecordBatch) -> Collection,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut counts = vec![0i64; pool.num_rows()];
    let mut workers = Workers::new(make, key);
    for epoch in 0..15 {
        let mut changes: Vec<(u32, i64)> = vec![];
        for _ in 0..rng.random_range(0..pool.num_rows()) {
            let row = rng.random_range(0..pool.num_rows());
            let least = if append_only { 1 } else { -counts[row].min(2) };
            let weight = rng.random_range(least..=2);
            counts[row] += weight;
            changes.push((row.try_into().unwrap(), weight));
        }
        if append_only {
            // Weights beyond one are for operators that retract.
            changes = changes
                .into_iter()
                .flat_map(|(row, weight)| (0..weight).map(move |_| (row, 1)))
                .collect();
        } else if epoch % 5 == 4 {
            for (row, count) in counts.iter_mut().enumerate() {
                changes.push((row.try_into().unwrap(), -std::mem::take(count)));
            }
        }
        workers.tick(&deltas(&mut rng, pool, &changes));
        let expected = expected(&repeated(pool, &counts));
        assert_eq!(workers.output, expected, "output, seed {seed}, epoch {epoch}");
        assert_eq!(workers.contents(), expected, "contents, seed {seed}, epoch {epoch}");
        match epoch {
            3 | 11 => workers.restart(3),
            6 => workers.restart(1),
            _ => {}
        }
    }
    if !append_only {
        check_any_order(&mut rng, make, key, pool, expected);
    }
}

/// Deletions may come before the insertions they belong to, while a view is filled.
fn check_any_order(
    rng: &mut StdRng,
    make: &dyn Fn(usize, usize) -> Box<dyn Operator>,
    key: &[usize],
    pool: &RecordBatch,
    expected: &dyn Fn(&RecordBatch) -> Collection,
) {
    let mut workers = Workers::new(make, key);
    for _ in 0..2 {
        let counts: Vec<i64> = (0..pool.num_rows()).map(|_| rng.random_range(0..3)).collect();
        let mut changes: Vec<(u32, i64)> = vec![];
        for (row, &count) in counts.iter().enumerate() {
            let row = row.try_into().unwrap();
            let extra = rng.random_range(0..3);
            changes.extend((0..count + extra).map(|_| (row, 1)));
            changes.extend((0..extra).map(|_| (row, -1)));
        }
        changes.shuffle(rng);
        for epoch in changes.chunks(changes.len() / 4 + 1) {
            workers.tick(&deltas(rng, pool, epoch));
        }
        let expected = expected(&repeated(pool, &counts));
        assert_eq!(workers.output, expected, "after changes in any order");
        assert_eq!(workers.contents(), expected, "contents after changes in any order");
        let mut back: Vec<(u32, i64)> =
            changes.iter().map(|&(row, weight)| (row, -weight)).collect();
        back.shuffle(rng);
        for epoch in back.chunks(back.len() / 3 + 1) {
            workers.tick(&deltas(rng, pool, epoch));
        }
        assert!(workers.rows_held() <= 1, "what sums up to nothing is forgotten");
    }
}
