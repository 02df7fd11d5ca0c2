//! Views over two tables under random changes, on one to three simulated workers and on threads:
//! after every tick each view equals a naive computation over the tables. Plans are built by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{binary, col, lit};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Packet, TickProgram, Worker};
use crate::plan::node::{AggregateCall, AggregateFunction, Expr, Growth, JoinKind, Node, NodeKind};
use crate::runtime::command::{Command, Report, TickHeader, WorkerInput};
use crate::runtime::fabric::timely::Mesh;
use crate::runtime::fabric::{Fabric, LocalFabric, ProgramFactory, TimelyFabric};
use crate::state::Saved;
use crate::types::{Delta, Epoch, ObjectId};

mod processes;

/// Rows of numbers and how often each is there.
type Rows = BTreeMap<Vec<Option<i64>>, i64>;

const ORDERS: ObjectId = ObjectId(1);
const NAMES: ObjectId = ObjectId(2);

fn schema(names: &[&str]) -> SchemaRef {
    let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn node(names: &[&str], kind: NodeKind) -> Node {
    let (schema, growth) = (schema(names), Growth::Rows);
    Node { kind, schema, upsert_key: None, append_only: false, growth }
}

fn scan(relation: ObjectId, names: &[&str]) -> Node {
    node(names, NodeKind::Scan { relation, columns: (0..names.len()).collect() })
}

fn filter(names: &[&str], predicate: Expr, input: Node) -> Node {
    node(names, NodeKind::Filter { predicate, input: Box::new(input) })
}

fn compare(column: &str, op: Op, value: i64, schema: &Schema) -> Expr {
    binary(col(column, schema).expect("a column"), op, lit(value), schema).expect("comparable")
}

fn arithmetic(left: &str, op: Op, right: &str, schema: &Schema) -> Expr {
    let column = |name| col(name, schema).expect("a column");
    binary(column(left), op, column(right), schema).expect("numbers")
}

fn delta(names: &[&str], rows: &[(Vec<Option<i64>>, i64)]) -> Delta {
    let column = |index: usize| {
        Arc::new(Int64Array::from_iter(rows.iter().map(|(row, _)| row[index]))) as Arc<dyn Array>
    };
    let columns = (0..names.len()).map(column).collect();
    let batch = RecordBatch::try_new(schema(names), columns).expect("columns of numbers");
    Delta::new(batch, rows.iter().map(|(_, weight)| *weight).collect())
}

fn add(rows: &mut Rows, row: Vec<Option<i64>>, weight: i64) {
    let sum = rows.entry(row.clone()).or_default();
    *sum += weight;
    if *sum == 0 {
        rows.remove(&row);
    }
}

fn rows_of(deltas: &[Delta]) -> Rows {
    let mut rows = Rows::new();
    for delta in deltas {
        for index in 0..delta.rows() {
            let value = |column: &arrow::array::ArrayRef| {
                let numbers = column.as_primitive::<Int64Type>();
                numbers.is_valid(index).then(|| numbers.value(index))
            };
            add(&mut rows, delta.batch.columns().iter().map(value).collect(), delta.weight(index));
        }
    }
    rows
}

/// An engine of workers without a coordinator: tables, ticks, and nothing else.
struct Bench {
    fabric: Box<dyn Fabric>,
    epoch: u64,
    tables: BTreeMap<ObjectId, Rows>,
    random: StdRng,
}

fn factory(workers: usize) -> ProgramFactory {
    Arc::new(move |index| Box::new(Worker::new(index, workers)))
}

impl Bench {
    fn local(workers: usize) -> Bench {
        Bench::over(Box::new(LocalFabric::new(workers, &factory(workers))))
    }

    fn threads(workers: usize) -> Bench {
        let fabric = TimelyFabric::spawn(Mesh::threads(workers), factory(workers));
        Bench::over(Box::new(fabric.expect("threads")))
    }

    fn over(fabric: Box<dyn Fabric>) -> Bench {
        let tables = [(ORDERS, Rows::new()), (NAMES, Rows::new())].into();
        Bench { fabric, epoch: 0, tables, random: StdRng::seed_from_u64(7) }
    }

    fn names(relation: ObjectId) -> &'static [&'static str] {
        match relation {
            ORDERS => &["k", "v"],
            NAMES => &["k", "n"],
            _ => &["k", "s"],
        }
    }

    fn tick(
        &mut self,
        commands: Vec<Command>,
        changes: Vec<(ObjectId, Delta)>,
        fills: Vec<(ObjectId, ObjectId, Delta)>,
    ) -> Vec<Report> {
        self.epoch += 1;
        let mut inputs = vec![WorkerInput::default(); self.fabric.local_workers()];
        let changed = changes.iter().map(|(relation, _)| *relation).collect();
        let filled = fills.iter().map(|(view, relation, _)| (*view, *relation)).collect();
        for (relation, delta) in changes {
            let worker = self.random.random_range(0..inputs.len());
            inputs[worker].changes.push((relation, delta));
        }
        for (view, relation, delta) in fills {
            let worker = self.random.random_range(0..inputs.len());
            inputs[worker].fills.push((view, relation, delta));
        }
        let epoch = Epoch(self.epoch);
        let header = TickHeader { epoch, now_us: 0, commands, changed, filled, inputs };
        let reports = self.fabric.tick(header).expect("a tick");
        for report in &reports {
            assert!(report.failed.is_empty(), "{:?}", report.failed);
        }
        reports
    }

    /// Random changes of both tables, in several deltas.
    fn changes(&mut self) -> Vec<(ObjectId, Delta)> {
        let mut changes = vec![];
        for _ in 0..self.random.random_range(0..4) {
            let relation = if self.random.random_bool(0.6) { ORDERS } else { NAMES };
            let mut rows = vec![];
            for _ in 0..self.random.random_range(1..6) {
                let table = self.tables.get_mut(&relation).expect("both tables");
                let (row, weight) = if !table.is_empty() && self.random.random_bool(0.4) {
                    let at = self.random.random_range(0..table.len());
                    (table.keys().nth(at).expect("in range").clone(), -1)
                } else {
                    let key = self.random.random_range(0..6);
                    let value = self.random.random_range(-3..8);
                    (vec![(key > 0).then_some(key), Some(value)], 1)
                };
                add(table, row.clone(), weight);
                rows.push((row, weight));
            }
            changes.push((relation, delta(Bench::names(relation), &rows)));
        }
        changes
    }

    /// Creates a view over the tables and fills it.
    fn create(&mut self, view: ObjectId, plan: &Node) {
        let existing = self.tables.clone();
        self.create_over(view, plan, &existing);
    }

    /// Creates a view and fills it in two slices, changes flowing on.
    fn create_over(&mut self, view: ObjectId, plan: &Node, existing: &BTreeMap<ObjectId, Rows>) {
        let plan = Some(Arc::new(plan.clone()));
        let create = Command::CreateView { view, sql: String::new(), plan };
        let mut fills: Vec<(ObjectId, ObjectId, Delta)> = vec![];
        for (&relation, rows) in existing {
            let rows: Vec<_> = rows.iter().map(|(row, weight)| (row.clone(), *weight)).collect();
            let all = delta(Bench::names(relation), &rows);
            let half = all.rows() / 2;
            fills.push((view, relation, all.slice(0, half)));
            fills.push((view, relation, all.slice(half, all.rows() - half)));
        }
        self.tick(vec![create], vec![], vec![]);
        // What was there before the first fill is in the fills: all slices open in the same tick.
        let (first, second): (Vec<_>, Vec<_>) =
            fills.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        let slices = |fills: Vec<(usize, _)>| fills.into_iter().map(|(_, fill)| fill).collect();
        let changes = self.changes();
        self.tick(vec![], changes, slices(first));
        let changes = self.changes();
        self.tick(vec![], changes, slices(second));
        let changes = self.changes();
        self.tick(vec![Command::Filled { view }], changes, vec![]);
    }

    fn contents(&mut self, view: ObjectId, changes: Vec<(ObjectId, Delta)>) -> Rows {
        let reports = self.tick(vec![Command::Peek { views: vec![view] }], changes, vec![]);
        let contents = reports.iter().flat_map(|report| &report.contents);
        let deltas: Vec<Delta> = contents.flat_map(|(_, deltas)| deltas.clone()).collect();
        rows_of(&deltas)
    }

    /// Runs ticks and compares the view with what `expected` makes of the tables.
    fn check(&mut self, view: ObjectId, expected: impl Fn(&Rows, &Rows) -> Rows) {
        for round in 0..12 {
            let changes = self.changes();
            let found = self.contents(view, changes);
            let expected = expected(&self.tables[&ORDERS], &self.tables[&NAMES]);
            assert_eq!(found, expected, "round {round}, {} workers", self.fabric.workers());
        }
    }
}

/// `SELECT k, k + v FROM orders WHERE v > 0`
fn positive() -> Node {
    let names = Bench::names(ORDERS);
    let orders = schema(names);
    let kept = filter(names, compare("v", Op::Gt, 0, &orders), scan(ORDERS, names));
    let exprs = vec![col("k", &orders).expect("k"), arithmetic("k", Op::Plus, "v", &orders)];
    node(&["k", "s"], NodeKind::Project { exprs, input: Box::new(kept) })
}

fn positive_rows(orders: &Rows, _: &Rows) -> Rows {
    let mut rows = Rows::new();
    for (row, weight) in orders {
        if let Some(v) = row[1].filter(|v| *v > 0) {
            add(&mut rows, vec![row[0], row[0].map(|k| k + v)], *weight);
        }
    }
    rows
}

/// `SELECT k, count(*), count(s) FROM positive GROUP BY k`
fn counted() -> Node {
    let call = |argument| AggregateCall {
        function: AggregateFunction::Count,
        argument,
        distinct: false,
        filter: None,
    };
    let calls = vec![call(None), call(Some(1))];
    let kind = NodeKind::Aggregate { group: vec![0], calls, input: Box::new(positive()) };
    Node { upsert_key: Some(vec![0]), ..node(&["k", "c", "n"], kind) }
}

fn counted_rows(orders: &Rows, names: &Rows) -> Rows {
    let mut groups: BTreeMap<Option<i64>, (i64, i64)> = BTreeMap::new();
    for (row, weight) in positive_rows(orders, names) {
        let group = groups.entry(row[0]).or_default();
        group.0 += weight;
        group.1 += if row[1].is_some() { weight } else { 0 };
    }
    groups.into_iter().map(|(k, (c, n))| (vec![k, Some(c), Some(n)], 1)).collect()
}

/// `SELECT * FROM counted JOIN names ON counted.k = names.k`
fn joined() -> Node {
    let right = scan(NAMES, Bench::names(NAMES));
    let kind = NodeKind::Join {
        kind: JoinKind::Inner,
        on: vec![(0, 0)],
        null_equals_null: false,
        residual: None,
        left: Box::new(counted()),
        right: Box::new(right),
    };
    node(&["k", "c", "n", "k2", "name"], kind)
}

fn joined_rows(orders: &Rows, names: &Rows) -> Rows {
    let mut rows = Rows::new();
    for (left, left_weight) in counted_rows(orders, names) {
        for (right, right_weight) in names {
            if left[0].is_some() && left[0] == right[0] {
                add(&mut rows, [left.clone(), right.clone()].concat(), left_weight * right_weight);
            }
        }
    }
    rows
}

#[test]
fn views_on_any_number_of_workers() {
    let mut benches: Vec<Bench> = (1..4).map(Bench::local).collect();
    benches.push(Bench::threads(2));
    for mut bench in benches {
        let [stateless, grouped, joining] = [ObjectId(10), ObjectId(11), ObjectId(12)];
        bench.create(stateless, &positive());
        bench.create(grouped, &counted());
        bench.create(joining, &joined());
        bench.check(stateless, positive_rows);
        bench.check(grouped, counted_rows);
        bench.check(joining, joined_rows);
        // The views share operators; what is left must not notice that others go.
        bench.tick(vec![Command::DropView { view: grouped }], vec![], vec![]);
        bench.check(joining, joined_rows);
        let again = ObjectId(13);
        bench.create(again, &counted());
        bench.tick(vec![Command::DropView { view: joining }], vec![], vec![]);
        bench.check(again, counted_rows);
        bench.check(stateless, positive_rows);
    }
}

/// `SELECT s, k FROM positive WHERE s < 6`, over the view rather than its plan
fn over_view(view: ObjectId) -> Node {
    let below = schema(&["k", "s"]);
    let small = compare("s", Op::Lt, 6, &below);
    let kept = filter(&["k", "s"], small, scan(view, &["k", "s"]));
    let exprs = vec![col("s", &below).expect("s"), col("k", &below).expect("k")];
    node(&["s", "k"], NodeKind::Project { exprs, input: Box::new(kept) })
}

fn over_view_rows(orders: &Rows, names: &Rows) -> Rows {
    let below = positive_rows(orders, names).into_iter();
    below
        .filter(|(row, _)| row[1].is_some_and(|s| s < 6))
        .map(|(row, weight)| (vec![row[1], row[0]], weight))
        .collect()
}

#[test]
fn a_view_over_a_view() {
    for workers in 1..4 {
        let mut bench = Bench::local(workers);
        let [lower, upper] = [ObjectId(10), ObjectId(11)];
        let changes = bench.changes();
        bench.tick(vec![], changes, vec![]);
        bench.create(lower, &positive());
        let existing = bench.contents(lower, vec![]);
        bench.create_over(upper, &over_view(lower), &[(lower, existing)].into());
        bench.check(upper, over_view_rows);
    }
}

#[test]
fn watched_changes_add_up_to_the_view() {
    let mut bench = Bench::local(2);
    let view = ObjectId(10);
    bench.create(view, &positive());
    let watch = Command::Watch { view, on: true };
    let reports = bench.tick(vec![watch, Command::Peek { views: vec![view] }], vec![], vec![]);
    let mut followed = Rows::new();
    let contents = reports.iter().flat_map(|report| &report.contents);
    let mut follow = |lists: Vec<Vec<Delta>>| {
        for (row, weight) in rows_of(&lists.concat()) {
            add(&mut followed, row, weight);
        }
    };
    follow(contents.map(|(_, deltas)| deltas.clone()).collect());
    for _ in 0..20 {
        let changes = bench.changes();
        let reports = bench.tick(vec![], changes, vec![]);
        let changes = reports.iter().flat_map(|report| &report.changes);
        follow(changes.map(|(_, deltas)| deltas.clone()).collect());
    }
    let Bench { tables, .. } = &bench;
    assert_eq!(followed, positive_rows(&tables[&ORDERS], &tables[&NAMES]));
}

/// `SELECT k, k / v FROM orders`, which fails where v is 0.
fn divided() -> Node {
    let orders = schema(&["k", "v"]);
    let exprs = vec![col("k", &orders).expect("k"), arithmetic("k", Op::Divide, "v", &orders)];
    let input = Box::new(scan(ORDERS, &["k", "v"]));
    node(&["k", "q"], NodeKind::Project { exprs, input })
}

#[test]
fn failing_rows_come_and_go() {
    let mut bench = Bench::local(2);
    bench.create(ObjectId(10), &divided());
    check_failing(&mut bench, ObjectId(10));
}

/// The rows of [`divided`] and those that fail in it, under changes.
fn check_failing(bench: &mut Bench, view: ObjectId) {
    let fails = |row: &[Option<i64>]| row[0].is_some() && row[1] == Some(0);
    for _ in 0..20 {
        let changes = bench.changes();
        let found = bench.contents(view, changes);
        let orders = bench.tables[&ORDERS].clone();
        let mut expected = Rows::new();
        for (row, weight) in orders.iter().filter(|(row, _)| !fails(row)) {
            let quotient = row[0].and_then(|k| row[1].map(|v| k / v));
            add(&mut expected, vec![row[0], quotient], *weight);
        }
        assert_eq!(found, expected);
        let reports = bench.tick(vec![Command::PeekErrors { view }], vec![], vec![]);
        let mut errors: BTreeMap<String, i64> = BTreeMap::new();
        for error in reports.iter().flat_map(|report| &report.errors).flat_map(|(_, rows)| rows) {
            assert_eq!(error.state.code(), "22012", "{error:?}");
            *errors.entry(error.row.clone()).or_default() += error.weight;
        }
        errors.retain(|_, weight| *weight != 0);
        let failing = orders.iter().filter(|(row, _)| fails(row));
        let json = |row: &[Option<i64>]| format!("{{\"k\":{},\"v\":0}}", row[0].expect("a key"));
        let expected = failing.map(|(row, weight)| (json(row), *weight)).collect();
        assert_eq!(errors, expected);
    }
}

/// A worker that the test can still reach while a fabric drives it.
#[derive(Clone)]
struct Reachable(Arc<Mutex<Worker>>);

impl TickProgram for Reachable {
    fn open(&mut self, header: &Arc<TickHeader>) -> usize {
        self.0.lock().open(header)
    }

    fn round(&mut self, round: usize, inbox: Vec<Packet>, out: &mut Vec<Packet>) {
        self.0.lock().round(round, inbox, out);
    }

    fn commit(&mut self) -> Report {
        self.0.lock().commit()
    }
}

/// A bench whose workers can be reached, without views.
fn reachable(workers: usize) -> (Bench, Vec<Reachable>) {
    let reach: Vec<Reachable> = (0..workers)
        .map(|index| Reachable(Arc::new(Mutex::new(Worker::new(index, workers)))))
        .collect();
    let programs = reach.clone();
    let factory: ProgramFactory = Arc::new(move |index| Box::new(programs[index].clone()));
    (Bench::over(Box::new(LocalFabric::new(workers, &factory))), reach)
}

#[test]
fn state_moves_to_another_number_of_workers() {
    for (before, after) in [(1, 3), (3, 2), (2, 1)] {
        let (mut old, old_workers) = reachable(before);
        let (view, grouped, failing) = (ObjectId(10), ObjectId(11), ObjectId(12));
        old.create(failing, &divided());
        old.create(view, &joined());
        old.create(grouped, &counted());
        old.check(view, joined_rows);
        check_failing(&mut old, failing);
        let mut saved = BTreeMap::new();
        for worker in &old_workers {
            for (fingerprint, state) in worker.0.lock().executor.save().expect("a saved form") {
                saved.entry(fingerprint).or_insert_with(Saved::default).merge(state);
            }
        }
        let (mut new, new_workers) = reachable(after);
        for worker in &new_workers {
            let executor = &mut worker.0.lock().executor;
            executor.create(failing, &divided());
            executor.create(view, &joined());
            executor.create(grouped, &counted());
            executor.restore(&saved).expect("state that fits");
        }
        new.tables = old.tables.clone();
        new.check(view, joined_rows);
        new.check(grouped, counted_rows);
        check_failing(&mut new, failing);
    }
}
