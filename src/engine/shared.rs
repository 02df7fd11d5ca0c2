//! What all sessions of an engine share.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::activity::Activity;
use super::advisory::Locks;
use super::channel::Channels;
use super::sequence::Sequences;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::Result;
use crate::plan::ViewPlan;
use crate::runtime::Runtime;
use crate::types::ObjectId;

/// What all sessions of an engine share.
pub(super) struct Shared {
    /// The coordinator.
    pub(super) runtime: Runtime,
    /// The engine's time.
    pub(super) clock: Arc<dyn Clock>,
    /// Held while the catalog is being changed: one definition at a time.
    pub(super) ddl: Arc<tokio::sync::Mutex<()>>,
    /// The sessions.
    pub(super) activity: Arc<Activity>,
    /// Locks that clients agree on among themselves.
    pub(super) locks: Arc<Locks>,
    /// The numbers of identity columns.
    pub(super) sequences: Arc<Sequences>,
    /// Who listens to what.
    pub(super) channels: Channels,
    catalog: RwLock<Arc<Catalog>>,
    /// Per table: held by statements that read rows in order to change them, so that they follow each
    /// other instead of failing with 40001.
    gates: Mutex<HashMap<ObjectId, Arc<tokio::sync::Mutex<()>>>>,
    facts: RwLock<HashMap<ObjectId, Facts>>,
}

/// What the plan of a materialized view says about its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Columns by which rows are unique.
    pub(super) key: Option<Vec<usize>>,
    /// Whether rows are only ever added.
    pub(super) append_only: bool,
}

impl Facts {
    /// The facts of a plan.
    pub(super) fn of(plan: &ViewPlan) -> Facts {
        Facts { key: plan.node.upsert_key.clone(), append_only: plan.node.append_only }
    }
}

impl Shared {
    /// Takes a coordinator that has been opened and plans the views that are in the catalog.
    pub(super) async fn open(
        (runtime, catalog): (Runtime, Catalog),
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Shared>> {
        let shared = Arc::new(Shared {
            runtime,
            clock,
            ddl: Arc::default(),
            activity: Arc::default(),
            locks: Arc::default(),
            sequences: Arc::default(),
            channels: Channels::default(),
            catalog: RwLock::new(Arc::new(catalog)),
            gates: Mutex::default(),
            facts: RwLock::default(),
        });
        super::define::restore(&shared).await?;
        Ok(shared)
    }

    /// The catalog as it is now.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read())
    }

    /// Makes a new catalog the one that statements see.
    pub(super) fn set_catalog(&self, catalog: Catalog) {
        *self.catalog.write() = Arc::new(catalog);
    }

    /// The gate of a table.
    pub(super) fn gate(&self, table: ObjectId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.gates.lock().entry(table).or_default())
    }

    /// What is known of a materialized view's rows.
    pub(super) fn facts(&self, view: ObjectId) -> Facts {
        self.facts.read().get(&view).cloned().unwrap_or_default()
    }

    /// Remembers what is known of a view.
    pub(super) fn view_defined(&self, view: ObjectId, facts: Facts) {
        self.facts.write().insert(view, facts);
    }

    /// Forgets dropped objects.
    pub(super) fn dropped(&self, objects: &[ObjectId]) {
        for object in objects {
            self.gates.lock().remove(object);
            self.facts.write().remove(object);
            self.sequences.dropped(*object);
        }
    }
}
