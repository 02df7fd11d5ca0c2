//! Aggregates under random changes equal a naive recomputation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, RecordBatch, StringArray,
};
use arrow::datatypes::{
    DataType, Field, Float64Type, Int32Type, IntervalMonthDayNano, IntervalUnit, Schema, SchemaRef,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::dataflow::operator::oracle::{Collection, Workers, add, check};
use crate::types::Vnode;
use crate::types::key::KeyEncoder;
use AggregateFunction::{
    Avg, BoolAnd, BoolOr, Count, Max, Min, StddevPop, StddevSamp, Sum, VarPop, VarSamp,
};

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields = fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn input() -> SchemaRef {
    schema(&[
        ("k", DataType::Int64),
        ("s", DataType::Utf8),
        ("i", DataType::Int32),
        ("f", DataType::Float64),
        ("d", DataType::Decimal128(20, 2)),
        ("b", DataType::Boolean),
        ("v", DataType::Interval(IntervalUnit::MonthDayNano)),
        ("l", DataType::Int64),
    ])
}

fn pool(rng: &mut StdRng, rows: usize) -> RecordBatch {
    fn column<T, A: Array + FromIterator<Option<T>> + 'static>(
        rng: &mut StdRng,
        rows: usize,
        mut value: impl FnMut(&mut StdRng) -> T,
    ) -> ArrayRef {
        let values = (0..rows).map(|_| (!rng.random_bool(0.2)).then(|| value(rng)));
        Arc::new(values.collect::<A>())
    }
    let floats = [0.1, -0.0, 1e300, -1e300, 1e-300, f64::NAN, f64::INFINITY, 3.5, 1e15 + 0.3];
    let columns = vec![
        column::<i64, Int64Array>(rng, rows, |rng| rng.random_range(0..4)),
        column::<&str, StringArray>(rng, rows, |rng| ["", "a", "bb"][rng.random_range(0..3)]),
        column::<i32, Int32Array>(rng, rows, |rng| rng.random_range(-5..5)),
        column::<f64, Float64Array>(rng, rows, |rng| floats[rng.random_range(0..9)]),
        {
            let array = column::<i128, Decimal128Array>(rng, rows, |rng| rng.random_range(-9..999));
            let decimals: &Decimal128Array = array.as_primitive();
            Arc::new(decimals.clone().with_precision_and_scale(20, 2).unwrap())
        },
        column::<bool, BooleanArray>(rng, rows, |rng| rng.random()),
        column::<IntervalMonthDayNano, IntervalMonthDayNanoArray>(rng, rows, |rng| {
            let (months, days) = (rng.random_range(0..3), rng.random_range(-30..60));
            IntervalMonthDayNano::new(months, days, rng.random_range(0..5) * 1_000_000_000)
        }),
        column::<i64, Int64Array>(rng, rows, |rng| rng.random_range(-3..3) * (i64::MAX / 3)),
    ];
    RecordBatch::try_new(input(), columns).unwrap()
}

fn call(function: AggregateFunction, argument: impl Into<Option<usize>>) -> AggregateCall {
    AggregateCall { function, argument: argument.into(), distinct: false, filter: None }
}

fn distinct_call(
    function: AggregateFunction,
    argument: usize,
    filter: Option<usize>,
) -> AggregateCall {
    AggregateCall { function, argument: Some(argument), distinct: true, filter }
}

/// Builds the operator, the unit row where its vnode lives.
fn make(
    group: &[usize],
    calls: &[AggregateCall],
    output: &SchemaRef,
    append_only: bool,
) -> impl Fn(usize, usize) -> Box<dyn Operator> {
    let (group, calls, output) = (group.to_vec(), calls.to_vec(), Arc::clone(output));
    let placed = group.clone();
    move |worker, workers| {
        let unit = KeyEncoder::new(&[]).unwrap().encode(&[], 1).unwrap().hashes[0];
        let owner = Vnode::of_hash(unit).worker(workers) == worker;
        Box::new(
            Aggregate::new((&group, &placed), &calls, &input(), &output, append_only, owner)
                .unwrap(),
        )
    }
}

/// What the operator says of the rows inserted at once.
fn at_once(make: &dyn Fn(usize, usize) -> Box<dyn Operator>, rows: &RecordBatch) -> Collection {
    let mut workers = Workers::new(make, &[]);
    workers.tick(&[Delta::insert(rows.clone())]);
    workers.output
}

/// count(*), count(i), sum(i), min(i), max(s), count(distinct i) filter (b), sum(distinct i) by key.
fn naive(group: &[usize], output: &SchemaRef, rows: &RecordBatch) -> Collection {
    let i = rows.column(2).as_primitive::<Int32Type>();
    let s = rows.column(1).as_string::<i32>();
    let b = rows.column(5).as_boolean();
    let encoder = KeyEncoder::for_columns(&input(), group).unwrap();
    let key_of = |row: usize| -> Vec<ArrayRef> {
        group.iter().map(|&column| rows.column(column).slice(row, 1)).collect()
    };
    let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    if group.is_empty() {
        groups.insert(encoder.encode(&[], 1).unwrap().hashes[0], vec![]);
    }
    for row in 0..rows.num_rows() {
        groups.entry(encoder.encode(&key_of(row), 1).unwrap().hashes[0]).or_default().push(row);
    }
    let mut collection = Collection::new();
    for rows in groups.values() {
        let ints: Vec<i32> =
            rows.iter().filter(|&&row| i.is_valid(row)).map(|&row| i.value(row)).collect();
        let strings = rows.iter().filter(|&&row| s.is_valid(row)).map(|&row| s.value(row));
        let filtered: BTreeSet<i32> = rows
            .iter()
            .filter(|&&row| i.is_valid(row) && b.is_valid(row) && b.value(row))
            .map(|&row| i.value(row))
            .collect();
        let distinct: BTreeSet<i32> = ints.iter().copied().collect();
        let sum = |ints: &mut dyn Iterator<Item = &i32>| {
            ints.copied().map(i64::from).reduce(|a, b| a + b)
        };
        let mut columns = rows.first().map(|&row| key_of(row)).unwrap_or_default();
        columns.extend([
            Arc::new(Int64Array::from(vec![rows.len() as i64])) as ArrayRef,
            Arc::new(Int64Array::from(vec![ints.len() as i64])),
            Arc::new(Int64Array::from(vec![sum(&mut ints.iter())])),
            Arc::new(Int32Array::from(vec![ints.iter().min().copied()])),
            Arc::new(StringArray::from(vec![strings.max()])),
            Arc::new(Int64Array::from(vec![filtered.len() as i64])),
            Arc::new(Int64Array::from(vec![sum(&mut distinct.iter())])),
        ]);
        let row = RecordBatch::try_new(Arc::clone(output), columns).unwrap();
        add(&mut collection, &Delta::insert(row));
    }
    collection
}

#[test]
fn equals_recomputation_whatever_the_key() {
    let calls = [
        call(Count, None),
        call(Count, 2),
        call(Sum, 2),
        call(Min, 2),
        call(Max, 1),
        distinct_call(Count, 2, Some(5)),
        distinct_call(Sum, 2, None),
    ];
    for (seed, group) in
        [vec![], vec![0], vec![1], vec![0, 1], vec![5], vec![4]].into_iter().enumerate()
    {
        let mut fields: Vec<(&str, DataType)> = group
            .iter()
            .map(|&column| ("key", input().field(column).data_type().clone()))
            .collect();
        fields.extend([
            ("rows", DataType::Int64),
            ("count", DataType::Int64),
            ("sum", DataType::Int64),
            ("min", DataType::Int32),
            ("max", DataType::Utf8),
            ("distinct", DataType::Int64),
            ("distinct sum", DataType::Int64),
        ]);
        let output = schema(&fields);
        for append_only in [false, true] {
            let pool = pool(&mut StdRng::seed_from_u64(seed as u64), 40);
            let make = make(&group, &calls, &output, append_only);
            let naive = |rows: &RecordBatch| naive(&group, &output, rows);
            check(seed as u64, &make, &group, &pool, append_only, &naive);
        }
    }
}

#[test]
fn taking_rows_back_restores_every_function_bit_for_bit() {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let decimal = |scale| DataType::Decimal128(38, scale);
    let calls: Vec<(AggregateCall, DataType)> = vec![
        (call(Sum, 3), DataType::Float64),
        (call(Avg, 3), DataType::Float64),
        (call(Min, 3), DataType::Float64),
        (call(Max, 3), DataType::Float64),
        (call(StddevSamp, 3), DataType::Float64),
        (distinct_call(Sum, 3, None), DataType::Float64),
        (call(Sum, 4), decimal(2)),
        (call(Avg, 4), decimal(16)),
        (call(Avg, 2), decimal(16)),
        (call(Max, 4), DataType::Decimal128(20, 2)),
        (call(VarPop, 4), DataType::Float64),
        (call(VarSamp, 2), DataType::Float64),
        (call(StddevPop, 7), DataType::Float64),
        (call(BoolAnd, 5), DataType::Boolean),
        (call(BoolOr, 5), DataType::Boolean),
        (call(Min, 5), DataType::Boolean),
        (call(Sum, 6), interval.clone()),
        (call(Avg, 6), interval.clone()),
        (call(Min, 6), interval.clone()),
        (call(Max, 6), interval),
        (call(Sum, 7), decimal(0)),
        (call(Avg, 7), decimal(16)),
    ];
    let mut fields = vec![("k", DataType::Int64)];
    fields.extend(calls.iter().map(|(_, data_type)| ("result", data_type.clone())));
    let output = schema(&fields);
    let calls: Vec<AggregateCall> = calls.into_iter().map(|(call, _)| call).collect();
    for seed in 0..6 {
        let pool = pool(&mut StdRng::seed_from_u64(seed), 50);
        let make = make(&[0], &calls, &output, false);
        check(seed, &make, &[0], &pool, false, &|rows| at_once(&make, rows));
    }
}

#[test]
fn a_sum_out_of_range_is_an_error_until_it_fits_again() {
    let fields = schema(&[("k", DataType::Int64), ("x", DataType::Float64)]);
    let output = schema(&[("k", DataType::Int64), ("sum", DataType::Float64)]);
    let calls = [call(Sum, 1)];
    let make = |_: usize, _: usize| -> Box<dyn Operator> {
        Box::new(Aggregate::new((&[0], &[0]), &calls, &fields, &output, false, false).unwrap())
    };
    let rows = |values: &[(i64, f64)]| {
        let keys = Int64Array::from_iter_values(values.iter().map(|(key, _)| *key));
        let values = Float64Array::from_iter_values(values.iter().map(|(_, value)| *value));
        RecordBatch::try_new(Arc::clone(&fields), vec![Arc::new(keys), Arc::new(values)]).unwrap()
    };
    let mut workers = Workers::new(&make, &[0]);
    workers.tick(&[Delta::insert(rows(&[(1, 1e308), (2, 1.0)]))]);
    assert_eq!(workers.output.len(), 2);
    workers.tick(&[Delta::insert(rows(&[(1, 1e308)]))]);
    assert_eq!(workers.output.len(), 1);
    assert_eq!(workers.contents(), workers.output);
    let errors: Vec<&String> = workers.errors.keys().collect();
    assert_eq!(errors, [r#"22003 value out of range: overflow {"k":1}"#]);
    workers.restart(2);
    workers.tick(&[Delta::delete(rows(&[(1, 1e308)]))]);
    assert_eq!((workers.output.len(), workers.errors.len()), (2, 0));
    assert_eq!(workers.contents(), workers.output);
}

#[test]
fn averages_and_variances_are_those_of_postgres() {
    let rows = RecordBatch::try_new(
        schema(&[("i", DataType::Int64), ("f", DataType::Float64)]),
        vec![
            Arc::new(Int64Array::from(vec![1, 2, -4, 6, 9_000_000_000])),
            Arc::new(Float64Array::from(vec![1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0, 1e9])),
        ],
    )
    .unwrap();
    let calls = [call(Avg, 0), call(VarSamp, 1), call(VarPop, 0), call(Sum, 0)];
    let output = schema(&[
        ("avg", DataType::Decimal128(38, 16)),
        ("variance", DataType::Float64),
        ("var_pop", DataType::Float64),
        ("sum", DataType::Decimal128(38, 0)),
    ]);
    let mut aggregate =
        Aggregate::new((&[], &[]), &calls, &rows.schema(), &output, false, true).unwrap();
    let mut arrangements = Arrangements::default();
    let mut ctx = Context { arrangements: &mut arrangements, epoch: crate::types::Epoch(1) };
    let mut out = Output { wanted: true, ..Output::default() };
    aggregate.apply(&mut ctx, 0, Delta::insert(rows), &mut out).unwrap();
    aggregate.finish(&mut ctx, &mut out).unwrap();
    let row = &out.deltas[0].batch;
    let decimal =
        |column: usize| row.column(column).as_primitive::<arrow::datatypes::Decimal128Type>();
    assert_eq!(decimal(0).value_as_string(0), "1800000001.0000000000000000");
    assert_eq!(decimal(3).value_as_string(0), "9000000005");
    assert_eq!(row.column(1).as_primitive::<Float64Type>().value(0), 42.5);
    // (5·Σx² − (Σx)²) / 25
    let expected = (5.0 * 81_000_000_000_000_000_057.0 - 81_000_000_090_000_000_025.0) / 25.0;
    assert!((row.column(2).as_primitive::<Float64Type>().value(0) / expected - 1.0).abs() < 1e-9);
}
