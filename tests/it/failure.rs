//! Goal: what has failed says so and why, and nothing else stops. Method: views whose source is gone, or
//! whose text cannot be planned any more, are met by a starting engine; a disk fills up under a server.

use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use millstream::catalog::{Change, Object};
use millstream::clock::{SimClock, SystemClock};
use millstream::config::{Config, Storage};
use millstream::engine::Engine;
use millstream::error::Error;
use millstream::storage::{DirectoryDisk, Fault, FaultyDisk, Store, StoreOptions};

async fn open(folder: &Path) -> Engine {
    let config = Config {
        storage: Storage::Directory(folder.to_owned()),
        deterministic: true,
        workers: 1,
        ..Config::default()
    };
    Engine::open(config).await.expect("the directory opens")
}

/// The values of a query's only column.
async fn texts(engine: &Engine, sql: &str) -> Vec<String> {
    let batches = engine.query(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let column = |batch: &arrow::array::RecordBatch| {
        let texts = batch.column(0).as_string::<i32>().iter();
        texts.map(|text| text.unwrap_or("∅").to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(column).collect()
}

async fn fails(engine: &Engine, sql: &str) -> String {
    let error: Error = engine.query(sql).await.expect_err("it cannot be read");
    format!("{} {}: {}", error.state().code(), error, error.detail_text().unwrap_or_default())
}

const ERRORS: &str = "SELECT name || ': ' || coalesce(error, '-') FROM stream_catalog.views \
                      ORDER BY name";

/// Views of which workers hold rows.
const HOLDS: &str = "SELECT name FROM stream_catalog.views WHERE state_bytes > 0 ORDER BY name";

#[tokio::test]
async fn a_view_that_cannot_be_planned_any_more_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path()).await;
    engine
        .execute(
            "CREATE TABLE t (a text); INSERT INTO t VALUES ('x');
             CREATE MATERIALIZED VIEW bad AS SELECT a FROM t;
             CREATE MATERIALIZED VIEW above AS SELECT a FROM bad;
             CREATE MATERIALIZED VIEW good AS SELECT a FROM t",
        )
        .await
        .expect("the objects can be made");
    let catalog = engine.catalog();
    let bad = catalog.objects().find(|object| object.name() == "bad").expect("it is there");
    let Object::MaterializedView(view) = bad.as_ref() else { panic!("it is a view") };
    let mut view = view.clone();
    view.definition.query = "SELECT missing FROM t".to_owned();
    engine.shutdown().await.expect("it ends");
    let clock = Arc::new(SystemClock);
    let options = StoreOptions { segment_size_max: 1 << 20, clock };
    let disk = DirectoryDisk::open(folder.path()).expect("the folder is there");
    let (mut store, _) = Store::open(Box::new(disk), options).expect("the directory is free");
    let change = vec![Change::Update(vec![Object::MaterializedView(view)])];
    let record = serde_json::to_vec(&change).expect("it can be encoded");
    store.append_catalog(&record).expect("it can be logged");
    drop(store);

    let engine = open(folder.path()).await;
    assert_eq!(texts(&engine, "SELECT a FROM good").await, ["x"]);
    let why = "column \"missing\" does not exist";
    for view in ["bad", "above"] {
        let failure = fails(&engine, &format!("SELECT a FROM {view}")).await;
        assert!(failure.starts_with("55000 the materialized view has failed: "), "{failure}");
        assert!(failure.contains(why), "{failure}");
    }
    let shown = texts(&engine, ERRORS).await;
    assert!(shown[0].starts_with("above: ") && !shown[0].ends_with('-'), "{shown:?}");
    assert_eq!(shown[1], format!("bad: {why}"));
    assert_eq!(shown[2], "good: -");
    engine.execute("DROP MATERIALIZED VIEW bad CASCADE").await.expect("it can be dropped");
    assert_eq!(texts(&engine, ERRORS).await, ["good: -"]);
    engine.execute("INSERT INTO t VALUES ('y')").await.expect("life goes on");
    assert_eq!(texts(&engine, "SELECT a FROM good ORDER BY a").await, ["x", "y"]);
    engine.shutdown().await.expect("it ends");
}

#[tokio::test]
async fn a_view_over_a_source_that_is_gone_is_not_empty_but_failed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("in.csv");
    std::fs::write(&file, "a\nx\ny\n").expect("a file");
    let data = folder.path().join("data");
    let engine = open(&data).await;
    let sql = format!(
        "CREATE SOURCE s (a text) WITH (connector = 'file', path = '{}');
         CREATE TABLE t (a text);
         CREATE MATERIALIZED VIEW v AS SELECT a FROM s UNION ALL SELECT a FROM t;
         CREATE MATERIALIZED VIEW w AS SELECT a FROM t",
        file.display()
    );
    engine.execute(&sql).await.expect("the objects can be made");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT a FROM v ORDER BY a").await, ["x", "y"]);
    assert!(texts(&engine, HOLDS).await.contains(&"v".to_owned()));
    engine.shutdown().await.expect("it ends");
    std::fs::rename(&file, folder.path().join("away")).expect("it can be moved");

    let engine = open(&data).await;
    engine.settle().await.expect("it runs");
    let failure = fails(&engine, "SELECT a FROM v").await;
    assert!(failure.starts_with("55000 the materialized view has failed"), "{failure}");
    assert!(failure.contains("in.csv"), "{failure}");
    let shown = texts(&engine, ERRORS).await;
    assert!(shown[0].contains("in.csv"), "{shown:?}");
    assert_eq!(shown[1], "w: -");
    let source = texts(&engine, "SELECT error FROM stream_catalog.sources").await;
    assert!(source[0].contains("in.csv"), "{source:?}");
    engine.execute("INSERT INTO t VALUES ('z')").await.expect("life goes on");
    assert_eq!(texts(&engine, "SELECT a FROM w").await, ["z"]);
    let left = texts(&engine, HOLDS).await;
    assert!(!left.contains(&"v".to_owned()), "the workers have let go of what has failed");
    let block = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT a FROM w; COMMIT";
    engine.execute(block).await.expect("a failed view keeps nobody from reading others");
    engine.shutdown().await.expect("it ends");
    std::fs::rename(folder.path().join("away"), &file).expect("it can be moved");

    let engine = open(&data).await;
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT a FROM v ORDER BY a").await, ["x", "y", "z"]);
    engine.shutdown().await.expect("it ends");
}

#[tokio::test]
async fn a_clock_set_back_stops_no_source() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("in.csv");
    std::fs::write(&file, "a\n1\n").expect("a file");
    let clock = Arc::new(SimClock::new(10_000_000_000));
    let config = Config { workers: 1, ..Config::default() };
    let engine = Engine::open_with_clock(config, Arc::clone(&clock) as _).await.expect("it opens");
    let sql = format!(
        "CREATE SOURCE s (a text) WITH (connector = 'file', path = '{}', follow = 'true');
         CREATE MATERIALIZED VIEW v AS SELECT a FROM s",
        file.display()
    );
    engine.execute(&sql).await.expect("the objects can be made");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT a FROM v").await, ["1"]);
    std::fs::write(&file, "a\n1\n2\n").expect("the file grows");
    clock.set(0);
    let deadline = millstream::clock::monotonic() + std::time::Duration::from_secs(20);
    while texts(&engine, "SELECT a FROM v").await.len() < 2 {
        assert!(millstream::clock::monotonic() < deadline, "the source reads on");
    }
    engine.shutdown().await.expect("it ends");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged_and_no_dead_letter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("in.csv");
    std::fs::write(&file, "a\n1\nbad\n").expect("a file");
    let disk = FaultyDisk::default();
    let config = || Config { deterministic: true, workers: 1, ..Config::default() };
    let clock = Arc::new(SimClock::new(0));
    let on = Box::new(disk.clone());
    let engine = Engine::open_on(on, config(), Arc::clone(&clock) as _).await.expect("it opens");
    let sql = format!(
        "CREATE TABLE t (a text); CREATE TABLE dead (payload text);
         CREATE SOURCE s (a int) WITH (connector = 'file', path = '{}', follow = 'true')
         FORMAT PLAIN ENCODE CSV ON ERROR DEAD LETTER INTO dead;
         CREATE MATERIALIZED VIEW v AS SELECT a::text AS a FROM s;
         INSERT INTO t VALUES ('x')",
        file.display()
    );
    engine.execute(&sql).await.expect("the objects can be made");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT payload FROM dead").await, ["bad"]);

    disk.plan(0, Fault::Full);
    let refused = engine.execute("INSERT INTO t VALUES ('y')").await.expect_err("no room");
    assert_eq!(refused.state().code(), "53100");
    std::fs::write(&file, "a\n1\nbad\n2\nworse\n").expect("the file grows");
    clock.advance(10_000_000);
    // Not settled: what the disk refuses is still to be done. A read lets the source be polled.
    assert_eq!(texts(&engine, "SELECT a FROM t").await, ["x"]);
    assert_eq!(texts(&engine, "SELECT payload FROM dead").await, ["bad"]);

    disk.heal();
    engine.execute("INSERT INTO t VALUES ('z')").await.expect("there is room");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT payload FROM dead ORDER BY 1").await, ["bad", "worse"]);
    assert_eq!(texts(&engine, "SELECT a FROM v ORDER BY 1").await, ["1", "2"]);
    engine.crash().await.expect("it ends");

    let left = Box::new(disk.after_cut(0));
    let engine = Engine::open_on(left, config(), clock as _).await.expect("it opens again");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT a FROM t ORDER BY 1").await, ["x", "z"]);
    assert_eq!(texts(&engine, "SELECT payload FROM dead ORDER BY 1").await, ["bad", "worse"]);
    assert_eq!(texts(&engine, "SELECT a FROM v ORDER BY 1").await, ["1", "2"]);
    engine.shutdown().await.expect("it ends");
}

#[tokio::test]
async fn a_bad_record_is_met_once_although_views_come_and_go() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("in.csv");
    std::fs::write(&file, "a\n1\nbad\n2\n").expect("a file");
    let data = folder.path().join("data");
    let engine = open(&data).await;
    let view = "CREATE MATERIALIZED VIEW v AS SELECT a::text AS a FROM s";
    let sql = format!(
        "CREATE TABLE dead (payload text);
         CREATE SOURCE s (a int) WITH (connector = 'file', path = '{}')
         FORMAT PLAIN ENCODE CSV ON ERROR DEAD LETTER INTO dead;
         {view}",
        file.display()
    );
    engine.execute(&sql).await.expect("the objects can be made");
    engine.settle().await.expect("it runs");
    let again = format!("DROP MATERIALIZED VIEW v; {view}");
    engine.execute(&again).await.expect("it can be made again");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT a FROM v ORDER BY a").await, ["1", "2"]);
    assert_eq!(texts(&engine, "SELECT payload FROM dead").await, ["bad"]);
    engine.shutdown().await.expect("it ends");

    // The same where the source cannot be read when the engine starts.
    let away = folder.path().join("away");
    std::fs::rename(&file, &away).expect("it can be moved");
    let engine = open(&data).await;
    engine.settle().await.expect("it runs");
    engine.execute("DROP MATERIALIZED VIEW v").await.expect("it can be dropped");
    std::fs::rename(&away, &file).expect("it can be moved");
    engine.execute(view).await.expect("it can be made again");
    engine.settle().await.expect("it runs");
    assert_eq!(texts(&engine, "SELECT a FROM v ORDER BY a").await, ["1", "2"]);
    assert_eq!(texts(&engine, "SELECT payload FROM dead").await, ["bad"]);
    let counts = "SELECT rows || ' ' || bad_rows FROM stream_catalog.sources";
    assert_eq!(texts(&engine, counts).await, ["2 1"]);
    engine.shutdown().await.expect("it ends");
}
