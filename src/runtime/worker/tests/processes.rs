//! The same views on two processes of this machine, over the loopback.

use std::net::TcpListener;
use std::sync::Arc;

use super::{Bench, counted, counted_rows, factory, joined, joined_rows, positive, positive_rows};
use crate::runtime::command::Command;
use crate::runtime::fabric::timely::{Mesh, serve};
use crate::runtime::fabric::{ProgramFactory, TimelyFabric};
use crate::runtime::worker::{Planner, Worker};
use crate::types::ObjectId;

/// The other process gets text instead of plans; here it plans by the view's number.
fn planner() -> Planner {
    Arc::new(|command| match command {
        Command::CreateView { view: ObjectId(10), .. } => Ok(Arc::new(positive())),
        Command::CreateView { view: ObjectId(11), .. } => Ok(Arc::new(counted())),
        _ => Ok(Arc::new(joined())),
    })
}

/// Says to this binary, as a child of the test below, who is in the mesh; unset in an ordinary run.
const HOSTS: &str = "MILLSTREAM_MESH_HOSTS";

fn mesh(process: usize, hosts: &[String]) -> Mesh {
    Mesh { threads: 2, process, hosts: hosts.to_vec() }
}

/// What the second process runs.
#[test]
fn second_process() {
    let Ok(hosts) = std::env::var(HOSTS) else { return };
    let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
    let planning: ProgramFactory =
        Arc::new(|index| Box::new(Worker::new(index, 4).with_planner(planner())));
    serve(&mesh(1, &hosts), planning).expect("shut down by process 0");
}

/// A child that does not outlive the test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.0.kill();
    }
}

#[test]
fn views_on_two_processes() {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let hosts: Vec<String> =
        listeners.map(|socket| socket.local_addr().expect("bound").to_string()).to_vec();
    let second = std::process::Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "runtime::worker::tests::processes::second_process"])
        .env(HOSTS, hosts.join(","))
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut second = Child(second.expect("the second process starts"));
    let fabric = TimelyFabric::spawn(mesh(0, &hosts), factory(4)).expect("a mesh");
    let mut bench = Bench::over(Box::new(fabric));
    let [stateless, grouped, joining] = [ObjectId(10), ObjectId(11), ObjectId(12)];
    bench.create(joining, &joined());
    bench.create(grouped, &counted());
    bench.create(stateless, &positive());
    bench.check(stateless, positive_rows);
    bench.check(grouped, counted_rows);
    bench.check(joining, joined_rows);
    drop(bench);
    assert!(second.0.wait().expect("it ends").success(), "shut down by process 0");
}
