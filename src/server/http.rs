//! Health and metrics over HTTP.
//!
//! | path | answers |
//! |---|---|
//! | `/livez`, `/health` | 200 while the process runs |
//! | `/readyz`, `/ready` | 200 when every view has been filled, else 503 |
//! | `/metrics` | counters and sizes in Prometheus' text format |
//! | `/version` | name and version |

use std::fmt::Write;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::{Engine, Status};
use crate::types::ObjectId;

/// Answers requests until `closing` becomes true.
pub(super) async fn serve(
    listener: TcpListener,
    engine: Engine,
    mut closing: watch::Receiver<bool>,
) {
    let router = Router::new()
        .route("/health", get(alive))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .with_state(engine);
    let closed = async move {
        let _closing = closing.wait_for(|closing| *closing).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(closed).await {
        tracing::warn!(%error, "the HTTP server has stopped");
    }
}

async fn alive() -> &'static str {
    "ok\n"
}

async fn version() -> String {
    format!("millstream {}\n", env!("CARGO_PKG_VERSION"))
}

async fn ready(State(engine): State<Engine>) -> (StatusCode, String) {
    let status = match engine.status().await {
        Ok(status) => status,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    };
    let waiting: Vec<_> =
        status.views.iter().filter(|view| !view.ready && view.error.is_none()).collect();
    match waiting.len() {
        0 => (StatusCode::OK, "ok\n".to_owned()),
        count => (StatusCode::SERVICE_UNAVAILABLE, format!("{count} views are being filled\n")),
    }
}

async fn metrics(State(engine): State<Engine>) -> impl IntoResponse {
    match engine.status().await {
        Ok(status) => {
            let content = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            (StatusCode::OK, content, render(&engine, &status)).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// A metric: its name, type and help, then a line per object.
struct Metrics<'a> {
    engine: &'a Engine,
    text: String,
}

impl Metrics<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _infallible = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        let _infallible = writeln!(self.text, "{name} {value}");
    }

    fn each(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        values: impl Iterator<Item = (ObjectId, u64)>,
    ) {
        self.family(name, kind, help);
        let catalog = self.engine.catalog();
        for (id, value) in values {
            let object = catalog.get(id).and_then(|object| object.relation_name().cloned());
            let label = object.map_or_else(|| id.to_string(), |name| name.to_string());
            let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _infallible = writeln!(self.text, "{name}{{name=\"{label}\"}} {value}");
        }
    }
}

fn render(engine: &Engine, status: &Status) -> String {
    let mut metrics = Metrics { engine, text: String::new() };
    let sessions = u64::try_from(engine.session_count()).unwrap_or(u64::MAX);
    metrics.one("millstream_epoch", "counter", "Last committed epoch.", status.epoch.0);
    metrics.one("millstream_sessions", "gauge", "Open sessions.", sessions);
    let (tables, views, sources) = (&status.tables, &status.views, &status.sources);
    metrics.each(
        ("millstream_table_rows", "gauge", "Rows of a table."),
        tables.iter().map(|table| (table.table, table.rows)),
    );
    metrics.each(
        ("millstream_table_bytes", "gauge", "Bytes of a table in memory."),
        tables.iter().map(|table| (table.table, table.bytes)),
    );
    metrics.each(
        ("millstream_view_ready", "gauge", "Whether a view has been filled."),
        views.iter().map(|view| (view.view, u64::from(view.ready))),
    );
    metrics.each(
        ("millstream_view_state_rows", "gauge", "Rows held by a view's operators."),
        views.iter().map(|view| (view.view, view.state_rows)),
    );
    metrics.each(
        ("millstream_view_state_bytes", "gauge", "Bytes held by a view's operators."),
        views.iter().map(|view| (view.view, view.state_bytes)),
    );
    metrics.each(
        ("millstream_source_rows_total", "counter", "Rows read from a source."),
        sources.iter().map(|source| (source.source, source.rows)),
    );
    metrics.each(
        ("millstream_source_bad_rows_total", "counter", "Records that could not be decoded."),
        sources.iter().map(|source| (source.source, source.bad)),
    );
    metrics.text
}
