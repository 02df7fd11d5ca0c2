//! What travels in a tick's header to every worker, and what comes back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataflow::operator::ErrorRow;
use crate::error::Error;
use crate::plan::node::Node;
use crate::types::{Delta, Epoch, ObjectId};

/// Everything a worker needs to run a tick. Serialized only for workers of other processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TickHeader {
    /// The epoch that this tick computes.
    pub epoch: Epoch,
    /// Wall clock of the tick, microseconds since the Unix epoch.
    pub now_us: i64,
    /// Changes of the operator graph and requests, in order, applied before round 0.
    pub commands: Vec<Command>,
    /// Relations that change in this tick (so that all workers agree on the number of rounds).
    pub changed: Vec<ObjectId>,
    /// Views that are fed existing rows in this tick: (view, relation scanned).
    pub filled: Vec<(ObjectId, ObjectId)>,
    /// The rows, by worker of this process. Not sent to other processes.
    #[serde(skip)]
    pub inputs: Vec<WorkerInput>,
}

/// Input of one worker in one tick.
#[derive(Clone, Debug, Default)]
pub struct WorkerInput {
    /// Deltas of relations, for every view that reads them.
    pub changes: Vec<(ObjectId, Delta)>,
    /// Existing rows for one view only: (view, relation, rows).
    pub fills: Vec<(ObjectId, ObjectId, Delta)>,
}

/// A change of the operator graph, or a request to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Merge a view's plan into the graph. A scan of it gets changes from the tick on in whose header
    /// `filled` names it, all scans from the tick on whose header says `Filled`.
    CreateView {
        /// The view.
        view: ObjectId,
        /// Statement text, from which other processes plan for themselves.
        sql: String,
        /// The plan, in this process.
        #[serde(skip)]
        plan: Option<Arc<Node>>,
    },
    /// All existing rows have been fed, with the end of this tick: share what can be shared with other
    /// views. A view over empty relations is created and filled in one header.
    Filled {
        /// The view.
        view: ObjectId,
    },
    /// Remove a view and free what no other view uses.
    DropView {
        /// The view.
        view: ObjectId,
    },
    /// Report the contents of views as of the end of this tick.
    Peek {
        /// The views.
        views: Vec<ObjectId>,
    },
    /// Report the error rows of a view.
    PeekErrors {
        /// The view.
        view: ObjectId,
    },
    /// Report a view's changes from the next tick on, or stop it.
    Watch {
        /// The view.
        view: ObjectId,
        /// On or off.
        on: bool,
    },
    /// Report sizes of all operators.
    Sizes,
}

/// What one worker reports at the end of a tick.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Contents of peeked views.
    pub contents: Vec<(ObjectId, Vec<Delta>)>,
    /// Error rows of peeked views; weights are to be summed over the workers.
    pub errors: Vec<(ObjectId, Vec<ErrorRow>)>,
    /// Changes of watched views in this tick, consolidated.
    pub changes: Vec<(ObjectId, Vec<Delta>)>,
    /// Views that failed here and have stopped: all workers must be told to drop them.
    pub failed: Vec<(ObjectId, Error)>,
    /// Per view and operator: name, rows held, bytes held.
    pub sizes: Vec<(ObjectId, String, usize, usize)>,
}
