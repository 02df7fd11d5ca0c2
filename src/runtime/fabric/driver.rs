//! The dataflow of a timely worker and the loop that steps it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, ConnectLoop, Feedback};
use timely::progress::frontier::MutableAntichain;
use timely::scheduling::Activator;
use timely::worker::Worker;

use super::parcel::{Parcel, Payload, Route};
use super::timely::{Job, Shared};
use super::{Packet, ProgramFactory, TickProgram};
use crate::runtime::command::{Report, TickHeader};

/// Bits of a time that count rounds.
const ROUND_BITS: u32 = 16;

/// Steps without parking while a tick is open.
const SPIN_STEPS: usize = 20;

/// Runs one worker until the mesh is told to stop or has failed.
pub(super) fn run_worker(allocator: Allocator, shared: &Arc<Shared>, factory: &ProgramFactory) {
    // Without a timer timely would never park.
    let timer = Some(crate::clock::instant());
    let mut worker = Worker::new(WorkerConfig::default(), allocator, timer);
    let busy = Rc::new(Cell::new(false));
    let driver = Driver {
        index: worker.index(),
        workers: worker.peers(),
        program: factory(worker.index()),
        shared: Arc::clone(shared),
        busy: Rc::clone(&busy),
        inbox: BTreeMap::new(),
        rounds: 0,
        reports: vec![],
        outbox: vec![],
    };
    let first = worker.index() == 0;
    let activator = install(&mut worker, driver);
    let mut steps = 0;
    while !shared.dead() {
        if first && shared.job_waiting() {
            activator.activate();
            steps = 0;
        }
        let running = if busy.get() && steps < SPIN_STEPS {
            steps += 1;
            worker.step()
        } else {
            steps = 0;
            worker.step_or_park(None)
        };
        if !running {
            return;
        }
    }
}

/// Builds the static dataflow around `driver`; what wakes its operator.
fn install(worker: &mut Worker, mut driver: Driver) -> Activator {
    worker.dataflow::<u64, _, _>(|scope| {
        let (back, parcels) = scope.feedback::<Parcel>(1);
        let mut activator = None;
        let out = parcels.unary_frontier::<NoopBuilder<Parcel>, _, _, _>(
            DistributorPact(|_| Route),
            "executor",
            |capability, info| {
                activator = Some(scope.activator_for(info.address));
                let mut capability = Some(capability);
                move |(input, frontier), output| {
                    input.for_each(|time, parcel| {
                        driver.receive(*time.time(), std::mem::take(parcel).payload);
                    });
                    while let Some(at) = capability.as_mut()
                        && driver.ready(*at.time(), frontier)
                    {
                        let next = driver.advance(*at.time());
                        let mut session = output.session_with_builder(&*at);
                        for parcel in &mut driver.outbox {
                            session.give_container(parcel);
                        }
                        drop(session);
                        driver.outbox.clear();
                        match next {
                            Some(next) => at.downgrade(&next),
                            None => capability = None,
                        }
                    }
                    driver.busy.set(capability.as_ref().is_some_and(open_tick));
                }
            },
        );
        out.connect_loop(back);
        activator.expect("the operator has been constructed")
    })
}

/// Whether the worker is past the first data round of a tick, so that peers are at work too.
fn open_tick(at: &Capability<u64>) -> bool {
    round_of(*at.time()) > 1
}

fn round_of(time: u64) -> usize {
    usize::try_from(time & ((1 << ROUND_BITS) - 1)).expect("a round is a small number")
}

/// What has arrived for one time.
#[derive(Default)]
struct Arrived {
    header: Option<Arc<TickHeader>>,
    rows: Vec<Packet>,
    stop: bool,
}

/// Takes one worker's program through the times of the dataflow.
struct Driver {
    index: usize,
    workers: usize,
    program: Box<dyn TickProgram>,
    shared: Arc<Shared>,
    busy: Rc<Cell<bool>>,
    inbox: BTreeMap<u64, Arrived>,
    rounds: usize,
    /// At worker 0: reports of the open tick, by worker.
    reports: Vec<(usize, Report)>,
    outbox: Vec<Parcel>,
}

impl Driver {
    /// A parcel has arrived for `time`.
    fn receive(&mut self, time: u64, payload: Payload) {
        match payload {
            Payload::Nothing => {}
            Payload::Report(worker, report) => self.collect(worker, *report),
            Payload::Header(header) => {
                self.inbox.entry(time).or_default().header = Some(header);
            }
            Payload::Rows(packet) => self.inbox.entry(time).or_default().rows.push(packet),
            Payload::Stop => self.inbox.entry(time).or_default().stop = true,
        }
    }

    /// Whether what is to be done at `time` can be done.
    fn ready(&self, time: u64, frontier: &MutableAntichain<u64>) -> bool {
        if round_of(time) == 0 {
            self.index != 0 || self.shared.job_waiting()
        } else {
            !frontier.less_equal(&time)
        }
    }

    /// Does what is to be done at `time`; the time after it, `None` if there is none.
    fn advance(&mut self, time: u64) -> Option<u64> {
        let round = round_of(time);
        if round == 0 {
            return self.begin(time);
        }
        let arrived = self.inbox.remove(&time).unwrap_or_default();
        if arrived.stop {
            return None;
        }
        if round == 1 {
            // Without a header worker 0 is gone, and with it everything there is to do.
            self.rounds = self.program.open(&arrived.header?);
        }
        let mut out = vec![];
        self.program.round(round - 1, arrived.rows, &mut out);
        let parcels = out.into_iter().map(|packet| Parcel::new(packet.dest, Payload::Rows(packet)));
        self.outbox.extend(parcels);
        if round < self.rounds {
            return Some(time + 1);
        }
        debug_assert!(self.outbox.is_empty(), "nothing is sent in the last round");
        let report = self.program.commit();
        if self.index == 0 {
            self.collect(0, report);
        } else {
            self.outbox.push(Parcel::new(0, Payload::Report(self.index, Box::new(report))));
        }
        Some(((time >> ROUND_BITS) + 1) << ROUND_BITS)
    }

    /// Round 0: worker 0 tells the others what the tick is, or that there is none.
    fn begin(&mut self, time: u64) -> Option<u64> {
        if self.index == 0 {
            match self.shared.take_job() {
                None => return Some(time),
                Some(Job::Tick(header)) => {
                    let header = Arc::new(header);
                    let parcels = (0..self.workers)
                        .map(|dest| Parcel::new(dest, Payload::Header(Arc::clone(&header))));
                    self.outbox.extend(parcels);
                }
                Some(Job::Stop) => {
                    let stops = (0..self.workers).map(|dest| Parcel::new(dest, Payload::Stop));
                    self.outbox.extend(stops);
                }
            }
        }
        Some(time + 1)
    }

    /// At worker 0: a worker has ended the tick; when all have, the coordinator gets its answer.
    fn collect(&mut self, worker: usize, report: Report) {
        self.reports.push((worker, report));
        if self.reports.len() == self.workers {
            let mut reports = std::mem::take(&mut self.reports);
            reports.sort_by_key(|(worker, _)| *worker);
            self.shared.reply(reports.into_iter().map(|(_, report)| report).collect());
        }
    }
}
