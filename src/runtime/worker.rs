//! A worker: the executor of one thread, driven by tick headers.

use std::sync::Arc;

use super::command::{Command, Report, TickHeader};
use super::fabric::{Packet, TickProgram};
use crate::dataflow::Executor;
use crate::error::{Error, Result};
use crate::plan::node::Node;
use crate::types::ObjectId;

/// Plans a [`Command::CreateView`] that arrived without its plan, from another process.
pub type Planner = Arc<dyn Fn(&Command) -> Result<Arc<Node>> + Send + Sync>;

/// Worker `index` of `workers`.
pub struct Worker {
    index: usize,
    executor: Executor,
    planner: Option<Planner>,
    header: Option<Arc<TickHeader>>,
    failures: Vec<(ObjectId, Error)>,
}

impl Worker {
    /// A worker without views.
    #[must_use]
    pub fn new(index: usize, workers: usize) -> Worker {
        let executor = Executor::new(index, workers);
        Worker { index, executor, planner: None, header: None, failures: vec![] }
    }

    /// The same, planning views that come as text only: for processes other than 0.
    #[must_use]
    pub fn with_planner(mut self, planner: Planner) -> Worker {
        self.planner = Some(planner);
        self
    }

    /// What a command does before the tick's data flows; the rest of it is done in
    /// [`Worker::conclude`].
    fn prepare(&mut self, command: &Command) {
        match command {
            Command::CreateView { view, plan, .. } => {
                let planned = match (plan, &self.planner) {
                    (Some(plan), _) => Ok(Arc::clone(plan)),
                    (None, Some(planner)) => planner(command),
                    (None, None) => Err(Error::internal("a view came without its plan")),
                };
                match planned {
                    Ok(plan) => self.executor.create(*view, &plan),
                    Err(error) => self.failures.push((*view, error)),
                }
            }
            Command::Filled { view } => self.executor.let_in(*view, None),
            Command::DropView { view } => self.executor.drop_view(*view),
            Command::Peek { .. }
            | Command::PeekErrors { .. }
            | Command::Watch { .. }
            | Command::Sizes => {}
        }
    }

    /// What a command does once the tick's changes have become state.
    fn conclude(&mut self, command: &Command, report: &mut Report) {
        match command {
            Command::Filled { view } => self.executor.share(*view),
            Command::Peek { views } => {
                for &view in views {
                    match self.executor.contents(view) {
                        Ok(deltas) => report.contents.push((view, deltas)),
                        Err(error) => self.failures.push((view, error)),
                    }
                }
            }
            Command::PeekErrors { view } => {
                report.errors.push((*view, self.executor.errors(*view)));
            }
            Command::Watch { view, on } => self.executor.watch(*view, *on),
            Command::Sizes => {
                let sizes = self.executor.sizes().into_iter();
                report.sizes.extend(
                    sizes.map(|(view, name, size)| (view, name.to_owned(), size.rows, size.bytes)),
                );
            }
            Command::CreateView { .. } | Command::DropView { .. } => {}
        }
    }
}

impl TickProgram for Worker {
    fn open(&mut self, header: &Arc<TickHeader>) -> usize {
        self.header = Some(Arc::clone(header));
        self.executor.open(header.epoch);
        for command in &header.commands {
            self.prepare(command);
        }
        for &(view, relation) in &header.filled {
            self.executor.let_in(view, Some(relation));
        }
        let rounds = self.executor.rounds(&header.changed, &header.filled);
        // Other processes' workers get no input: tables and sources are read in process 0.
        if let Some(input) = header.inputs.get(self.index) {
            for (relation, delta) in &input.changes {
                self.executor.change(*relation, delta);
            }
            for (view, relation, delta) in &input.fills {
                self.executor.fill(*view, *relation, delta);
            }
        }
        rounds
    }

    fn round(&mut self, round: usize, inbox: Vec<Packet>, out: &mut Vec<Packet>) {
        self.executor.run(round, inbox, out);
    }

    fn commit(&mut self) -> Report {
        self.executor.commit();
        let mut report = Report { changes: self.executor.take_changes(), ..Report::default() };
        if let Some(header) = self.header.take() {
            for command in &header.commands {
                self.conclude(command, &mut report);
            }
        }
        report.failed = std::mem::take(&mut self.failures);
        report.failed.extend(self.executor.take_failures());
        report
    }
}

#[cfg(test)]
mod tests;
