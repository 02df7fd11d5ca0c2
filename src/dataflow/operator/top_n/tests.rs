//! Rankings under random changes equal a naive recomputation.

use arrow::array::{Float64Array, StringArray, UInt32Array};
use arrow::compute::{SortOptions, take_record_batch};
use arrow::row::{RowConverter, Rows, SortField};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::dataflow::operator::oracle::{Collection, add, check};

fn input() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("p", DataType::Int64),
        field("x", DataType::Int64),
        field("s", DataType::Utf8),
        field("f", DataType::Float64),
    ]))
}

fn output(rank: Option<RankKind>) -> SchemaRef {
    let mut fields = input().fields().to_vec();
    fields.extend(rank.map(|_| Arc::new(Field::new("rank", DataType::Int64, false))));
    Arc::new(Schema::new(fields))
}

fn pool(seed: u64, rows: usize, partitions: i64) -> RecordBatch {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut ints = |most: i64| -> Int64Array {
        (0..rows).map(|_| rng.random_bool(0.9).then(|| rng.random_range(0..most))).collect()
    };
    let (keys, values) = (ints(partitions), ints(6));
    let strings: StringArray = (0..rows)
        .map(|_| rng.random_bool(0.8).then(|| ["", "a", "ab"][rng.random_range(0..3)]))
        .collect();
    let floats = [0.0, -0.0, 1.5, f64::NAN, -1.0];
    let floats: Float64Array =
        (0..rows).map(|_| rng.random_bool(0.9).then(|| floats[rng.random_range(0..5)])).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(keys), Arc::new(values), Arc::new(strings), Arc::new(floats)];
    RecordBatch::try_new(input(), columns).unwrap()
}

/// Sorts everything and counts.
fn naive(ranking: &Ranking, rows: &RecordBatch) -> Collection {
    let form = RowForm::new(&ranking.order, &input()).unwrap();
    let bytes =
        |rows: Rows| -> Vec<Vec<u8>> { rows.iter().map(|row| row.data().to_vec()).collect() };
    let whole = bytes(form.encode(rows).unwrap());
    let order = if ranking.order.is_empty() {
        vec![vec![]; rows.num_rows()]
    } else {
        bytes(form.encode_order(rows).unwrap())
    };
    let keys: Vec<SortField> =
        ranking.partition.iter().map(|_| SortField::new(DataType::Int64)).collect();
    let columns: Vec<ArrayRef> =
        ranking.partition.iter().map(|&column| Arc::clone(rows.column(column))).collect();
    let keys = if keys.is_empty() {
        vec![vec![]; rows.num_rows()]
    } else {
        bytes(RowConverter::new(keys).unwrap().convert_columns(&columns).unwrap())
    };
    let mut sorted: Vec<usize> = (0..rows.num_rows()).collect();
    sorted.sort_by_key(|&row| (&keys[row], &whole[row]));
    let (mut shown, mut ranks) = (vec![], vec![]);
    for partition in sorted.chunk_by(|&a, &b| keys[a] == keys[b]) {
        let (mut rank, mut dense) = (0, 0);
        for (position, &row) in partition.iter().enumerate() {
            if position == 0 || order[partition[position - 1]] != order[row] {
                rank = position + 1;
                dense += 1;
            }
            let number = match ranking.rank {
                None | Some(RankKind::RowNumber) => position + 1,
                Some(RankKind::Rank) => rank,
                Some(RankKind::DenseRank) => dense,
            };
            let end = ranking.limit.map_or(usize::MAX, |limit| ranking.offset + limit);
            if number > ranking.offset && number <= end {
                shown.push(u32::try_from(row).unwrap());
                ranks.push(i64::try_from(number).unwrap());
            }
        }
    }
    let taken = take_record_batch(rows, &UInt32Array::from(shown)).unwrap();
    let mut columns = taken.columns().to_vec();
    columns.extend(ranking.rank.map(|_| Arc::new(Int64Array::from(ranks)) as ArrayRef));
    let mut collection = Collection::new();
    let shown = RecordBatch::try_new(output(ranking.rank), columns).unwrap();
    add(&mut collection, &Delta::insert(shown));
    collection
}

fn check_ranking(seed: u64, ranking: &Ranking, pool: &RecordBatch) {
    for append_only in [false, true] {
        let make = |_: usize, _: usize| -> Box<dyn Operator> {
            let output = output(ranking.rank);
            Box::new(TopN::new(ranking.clone(), &input(), &output, append_only).unwrap())
        };
        let naive = |rows: &RecordBatch| naive(ranking, rows);
        check(seed, &make, &ranking.partition, pool, append_only, &naive);
    }
}

const KINDS: [Option<RankKind>; 4] =
    [None, Some(RankKind::RowNumber), Some(RankKind::Rank), Some(RankKind::DenseRank)];

fn sort(column: usize, descending: bool, nulls_first: bool) -> SortColumn {
    SortColumn { column, options: SortOptions { descending, nulls_first } }
}

#[test]
fn equals_sorting_everything() {
    let orders =
        [vec![sort(1, true, true)], vec![sort(3, false, false), sort(2, true, false)], vec![]];
    for (seed, rank) in (0u64..).take(KINDS.len()).map(|seed| (seed, KINDS[seed as usize])) {
        for (order, partition) in itertools::zip_eq(&orders, [vec![0], vec![], vec![0]]) {
            for (offset, limit) in [(0, Some(1)), (0, Some(3)), (2, Some(4)), (0, None), (1, None)]
            {
                let (order, partition) = (order.clone(), partition.clone());
                let placed = partition.clone();
                let ranking = Ranking { partition, placed, order, offset, limit, rank };
                check_ranking(seed, &ranking, &pool(seed, 30, 3));
            }
        }
    }
}

#[test]
fn equals_sorting_everything_over_many_blocks() {
    let mut wide = pool(5, 1300, 1);
    let numbers = Int64Array::from_iter_values((0..1300).map(|row| row * 7919 % 1009));
    let mut columns = wide.columns().to_vec();
    columns[1] = Arc::new(numbers);
    wide = RecordBatch::try_new(input(), columns).unwrap();
    for rank in KINDS {
        for (offset, limit) in [(700, Some(100)), (0, None)] {
            let order = vec![sort(1, false, false)];
            let (partition, placed) = (vec![], vec![]);
            let ranking = Ranking { partition, placed, order, offset, limit, rank };
            check_ranking(9, &ranking, &wide);
        }
    }
}
