//! Workers on timely: threads of one process, or of several over TCP.
use super::{Fabric, ProgramFactory};
use crate::error::{Error, Result};
use crate::runtime::command::{Report, TickHeader};

/// Who the workers are.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Worker threads per process.
    pub threads: usize,
    /// Index of this process.
    pub process: usize,
    /// `host:port` of every process, in order; empty for a single process.
    pub hosts: Vec<String>,
}

impl Mesh {
    /// Threads of this process only.
    #[must_use]
    pub fn threads(threads: usize) -> Mesh {
        Mesh { threads, process: 0, hosts: vec![] }
    }
}

/// Drives workers from process 0.
pub struct TimelyFabric {
    workers: usize,
}

impl TimelyFabric {
    /// Starts the workers of process 0, once all other processes have connected.
    ///
    /// # Errors
    /// If a socket cannot be opened or a thread cannot be started.
    pub fn spawn(mesh: Mesh, _factory: ProgramFactory) -> Result<TimelyFabric> {
        Ok(TimelyFabric { workers: mesh.threads * mesh.hosts.len().max(1) })
    }
}

/// Runs the workers of a process other than 0 until process 0 shuts down.
///
/// # Errors
/// If a worker or another process died.
pub fn serve(_mesh: Mesh, _factory: ProgramFactory) -> Result<()> {
    Ok(())
}

impl Fabric for TimelyFabric {
    fn workers(&self) -> usize {
        self.workers
    }

    fn tick(&mut self, _header: TickHeader) -> Result<Vec<Report>> {
        Err(Error::unsupported("more than one worker"))
    }

    fn shutdown(&mut self) {}
}
