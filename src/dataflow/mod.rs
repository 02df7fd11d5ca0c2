//! Incremental operators and the executor that runs them.
//!
//! # Errors inside a dataflow
//! An expression that fails for one row (division by zero, a bad cast, overflow) does not stop a view:
//! the row is left out and an [`operator::ErrorRow`] with the row's weight takes its place in the error
//! relation of every view downstream. Errors are differential like rows: when the offending row is
//! retracted or corrected, its error goes with weight -1 and the view repairs itself.

pub mod build;
pub mod consolidate;
mod enumerable;
pub mod eval;
pub mod exchange;
pub mod executor;
pub mod failed_rows;
mod fingerprint;
pub mod graph;
pub mod operator;
mod placement;

pub use executor::Executor;
pub use fingerprint::Fingerprint;

use crate::types::Selection;

/// A message between workers within one tick.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The exchange it belongs to; the same number on all workers.
    pub channel: u64,
    /// Receiving worker.
    pub dest: usize,
    /// The rows.
    pub rows: Selection,
}
