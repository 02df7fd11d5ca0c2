//! Following changes: subscriptions, `SUBSCRIBE`, `WAIT FOR`; Arrow batches in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::arguments::Arguments;
use super::change::policy;
use super::collections::Edit;
use super::response::Response;
use super::session::Session;
use super::{Subscription, target};
use crate::catalog::Object;
use crate::error::{Error, Result, SqlState};
use crate::plan::write::{Known, Parts, STATEMENT, sole_relation};
use crate::runtime::request::SubscriptionItem;
use crate::sql::statement::{Name, Query};
use crate::sql::{self, Parsed};
use crate::types::{Delta, Epoch, ObjectId};

impl Session {
    /// WAIT FOR: returns when the view has been filled and shows every acknowledged write.
    pub(super) async fn wait_for(
        &mut self,
        name: &Name,
        timeout_us: Option<i64>,
    ) -> Result<Response> {
        let object = Arc::clone(self.scope().object(name)?);
        let timeout = timeout_us.map(|us| Duration::from_micros(us.unsigned_abs()));
        match &*object {
            Object::MaterializedView(view) => {
                self.shared.runtime.filled(view.id, timeout).await?;
            }
            Object::Table(_) => {}
            other => {
                return Err(Error::new(
                    SqlState::WrongObjectType,
                    format!("\"{}\" is not a materialized view", other.name()),
                )
                .at(name.position));
            }
        }
        self.shared.runtime.read(&[object.id()]).await?;
        Ok(Response::done("WAIT"))
    }

    /// The relation of this name, as its changes can be followed.
    fn followed(&self, name: &Name) -> Result<(ObjectId, SchemaRef)> {
        let scope = self.scope();
        let object = scope.object(name)?;
        match &**object {
            Object::Table(_) | Object::MaterializedView(_) => Ok((object.id(), object.schema())),
            other => Err(Error::new(
                SqlState::WrongObjectType,
                format!("cannot subscribe to {} \"{}\"", other.kind().noun(), other.name()),
            )
            .hint("Create a materialized view over it and subscribe to that.")),
        }
    }

    /// A relation's rows and then its changes.
    ///
    /// # Errors
    /// 42P01, 42809.
    pub async fn subscribe(&mut self, relation: &str) -> Result<Subscription> {
        let (id, schema) = self.followed(&named(relation)?)?;
        let items = self.shared.runtime.subscribe(id).await?;
        Ok(Box::pin(received(items).map(move |item| {
            let item = item?;
            let mut deltas = Vec::with_capacity(item.deltas.len());
            for delta in &item.deltas {
                let columns = delta.batch.columns().to_vec();
                deltas.push(delta.with_batch(RecordBatch::try_new(Arc::clone(&schema), columns)?));
            }
            Ok((item.epoch, Delta::concat(&schema, &deltas)?))
        })))
    }

    /// The relation that a SUBSCRIBE names.
    fn subscribed(&self, query: &Query) -> Result<(ObjectId, SchemaRef)> {
        let Some((schema, name)) = sole_relation(query) else {
            return Err(Error::unsupported("SUBSCRIBE to a query")
                .hint("Create a materialized view of the query and subscribe to that."));
        };
        self.followed(&Name { schema, name, position: 1 })
    }

    /// Columns of SUBSCRIBE's rows.
    pub(super) fn subscribe_schema(&self, query: &Query, _parsed: &Parsed) -> Result<SchemaRef> {
        Ok(change_schema(&self.subscribed(query)?.1))
    }

    /// SUBSCRIBE: the rows, then their changes, until the client cancels.
    pub(super) async fn subscribe_query(
        &mut self,
        query: &Query,
        _parsed: &Parsed,
    ) -> Result<Response> {
        let (id, schema) = self.subscribed(query)?;
        let items = self.shared.runtime.subscribe(id).await?;
        let changes = change_schema(&schema);
        let columns = Arc::clone(&changes);
        let cancel = self.cancel_token();
        let rows = stream::unfold(Some(items), move |items| {
            let (cancel, columns) = (cancel.clone(), Arc::clone(&columns));
            async move {
                let mut items = items?;
                let next = cancel.guard(None, async { items.recv().await.transpose() });
                match next.await {
                    Ok(None) => None,
                    Ok(Some(item)) => Some((change_rows(&columns, &item), Some(items))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Ok(Response::Rows {
            schema: changes,
            rows: Box::pin(rows),
            verb: "SUBSCRIBE",
            counted: true,
        })
    }

    /// Appends Arrow rows to a table: as INSERT does, columns matched by name.
    ///
    /// # Errors
    /// As INSERT.
    pub async fn append(&mut self, table: &str, rows: RecordBatch) -> Result<Epoch> {
        const ROWS: &str = "appended";
        let name = named(table)?;
        let target = self.target(&name, None)?;
        let schema = rows.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| (field.name().clone(), 1)).collect();
        let columns = target.columns(&names)?;
        let fields: Vec<_> = columns.iter().map(|&column| target.field(column)).collect();
        let same = itertools::zip_eq(schema.fields(), &fields)
            .all(|(given, wanted)| given.data_type() == wanted.data_type());
        let plain = same && fields.iter().all(|field| field.metadata().is_empty());
        let count = rows.num_rows();
        let converted = if plain {
            rows
        } else {
            let mut parts = Parts::from(Known { schema: STATEMENT, name: ROWS, alias: ROWS })?;
            for (name, _) in &names {
                parts = parts.column(ROWS, name);
            }
            let mut scope = self.scope();
            let id = scope.add_local(ROWS, schema);
            let select = self.planner(scope).query_into(&parts.query()?, "", &[], &fields)?;
            let given = HashMap::from([target::provider(id, rows)]);
            let select = Arguments::none().bind(select)?;
            concat_batches(&select.schema, &self.collect(&select, given).await?)?
        };
        let mut given: Vec<Option<ArrayRef>> = vec![None; target.rules.schema.fields().len()];
        for (column, values) in itertools::zip_eq(columns, converted.columns()) {
            given[column] = Some(Arc::clone(values));
        }
        let rows = target.rules.complete(given, count)?;
        let conflict = policy(&target.table.definition);
        let edit = Edit::Insert { rows, conflict };
        Ok(self.send(vec![(target.table.id, edit)]).await?.epoch)
    }
}

/// A relation's name as SQL spells it.
fn named(relation: &str) -> Result<Name> {
    sql::parse_name(relation).map_err(|_| {
        Error::new(SqlState::InvalidName, format!("\"{relation}\" does not name a relation"))
    })
}

fn received(
    items: mpsc::Receiver<Result<SubscriptionItem>>,
) -> impl futures::Stream<Item = Result<SubscriptionItem>> + Send {
    stream::unfold(items, async |mut items| Some((items.recv().await?, items)))
}

/// `_epoch`, `_diff`, then the relation's columns.
fn change_schema(schema: &SchemaRef) -> SchemaRef {
    let own = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let change =
        [Field::new("_epoch", DataType::Int64, false), Field::new("_diff", DataType::Int64, false)];
    Arc::new(Schema::new(change.into_iter().chain(own).collect::<Vec<_>>()))
}

fn change_rows(columns: &SchemaRef, item: &SubscriptionItem) -> Result<RecordBatch> {
    let mut batches = Vec::with_capacity(item.deltas.len());
    for delta in &item.deltas {
        let epoch = i64::try_from(item.epoch.0).unwrap_or(i64::MAX);
        let rows = delta.rows();
        let weights = (0..rows).map(|row| delta.weight(row));
        let change: [ArrayRef; 2] = [
            Arc::new(Int64Array::from_value(epoch, rows)),
            Arc::new(Int64Array::from_iter_values(weights)),
        ];
        let all = [&change, delta.batch.columns()].concat();
        batches.push(RecordBatch::try_new(Arc::clone(columns), all)?);
    }
    Ok(concat_batches(columns, &batches)?)
}
