//! What a statement reads: all of its relations as of one epoch.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;

use super::collections::Collections;
use super::session::Session;
use super::{errors, source_read, stream_catalog};
use crate::catalog::{Catalog, Object};
use crate::error::{Error, Result, SqlState};
use crate::types::ObjectId;

/// Relations for DataFusion, by id.
pub(super) type Providers = HashMap<ObjectId, Arc<dyn TableProvider>>;

impl Session {
    /// The relations named, as this statement sees them: in a block as of the block's epoch and with
    /// its own changes, else as of an epoch that includes every acknowledged write.
    pub(super) async fn read(&mut self, relations: &[ObjectId]) -> Result<Collections> {
        let catalog = self.shared.catalog();
        let (mut stored, mut others) = (vec![], vec![]);
        for &relation in relations {
            match catalog.get(relation).map(|object| &**object) {
                Some(Object::Table(_) | Object::MaterializedView(_)) => stored.push(relation),
                _ => others.push(relation),
            }
        }
        let mut collections = if stored.is_empty() {
            Collections::default()
        } else if self.block.is_some() {
            self.read_in_block(&catalog, &stored).await?
        } else {
            self.shared.runtime.read(&stored).await?.into()
        };
        for relation in others {
            self.read_other(&catalog, relation, &mut collections).await?;
        }
        Ok(collections)
    }

    async fn read_in_block(
        &mut self,
        catalog: &Catalog,
        relations: &[ObjectId],
    ) -> Result<Collections> {
        let block = self.block.as_ref().expect("only called in a block");
        let (whole, fresh) = (block.pins_whole(), block.collections().is_none());
        let missing: Vec<ObjectId> = match block.collections() {
            Some(pinned) => relations.iter().copied().filter(|id| !pinned.has(*id)).collect(),
            None => relations.to_vec(),
        };
        if whole && fresh {
            let base = self.read_everything(catalog, relations).await?;
            self.block.as_mut().expect("only called in a block").pin(base)?;
        } else if !whole && !missing.is_empty() {
            let more = self.shared.runtime.read(&missing).await?.into();
            self.block.as_mut().expect("only called in a block").extend(more)?;
        }
        let serializable =
            self.settings.get("transaction_isolation").is_ok_and(|level| level == "serializable");
        let block = self.block.as_mut().expect("only called in a block");
        let collections = block.collections().expect("pinned above").clone();
        if let Some(missing) = relations.iter().find(|&&relation| !collections.has(relation)) {
            let name = catalog.get(*missing).map_or("?", |object| object.name()).to_owned();
            return Err(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("relation \"{name}\" could not be read yet when this transaction began"),
            )
            .hint("Read it in a new transaction."));
        }
        if serializable {
            for &relation in relations {
                if let Some(version) = collections.version(relation) {
                    block.reads.insert(relation, version);
                }
            }
        }
        Ok(collections)
    }

    /// All that can be read now, so that every later statement of the block sees the same epoch.
    async fn read_everything(&self, catalog: &Catalog, wanted: &[ObjectId]) -> Result<Collections> {
        let readable = |object: &&Arc<Object>| match &***object {
            Object::Table(_) => true,
            Object::MaterializedView(view) => self.shared.is_ready(view.id),
            _ => false,
        };
        let mut all: Vec<_> =
            catalog.objects().filter(readable).map(|object| object.id()).collect();
        all.extend(wanted);
        all.sort_unstable();
        all.dedup();
        Ok(self.shared.runtime.read(&all).await?.into())
    }

    async fn read_other(
        &self,
        catalog: &Catalog,
        relation: ObjectId,
        to: &mut Collections,
    ) -> Result<()> {
        if let Some(name) = stream_catalog::name_of(relation) {
            let status = self.shared.runtime.status().await?;
            to.add(relation, vec![stream_catalog::rows(name, catalog, &status)?]);
        } else if let Some(view) = errors::view_of(relation) {
            to.add(relation, vec![errors::rows(self.shared.runtime.errors(view).await?)?]);
        } else if let Some(Object::Source(source)) = catalog.get(relation).map(|object| &**object) {
            let position = self.shared.runtime.source_position(source.id).await?;
            let now_us = self.shared.clock.now_us();
            to.add(relation, source_read::rows(source, position, now_us).await?);
        }
        Ok(())
    }
}
