//! What connects workers: the contract, and the two fabrics.
//!
//! A tick has `1 + rounds + 1` rounds: in the first, worker 0 sends the header to everybody; then the
//! data rounds, each a barrier; in the last, everybody has committed and reports to worker 0.

use std::sync::Arc;

use super::command::{Report, TickHeader};
use crate::error::Result;
use crate::types::Delta;

/// A message between workers within one tick.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The exchange it belongs to: the consuming node in the executor's graph.
    pub channel: u32,
    /// Receiving worker.
    pub dest: usize,
    /// The rows.
    pub delta: Delta,
}

/// A worker's program, as a fabric drives it. All calls come from one thread.
pub trait TickProgram {
    /// A tick opens. Returns the number of data rounds: at least 1, equal on all workers because it
    /// depends only on headers.
    fn open(&mut self, header: &Arc<TickHeader>) -> usize;
    /// Runs data round `round`, with what peers sent in the round before.
    fn round(&mut self, round: usize, inbox: Vec<Packet>, out: &mut Vec<Packet>);
    /// All data rounds have run on all workers: commit and report.
    fn commit(&mut self) -> Report;
}

/// Makes the program of worker `index`, on the worker's own thread.
pub type ProgramFactory = Arc<dyn Fn(usize) -> Box<dyn TickProgram> + Send + Sync>;

/// Runs ticks on all workers.
pub trait Fabric: Send {
    /// Number of workers, over all processes.
    fn workers(&self) -> usize;
    /// Runs one tick to its end; the reports of all workers, in order of worker.
    ///
    /// # Errors
    /// If a worker died: the engine cannot go on, recovery is a restart.
    fn tick(&mut self, header: TickHeader) -> Result<Vec<Report>>;
    /// Ends all workers.
    fn shutdown(&mut self);
}
