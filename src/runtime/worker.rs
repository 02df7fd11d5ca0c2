//! A worker: the executor of one thread, driven by tick headers.

use std::sync::Arc;

use super::command::{Command, Report, TickHeader};
use super::fabric::{Packet, TickProgram};
use crate::error::Result;
use crate::plan::node::Node;

/// Plans a [`Command::CreateView`] that arrived without its plan, from another process.
pub type Planner = Arc<dyn Fn(&Command) -> Result<Arc<Node>> + Send + Sync>;

/// Worker `index` of `workers`.
pub struct Worker {
    index: usize,
    workers: usize,
    planner: Option<Planner>,
}

impl Worker {
    /// A worker without views.
    #[must_use]
    pub fn new(index: usize, workers: usize) -> Worker {
        Worker { index, workers, planner: None }
    }

    /// The same, planning views that come as text only: for processes other than 0.
    #[must_use]
    pub fn with_planner(mut self, planner: Planner) -> Worker {
        self.planner = Some(planner);
        self
    }
}

impl TickProgram for Worker {
    fn open(&mut self, _header: &Arc<TickHeader>) -> usize {
        let _ = (self.index, self.workers, &self.planner);
        1
    }

    fn round(&mut self, _round: usize, _inbox: Vec<Packet>, _out: &mut Vec<Packet>) {}

    fn commit(&mut self) -> Report {
        Report::default()
    }
}
