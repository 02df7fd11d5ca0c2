//! Simulated workers on the calling thread: deterministic, for tests and for one worker.

use std::sync::Arc;

use super::{Fabric, Packet, ProgramFactory, TickProgram};
use crate::error::Result;
use crate::runtime::command::{Report, TickHeader};

/// Runs every worker's part of a tick in turn.
pub struct LocalFabric {
    programs: Vec<Box<dyn TickProgram>>,
}

impl LocalFabric {
    /// `workers` workers, their programs made here.
    #[must_use]
    pub fn new(workers: usize, factory: &ProgramFactory) -> LocalFabric {
        assert!(workers > 0, "a fabric has workers");
        LocalFabric { programs: (0..workers).map(|index| factory(index)).collect() }
    }
}

impl Fabric for LocalFabric {
    fn workers(&self) -> usize {
        self.programs.len()
    }

    fn tick(&mut self, header: TickHeader) -> Result<Vec<Report>> {
        let header = Arc::new(header);
        let rounds: Vec<_> =
            self.programs.iter_mut().map(|program| program.open(&header)).collect();
        debug_assert!(rounds.iter().all(|&count| count == rounds[0]), "rounds agree: {rounds:?}");
        let mut inboxes: Vec<Vec<Packet>> = self.programs.iter().map(|_| vec![]).collect();
        for round in 0..rounds[0] {
            let mut out = vec![];
            for (program, inbox) in itertools::zip_eq(&mut self.programs, &mut inboxes) {
                program.round(round, std::mem::take(inbox), &mut out);
            }
            for packet in out {
                inboxes[packet.dest].push(packet);
            }
        }
        debug_assert!(inboxes.iter().all(Vec::is_empty), "nothing is sent in the last round");
        Ok(self.programs.iter_mut().map(|program| program.commit()).collect())
    }

    fn shutdown(&mut self) {}
}
