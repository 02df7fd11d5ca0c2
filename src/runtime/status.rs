//! What the engine says of itself.

use std::collections::HashMap;

use super::command::Report;
use super::coordinator::Coordinator;
use super::fill::Stage;
use super::request::{SourceStatus, Status, TableStatus, ViewStatus};
use crate::types::ObjectId;

/// Gathers the status from the coordinator and the workers' sizes.
pub(super) fn collect(coordinator: &Coordinator, reports: &[Report]) -> Status {
    let mut sizes: HashMap<ObjectId, (u64, u64)> = HashMap::new();
    for (view, _, rows, bytes) in reports.iter().flat_map(|report| &report.sizes) {
        let size = sizes.entry(*view).or_default();
        size.0 += *rows as u64;
        size.1 += *bytes as u64;
    }
    let sources = coordinator.feeds.iter().map(|(&source, feed)| SourceStatus {
        source,
        rows: feed.progress.rows,
        bad: feed.progress.bad,
        position: feed.progress.position.clone().map(|position| position.0).unwrap_or_default(),
        done: feed.finished(),
        error: feed.failure(),
    });
    let views = coordinator.views.iter().map(|(&view, state)| {
        let (state_rows, state_bytes) = sizes.get(&view).copied().unwrap_or_default();
        ViewStatus {
            view,
            ready: matches!(coordinator.ready(view), Ok(true)),
            filled_rows: state.filled_rows,
            state_rows,
            state_bytes,
            error: match &state.stage {
                Stage::Failed(error) => Some(error.clone()),
                // A view that it reads may have failed.
                Stage::Filling | Stage::Fed | Stage::Filled => coordinator.ready(view).err(),
            },
        }
    });
    let tables = coordinator.tables.iter().map(|(&table, state)| TableStatus {
        table,
        rows: state.rows() as u64,
        bytes: state.byte_size() as u64,
    });
    Status {
        epoch: coordinator.epoch,
        sources: sources.collect(),
        views: views.collect(),
        tables: tables.collect(),
    }
}
