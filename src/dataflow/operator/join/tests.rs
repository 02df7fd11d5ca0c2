//! Random changes of two inputs, in random deltas and epochs, against nested loops over the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::dataflow::operator::{Arrange, Context, Operator, Output};
use crate::plan::node::JoinKind;
use crate::state::{Arrangements, Saved};
use crate::types::{Epoch, Selection, Vnode};

type Value = Option<i64>;
/// Key, text, value.
type Row = Vec<Value>;
type Rows = BTreeMap<Row, i64>;

const KINDS: [JoinKind; 7] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::Semi,
    JoinKind::Anti,
    JoinKind::Mark,
];

#[derive(Clone, Copy)]
struct Case {
    kind: JoinKind,
    on: &'static [(usize, usize)],
    null_equals_null: bool,
    residual: bool,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

fn delta(rows: &[(Row, i64)]) -> Delta {
    let ints = |c: usize| Arc::new(rows.iter().map(|(row, _)| row[c]).collect::<Int64Array>());
    let texts: StringArray = rows.iter().map(|(row, _)| row[1].map(|n| n.to_string())).collect();
    let columns: Vec<ArrayRef> = vec![ints(0), Arc::new(texts), ints(2)];
    let batch = RecordBatch::try_new(schema(), columns).unwrap();
    Delta::new(batch, rows.iter().map(|(_, weight)| *weight).collect())
}

fn add(to: &mut Rows, row: Row, weight: i64) {
    let sum = to.entry(row.clone()).or_default();
    *sum += weight;
    if *sum == 0 {
        to.remove(&row);
    }
}

fn add_delta(to: &mut Rows, delta: &Delta) {
    let value = |column: &ArrayRef, row: usize| match column.data_type() {
        _ if column.is_null(row) => None,
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row)),
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).parse().unwrap()),
        _ => Some(i64::from(column.as_boolean().value(row))),
    };
    for row in 0..delta.rows() {
        let values = delta.batch.columns().iter().map(|column| value(column, row)).collect();
        add(to, values, delta.weight(row));
    }
}

/// Left value below right value; fails where both are 7.
fn residual() -> Residual {
    let seven = |left: &Int64Array, right: &Int64Array, row: usize| {
        left.is_valid(row) && left.value(row) == 7 && right.value(row) == 7
    };
    let below = |left: &Int64Array, right: &Int64Array, row: usize| {
        left.is_valid(row) && right.is_valid(row) && left.value(row) < right.value(row)
    };
    let test = move |columns: &[ArrayRef], rows: usize| {
        let (left, right) = (columns[0].as_primitive(), columns[1].as_primitive());
        let fails = (0..rows).any(|row| seven(left, right, row));
        (!fails).then(|| (0..rows).map(|row| Some(below(left, right, row))).collect())
    };
    let keep = move |delta: &Delta,
                     (columns, schema): (&[usize], &SchemaRef),
                     errors: &mut Vec<_>| {
        let (left, right) = (delta.column(2), delta.column(5));
        let (left, right) = (left.as_primitive::<Int64Type>(), right.as_primitive::<Int64Type>());
        for row in (0..delta.rows()).filter(|&row| seven(left, right, row)) {
            let error = crate::error::Error::internal("seven");
            errors.push(ErrorRow::new(&error, "left < right", delta, row));
        }
        let mask = (0..delta.rows()).map(|row| Some(below(left, right, row)));
        delta.filter(&mask.collect::<BooleanArray>())?.select(columns, schema)
    };
    Residual { reads: vec![2, 5], test: Box::new(test), keep: Box::new(keep) }
}

/// What `case` means.
fn expected(case: Case, left: &Rows, right: &Rows) -> (Rows, i64) {
    let equal = |l: &Row, r: &Row| {
        case.on.iter().all(|&(a, b)| l[a] == r[b] && (case.null_equals_null || l[a].is_some()))
    };
    let accepts = |l: &Row, r: &Row| {
        !case.residual || matches!((l[2], r[2]), (Some(left), Some(right)) if left < right)
    };
    let (mut rows, mut errors) = (Rows::new(), 0);
    let nulls = || vec![None; 3];
    for (l, weight) in left {
        let mut present = false;
        for (r, other) in right.iter().filter(|(r, _)| equal(l, r)) {
            present |= accepts(l, r);
            let pairs = !matches!(case.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark);
            if pairs && accepts(l, r) {
                add(&mut rows, [l.clone(), r.clone()].concat(), weight * other);
            }
            errors += if case.residual && l[2] == Some(7) && r[2] == Some(7) {
                weight * other
            } else {
                0
            };
        }
        match case.kind {
            JoinKind::Left | JoinKind::Full if !present => {
                add(&mut rows, [l.clone(), nulls()].concat(), *weight);
            }
            JoinKind::Semi if present => add(&mut rows, l.clone(), *weight),
            JoinKind::Anti if !present => add(&mut rows, l.clone(), *weight),
            JoinKind::Mark => {
                add(&mut rows, [l.clone(), vec![Some(i64::from(present))]].concat(), *weight);
            }
            _ => {}
        }
    }
    for (r, weight) in right {
        let present = left.keys().any(|l| equal(l, r) && accepts(l, r));
        if matches!(case.kind, JoinKind::Right | JoinKind::Full) && !present {
            add(&mut rows, [nulls(), r.clone()].concat(), *weight);
        }
    }
    (rows, errors)
}

/// `delta`, half of the time as a selection of rows that stand in another order.
fn shared(delta: Delta) -> Selection {
    if delta.rows().is_multiple_of(2) {
        return delta.into();
    }
    let reversed: UInt32Array = (0..delta.rows() as u32).rev().collect();
    Selection::of(delta.take(&reversed).unwrap(), reversed)
}

/// The operators of a join on one worker.
struct Plan {
    arrangements: Arrangements,
    arranges: [Arrange; 2],
    join: Box<dyn Operator>,
}

impl Plan {
    fn new(case: Case, columns: Option<Vec<usize>>) -> Plan {
        let mut arrangements = Arrangements::default();
        let (left, right): (Vec<usize>, Vec<usize>) = case.on.iter().copied().unzip();
        let mut side = |key: Vec<usize>| {
            let arrangement = arrangements.create(schema(), key.clone()).unwrap();
            JoinSide { arrangement, schema: schema(), key }
        };
        let (left, right) = (side(left), side(right));
        let arranges = [Arrange::new(left.arrangement), Arrange::new(right.arrangement)];
        let residual = case.residual.then(residual);
        let condition =
            JoinCondition { left, right, null_equals_null: case.null_equals_null, residual };
        let mut fields = schema().fields().to_vec();
        match case.kind {
            JoinKind::Mark => fields.push(Arc::new(Field::new("mark", DataType::Boolean, false))),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => fields.extend(schema().fields().to_vec()),
        }
        if let Some(columns) = &columns {
            fields = columns.iter().map(|&column| Arc::clone(&fields[column])).collect();
        }
        let out = Arc::new(Schema::new(fields));
        let join: Box<dyn Operator> = match case.kind {
            JoinKind::Inner => Box::new(Join::new(condition, columns, out).unwrap()),
            JoinKind::Left | JoinKind::Right | JoinKind::Full => {
                Box::new(OuterJoin::new(case.kind, condition, columns, out).unwrap())
            }
            _ => Box::new(SemiJoin::new(case.kind, condition, out).unwrap()),
        };
        Plan { arrangements, arranges, join }
    }

    fn tick(&mut self, deltas: Vec<(usize, Delta)>) -> Output {
        let mut ctx = Context { arrangements: &mut self.arrangements, epoch: Epoch(1) };
        let mut out = Output { wanted: true, ..Output::default() };
        for (port, delta) in deltas {
            let mut passed = Output::default();
            self.arranges[port].apply_selection(&mut ctx, 0, shared(delta), &mut passed).unwrap();
            for rows in passed.selections {
                self.join.apply_selection(&mut ctx, port, rows, &mut out).unwrap();
            }
        }
        self.join.finish(&mut ctx, &mut out).unwrap();
        for arrange in &mut self.arranges {
            arrange.commit(&mut self.arrangements);
        }
        out
    }

    /// The same on two workers, by way of the saved form.
    fn rescaled(&self, case: Case) -> Vec<Plan> {
        let saved = self.arranges.each_ref().map(|arrange| {
            let mut saved = Saved::default();
            arrange.save(&self.arrangements, &mut saved).unwrap();
            saved
        });
        let restored = (0..2).map(|worker| {
            let mut plan = Plan::new(case, None);
            for (arrange, saved) in itertools::zip_eq(&mut plan.arranges, &saved) {
                arrange.restore(&mut plan.arrangements, &saved.owned_by(worker, 2)).unwrap();
            }
            plan
        });
        restored.collect()
    }
}

fn random_deltas(random: &mut StdRng, inputs: &mut [Rows; 2]) -> Vec<(usize, Delta)> {
    let mut deltas = vec![];
    for _ in 0..random.random_range(1..4) {
        let port = random.random_range(0..2);
        let mut rows = vec![];
        for _ in 0..random.random_range(0..8) {
            let mut value = |below| Some(random.random_range(-1..below)).filter(|v| *v >= 0);
            let row = vec![value(5), value(2), value(9)];
            let present = inputs[port].get(&row).copied().unwrap_or(0);
            let weight = random.random_range((-present).max(-2)..=2);
            add(&mut inputs[port], row.clone(), weight);
            rows.push((row, weight));
            if random.random_ratio(1, 2) && !inputs[port].is_empty() {
                let at = random.random_range(0..inputs[port].len());
                let row = inputs[port].keys().nth(at).unwrap().clone();
                add(&mut inputs[port], row.clone(), -1);
                rows.push((row, -1));
            }
        }
        deltas.push((port, delta(&rows)));
    }
    deltas
}

/// The parts of `deltas` for worker `worker` of 2.
fn routed(case: Case, deltas: &[(usize, Delta)], worker: usize) -> Vec<(usize, Delta)> {
    let (left, right): (Vec<usize>, Vec<usize>) = case.on.iter().copied().unzip();
    let keys = [left, right];
    let part = |(port, delta): &(usize, Delta)| {
        let encoder = crate::types::key::KeyEncoder::for_columns(&schema(), &keys[*port]).unwrap();
        let hashes = encoder.encode_batch(&delta.batch, &keys[*port]).unwrap().hashes;
        let mask = hashes.iter().map(|&hash| Some(Vnode::of_hash(hash).worker(2) == worker));
        (*port, delta.filter(&mask.collect()).unwrap())
    };
    deltas.iter().map(part).collect()
}

fn check(case: Case, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut plans = vec![Plan::new(case, None)];
    let (mut inputs, mut rows, mut errors) = ([Rows::new(), Rows::new()], Rows::new(), 0);
    for epoch in 0..20 {
        let deltas = random_deltas(&mut random, &mut inputs);
        let count = plans.len();
        for (worker, plan) in plans.iter_mut().enumerate() {
            let part = if count == 1 { deltas.clone() } else { routed(case, &deltas, worker) };
            let out = plan.tick(part);
            out.deltas.iter().for_each(|delta| add_delta(&mut rows, delta));
            errors += out.errors.iter().map(|error| error.weight).sum::<i64>();
        }
        let expected = expected(case, &inputs[0], &inputs[1]);
        let label = (case.kind, case.on, case.null_equals_null, case.residual);
        assert_eq!((&rows, errors), (&expected.0, expected.1), "{label:?} epoch {epoch}");
        if epoch == 10 {
            plans = plans[0].rescaled(case);
        }
    }
}

#[test]
fn every_kind_agrees_with_nested_loops_under_random_changes() {
    let conditions: [&[(usize, usize)]; 4] = [&[(0, 0)], &[(0, 2)], &[(0, 0), (1, 1)], &[]];
    for kind in KINDS {
        for (seed, on) in conditions.into_iter().enumerate() {
            for (null_equals_null, residual) in [(false, false), (false, true), (true, false)] {
                check(Case { kind, on, null_equals_null, residual }, seed as u64);
            }
        }
    }
}

#[test]
fn columns_are_chosen_and_large_crossings_come_in_pieces() {
    let case = Case { kind: JoinKind::Left, on: &[], null_equals_null: false, residual: false };
    let mut plan = Plan::new(case, Some(vec![4, 2]));
    let side = |rows: i64| {
        let rows = (0..rows).map(|n| (vec![Some(n), Some(n % 3), Some(-n)], 1));
        delta(&rows.collect::<Vec<_>>())
    };
    let out = plan.tick(vec![(0, side(400)), (1, side(300))]);
    assert!(out.deltas.iter().all(|delta| delta.rows() <= pairs::PAIRS_MAX));
    assert!(out.deltas.iter().all(|delta| delta.batch.num_columns() == 2));
    let mut rows = Rows::new();
    out.deltas.iter().for_each(|delta| add_delta(&mut rows, delta));
    assert_eq!(rows.values().sum::<i64>(), 400 * 300);
    assert_eq!(rows.len(), 400 * 3);
    assert_eq!(rows[&vec![Some(2), Some(-399)]], 100);
}
