//! Definitions: what a change of the catalog does to logs, tables, sources and the operator graph.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::command::Command;
use super::coordinator::Coordinator;
use super::fill::{Fill, FillRows, Stage, View};
use super::request::Definition;
use super::source::{Feed, Progress};
use super::table::Table;
use crate::catalog::{Change, Object};
use crate::connector::{self, SourceSpec};
use crate::error::{Error, Result};
use crate::plan::node::{Node, NodeKind};
use crate::types::{Epoch, ObjectId};

impl Coordinator {
    /// Makes a definition durable, then true.
    pub(super) fn define(&mut self, definition: Definition) -> Result<Epoch> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let keyed = self.keyed(&definition)?;
        self.log_definition(&definition)?;
        self.tables.extend(keyed);
        if let Some(catalog) = definition.catalog {
            self.catalog = catalog;
        }
        for change in &definition.changes {
            self.apply_change(change)?;
        }
        for (view, sql, plan) in definition.plans {
            self.create_view(view, sql, plan);
        }
        for (view, error) in definition.failed {
            self.views.insert(view, View::failed(error));
        }
        Ok(self.epoch)
    }

    /// The tables that get a primary key, with their rows.
    fn keyed(&self, definition: &Definition) -> Result<Vec<(ObjectId, Table)>> {
        let updated = definition.changes.iter().flat_map(|change| match change {
            Change::Update(objects) => &objects[..],
            Change::Create(_) | Change::Drop(_) => &[],
        });
        let keyed = updated.filter_map(|object| {
            let Object::Table(table) = object else { return None };
            let before = self.tables.get(&table.id)?;
            let changed = before.primary_key != table.definition.primary_key;
            changed.then(|| Ok((table.id, before.keyed(table)?)))
        });
        keyed.collect()
    }

    fn log_definition(&mut self, definition: &Definition) -> Result<()> {
        if definition.changes.is_empty() {
            return Ok(());
        }
        let record = serde_json::to_vec(&definition.changes)
            .map_err(|error| Error::internal(format!("cannot encode a definition: {error}")))?;
        let Some(store) = &mut self.store else { return Ok(()) };
        let created = |change: &Change| match change {
            Change::Create(Object::Table(table)) => Some(table.id),
            _ => None,
        };
        for change in &definition.changes {
            if let Change::Create(Object::Table(table)) = change {
                let schema = crate::types::definition::schema(&table.definition.columns);
                store.create_table(table.id, &schema, 1)?;
            }
        }
        if let Err(error) = store.append_catalog(&record) {
            for table in definition.changes.iter().filter_map(created) {
                if let Err(left) = store.drop_table(table) {
                    tracing::warn!(error = %left, "a table's empty log is left; the next start removes it");
                }
            }
            return Err(error);
        }
        Ok(())
    }

    fn apply_change(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Create(Object::Table(table)) => {
                self.tables.insert(table.id, Table::new(table)?);
            }
            Change::Drop(ids) => ids.iter().for_each(|&id| self.drop_object(id)),
            Change::Update(objects) => {
                for object in objects {
                    if let Some(table) = self.tables.get_mut(&object.id()) {
                        object.name().clone_into(&mut table.name);
                    }
                }
            }
            Change::Create(_) => {}
        }
        Ok(())
    }

    fn drop_object(&mut self, id: ObjectId) {
        if self.views.remove(&id).is_some() {
            self.commands.push(Command::DropView { view: id });
        }
        self.watched.remove(&id);
        let read = self.feeds.remove(&id).is_some();
        if self.recovered_positions.remove(&id).is_some() || read {
            self.positions.retain(|(source, _)| *source != id);
            self.positions.push((id, String::new()));
        }
        if self.tables.remove(&id).is_some()
            && let Some(store) = &mut self.store
            && let Err(error) = store.drop_table(id)
        {
            tracing::warn!(%error, table = %id, "a dropped table's log is left; the next start removes it");
        }
        self.stop_unread_feeds();
    }

    /// A source runs while a view reads it. How far it was read stays known: its bad records were met.
    fn stop_unread_feeds(&mut self) {
        let views = &self.views;
        let read = |source: &ObjectId| views.values().any(|view| view.scans.contains(source));
        for (source, feed) in self.feeds.extract_if(.., |source, _| !read(source)) {
            if feed.progress.position.is_some() {
                self.recovered_positions.insert(source, feed.progress.text());
            }
        }
    }

    fn create_view(&mut self, view: ObjectId, sql: String, plan: Arc<Node>) {
        let mut scans = vec![];
        collect_scans(&plan, &mut scans);
        let mut upstream: HashSet<ObjectId> = scans.iter().copied().collect();
        for scan in &scans {
            if let Some(other) = self.views.get(scan) {
                upstream.extend(&other.upstream);
            }
        }
        let fills = scans
            .iter()
            .map(|&relation| self.fill(relation))
            .collect::<Result<Vec<Option<Fill>>>>();
        let fills = match fills {
            Ok(fills) => fills.into_iter().flatten().collect(),
            Err(error) => {
                // It is defined already: what it reads has failed, and so has it.
                self.views.insert(view, View { upstream, ..View::failed(error) });
                return;
            }
        };
        let state = View {
            scans,
            upstream,
            fills,
            stage: Stage::Filling,
            created: false,
            filled_rows: 0,
            published: None,
        };
        self.views.insert(view, state);
        self.commands.push(Command::CreateView { view, sql, plan: Some(plan) });
    }

    /// The rows that `relation` has now.
    fn fill(&mut self, relation: ObjectId) -> Result<Option<Fill>> {
        if let Some(table) = self.tables.get(&relation) {
            let rows = FillRows::Snapshot(VecDeque::from(table.contents()?));
            return Ok(Some(Fill { relation, rows }));
        }
        if let Some(view) = self.views.get(&relation) {
            if !view.created {
                return Ok(None);
            }
            self.publish(&[relation])?;
            let rows = FillRows::Snapshot(VecDeque::from(self.published(relation)?));
            return Ok(Some(Fill { relation, rows }));
        }
        self.fill_from_source(relation)
    }

    /// Starts the source if nobody reads it yet; else (or after a restart) reads it again from its
    /// beginning to where it stands.
    fn fill_from_source(&mut self, source: ObjectId) -> Result<Option<Fill>> {
        let Some(Object::Source(object)) = self.catalog.get(source).map(Arc::as_ref) else {
            return Err(Error::undefined_table(&source.to_string()));
        };
        let spec = super::source::spec(object);
        if !self.feeds.contains_key(&source) {
            let name = object.name.clone();
            let feed = self.open_feed(source, &spec).unwrap_or_else(|(error, progress)| {
                tracing::error!(%error, source = %name, "the source cannot be opened");
                let mut failed = Feed::failed(error);
                failed.progress = progress;
                failed
            });
            self.feeds.insert(source, feed);
        }
        let standing = self.feeds.get(&source).and_then(|feed| feed.progress.position.clone());
        let Some(until) = standing else {
            // One that could not even be opened must not pass for an empty one.
            let failure = self.feeds.get(&source).and_then(Feed::failure);
            let rows = failure.map(|error| FillRows::Source(Box::new(Feed::failed(error))));
            return Ok(rows.map(|rows| Fill { relation: source, rows }));
        };
        let feed = match connector::open_until(&spec, &until) {
            Ok(reader) => Feed::start(reader, Progress::default(), &self.feeding),
            Err(error) => Feed::failed(error),
        };
        Ok(Some(Fill { relation: source, rows: FillRows::Source(Box::new(feed)) }))
    }

    /// A feed that reads on from where the source was left. An error comes with how far that is.
    fn open_feed(
        &mut self,
        source: ObjectId,
        spec: &SourceSpec,
    ) -> std::result::Result<Feed, (Error, Progress)> {
        let recovered = self.recovered_positions.remove(&source);
        let progress = recovered.map(|text| Progress::of_text(&text)).transpose();
        let progress = progress.map_err(|error| (error, Progress::default()))?.unwrap_or_default();
        match connector::open(spec, progress.position.as_ref()) {
            Ok(reader) => Ok(Feed::start(reader, progress, &self.feeding)),
            Err(error) => Err((error, progress)),
        }
    }

    /// Feeds existing rows to views being filled: (view, relation, rows).
    pub(super) fn feed_views(&mut self) -> Vec<(ObjectId, ObjectId, crate::types::Delta)> {
        let now_us = self.clock.now_us();
        let budget = self.config.backfill_rows_per_tick;
        let (mut fed, mut failed) = (vec![], vec![]);
        for (&view, state) in &mut self.views {
            match state.stage {
                Stage::Filling => {
                    state.published = None;
                    match state.take(budget, now_us) {
                        Ok(rows) => fed.extend(rows.into_iter().map(|(id, rows)| (view, id, rows))),
                        Err(error) => failed.push((view, error)),
                    }
                }
                Stage::Fed if state.created => {
                    self.commands.push(Command::Filled { view });
                    state.stage = Stage::Filled;
                }
                Stage::Fed | Stage::Filled | Stage::Failed(_) => {}
            }
        }
        for (view, error) in failed {
            self.fail_view(view, &error);
        }
        fed
    }
}

fn collect_scans(node: &Node, scans: &mut Vec<ObjectId>) {
    if let NodeKind::Scan { relation, .. } = &node.kind
        && !scans.contains(relation)
    {
        scans.push(*relation);
    }
    for input in node.kind.inputs() {
        collect_scans(input, scans);
    }
}
