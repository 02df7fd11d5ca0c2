//! `serve`: an engine, a script to begin with, and the doors; says what to type next.

use std::io::Write;
use std::path::Path;

use super::settings::{self, Settings};
use crate::config::{Config, Storage};
use crate::engine::{Engine, SessionOptions};
use crate::error::{Error, Result};
use crate::server::{Server, shutdown};

/// Serves until Ctrl-C.
pub(super) async fn serve(settings: &Settings) -> Result<()> {
    let config = settings.config()?;
    let doors = settings.server()?;
    let engine = Engine::open(config.clone()).await?;
    // The port first: a script that runs although nobody can connect helps nobody.
    let server = match Server::bind(engine.clone(), &doors).await {
        Ok(server) => server,
        Err(error) => {
            engine.shutdown().await?;
            return Err(error);
        }
    };
    if let Some(path) = &settings.init
        && let Err(error) = init(&engine, path).await
    {
        engine.shutdown().await?;
        return Err(error);
    }
    if let Err(error) = welcome(&server, &engine, &config) {
        tracing::warn!(%error, "nobody reads the welcome; serving all the same");
    }
    server.run(shutdown::signalled()).await
}

/// Runs a script, statement by statement.
async fn init(engine: &Engine, path: &Path) -> Result<()> {
    let text = settings::read(path)?;
    let mut session = engine.session(SessionOptions::default())?;
    let placed = |error: Error| {
        let line = error
            .position()
            .map(|position| 1 + text.chars().take(position - 1).filter(|c| *c == '\n').count());
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        let message = format!("{}{place}: {error}", path.display());
        let mut placed = Error::new(error.state(), message);
        if let Some(detail) = error.detail_text() {
            placed = placed.detail(detail);
        }
        if let Some(hint) = error.hint_text() {
            placed = placed.hint(hint);
        }
        placed
    };
    for parsed in session.parse(&text).map_err(placed)? {
        let started = crate::clock::monotonic();
        // An error without a position is of the statement as a whole.
        let placed = |error: Error| placed(error.or_at(Some(parsed.position)));
        session.run(&parsed).await.map_err(placed)?.finish().await.map_err(placed)?;
        let first_line = parsed.text.lines().next().unwrap_or_default().trim_end();
        let took_ms = (crate::clock::monotonic() - started).as_millis();
        tracing::info!(took_ms, "{first_line}");
    }
    Ok(())
}

/// Tells where the server is and what to try.
fn welcome(server: &Server, engine: &Engine, config: &Config) -> Result<()> {
    let address = server.address()?;
    let data = match &config.storage {
        Storage::Memory => "in memory: gone when the server stops".to_owned(),
        Storage::Directory(directory) => format!("in {}", directory.display()),
    };
    let (host, port) = (address.ip(), address.port());
    let mut out = std::io::stdout().lock();
    writeln!(out, "millstream {} is ready.", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  data     {data}")?;
    writeln!(out, "  workers  {}", config.workers)?;
    if let Some(http) = server.http_address() {
        writeln!(out, "  health   http://{http}/health, metrics at /metrics")?;
    }
    writeln!(out, "\nConnect with:\n  psql -h {host} -p {port} -U millstream\n\nThen try:")?;
    let catalog = engine.catalog();
    let view = catalog
        .objects()
        .find(|object| object.kind() == crate::types::definition::ObjectKind::MaterializedView);
    writeln!(out, "  \\d")?;
    match view {
        Some(view) => {
            writeln!(out, "  SELECT * FROM {} LIMIT 10;", crate::types::name::quote(view.name()))?
        }
        None => writeln!(
            out,
            "  CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(10,2));\n  \
             CREATE MATERIALIZED VIEW total AS SELECT count(*) AS orders, sum(amount) AS amount FROM orders;\n  \
             INSERT INTO orders VALUES (1, 9.99);\n  SELECT * FROM total;"
        )?,
    }
    writeln!(out, "\nCtrl-C stops the server.")?;
    Ok(out.flush()?)
}
