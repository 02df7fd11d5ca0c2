//! Functions of partitions under random changes equal a naive recomputation.

use std::collections::BTreeMap;

use arrow::array::{Array, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::{WindowFrame, WindowFunctionDefinition};
use datafusion::physical_expr::expressions::col;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::dataflow::operator::oracle::{Collection, add, check};
use crate::plan::node::{OrderedCall, WindowCall};
use crate::types::Vnode;
use crate::types::key::KeyEncoder;

fn input() -> SchemaRef {
    let field = |name: &str| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![field("p"), field("x")]))
}

fn pool(seed: u64, rows: usize) -> RecordBatch {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut ints = |most: i64| -> Int64Array {
        (0..rows).map(|_| rng.random_bool(0.9).then(|| rng.random_range(0..most))).collect()
    };
    let columns: Vec<ArrayRef> = vec![Arc::new(ints(3)), Arc::new(ints(6))];
    RecordBatch::try_new(input(), columns).unwrap()
}

fn calls(windows: bool) -> PartitionCalls {
    let arguments = vec![col("x", &input()).unwrap()];
    if windows {
        let function = WindowFunctionDefinition::AggregateUDF(count_udaf());
        let frame = Arc::new(WindowFrame::new(None));
        let call = WindowCall { function, arguments, filter: None, frame, ignore_nulls: false };
        return PartitionCalls::Windows(vec![call]);
    }
    let (function, order) = (count_udaf(), vec![]);
    let call = OrderedCall { function, arguments, distinct: false, order, filter: None };
    PartitionCalls::Aggregates(vec![call])
}

fn output(partition: &[usize], windows: bool) -> SchemaRef {
    let mut fields = if windows {
        input().fields().to_vec()
    } else {
        partition.iter().map(|&column| Arc::clone(&input().fields()[column])).collect()
    };
    fields.push(Arc::new(Field::new("n", DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// Counts the values of each partition.
fn naive(partition: &[usize], windows: bool, rows: &RecordBatch) -> Collection {
    let column = |index: usize| rows.column(index).as_primitive::<Int64Type>().clone();
    let key = |row: usize| partition.first().map(|&index| column(index).iter().nth(row).flatten());
    let mut partitions: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for row in 0..rows.num_rows() {
        partitions.entry(key(row)).or_default().push(u32::try_from(row).unwrap());
    }
    if partition.is_empty() && !windows {
        partitions.entry(None).or_default();
    }
    let mut collection = Collection::new();
    for members in partitions.values() {
        let valid = members.iter().filter(|&&row| rows.column(1).is_valid(row as usize));
        let count = i64::try_from(valid.count()).unwrap();
        let shown = if windows { &members[..] } else { &members[..members.len().min(1)] };
        let taken = take_record_batch(rows, &UInt32Array::from(shown.to_vec())).unwrap();
        let mut columns = match windows {
            true => taken.columns().to_vec(),
            false => partition.iter().map(|&index| Arc::clone(taken.column(index))).collect(),
        };
        let times = if windows { members.len() } else { 1 };
        columns.push(Arc::new(Int64Array::from(vec![count; times])));
        let batch = RecordBatch::try_new(output(partition, windows), columns).unwrap();
        add(&mut collection, &Delta::insert(batch));
    }
    collection
}

#[test]
fn equals_counting_anew() {
    for windows in [true, false] {
        for partition in [vec![0], vec![]] {
            let make = |worker: usize, workers: usize| -> Box<dyn Operator> {
                let output = output(&partition, windows);
                let unit = KeyEncoder::new(&[]).unwrap().encode(&[], 1).unwrap().hashes[0];
                let unit = Vnode::of_hash(unit).worker(workers) == worker;
                let schemas = (&input(), &output);
                Box::new(Recompute::new(&partition, &[], &calls(windows), schemas, unit).unwrap())
            };
            let naive = |rows: &RecordBatch| naive(&partition, windows, rows);
            check(3, &make, &partition, &pool(3, 30), false, &naive);
        }
    }
}
