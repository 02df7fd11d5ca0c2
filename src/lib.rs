//! Millstream: SQL over streams. `CREATE MATERIALIZED VIEW` over tables and streams, kept up to date
//! as events arrive, in one process and one directory, served as Postgres.
//!
//! # Where to begin
//! [`engine::Engine`]: open one, `execute` SQL, `append` Arrow batches, `query` and `subscribe`, `shutdown`.
//! `examples/embed.rs` in the repository does all of it in 50 lines.
//!
//! # Life of a row
//! It arrives by `INSERT`, `COPY`, [`engine::Engine::append`] or a [`connector`]; for a table it goes
//! to the [`storage`] log and is acknowledged after fsync. The [`runtime`] coordinator closes an
//! [epoch](types::Epoch): the row becomes part of a [`types::Delta`] and runs through the
//! [`dataflow`] operators of all views on every worker, round by round. At the end of the epoch all
//! staged changes become [`state`], and every view shows the new epoch at once.
//!
//! # Life of a statement
//! Text → [`sql`] (one statement form) → [`catalog`] (names) → [`plan`] (DataFusion's logical plan →
//! our node tree) → a command in the next tick's header → every worker's operator graph. A `SELECT`
//! stops after planning: DataFusion runs it over the collections of one epoch.

pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connector;
pub mod dataflow;
pub mod engine;
pub mod error;
pub mod plan;
pub mod runtime;
pub mod server;
pub mod sql;
pub mod state;
pub mod storage;
pub mod types;
