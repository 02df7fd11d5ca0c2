//! Goal: a source's rows are a function of the position alone. Method: every connector is read in
//! polls of several sizes, from several positions, and compared with one reading of the whole.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimestampMicrosecondType};

use super::*;
use crate::error::SqlState;

/// A source with these options; metadata columns are those named `offset`, `file` and so on.
pub(super) fn spec(connector: &str, options: &[(&str, &str)], fields: Vec<Field>) -> SourceSpec {
    let kinds = [
        ("offset", Metadata::Offset),
        ("file", Metadata::File),
        ("partition", Metadata::Partition),
        ("timestamp", Metadata::Timestamp),
    ];
    let include = kinds.into_iter().filter(|(name, _)| fields.iter().any(|f| f.name() == name));
    SourceSpec {
        connector: connector.to_owned(),
        options: options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        encode: None,
        encode_options: BTreeMap::new(),
        include: include.map(|(name, kind)| (name.to_owned(), kind)).collect(),
        schema: Arc::new(Schema::new(fields)),
        on_error: OnError::Fail,
    }
}

pub(super) fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Polls until the end: rows, bad rows, and each position with the number of rows before it.
#[expect(clippy::type_complexity, reason = "three lists, taken apart at once")]
pub(super) fn drain(
    mut reader: Box<dyn SourceReader>,
    rows_max: usize,
) -> Result<(Vec<RecordBatch>, Vec<BadRow>, Vec<(usize, Position)>)> {
    let (mut batches, mut bad, mut positions, mut rows) = (vec![], vec![], vec![], 0);
    for _ in 0..100_000 {
        let polled = reader.poll(rows_max, 0)?;
        rows += polled.batch.as_ref().map_or(0, RecordBatch::num_rows);
        batches.extend(polled.batch);
        bad.extend(polled.bad);
        positions.push((rows, polled.position));
        if polled.done {
            return Ok((batches, bad, positions));
        }
    }
    panic!("the source has no end");
}

/// Reads a source in several ways and returns its rows.
pub(super) fn check(spec: &SourceSpec) -> RecordBatch {
    let read = |reader, rows_max| {
        let (batches, bad, positions) = drain(reader, rows_max).unwrap();
        (concat_batches(&spec.schema, &batches).unwrap(), bad.len(), positions)
    };
    let (whole, bad, _) = read(open(spec, None).unwrap(), 1 << 20);
    for rows_max in [1, 7, 100] {
        let (rows, same_bad, positions) = read(open(spec, None).unwrap(), rows_max);
        assert_eq!((&rows, same_bad), (&whole, bad), "polls of {rows_max}");
        let step = positions.len().div_ceil(6);
        for (before, position) in positions.iter().step_by(step) {
            let (rest, _, _) = read(open(spec, Some(position)).unwrap(), 13);
            assert_eq!(
                rest,
                whole.slice(*before, whole.num_rows() - before),
                "on from {position:?}"
            );
            let (past, _, _) = read(open_until(spec, position).unwrap(), 5);
            assert_eq!(past, whole.slice(0, *before), "until {position:?}");
        }
    }
    whole
}

#[test]
fn nexmark_makes_the_events_of_the_benchmark() {
    for kind in ["person", "auction", "bid"] {
        let mut spec = spec("nexmark", &[("type", kind), ("events", "137")], vec![]);
        spec.schema = columns(&spec).unwrap();
        let rows = check(&spec);
        assert_eq!(
            rows.num_rows(),
            match kind {
                "person" => 3,
                "auction" => 9,
                _ => 125,
            }
        );
        let time = rows.column_by_name("datetime").unwrap();
        let first = time.as_primitive::<TimestampMicrosecondType>().value(0);
        assert!((1_436_918_400_000_000..1_436_918_400_010_000).contains(&first));
    }
    let mut all = spec("nexmark", &[("events", "137")], vec![]);
    all.schema = columns(&all).unwrap();
    let rows = check(&all);
    let bids = rows.column_by_name("bid").unwrap();
    assert_eq!(bids.len() - bids.null_count(), 125);
    let mut one = spec("nexmark", &[("type", "bid"), ("events", "137")], vec![]);
    one.schema = columns(&one).unwrap();
    let prices = |rows: &RecordBatch| {
        let prices = rows.column_by_name("price").unwrap().as_primitive::<Int64Type>().clone();
        prices.iter().flatten().collect::<Vec<_>>()
    };
    let kept: Vec<i64> =
        bids.as_struct().column(2).as_primitive::<Int64Type>().iter().flatten().collect();
    assert_eq!(kept, prices(&check(&one)));
}

#[test]
fn nexmark_takes_some_columns_and_metadata() {
    let fields = vec![
        field("date_time", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)),
        field("offset", DataType::Int64),
        field("Price", DataType::Int64),
    ];
    let rows = check(&spec("nexmark", &[("type", "bid"), ("events", "99"), ("seed", "3")], fields));
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().value(5), 5);
    let wrong = spec("nexmark", &[("type", "bid")], vec![field("prise", DataType::Int64)]);
    let error = open(&wrong, None).err().unwrap();
    assert_eq!(error.hint_text(), Some("Perhaps you meant \"price\"."));
    let wrong = spec("nexmark", &[("type", "bit")], vec![]);
    assert_eq!(open(&wrong, None).err().unwrap().state(), SqlState::InvalidParameterValue);
    let wrong = spec("nexmark", &[("type", "bid")], vec![field("price", DataType::Utf8)]);
    assert_eq!(open(&wrong, None).err().unwrap().state(), SqlState::DatatypeMismatch);
}

#[test]
fn datagen_is_a_function_of_the_row() {
    let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let fields = vec![
        field("id", DataType::Int64),
        field("n", DataType::Int32),
        field("price", DataType::Decimal128(8, 2)),
        field("name", DataType::Utf8),
        field("city", DataType::Utf8),
        field("ts", time),
        field("ok", DataType::Boolean),
        field("d", DataType::Date32),
        field(
            "timestamp",
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
        ),
    ];
    let options = [
        ("rows", "300"),
        ("seed", "42"),
        ("fields.id.start", "10"),
        ("fields.id.step", "-2"),
        ("fields.n.min", "1"),
        ("fields.n.max", "6"),
        ("fields.name.length", "20"),
        ("fields.name.null_rate", "0.5"),
        ("fields.city.values", "Oslo, Rome"),
        ("fields.ts.start", "2024-01-01 00:00:00"),
        ("fields.ts.step", "10ms"),
    ];
    let rows = check(&spec("datagen", &options, fields));
    assert_eq!(rows.num_rows(), 300);
    let ids = rows.column(0).as_primitive::<Int64Type>();
    assert_eq!((ids.value(0), ids.value(299)), (10, 10 - 2 * 299));
    let dice = rows.column(1).as_primitive::<arrow::datatypes::Int32Type>();
    assert!((1..=6).all(|side| dice.iter().flatten().any(|value| value == side)));
    assert!(dice.iter().flatten().all(|value| (1..=6).contains(&value)));
    assert!((100..200).contains(&rows.column(3).null_count()));
    assert!(rows.column(4).as_string::<i32>().iter().flatten().any(|city| city == "Rome"));
    let times = rows.column(5).as_primitive::<TimestampMicrosecondType>();
    assert_eq!(times.value(3) - times.value(0), 30_000);

    let ends = spec("datagen", &[("fields.a.end", "4")], vec![field("a", DataType::Int64)]);
    assert_eq!(check(&ends).num_rows(), 5);
}

#[test]
fn datagen_refuses_what_it_cannot_mean() {
    let id = || vec![field("id", DataType::Int64)];
    for (options, hint) in [
        (vec![("fields.ip.start", "1")], Some("fields.id.start")),
        (vec![("fields.id.start", "x")], None),
        (vec![("fields.id.min", "3"), ("fields.id.max", "2")], None),
        (vec![("fields.id.end", "-1")], None),
        (vec![("fields.id.step", "0")], None),
        (vec![("rate", "0")], None),
    ] {
        let error = open(&spec("datagen", &options, id()), None).err().unwrap();
        assert_eq!(error.state(), SqlState::InvalidParameterValue, "{options:?}");
        assert!(hint.is_none_or(|hint| error.hint_text().unwrap().contains(hint)), "{error:?}");
    }
    let file = spec("datagen", &[], vec![field("file", DataType::Utf8)]);
    assert_eq!(open(&file, None).err().unwrap().state(), SqlState::FeatureNotSupported);
    let error = open(&spec("datagem", &[], id()), None).err().unwrap();
    assert_eq!(error.hint_text(), Some("Perhaps you meant \"datagen\"."));
    assert!(
        open(&spec("kafka", &[], id()), None).err().unwrap().hint_text().unwrap().contains("file")
    );
}

#[test]
fn a_rate_is_kept_by_the_given_clock() {
    let paced =
        spec("datagen", &[("rate", "100"), ("rows", "150")], vec![field("a", DataType::Int64)]);
    let mut reader = open(&paced, None).unwrap();
    let mut rows = 0;
    for now in (0..1_000_000).step_by(1000) {
        rows += reader.poll(1000, now).unwrap().batch.map_or(0, |batch| batch.num_rows());
    }
    assert_eq!(rows, 100);
    assert_eq!(
        check(&spec("datagen", &[("rows", "150")], vec![field("a", DataType::Int64)])).num_rows(),
        150
    );
    let (all, _, _) =
        drain(open_until(&paced, &Position("150".to_owned())).unwrap(), 1000).unwrap();
    assert_eq!(all[0].num_rows(), 150);
}
