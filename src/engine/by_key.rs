//! Rows of a table looked up by primary key: a statement that wants a few rows does not read the table.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use super::collections::Edit;
use super::session::Session;
use crate::catalog::{Object, Table};
use crate::error::Result;
use crate::plan::Select;
use crate::runtime;
use crate::types::{Delta, ObjectId};

impl Session {
    /// The rows with the primary keys of `rows`, with the block's own changes on top, and perhaps others;
    /// `None` where they cannot be had without reading the whole table.
    pub(super) async fn with_keys_of(
        &mut self,
        table: &Table,
        rows: &RecordBatch,
    ) -> Result<Option<Vec<Delta>>> {
        let key = &table.definition.primary_key;
        if key.is_empty() {
            return Ok(None);
        }
        self.with_keys(table, rows.project(key)?).await
    }

    /// The rows with primary keys `keys`, a batch of the key's columns.
    async fn with_keys(&mut self, table: &Table, keys: RecordBatch) -> Result<Option<Vec<Delta>>> {
        let catalog = self.shared.catalog();
        self.pin_block(&catalog, &[table.id]).await?;
        let runtime = &self.shared.runtime;
        let Some(block) = &mut self.block else {
            return Ok(found(runtime.lookup(table.id, keys).await?, table.id));
        };
        block.begin();
        if block.pinned().is_some() {
            return Ok(None);
        }
        let Some(own) = block.few_edits(table.id) else { return Ok(None) };
        if own.is_empty() {
            return Ok(found(runtime.lookup(table.id, keys).await?, table.id));
        }
        let mut all = vec![keys];
        for (_, rows) in &own {
            all.push(rows.project(&table.definition.primary_key)?);
        }
        let schema = all[all.len() - 1].schema();
        let columns = all
            .iter()
            .map(|keys| RecordBatch::try_new(Arc::clone(&schema), keys.columns().to_vec()));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        let changes = own.into_iter().map(|(edit, _)| Edit::clone(edit).kind()).collect();
        let keys = concat_batches(&schema, &columns)?;
        let base = found(runtime.lookup(table.id, keys).await?, table.id).unwrap_or_default();
        runtime::preview(table, &base, changes).map(Some)
    }

    /// The rows of `relation`, the only one that `select` reads, by the keys that it asks for. `table` is
    /// what `relation` stands for in the statement.
    pub(super) async fn selected_by_key(
        &mut self,
        select: &Select,
        relation: ObjectId,
        table: &Table,
    ) -> Result<Option<Vec<Delta>>> {
        let key = &table.definition.primary_key;
        if key.is_empty() || select.relations != [relation] {
            return Ok(None);
        }
        match select.keys(relation, key) {
            Some(keys) => self.with_keys(table, keys).await,
            None => Ok(None),
        }
    }

    /// The same for a query that reads one table and nothing else.
    pub(super) async fn only_table_by_key(
        &mut self,
        select: &Select,
    ) -> Result<Option<(ObjectId, Vec<Delta>)>> {
        let [relation] = select.relations.as_slice() else { return Ok(None) };
        let catalog = self.shared.catalog();
        let Some(Object::Table(table)) = catalog.get(*relation).map(|object| &**object) else {
            return Ok(None);
        };
        let rows = self.selected_by_key(select, *relation, table).await?;
        Ok(rows.map(|rows| (*relation, rows)))
    }
}

fn found(snapshot: runtime::request::Snapshot, table: ObjectId) -> Option<Vec<Delta>> {
    snapshot.relations.into_iter().find(|(id, _)| *id == table).map(|(_, rows)| rows)
}
