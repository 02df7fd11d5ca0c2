//! Sharing, dropping and failing of operators, on one worker with the simplest plans: what is
//! computed is tested where workers are.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{binary, col, lit};

use super::*;
use crate::dataflow::operator::Operator;
use crate::plan::node::{Growth, JoinKind, NodeKind};

const TABLE: ObjectId = ObjectId(1);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]))
}

fn node(kind: NodeKind) -> Node {
    let (schema, growth) = (schema(), Growth::Rows);
    Node { kind, schema, upsert_key: None, append_only: false, growth }
}

fn scan(relation: ObjectId) -> Node {
    node(NodeKind::Scan { relation, columns: vec![0] })
}

/// `SELECT n FROM relation WHERE n > least`
fn above(least: i64, relation: ObjectId) -> Node {
    let column = col("n", &schema()).expect("a column");
    let predicate = binary(column, Op::Gt, lit(least), &schema()).expect("numbers");
    node(NodeKind::Filter { predicate, input: Box::new(scan(relation)) })
}

/// Pairs of equal rows of the table above 0 and above 1.
fn pairs() -> Node {
    let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true));
    let kind = NodeKind::Join {
        kind: JoinKind::Inner,
        on: vec![(0, 0)],
        null_equals_null: false,
        residual: None,
        left: Box::new(above(0, TABLE)),
        right: Box::new(above(1, TABLE)),
    };
    Node { schema: Arc::new(Schema::new(fields.to_vec())), ..node(kind) }
}

fn numbers(values: &[i64]) -> Delta {
    let column = Arc::new(Int64Array::from(values.to_vec()));
    Delta::insert(RecordBatch::try_new(schema(), vec![column]).expect("one column"))
}

/// A tick in which the table gets `values`; failed views.
fn tick(executor: &mut Executor, values: &[i64]) -> Vec<(ObjectId, Error)> {
    executor.open(executor.epoch.next());
    executor.change(TABLE, &numbers(values));
    let mut sent = vec![];
    executor.run(0, vec![], &mut sent);
    assert!(sent.is_empty(), "one worker keeps everything");
    executor.commit();
    executor.take_failures()
}

/// Adds a filled view over the table, which is empty.
fn create(executor: &mut Executor, view: u32, plan: &Node) {
    let view = ObjectId(view);
    executor.create(view, plan);
    executor.let_in(view, None);
    assert!(tick(executor, &[]).is_empty(), "nothing fails");
    executor.share(view);
}

fn rows(executor: &Executor, view: u32) -> usize {
    let contents = executor.contents(ObjectId(view)).expect("a live view");
    contents.iter().map(Delta::rows).sum()
}

fn nodes(executor: &Executor) -> usize {
    executor.graph.complete().count()
}

#[test]
fn equal_operators_are_shared_and_the_last_user_frees_them() {
    let mut executor = Executor::new(0, 1);
    create(&mut executor, 10, &above(0, TABLE));
    // Scan, filter, the index that keeps the rows.
    assert_eq!(nodes(&executor), 3);
    create(&mut executor, 11, &above(0, TABLE));
    assert_eq!(nodes(&executor), 3);
    // Another filter and its index, the join and its index; the rest is there.
    create(&mut executor, 12, &pairs());
    assert_eq!(nodes(&executor), 3 + 4);
    tick(&mut executor, &[0, 1, 2, 3]);
    executor.drop_view(ObjectId(10));
    assert_eq!(nodes(&executor), 3 + 4);
    tick(&mut executor, &[4]);
    assert_eq!((rows(&executor, 11), rows(&executor, 12)), (4, 3));
    executor.drop_view(ObjectId(11));
    tick(&mut executor, &[5]);
    assert_eq!((nodes(&executor), rows(&executor, 12)), (7, 4));
    executor.drop_view(ObjectId(12));
    assert_eq!(nodes(&executor), 0);
    assert!(executor.graph.scans(TABLE).is_empty());
}

/// Panics at the number 13, fails at the number 14.
struct Superstitious;

impl Operator for Superstitious {
    fn name(&self) -> &'static str {
        "superstitious"
    }

    fn apply(
        &mut self,
        _: &mut Context<'_>,
        _: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        let column =
            arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(delta.column(0));
        assert!(!column.values().contains(&13), "it is thirteen");
        if column.values().contains(&14) {
            return Err(Error::internal("it is fourteen"));
        }
        out.deltas.push(delta);
        Ok(())
    }
}

#[test]
fn a_failing_operator_stops_the_views_downstream_and_no_others() {
    for (unlucky, message) in [(13, "it is thirteen"), (14, "it is fourteen")] {
        let mut executor = Executor::new(0, 1);
        create(&mut executor, 10, &above(0, TABLE));
        create(&mut executor, 11, &above(1, TABLE));
        create(&mut executor, 12, &above(2, ObjectId(11)));
        let filter = executor.graph.views[&ObjectId(11)].root;
        executor.graph[filter].body = Body::Operator(Box::new(Superstitious));
        assert!(tick(&mut executor, &[1, 2, 3]).is_empty(), "nothing fails yet");
        let failed = tick(&mut executor, &[unlucky]);
        assert_eq!(failed.iter().map(|(view, _)| view.0).collect::<Vec<_>>(), [11, 12]);
        assert!(failed[0].1.message().contains(message), "{}", failed[0].1);
        executor.contents(ObjectId(11)).expect_err("it has stopped");
        assert_eq!(rows(&executor, 10), 4);
        assert!(tick(&mut executor, &[unlucky]).is_empty(), "failures are told once");
        assert_eq!(rows(&executor, 10), 5);
        executor.drop_view(ObjectId(12));
        executor.drop_view(ObjectId(11));
        tick(&mut executor, &[7]);
        assert_eq!((rows(&executor, 10), nodes(&executor)), (6, 3));
    }
}

#[test]
fn a_view_can_go_in_the_tick_in_which_it_came() {
    let mut executor = Executor::new(0, 1);
    executor.create(ObjectId(10), &pairs());
    executor.drop_view(ObjectId(10));
    assert!(tick(&mut executor, &[1]).is_empty());
    assert_eq!(nodes(&executor), 0);
}
