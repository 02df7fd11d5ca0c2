//! Goal: the example works as shipped. Method: its statements run on an engine in a directory, and
//! again after changes of its tables; each view is compared with its own query run over the files,
//! before and after a restart.

use millstream::catalog::Object;
use millstream::config::{Config, Storage};
use millstream::engine::{Engine, SessionOptions};

const EXAMPLE: &str = include_str!("../../examples/flights.sql");

async fn run(engine: &Engine, sql: &str) {
    let mut session = engine.session(SessionOptions::default()).expect("the defaults are valid");
    for parsed in session.parse(sql).expect("the example parses") {
        let response = session.run(&parsed).await;
        let response = response.unwrap_or_else(|error| panic!("{error}: {:?}", error.hint_text()));
        response.finish().await.expect("rows of a statement");
    }
}

/// The rows of a query as sorted lines.
async fn lines(engine: &Engine, sql: &str) -> Vec<String> {
    let batches = engine.query(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let text = arrow::util::pretty::pretty_format_batches(&batches).expect("they can be shown");
    let mut lines: Vec<String> = text.to_string().lines().skip(3).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Every view equals its query over the input so far.
async fn check(engine: &Engine) {
    engine.settle().await.expect("the engine runs");
    let mut views = 0;
    let catalog = engine.catalog();
    for object in catalog.objects() {
        let Object::MaterializedView(view) = object.as_ref() else { continue };
        let maintained = lines(engine, &format!("SELECT * FROM {}", view.name.name)).await;
        let computed = lines(engine, &view.definition.query).await;
        assert!(maintained.len() > 1, "{} has rows", view.name.name);
        assert_eq!(maintained, computed, "{}", view.name.name);
        views += 1;
    }
    assert_eq!(views, 8, "views of the example");
}

#[tokio::test]
async fn the_example_runs_twice_and_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        storage: Storage::Directory(folder.path().to_owned()),
        deterministic: true,
        ..Config::default()
    };
    // As fast as it can be read.
    let example = EXAMPLE.replace(", rate = '2000'", "").replace(", rate = '165'", "");
    assert_ne!(example, EXAMPLE, "the rates are where they were");
    let engine = Engine::open(config.clone()).await.expect("the folder is empty");
    run(&engine, &example).await;
    engine.settle().await.expect("the engine runs");
    run(&engine, "INSERT INTO planes (tailnum) VALUES ('N730MQ')").await;
    run(&engine, "UPDATE airlines SET name = 'United' WHERE carrier = 'UA'").await;
    run(&engine, &example).await;
    check(&engine).await;
    engine.shutdown().await.expect("it ends in order");
    let engine = Engine::open(config).await.expect("the folder is free and whole");
    check(&engine).await;
    let united =
        lines(&engine, "SELECT flights FROM delays_by_airline WHERE airline = 'United'").await;
    assert!(united.iter().any(|line| line.contains("4637")), "{united:?}");
}
