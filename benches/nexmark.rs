//! Nexmark: each query of `sql-tests/nexmark/` as a maintained view, fed in microbatches of at most
//! 100,000 rows on two workers, and run once in batch by DataFusion over the same Arrow data.

use std::fs;

use arrow::array::RecordBatch;
use millstream::config::Config;
use millstream::connector::{self, OnError, SourceSpec};
use millstream::engine::Engine;

use crate::meter::{Cost, Meter};

const ROWS_PER_BATCH: usize = 100_000;
/// CPU seconds after which a run is not repeated: the kernel's clock counts hundredths, and whatever runs
/// first pays for memory that the process has never touched.
const CPU_MIN: f64 = 0.5;
const RUNS_MAX: u32 = 100;
const KINDS: [&str; 3] = ["person", "auction", "bid"];
const QUERIES: [&str; 17] = [
    "q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8", "q14", "q15", "q16", "q17", "q18", "q19",
    "q20", "q21", "q22",
];

/// Runs the queries that `wants` names over `events` events and prints a table.
pub async fn run(events: u64, wants: &dyn Fn(&str) -> bool) {
    let queries: Vec<&str> = QUERIES.into_iter().filter(|query| wants(query)).collect();
    if queries.is_empty() {
        return;
    }
    let data: Vec<Vec<RecordBatch>> = KINDS.iter().map(|kind| generate(kind, events)).collect();
    println!(
        "Nexmark, {events} events, 2 workers, microbatches of at most {ROWS_PER_BATCH} rows\n"
    );
    println!(
        "| query | events/s | view CPU s | M events per core-second | peak MiB | batch CPU s | batch peak MiB | CPU ratio | rows |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for query in queries {
        let (view, batch, rows) = measure(query, &data).await;
        println!(
            "| {query} | {:.0} | {:.3} | {:.2} | {:.0} | {:.4} | {:.0} | {:.2} | {rows} |",
            events as f64 / view.wall,
            view.cpu,
            events as f64 / 1e6 / view.cpu,
            view.peak_mib,
            batch.cpu,
            batch.peak_mib,
            view.cpu / batch.cpu.max(0.0001),
        );
    }
}

/// Cost of maintaining, cost of running once, rows of the result. Short runs are repeated on both sides.
async fn measure(query: &str, data: &[Vec<RecordBatch>]) -> (Cost, Cost, usize) {
    let text = view_text(query);
    let mut views = Cost::default();
    let mut runs = 0;
    loop {
        let engine = engine_with(&text, data).await;
        let view = maintain(&engine, data).await;
        views = Cost {
            cpu: views.cpu + view.cpu,
            wall: views.wall + view.wall,
            peak_mib: views.peak_mib.max(view.peak_mib),
        };
        runs += 1;
        if views.cpu < CPU_MIN && runs < RUNS_MAX {
            engine.shutdown().await.expect("the engine stops");
            continue;
        }
        let (batch, rows) = run_in_batch(&engine, &text).await;
        let maintained = engine.query("SELECT count(*) FROM v").await.expect("the view reads");
        let count = arrow::util::display::array_value_to_string(maintained[0].column(0), 0);
        assert_eq!(count.expect("a number"), rows.to_string(), "{query}: view and batch agree");
        engine.shutdown().await.expect("the engine stops");
        let share = 1.0 / f64::from(runs);
        let view = Cost { cpu: views.cpu * share, wall: views.wall * share, ..views };
        return (view, batch, rows);
    }
}

/// An engine with empty tables and the view `v` of `text`.
async fn engine_with(text: &str, data: &[Vec<RecordBatch>]) -> Engine {
    let config = Config { workers: 2, ..Config::default() };
    let engine = Engine::open(config).await.expect("an engine in memory opens");
    for (kind, batches) in itertools::zip_eq(KINDS, data) {
        let columns: Vec<String> = batches[0]
            .schema()
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), sql_type(field.data_type())))
            .collect();
        let create = format!("CREATE TABLE {kind} ({}) APPEND ONLY", columns.join(", "));
        engine.execute(&create).await.expect("the table is new");
    }
    let create = format!("CREATE MATERIALIZED VIEW v AS {text}");
    engine.execute(&create).await.expect("the view can be maintained");
    engine.settle().await.expect("the engine runs");
    engine
}

/// Cost of feeding all events to the view.
async fn maintain(engine: &Engine, data: &[Vec<RecordBatch>]) -> Cost {
    let meter = Meter::start();
    for index in 0..data.iter().map(Vec::len).max().unwrap_or(0) {
        for (kind, batches) in itertools::zip_eq(KINDS, data) {
            if let Some(batch) = batches.get(index) {
                engine.append(kind, batch.clone()).await.expect("rows fit");
            }
        }
    }
    engine.settle().await.expect("the engine runs");
    meter.stop()
}

/// Cost of one run of `text` by DataFusion, rows of its result.
async fn run_in_batch(engine: &Engine, text: &str) -> (Cost, usize) {
    let meter = Meter::start();
    let mut runs = 0;
    loop {
        let result = engine.query(text).await.expect("the query runs");
        let rows = result.iter().map(RecordBatch::num_rows).sum();
        drop(result);
        runs += 1;
        let cost = meter.stop();
        if cost.cpu >= CPU_MIN || runs == RUNS_MAX {
            let share = 1.0 / f64::from(runs);
            return (Cost { cpu: cost.cpu * share, wall: cost.wall * share, ..cost }, rows);
        }
    }
}

/// The view's query, from its test file.
fn view_text(query: &str) -> String {
    let path = format!("sql-tests/nexmark/{query}.slt");
    let file = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let start = format!("CREATE MATERIALIZED VIEW {query} AS\n");
    let text = file.split(&start).nth(1).expect("the file creates the view");
    text.split("\n\n").next().unwrap_or_default().to_owned()
}

fn sql_type(data_type: &arrow::datatypes::DataType) -> &'static str {
    match data_type {
        arrow::datatypes::DataType::Int64 => "bigint",
        arrow::datatypes::DataType::Timestamp(_, _) => "timestamp",
        _ => "text",
    }
}

/// All events of one kind, cut so that batches of the same index are of about the same event time and
/// the largest (bids, 92% of the events) have at most [`ROWS_PER_BATCH`] rows.
fn generate(kind: &str, events: u64) -> Vec<RecordBatch> {
    let options = [("type", kind.to_owned()), ("events", events.to_string())];
    let mut spec = SourceSpec {
        connector: "nexmark".to_owned(),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        encode: None,
        encode_options: [].into(),
        schema: std::sync::Arc::new(arrow::datatypes::Schema::empty()),
        include: vec![],
        on_error: OnError::Fail,
    };
    spec.schema = connector::columns(&spec).expect("nexmark has columns");
    let share = match kind {
        "person" => 1,
        "auction" => 3,
        _ => 46,
    };
    let rows_max = ROWS_PER_BATCH * share / 46;
    let mut reader = connector::open(&spec, None).expect("nexmark opens");
    let mut batches = vec![];
    loop {
        let polled = reader.poll(rows_max, 0).expect("nexmark does not fail");
        batches.extend(polled.batch);
        if polled.done {
            return batches;
        }
    }
}
