//! Goal: a client that goes away in the middle of a statement leaves nothing half made. Method: the future
//! of a statement is dropped after any number of steps; then the engine goes on, and starts again.

use std::path::Path;

use futures::FutureExt;
use millstream::config::{Config, Storage};
use millstream::engine::{Engine, SessionOptions};

async fn open(folder: &Path) -> Engine {
    let config = Config {
        storage: Storage::Directory(folder.to_owned()),
        deterministic: true,
        workers: 1,
        ..Config::default()
    };
    Engine::open(config).await.expect("the directory opens")
}

fn tables(engine: &Engine) -> Vec<(u32, String)> {
    let catalog = engine.catalog();
    let named = catalog.in_order().into_iter().filter(|object| object.relation_name().is_some());
    named.map(|object| (object.id().0, object.name().to_owned())).collect()
}

#[tokio::test]
async fn a_definition_is_made_or_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = open(folder.path()).await;
    for steps in 0..6 {
        let mut session =
            engine.session(SessionOptions::default()).expect("the defaults are valid");
        let sql = format!("CREATE TABLE left{steps} (a int)");
        let mut work = Box::pin(session.execute(&sql));
        for _ in 0..steps {
            if (&mut work).now_or_never().is_some() {
                break;
            }
        }
        drop(work);
        let sql = format!("CREATE TABLE made{steps} (a int); INSERT INTO made{steps} VALUES (1)");
        engine.execute(&sql).await.expect("the next definition can be made");
    }
    let before = tables(&engine);
    assert!(before.iter().any(|(_, name)| name.starts_with("left")), "some were made: {before:?}");
    let mut ids: Vec<u32> = before.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), before.len(), "no number is used twice");
    engine.crash().await.expect("it ends");
    let engine = open(folder.path()).await;
    assert_eq!(tables(&engine), before);
    for steps in 0..6 {
        let rows = engine.query(&format!("SELECT * FROM made{steps}")).await.expect("it is there");
        assert_eq!(rows.iter().map(|rows| rows.num_rows()).sum::<usize>(), 1);
    }
    engine.shutdown().await.expect("it ends");
}
