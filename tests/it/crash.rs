//! Goal: what was acknowledged is there after kill -9, whole transactions or nothing, and views equal
//! their queries. Method: a child process (this test binary again) writes to a data directory and says
//! what was acknowledged; the parent kills it in the middle, opens the directory and looks.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use millstream::config::{Config, Storage};
use millstream::engine::Engine;
use millstream::error::SqlState;

/// Names the directory for the child; unset in an ordinary run.
const DIRECTORY: &str = "MILLSTREAM_CRASH_DIRECTORY";
/// How often the child is killed.
const KILLS: i64 = 6;

fn config(directory: &Path) -> Config {
    Config {
        storage: Storage::Directory(directory.to_owned()),
        workers: 2,
        segment_size_max: 1 << 10,
        ..Config::default()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads")
}

async fn number(engine: &Engine, sql: &str) -> i64 {
    let rows = engine.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Writes for ever, from where the tables stand.
async fn write_for_ever(directory: &Path) {
    let engine = Engine::open(config(directory)).await.expect("the directory opens");
    let setup =
        "CREATE TABLE IF NOT EXISTS a (n bigint PRIMARY KEY, v text) RETAIN LOG FOR SIZE '1 kB';
        CREATE TABLE IF NOT EXISTS b (n bigint, twice bigint GENERATED ALWAYS AS (n * 2) STORED);
        CREATE MATERIALIZED VIEW IF NOT EXISTS joined AS
          SELECT count(*) AS pairs, sum(b.twice) AS twice FROM a JOIN b ON a.n = b.n";
    for statement in setup.split(';') {
        engine.execute(statement).await.expect("the tables can be made");
    }
    let mut next = number(&engine, "SELECT coalesce(max(n), 0) + 1 FROM a").await;
    loop {
        let write = format!(
            "BEGIN; INSERT INTO a VALUES ({next}, 'x'); INSERT INTO b VALUES ({next});
             UPDATE a SET v = 'y' WHERE n = {next} - 1; COMMIT"
        );
        engine.execute(&write).await.expect("the transaction commits");
        println!("acknowledged {next}");
        next += 1;
    }
}

#[test]
fn child() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        runtime().block_on(write_for_ever(Path::new(&directory)));
    }
}

/// Starts the child, kills it after `acknowledgments`, returns the last number acknowledged.
fn kill_in_the_middle(directory: &Path, acknowledgments: i64) -> i64 {
    let mut child = Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "crash::child", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut last = 0;
    let mut seen = 0;
    for line in lines {
        let line = line.expect("text");
        if let Some(number) = line.split("acknowledged ").nth(1) {
            last = number.trim().parse().expect("a number");
            seen += 1;
            if seen == acknowledgments {
                child.kill().expect("the child can be killed");
            }
        }
    }
    child.wait().expect("the child has ended");
    assert!(seen >= acknowledgments, "the child ended by itself after {seen} acknowledgments");
    last
}

#[test]
fn kill_nine_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = runtime();
    for round in 0..KILLS {
        let acknowledged = kill_in_the_middle(directory.path(), 7 + 5 * round);
        runtime.block_on(async {
            let engine = Engine::open(config(directory.path())).await.expect("recovery");
            let rows = number(&engine, "SELECT count(*) FROM a").await;
            assert!(rows >= acknowledged, "{acknowledged} acknowledged, {rows} there");
            assert!(rows <= acknowledged + 1, "one transaction at most was under way");
            assert_eq!(number(&engine, "SELECT max(n) FROM a").await, rows, "none is missing");
            assert_eq!(number(&engine, "SELECT count(*) FROM b").await, rows, "whole transactions");
            assert_eq!(number(&engine, "SELECT count(*) FROM a WHERE v = 'x'").await, 1);
            assert_eq!(number(&engine, "SELECT pairs FROM joined").await, rows, "the view");
            engine.shutdown().await.expect("an orderly end");
        });
    }
}

#[test]
fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    runtime().block_on(async {
        let engine = Engine::open(config(directory.path())).await.expect("a new directory");
        let second = Engine::open(config(directory.path())).await;
        let error = second.err().expect("the directory is taken");
        assert_eq!(error.state(), SqlState::ObjectInUse);
        engine.shutdown().await.expect("an orderly end");
        let again = Engine::open(config(directory.path())).await.expect("the directory is free");
        again.shutdown().await.expect("an orderly end");
    });
}
