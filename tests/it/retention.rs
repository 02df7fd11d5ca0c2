//! Goal: `RETAIN LOG` takes old bytes from the disk and nothing else. Method: a table is written to in
//! small segments while a clock moves; the files are searched for what should be gone, and the table and
//! a view over it are compared with a table that keeps everything, across crashes and restarts.

use std::path::Path;
use std::sync::Arc;

use millstream::clock::SimClock;
use millstream::config::{Config, Storage};
use millstream::engine::Engine;

const MINUTE_US: i64 = 60_000_000;

async fn open(folder: &Path, clock: &SimClock) -> Engine {
    let config = Config {
        storage: Storage::Directory(folder.to_owned()),
        segment_size_max: 4 << 10,
        deterministic: true,
        workers: 1,
        ..Config::default()
    };
    Engine::open_with_clock(config, Arc::new(clock.clone())).await.expect("the directory opens")
}

async fn lines(engine: &Engine, sql: &str) -> Vec<String> {
    let batches = engine.query(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let text = arrow::util::pretty::pretty_format_batches(&batches).expect("they can be shown");
    text.to_string().lines().map(str::to_owned).collect()
}

/// Whether any file below `folder` has these bytes.
fn on_disk(folder: &Path, bytes: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return on_disk(&path, bytes);
        }
        let contents = std::fs::read(&path).expect("a file");
        contents.windows(bytes.len()).any(|window| window == bytes.as_bytes())
    })
}

/// Offsets of the segments of the log of the table with this number.
fn offsets(folder: &Path, table: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("log").join(table).join("0")).expect("its log");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".seg"))
        .collect();
    names.sort();
    names
}

async fn same(engine: &Engine, when: &str) {
    for relation in ["t", "v"] {
        let short = lines(engine, &format!("SELECT * FROM {relation} ORDER BY 1, 2")).await;
        let whole = lines(engine, &format!("SELECT * FROM {relation}_whole ORDER BY 1, 2")).await;
        assert_eq!(short, whole, "{relation} {when}");
        assert!(short.len() > 4, "{relation} has rows {when}");
    }
}

async fn run(retain: &str, columns: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = SimClock::new(0);
    let mut engine = open(folder.path(), &clock).await;
    for (suffix, clause) in [("", retain), ("_whole", "")] {
        let sql = format!(
            "CREATE TABLE t{suffix} ({columns}) {clause};
             CREATE MATERIALIZED VIEW v{suffix} AS
               SELECT n % 5 AS k, count(*) AS rows, min(note) AS note FROM t{suffix} GROUP BY n % 5"
        );
        engine.execute(&sql).await.expect("the tables can be made");
    }
    let mut first = String::new();
    for round in 0..60 {
        for table in ["t", "t_whole"] {
            let sql = format!(
                "INSERT INTO {table} SELECT {round} * 20 + i, 'note-' || ({round} * 20 + i) || '-'
                   FROM generate_series(0, 19) AS g(i);
                 DELETE FROM {table} WHERE n < {round} * 20 AND n % 7 <> 0;
                 UPDATE {table} SET note = note || '+' WHERE n % 14 = 0 AND n > {round} * 10"
            );
            engine.execute(&sql).await.expect("the changes can be made");
        }
        clock.advance(MINUTE_US);
        let oldest = offsets(folder.path(), "16384").remove(0);
        assert!(oldest >= first, "offsets only grow: {first}, then {oldest}");
        first = oldest;
        if round % 8 == 7 {
            same(&engine, "before").await;
            let crash = round % 16 == 7;
            let ended = if crash { engine.crash().await } else { engine.shutdown().await };
            ended.expect("it ends");
            engine = open(folder.path(), &clock).await;
            same(&engine, "after").await;
        }
    }
    assert!(first > format!("{:020}.seg", 0), "the log was shortened: {first}");
    assert_eq!(offsets(folder.path(), "16386")[0], format!("{:020}.seg", 0), "this one keeps all");
    let log = folder.path().join("log").join("16384");
    assert!(!on_disk(&log, "note-1-"), "a row deleted long ago is gone from the disk");
    assert!(on_disk(&folder.path().join("log").join("16386"), "note-1-"), "and here it is not");
    assert!(on_disk(&log, "note-7-"), "a row that stands is there");
    assert!(on_disk(&log, "note-1178-"), "what was deleted just now is still there");
    engine.shutdown().await.expect("it ends in order");
}

#[tokio::test]
async fn by_size() {
    run("RETAIN LOG FOR SIZE '20 kB'", "n bigint PRIMARY KEY, note text").await;
}

#[tokio::test]
async fn by_age_without_a_key() {
    run("RETAIN LOG FOR INTERVAL '10 minutes'", "n bigint, note text").await;
}
