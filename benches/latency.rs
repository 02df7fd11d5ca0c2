//! How long a lone insert takes to be seen in a view, and what an idle engine costs.

use std::time::{Duration, Instant};

use millstream::config::Config;
use millstream::engine::Engine;

use crate::meter::cpu_seconds;

const VIEWS: usize = 50;
const INSERTS: usize = 2_000;

async fn engine_with_views() -> Engine {
    let config = Config { workers: 2, ..Config::default() };
    let engine = Engine::open(config).await.expect("an engine in memory opens");
    engine.execute("CREATE TABLE t (k bigint, v bigint)").await.expect("new");
    for number in 0..VIEWS {
        let sql = format!(
            "CREATE MATERIALIZED VIEW v{number} AS SELECT k % {} AS g, count(*) AS n, sum(v) AS s FROM t GROUP BY k % {}",
            number + 2,
            number + 2
        );
        engine.execute(&sql).await.expect("the view can be maintained");
    }
    engine.settle().await.expect("the engine runs");
    engine
}

/// INSERT of one row, then SELECT from a view that must show it: the time of both together.
pub async fn insert_to_view() {
    let engine = engine_with_views().await;
    let mut micros: Vec<u128> = Vec::with_capacity(INSERTS);
    for number in 0..INSERTS {
        let start = Instant::now();
        engine.execute(&format!("INSERT INTO t VALUES ({number}, 1)")).await.expect("fits");
        let rows = engine.query("SELECT sum(n) FROM v0").await.expect("can be read");
        micros.push(start.elapsed().as_micros());
        let seen = arrow::util::display::array_value_to_string(rows[0].column(0), 0);
        assert_eq!(seen.expect("a number"), (number + 1).to_string(), "the view shows the insert");
    }
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "\nINSERT of one row to SELECT from a view, {VIEWS} views, in memory: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    engine.shutdown().await.expect("the engine stops");
}

/// CPU of an engine with views and nothing to do.
pub async fn idle() {
    let engine = engine_with_views().await;
    let wait = Duration::from_secs(10);
    let before = cpu_seconds();
    tokio::time::sleep(wait).await;
    let share = (cpu_seconds() - before) / wait.as_secs_f64();
    println!("\nidle, {VIEWS} views: {:.2} % of a core", share * 100.0);
    engine.shutdown().await.expect("the engine stops");
}
