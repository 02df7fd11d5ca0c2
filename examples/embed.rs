//! The engine inside a program: Arrow batches in, a view kept up to date, rows and changes out.
//!
//! ```text
//! cargo run --example embed
//! ```

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use futures::StreamExt;
use millstream::config::Config;
use millstream::engine::Engine;
use millstream::error::Result;

#[tokio::main]
async fn main() -> Result<()> {
    // In memory; `Storage::Directory` keeps what is acknowledged.
    let engine = Engine::open(Config::default()).await?;
    engine.execute("CREATE TABLE sales (shop text NOT NULL, cents bigint NOT NULL)").await?;
    engine
        .execute(
            "CREATE MATERIALIZED VIEW takings AS
             SELECT shop, count(*) AS sales, sum(cents) AS cents FROM sales GROUP BY shop",
        )
        .await?;

    // First the rows that are there, then what changes.
    let mut changes = engine.subscribe("takings").await?;

    let schema = Arc::new(Schema::new(vec![
        Field::new("shop", DataType::Utf8, false),
        Field::new("cents", DataType::Int64, false),
    ]));
    let shops = StringArray::from(vec!["north", "south", "north"]);
    let cents = Int64Array::from(vec![250, 100, 50]);
    let batch = RecordBatch::try_new(schema, vec![Arc::new(shops), Arc::new(cents)])?;
    let epoch = engine.append("sales", batch).await?;

    // A read sees every write acknowledged before it.
    let rows = engine.query("SELECT * FROM takings ORDER BY shop").await?;
    let mut out = format!("epoch {epoch}\n{}\n", pretty_format_batches(&rows)?);

    while let Some(change) = changes.next().await {
        let (at, delta) = change?;
        out.push_str(&format!("{} rows changed in epoch {at}\n", delta.rows()));
        if at >= epoch {
            break;
        }
    }
    std::io::Write::write_all(&mut std::io::stdout(), out.as_bytes())?;
    engine.shutdown().await
}
