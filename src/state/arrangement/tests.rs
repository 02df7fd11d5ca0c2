//! Random changes against a map from rows to weights.

use std::collections::BTreeMap;

use arrow::array::{Array, Float64Array, StringArray};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

type Row = (Option<i64>, Option<String>, u64);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("f", DataType::Float64, false),
    ]))
}

fn delta(rows: &[(Row, i64)]) -> Delta {
    let k: Int64Array = rows.iter().map(|((k, _, _), _)| *k).collect();
    let s: StringArray = rows.iter().map(|((_, s, _), _)| s.clone()).collect();
    let f: Float64Array = rows.iter().map(|((_, _, f), _)| Some(f64::from_bits(*f))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(k), Arc::new(s), Arc::new(f)];
    let batch = RecordBatch::try_new(schema(), columns).unwrap();
    weighted(batch, rows.iter().map(|(_, weight)| *weight).collect())
}

fn add(to: &mut BTreeMap<Row, i64>, delta: &Delta) {
    let k = delta.column(0).as_primitive::<Int64Type>();
    let s = delta.column(1).as_string::<i32>();
    let f = delta.column(2).as_primitive::<arrow::datatypes::Float64Type>();
    for row in 0..delta.rows() {
        let s = s.is_valid(row).then(|| s.value(row).to_owned());
        let key = (k.is_valid(row).then(|| k.value(row)), s, f.value(row).to_bits());
        *to.entry(key).or_default() += delta.weight(row);
    }
    to.retain(|_, weight| *weight != 0);
}

fn random_row(random: &mut StdRng, keys: i64, values: u64) -> Row {
    let k = random.random_range(-1..keys);
    let s = random.random_range(-1..3);
    let f = random.random_range(0..values);
    // Both zeros are there: equal as keys, different as rows.
    let f = if f == 0 { (-0.0f64).to_bits() } else { (f as f64 - 1.0).to_bits() };
    ((k >= 0).then_some(k), (s >= 0).then(|| format!("s{s}")), f)
}

fn check(arrangement: &mut Arrangement, model: &BTreeMap<Row, i64>) {
    let mut contents = BTreeMap::new();
    for part in arrangement.contents().unwrap() {
        add(&mut contents, &part);
    }
    let positive = model.iter().filter(|(_, weight)| **weight > 0);
    assert_eq!(contents, positive.map(|(row, weight)| (row.clone(), *weight)).collect());
    check_probe(arrangement, model);
}

/// Probes with the model's rows and two more; compares what is found for some of them.
fn check_probe(arrangement: &mut Arrangement, model: &BTreeMap<Row, i64>) {
    let mut rows: Vec<(Row, i64)> = model.iter().map(|(r, w)| (r.clone(), *w)).collect();
    rows.push(((Some(-7), None, 0), 1));
    rows.push(((None, Some("absent".into()), 0), 1));
    let probing = delta(&rows);
    let keys = arrangement.encoder.encode_batch(&probing.batch, arrangement.key()).unwrap();
    let key_of = |row: usize| {
        let columns: Vec<ArrayRef> =
            arrangement.key().iter().map(|&c| probing.column(c).slice(row, 1)).collect();
        let normal = columns.iter().map(|column| format!("{column:?}").replace("-0.0", "0.0"));
        (normal.collect::<Vec<_>>(), columns.iter().any(|column| column.null_count() > 0))
    };
    let of_rows: Vec<_> = (0..rows.len()).map(key_of).collect();
    let mut by_key: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (row, key) in of_rows.iter().enumerate().take(rows.len() - 2) {
        by_key.entry(key.clone()).or_default().push(row);
    }
    arrangement.index_for(&keys, 0..rows.len());
    for null_equals_null in [false, true] {
        let mut matches = Matches::default();
        let mut cursor = arrangement.chains().cursor(&keys, null_equals_null);
        while cursor.advance(7, &mut matches) {}
        let found = arrangement.gather_batch(&matches.state).unwrap();
        let found = Delta::new(found, matches.weights);
        let chains = arrangement.chains();
        let sums = chains.sums(&chains.find(&keys, null_equals_null));
        for row in (0..rows.len()).rev().step_by(1 + rows.len() / 10) {
            let matchable = null_equals_null || !of_rows[row].1;
            let present = by_key.get(&of_rows[row]).filter(|_| matchable);
            let present = present.into_iter().flatten().copied();
            let expected: BTreeMap<Row, i64> = present.map(|other| rows[other].clone()).collect();
            assert_eq!(sums[row], expected.values().sum::<i64>());
            let pairs = matches.probe.iter().map(|&probe| Some(probe as usize == row)).collect();
            let mut actual = BTreeMap::new();
            add(&mut actual, &found.filter(&pairs).unwrap());
            assert_eq!(actual, expected);
        }
    }
}

#[test]
fn agrees_with_a_map_of_weights_under_random_changes() {
    for (seed, key) in
        [vec![0], vec![1], vec![0, 1], vec![], vec![2], vec![0, 1, 2]].iter().enumerate()
    {
        // Few keys make chains long enough to become hot.
        for (keys, values, transient) in [(12, 3, false), (1, 30, false), (2, 30, true)] {
            let mut random = StdRng::seed_from_u64(seed as u64);
            let mut arrangement = Arrangement::new(schema(), key.clone()).unwrap();
            let mut model = BTreeMap::new();
            for _ in 0..12 {
                let mut staged = BTreeMap::new();
                for _ in 0..random.random_range(0..3) {
                    let mut rows = vec![];
                    for _ in 0..random.random_range(0..80) {
                        let row = random_row(&mut random, keys, values);
                        let present =
                            model.get(&row).unwrap_or(&0) + staged.get(&row).unwrap_or(&0);
                        let least = if transient { -2 } else { (-present).max(-2) };
                        let weight = random.random_range(least..=2);
                        *staged.entry(row.clone()).or_default() += weight;
                        rows.push((row, weight));
                    }
                    arrangement.stage(delta(&rows)).unwrap();
                }
                check(&mut arrangement, &model);
                arrangement.commit();
                for (row, weight) in staged {
                    *model.entry(row).or_default() += weight;
                }
                model.retain(|_, weight| *weight != 0);
                check(&mut arrangement, &model);
            }
            check_saved(&arrangement, &model);
            let rest: Vec<(Row, i64)> = model.into_iter().map(|(row, w)| (row, -w)).collect();
            arrangement.stage(delta(&rest)).unwrap();
            arrangement.commit();
            assert_eq!((arrangement.rows(), arrangement.chains.keys()), (0, 0));
            assert!(arrangement.hot.is_empty() && arrangement.negative == 0);
        }
    }
}

fn check_saved(arrangement: &Arrangement, model: &BTreeMap<Row, i64>) {
    let mut saved = Saved::default();
    arrangement.save("rows", &mut saved).unwrap();
    let mut together = BTreeMap::new();
    for worker in 0..2 {
        let mut restored = Arrangement::new(schema(), arrangement.key().to_vec()).unwrap();
        restored.restore("rows", &saved.owned_by(worker, 2)).unwrap();
        for part in restored.deltas(|weight| weight != 0).unwrap() {
            add(&mut together, &part);
        }
    }
    assert_eq!(&together, model);
}

#[test]
fn compaction_frees_chunks_and_keeps_rows() {
    let mut random = StdRng::seed_from_u64(9);
    let mut arrangement = Arrangement::new(schema(), vec![0]).unwrap();
    let mut model = BTreeMap::new();
    for round in 0..4 {
        let rows: Vec<(Row, i64)> = (0..90_000u64)
            .map(|n| ((Some((n % 9000) as i64), None, (round * 90_000 + n).to_be()), 1))
            .collect();
        arrangement.stage(delta(&rows)).unwrap();
        model.extend(rows);
        arrangement.commit();
        let gone: Vec<(Row, i64)> =
            model.keys().filter(|_| random.random_ratio(9, 10)).map(|r| (r.clone(), -1)).collect();
        for (row, _) in &gone {
            model.remove(row);
        }
        arrangement.stage(delta(&gone)).unwrap();
        arrangement.commit();
        for _ in 0..8 {
            arrangement.maintain(5000);
        }
    }
    assert!(arrangement.chunks.count() <= 5, "{} chunks", arrangement.chunks.count());
    let mut contents = BTreeMap::new();
    for part in arrangement.contents().unwrap() {
        add(&mut contents, &part);
    }
    assert_eq!(contents, model);
    assert_eq!(arrangement.rows(), model.len());
}

#[test]
fn rows_without_columns_are_counted() {
    let empty: SchemaRef = Arc::new(Schema::empty());
    let rows = |count| {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&empty), vec![], &options).unwrap()
    };
    let mut arrangement = Arrangement::new(Arc::clone(&empty), vec![]).unwrap();
    arrangement.stage(Delta::insert(rows(100))).unwrap();
    arrangement.commit();
    arrangement.stage(Delta::delete(rows(30))).unwrap();
    arrangement.commit();
    let contents = arrangement.contents().unwrap();
    let total = |delta: &Delta| (0..delta.rows()).map(|row| delta.weight(row)).sum::<i64>();
    assert_eq!(contents.iter().map(total).sum::<i64>(), 70);
    let mut saved = Saved::default();
    arrangement.save("rows", &mut saved).unwrap();
    let mut restored = Arrangement::new(empty, vec![]).unwrap();
    restored.restore("rows", &saved).unwrap();
    assert_eq!(restored.contents().unwrap().iter().map(total).sum::<i64>(), 70);
}
