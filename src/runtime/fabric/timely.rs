//! Workers on timely: threads of one process, or of several over TCP.
//!
//! Every worker runs the same static dataflow: one operator that drives the [`TickProgram`](super::TickProgram), and a
//! feedback edge that takes each parcel to its worker. A parcel sent at time *t* arrives at
//! *t* + 1. A worker holds the capability of the time it is at, so once the frontier of its input has
//! passed *t*, everybody has sent what arrives at *t*: that is the barrier between rounds.
//!
//! ```text
//! time = tick << 16 | round
//! round 0      worker 0 sends the header
//! round 1…n    data rounds; after the last one a worker commits and reports to worker 0
//! ```
//! A worker that waits steps a few times in case its peers are about to be done, then parks: an idle
//! mesh uses no processor.

use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Thread;

use parking_lot::Mutex;
use timely::communication::allocator::AllocatorBuilder;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{Allocator, Hooks, WorkerGuards, initialize_from};

use super::driver::run_worker;
use super::{Fabric, ProgramFactory, socket};
use crate::dataflow::executor::panic_message;
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

    /// All workers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.threads * self.hosts.len().max(1)
    }
}

/// What the coordinator gives worker 0.
pub(super) enum Job {
    /// Run a tick.
    Tick(TickHeader),
    /// End all workers.
    Stop,
}

/// What the threads of a process share.
pub(super) struct Shared {
    /// The next job, for worker 0.
    job: Mutex<Option<Job>>,
    /// Whether there is one: cheaper to look at.
    job_waiting: AtomicBool,
    /// Whether a worker has died and the others must end.
    dead: AtomicBool,
    threads: Mutex<Vec<Thread>>,
    replies: SyncSender<Result<Vec<Report>>>,
    sockets: Vec<TcpStream>,
}

impl Shared {
    /// Whether a job waits.
    pub(super) fn job_waiting(&self) -> bool {
        self.job_waiting.load(Ordering::Acquire)
    }

    /// Whether the mesh has failed.
    pub(super) fn dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Takes the waiting job.
    pub(super) fn take_job(&self) -> Option<Job> {
        let job = self.job.lock().take();
        self.job_waiting.store(false, Ordering::Release);
        job
    }

    /// Answers the coordinator.
    pub(super) fn reply(&self, reports: Vec<Report>) {
        // Nobody listens in a process other than 0, or when the fabric is being dropped.
        let _ = self.replies.try_send(Ok(reports));
    }

    fn wake(&self) {
        for thread in self.threads.lock().iter() {
            thread.unpark();
        }
    }

    /// Ends every worker: this process's by the flag, the others' by cutting the sockets, so that
    /// nobody waits for a peer that is no more.
    fn fail(&self, message: &str) {
        self.dead.store(true, Ordering::Release);
        let error = Error::internal(format!("a worker died: {message}"));
        let _ = self.replies.try_send(Err(error));
        for socket in &self.sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.wake();
    }
}

/// Drives all workers from process 0.
pub struct TimelyFabric {
    mesh: Mesh,
    shared: Arc<Shared>,
    replies: Receiver<Result<Vec<Report>>>,
    guards: Option<WorkerGuards<()>>,
}

impl TimelyFabric {
    /// Starts the workers of process 0, once all other processes have connected.
    ///
    /// # Errors
    /// If a socket cannot be opened or a thread cannot be started.
    pub fn spawn(mesh: Mesh, factory: ProgramFactory) -> Result<TimelyFabric> {
        assert_eq!(mesh.process, 0, "ticks come from process 0; the others serve");
        let (shared, replies, guards) = start(&mesh, factory)?;
        Ok(TimelyFabric { mesh, shared, replies, guards: Some(guards) })
    }

    fn give(&self, job: Job) {
        *self.shared.job.lock() = Some(job);
        self.shared.job_waiting.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl Fabric for TimelyFabric {
    fn workers(&self) -> usize {
        self.mesh.workers()
    }

    fn local_workers(&self) -> usize {
        self.mesh.threads
    }

    fn tick(&mut self, header: TickHeader) -> Result<Vec<Report>> {
        if self.shared.dead() {
            return Err(Error::internal("a worker has died"));
        }
        self.give(Job::Tick(header));
        self.replies.recv().map_err(|_| Error::internal("all workers have ended"))?
    }

    fn shutdown(&mut self) {
        let Some(guards) = self.guards.take() else { return };
        self.give(Job::Stop);
        finish(guards);
    }
}

impl Drop for TimelyFabric {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Runs the workers of a process other than 0 until process 0 shuts down.
///
/// # Errors
/// If the mesh cannot be connected, or a worker or another process died.
pub fn serve(mesh: &Mesh, factory: ProgramFactory) -> Result<()> {
    assert!(mesh.process > 0, "process 0 gives the ticks");
    let (_, replies, guards) = start(mesh, factory)?;
    finish(guards);
    match replies.try_recv() {
        Ok(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Waits for all threads of this process. Dropping the guards panics if a network thread did, which
/// is how timely ends when a peer is gone; the workers have reported that already.
fn finish(guards: WorkerGuards<()>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(guards.join())));
}

type Started = (Arc<Shared>, Receiver<Result<Vec<Report>>>, WorkerGuards<()>);

/// Connects the mesh and starts this process's threads.
fn start(mesh: &Mesh, factory: ProgramFactory) -> Result<Started> {
    let hooks = Hooks::default();
    let local =
        ProcessBuilder::new_typed_vector(mesh.threads, hooks.refill.clone(), hooks.spill.clone());
    let mut sockets = vec![];
    let (builders, guard): (Vec<_>, Box<dyn std::any::Any + Send>) = if mesh.hosts.len() > 1 {
        let connected = socket::connect(&mesh.hosts, mesh.process)?;
        for socket in connected.iter().flatten() {
            sockets.push(socket.try_clone()?);
        }
        let (builders, guard) = initialize_networking_from_sockets(
            local,
            connected,
            mesh.process,
            mesh.threads,
            hooks,
        )?;
        (builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard))
    } else {
        (local.into_iter().map(AllocatorBuilder::Process).collect(), Box::new(()))
    };
    // One reply a tick, and one error from every thread that dies.
    let (sender, replies) = sync_channel(mesh.threads + 1);
    let shared = Arc::new(Shared {
        job: Mutex::new(None),
        job_waiting: AtomicBool::new(false),
        dead: AtomicBool::new(false),
        threads: Mutex::new(vec![]),
        replies: sender,
        sockets,
    });
    let of_threads = Arc::clone(&shared);
    let worker = move |allocator: Allocator| thread(allocator, &of_threads, &factory);
    let guards = initialize_from(builders, guard, worker).map_err(Error::internal)?;
    Ok((shared, replies, guards))
}

/// The whole life of a worker thread.
fn thread(allocator: Allocator, shared: &Arc<Shared>, factory: &ProgramFactory) {
    shared.threads.lock().push(std::thread::current());
    let run = AssertUnwindSafe(|| run_worker(allocator, shared, factory));
    if let Err(panic) = catch_unwind(run) {
        shared.fail(panic_message(panic.as_ref()));
    }
}

#[cfg(test)]
mod tests;
