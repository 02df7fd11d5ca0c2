//! SELECT: planned over the catalog, run by DataFusion over the collections of one epoch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use futures::{StreamExt, TryStreamExt, stream};

use super::arguments::Arguments;
use super::cancel::{CancelToken, timed_out};
use super::collections::Collections;
use super::reading::{Providers, dropped};
use super::response::{Response, RowStream};
use super::rows::Rows;
use super::running::Running;
use super::session::Session;
use super::system;
use crate::clock::monotonic;
use crate::error::{Error, Result, SqlState};
use crate::plan::Select;
use crate::plan::stop::Stop;
use crate::sql::Parsed;
use crate::sql::statement::Query;
use crate::types::ObjectId;

/// Most bytes of rows that a statement may gather before it writes them.
const GATHERED_MAX: usize = 4 << 30;

impl Session {
    /// A query's rows.
    pub(super) async fn select(
        &mut self,
        query: &Query,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        let select = self.plan_query(query, parsed, arguments)?;
        let select = arguments.bind(select)?;
        let schema = Arc::clone(&select.schema);
        // ORDER: before it runs, which is on other threads.
        self.setting_changes.lock().clear();
        self.announced.lock().clear();
        let rows = self.run_select(&select, HashMap::new()).await?;
        let rows = if system::owns(query) { self.settled(rows).await? } else { rows };
        Ok(Response::Rows { schema, rows, verb: "SELECT", counted: true })
    }

    /// The rows of a query that may have called `set_config`, which takes effect with the statement, or
    /// `nextval`, whose numbers are in the log before anybody sees them.
    async fn settled(&mut self, rows: RowStream) -> Result<RowStream> {
        let changes = Arc::clone(&self.setting_changes);
        let announcements = Arc::clone(&self.announced);
        let batches: Vec<RecordBatch> = rows.try_collect().await?;
        self.reserve_numbers().await?;
        if self.block.is_none() {
            self.shared.locks.end_block(self.id());
        }
        let announcements = std::mem::take(&mut *announcements.lock());
        self.announce(announcements);
        for (name, value, local) in std::mem::take(&mut *changes.lock()) {
            // Outside of a block the transaction is over with the statement.
            if self.block.is_some() || !local {
                self.settings.set(&name, &[value], local)?;
            }
        }
        Ok(Box::pin(stream::iter(batches.into_iter().map(Ok))))
    }

    /// The plan of a query, parameters not yet bound.
    pub(super) fn plan_query(
        &self,
        query: &Query,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Select> {
        let scope = self.scope();
        if system::owns(query) {
            return system::plan(scope.system_context(), query, &arguments.types);
        }
        self.planner(scope).query(query, &parsed.message, &arguments.types)
    }

    /// Runs a planned query; `given` are the rows of relations that exist only within the statement.
    pub(super) async fn run_select(
        &mut self,
        select: &Select,
        mut given: Providers,
    ) -> Result<RowStream> {
        let missing: Vec<ObjectId> =
            select.relations.iter().copied().filter(|id| !given.contains_key(id)).collect();
        if given.is_empty()
            && let Some((table, rows)) = self.only_table_by_key(select).await?
        {
            let rows = Rows::new(self.schema_of(table)?, rows);
            given.insert(table, Arc::new(rows));
        } else if !missing.is_empty() {
            let collections = self.read(&missing).await?;
            given.extend(self.providers(&collections, &missing)?);
        }
        let stop = Stop::default();
        let rows = Running::start(select.execution(&given, &stop).await?, stop)?;
        let (cancel, timeout) = (self.cancel_token(), self.settings.statement_timeout());
        let failed = Arc::clone(&self.rows_failed);
        let rows = guarded(rows, select.clone(), cancel, timeout).inspect_err(move |_| {
            failed.store(true, Ordering::SeqCst);
        });
        Ok(Box::pin(rows))
    }

    /// Providers of the rows of `relations`.
    pub(super) fn providers(
        &self,
        collections: &Collections,
        relations: &[ObjectId],
    ) -> Result<Providers> {
        let provider = |&id: &ObjectId| {
            let rows = Rows::new(self.schema_of(id)?, collections.get(id)?.to_vec());
            Ok((id, Arc::new(rows) as Arc<dyn TableProvider>))
        };
        relations.iter().map(provider).collect()
    }

    /// All rows of a planned query.
    pub(super) async fn collect(
        &mut self,
        select: &Select,
        given: Providers,
    ) -> Result<Vec<RecordBatch>> {
        let mut rows = self.run_select(select, given).await?;
        let (mut batches, mut size) = (vec![], 0);
        while let Some(batch) = rows.try_next().await? {
            size += size_of_rows(&batch)?;
            if size > GATHERED_MAX {
                return Err(Error::new(SqlState::OutOfMemory, "out of memory").detail(format!(
                    "The statement has computed more than {} GB of rows.",
                    GATHERED_MAX >> 30
                )));
            }
            batches.push(batch);
        }
        Ok(batches)
    }

    /// The columns of a relation that the planner has found.
    fn schema_of(&self, relation: ObjectId) -> Result<SchemaRef> {
        if let Some(schema) = super::errors::schema_of(relation) {
            return Ok(schema);
        }
        if let Some(schema) = super::stream_catalog::schema_of(relation) {
            return Ok(schema);
        }
        let catalog = self.shared.catalog();
        let object = catalog.get(relation);
        object.map(|object| object.schema()).ok_or_else(|| dropped(relation))
    }
}

/// Bytes of the rows themselves: batches share buffers.
fn size_of_rows(batch: &RecordBatch) -> Result<usize> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>()?)
}

/// The rows under the query's column names, until the statement is cancelled or its time is over.
fn guarded(
    rows: Running,
    select: Select,
    cancel: CancelToken,
    timeout: Option<Duration>,
) -> RowStream {
    let deadline = timeout.map(|timeout| monotonic() + timeout);
    let rows = stream::unfold(Some(rows), move |rows| {
        let (cancel, select) = (cancel.clone(), select.clone());
        async move {
            let mut rows = rows?;
            let left = deadline.map(|deadline| deadline.saturating_sub(monotonic()));
            if left.is_some_and(|left| left.is_zero()) {
                return Some((Err(timed_out()), None));
            }
            let next = cancel.guard(left, rows.next());
            match cancel.check().and(next.await) {
                Ok(None) => None,
                Ok(Some(batch)) => match select.rename(&batch) {
                    Ok(batch) => Some((Ok(batch), Some(rows))),
                    Err(error) => Some((Err(error), None)),
                },
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    // A cursor may be asked for more after its last row.
    Box::pin(rows.fuse())
}
