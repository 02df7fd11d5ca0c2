//! Settings, with units and reasons. Sources in order of precedence: flag, environment, TOML file,
//! default; unknown keys are errors.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the engine keeps its durable bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// Nothing survives the process: for tests and scratch work.
    Memory,
    /// A data directory, created if missing.
    Directory(PathBuf),
}

/// Settings of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where durable bytes live.
    pub storage: Storage,
    /// Number of dataflow workers; each is a thread.
    pub workers: usize,
    /// Shortest time between the starts of two ticks while input keeps coming, in milliseconds: the
    /// batching that throughput needs. A lone write never waits for it.
    pub tick_interval_ms: u64,
    /// Most rows of input taken into one tick; more wait in bounded queues, which slows writers down.
    pub tick_rows_max: usize,
    /// Rows of existing data fed to a view being filled, per tick.
    pub backfill_rows_per_tick: usize,
    /// Log segment size in bytes after which a new one is begun.
    pub segment_size_max: u64,
    /// Run workers as simulated ones on the coordinator's thread: deterministic, for tests.
    pub deterministic: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            storage: Storage::Memory,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            tick_interval_ms: 10,
            tick_rows_max: 100_000,
            backfill_rows_per_tick: 100_000,
            segment_size_max: 64 << 20,
            deterministic: false,
        }
    }
}
