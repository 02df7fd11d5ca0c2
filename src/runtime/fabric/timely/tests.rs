//! Ticks of a small program over threads and over sockets: all rounds see all packets, a worker's
//! death is reported, shutdown ends everything.

use std::net::TcpListener;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::{Mesh, TimelyFabric, serve};
use crate::runtime::command::{Report, TickHeader};
use crate::runtime::fabric::{Fabric, LocalFabric, Packet, ProgramFactory, TickProgram};
use crate::types::{Delta, Epoch, ObjectId};

/// In every round each worker sends its sum of what it received, plus one, to all workers; the
/// number of rounds is the number of changed relations. Relation 13 kills worker 1.
struct Gossip {
    index: usize,
    workers: usize,
    rounds: usize,
    sum: i64,
}

fn delta(value: i64) -> Delta {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![value]))]);
    Delta::insert(batch.expect("one column"))
}

impl TickProgram for Gossip {
    fn open(&mut self, header: &Arc<TickHeader>) -> usize {
        assert!(self.index != 1 || !header.changed.contains(&ObjectId(13)), "unlucky");
        self.rounds = header.changed.len().max(1);
        self.sum = 0;
        self.rounds
    }

    fn round(&mut self, round: usize, inbox: Vec<Packet>, out: &mut Vec<Packet>) {
        assert_eq!(inbox.len(), if round == 0 { 0 } else { self.workers }, "round {round}");
        let values = inbox.iter().map(|packet| {
            assert_eq!(packet.channel, round as u64, "packets of this round");
            packet.rows.column(0).unwrap().as_primitive::<Int64Type>().value(0)
        });
        self.sum = values.sum::<i64>() + 1;
        if round + 1 < self.rounds {
            for dest in 0..self.workers {
                out.push(Packet { channel: round as u64 + 1, dest, rows: delta(self.sum).into() });
            }
        }
    }

    fn commit(&mut self) -> Report {
        Report { contents: vec![(ObjectId(1), vec![delta(self.sum)])], ..Report::default() }
    }
}

fn gossip(workers: usize) -> ProgramFactory {
    Arc::new(move |index| Box::new(Gossip { index, workers, rounds: 0, sum: 0 }))
}

fn header(epoch: u64, rounds: usize) -> TickHeader {
    TickHeader {
        epoch: Epoch(epoch),
        now_us: 0,
        commands: vec![],
        changed: vec![ObjectId(1); rounds],
        filled: vec![],
        inputs: vec![],
    }
}

/// Runs ticks of all numbers of rounds and compares with what gossip must add up to.
fn check(fabric: &mut dyn Fabric) {
    let workers = fabric.workers();
    for epoch in 1..40 {
        let rounds = epoch as usize % 5 + 1;
        let reports = fabric.tick(header(epoch, rounds)).expect("a tick");
        let expected = (1..rounds).fold(1, |sum, _| sum * workers as i64 + 1);
        let sums: Vec<i64> = reports
            .iter()
            .map(|report| report.contents[0].1[0].column(0).as_primitive::<Int64Type>().value(0))
            .collect();
        assert_eq!(sums, vec![expected; workers], "{rounds} rounds");
    }
    fabric.shutdown();
}

#[test]
fn all_fabrics_run_all_rounds() {
    for workers in 1..4 {
        check(&mut LocalFabric::new(workers, &gossip(workers)));
        let spawned = TimelyFabric::spawn(Mesh::threads(workers), gossip(workers));
        check(&mut spawned.expect("threads"));
    }
}

#[test]
fn a_dead_worker_ends_the_tick_with_an_error() {
    let mut fabric = TimelyFabric::spawn(Mesh::threads(3), gossip(3)).expect("threads");
    fabric.tick(header(1, 2)).expect("a tick");
    let mut unlucky = header(2, 2);
    unlucky.changed = vec![ObjectId(13)];
    let error = fabric.tick(unlucky).expect_err("worker 1 panics");
    assert!(error.message().contains("unlucky"), "{error}");
    fabric.tick(header(3, 2)).expect_err("no ticks without all workers");
}

/// Addresses of free ports.
fn hosts(processes: usize) -> Vec<String> {
    let bound: Vec<_> =
        (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    bound.iter().map(|socket| socket.local_addr().expect("bound").to_string()).collect()
}

#[test]
fn processes_over_sockets() {
    let hosts = hosts(2);
    let mesh = |process| Mesh { threads: 2, process, hosts: hosts.clone() };
    let (first, second) = (mesh(0), mesh(1));
    let server = std::thread::spawn(move || serve(&second, gossip(4)));
    check(&mut TimelyFabric::spawn(first, gossip(4)).expect("a mesh"));
    server.join().expect("no panic").expect("shut down by process 0");
}

#[test]
fn a_dead_worker_ends_other_processes() {
    let hosts = hosts(2);
    let mesh = |process| Mesh { threads: 1, process, hosts: hosts.clone() };
    let (first, second) = (mesh(0), mesh(1));
    let server = std::thread::spawn(move || serve(&second, gossip(2)));
    let mut fabric = TimelyFabric::spawn(first, gossip(2)).expect("a mesh");
    fabric.tick(header(1, 3)).expect("a tick");
    let mut unlucky = header(2, 2);
    unlucky.changed = vec![ObjectId(13)];
    fabric.tick(unlucky).expect_err("worker 1 panics in the other process");
    server.join().expect("no panic").expect_err("the serving process says so");
}
