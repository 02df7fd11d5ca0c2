//! What a statement reads: all of its relations as of one epoch.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;

use super::block::Block;
use super::collections::Collections;
use super::session::Session;
use super::{errors, source_read, stream_catalog};
use crate::catalog::{Catalog, Object};
use crate::error::{Error, Result};
use crate::types::ObjectId;

/// Relations for DataFusion, by id.
pub(super) type Providers = HashMap<ObjectId, Arc<dyn TableProvider>>;

impl Session {
    /// The relations named, as this statement sees them: as of an epoch that includes every acknowledged
    /// write, or as of the one that its block has pinned; in a block, with its own changes on top.
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
        self.pin_block(catalog, relations).await?;
        let block = self.block.as_ref().expect("only called in a block");
        let missing = block.missing(relations);
        let base = match block.pinned() {
            _ if missing.is_empty() => Collections::default(),
            Some(base) => base.clone(),
            None => self.shared.runtime.read(&missing).await?.into(),
        };
        Block::refuse_unpinned(&base, catalog, &missing)?;
        let serializable = self.isolation() == "serializable";
        let block = self.block.as_mut().expect("only called in a block");
        block.take(catalog, &missing, &base)?;
        let collections = block.collections().clone();
        if serializable {
            for &relation in relations {
                if let Some(version) = collections.version(relation) {
                    block.reads.insert(relation, version);
                }
            }
        }
        Ok(collections)
    }

    fn isolation(&self) -> String {
        self.settings.get("transaction_isolation").unwrap_or_default()
    }

    /// Pins the epoch of a block that reads only one, before its first statement with `relations`.
    pub(super) async fn pin_block(
        &mut self,
        catalog: &Catalog,
        relations: &[ObjectId],
    ) -> Result<()> {
        let one_epoch = matches!(self.isolation().as_str(), "repeatable read" | "serializable");
        let pinned = self.block.as_ref().is_none_or(|block| block.pinned().is_some());
        if one_epoch && !pinned {
            let base = self.read_everything(catalog, relations).await?;
            self.block.as_mut().expect("just looked at").pin(base);
        }
        Ok(())
    }

    /// All that can be read now, so that every later statement of the block sees the same epoch.
    async fn read_everything(&self, catalog: &Catalog, wanted: &[ObjectId]) -> Result<Collections> {
        let kept = |object: &&Arc<Object>| {
            matches!(&***object, Object::Table(_) | Object::MaterializedView(_))
                && !wanted.contains(&object.id())
        };
        let others = catalog.objects().filter(kept).map(|object| object.id()).collect();
        Ok(self.shared.runtime.read_with(wanted, others).await?.into())
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
        } else {
            return Err(dropped(relation));
        }
        Ok(())
    }
}

/// 42P01 for a relation that was there when the statement was planned.
pub(super) fn dropped(relation: ObjectId) -> Error {
    Error::undefined_table(&relation.to_string()).detail("The relation has been dropped.")
}
