//! What connects workers: the contract, and the two fabrics.
//!
//! A tick opens with its header on every worker, runs its data rounds, each a barrier behind which
//! the packets of the round before are there, and ends with every worker committing and reporting.

use std::sync::Arc;

use super::command::{Report, TickHeader};
pub use crate::dataflow::Packet;
use crate::error::Result;

mod driver;
pub mod local;
mod parcel;
mod socket;
pub mod timely;
mod wire;

pub use local::LocalFabric;
pub use timely::{Mesh, TimelyFabric};

/// A worker's program, as a fabric drives it. All calls come from one thread at a time.
pub trait TickProgram: Send {
    /// A tick opens. Returns the number of data rounds: at least 1, equal on all workers because it
    /// depends only on headers.
    fn open(&mut self, header: &Arc<TickHeader>) -> usize;
    /// Runs data round `round`, counted from 0, with what peers sent in the round before.
    fn round(&mut self, round: usize, inbox: Vec<Packet>, out: &mut Vec<Packet>);
    /// All data rounds of this worker have run: commit and report.
    fn commit(&mut self) -> Report;
}

/// Makes the program of worker `index`, on the worker's own thread.
pub type ProgramFactory = Arc<dyn Fn(usize) -> Box<dyn TickProgram> + Send + Sync>;

/// Runs ticks on all workers.
pub trait Fabric: Send {
    /// Number of workers, over all processes.
    fn workers(&self) -> usize;
    /// Number of workers in this process: how many entries [`TickHeader::inputs`] has.
    fn local_workers(&self) -> usize {
        self.workers()
    }
    /// Runs one tick to its end; the reports of all workers, in order of worker.
    ///
    /// # Errors
    /// If a worker died: the engine cannot go on, recovery is a restart.
    fn tick(&mut self, header: TickHeader) -> Result<Vec<Report>>;
    /// Ends all workers.
    fn shutdown(&mut self);
}
