//! DDL: a statement becomes changes of the catalog and plans of views, made durable and true by the
//! runtime in one step. DDL is not transactional: it takes effect at once.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::arguments::Arguments;
use super::collections::Edit;
use super::response::Response;
use super::session::Session;
use super::shared::{Facts, Shared};
use crate::catalog::{Catalog, Change, Object};
use crate::error::{Error, Result, SqlState};
use crate::plan::ViewPlan;
use crate::runtime::request::{Conflict, Definition};
use crate::sql::{Parsed, Statement};
use crate::types::ObjectId;

/// What a statement does to the catalog.
#[derive(Default)]
pub(super) struct Defining {
    /// The changes, in order; none if there is nothing to do.
    pub(super) changes: Vec<Change>,
    /// Plans of the materialized views among them, with their queries.
    pub(super) plans: Vec<(ObjectId, String, ViewPlan)>,
    /// The first rows of a table among them.
    pub(super) rows: Option<(ObjectId, RecordBatch)>,
    /// What to tell the client.
    pub(super) notices: Vec<Error>,
}

impl Defining {
    /// One change.
    pub(super) fn one(change: Change) -> Defining {
        Defining { changes: vec![change], ..Defining::default() }
    }

    /// Nothing but a NOTICE.
    pub(super) fn nothing(state: SqlState, notice: String) -> Defining {
        Defining { notices: vec![Error::new(state, notice)], ..Defining::default() }
    }
}

/// Plans the materialized views that are in the catalog, in the order of their creation, and hands them
/// to the runtime, which fills them.
pub(super) async fn restore(shared: &Arc<Shared>) -> Result<()> {
    let session = Session::new(Arc::clone(shared), super::SessionOptions::default())?;
    let catalog = shared.catalog();
    for object in catalog.in_order() {
        let Object::MaterializedView(view) = &**object else { continue };
        let planned = match session.plan_stored_view(view) {
            Ok(plan) => {
                let plans = vec![(view.id, view.definition.query.clone(), plan)];
                let defining = Defining { plans, ..Defining::default() };
                commit_definition(shared, defining, None).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = planned {
            // One view that this version cannot maintain must not keep all the others away.
            tracing::error!(view = %view.name, %error, "cannot plan a view; it cannot be read");
            let failed = vec![(view.id, error)];
            shared.runtime.define(Definition { failed, ..Definition::default() }).await?;
        }
    }
    Ok(())
}

impl Session {
    /// A statement that changes the catalog.
    pub(super) async fn define(
        &mut self,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        let mut tag = tag(&parsed.statement)?;
        self.refuse_read_only(&tag)?;
        let explicit = self.prepare_block(&tag).await?;
        let one_at_a_time = Arc::clone(&self.shared.ddl).lock_owned().await;
        let mut defining = match &parsed.statement {
            Statement::CreateSchema { name, if_not_exists } => {
                self.create_schema(name, *if_not_exists)?
            }
            Statement::CreateTable(create) => self.create_table(create)?,
            Statement::CreateTableAs(create) => {
                self.create_table_as(create, parsed, arguments).await?
            }
            Statement::CreateSource(create) => self.create_source(create).await?,
            Statement::CreateView(create) => self.create_view(create, parsed)?,
            Statement::CreateMaterializedView(create) => {
                self.create_materialized_view(create, parsed)?
            }
            Statement::Drop(drop) => self.drop_objects(drop)?,
            Statement::Alter(alter) => self.alter(alter)?,
            other => return Err(Error::internal(format!("{other:?} does not change the catalog"))),
        };
        for notice in std::mem::take(&mut defining.notices) {
            self.notice(notice);
        }
        if !defining.changes.is_empty() {
            let mut catalog = (*self.shared.catalog()).clone();
            for change in &defining.changes {
                catalog.apply(change);
            }
            let rows = defining.rows.take();
            let (token, shared) = (self.cancel_token(), Arc::clone(&self.shared));
            let sent = token.hold();
            // On its own: that the client goes away must not leave a definition half made, in the log
            // but not in the catalog that statements see.
            let made = tokio::spawn(async move {
                let _one_at_a_time = one_at_a_time;
                commit_definition(&shared, defining, Some(catalog)).await
            });
            made.await
                .map_err(|error| Error::internal(format!("a definition failed: {error}")))??;
            drop(sent);
            let verb = tag.clone();
            if let Some((table, rows)) = rows {
                let count = rows.num_rows();
                let edit = Edit::Insert { rows, conflict: Conflict::Error };
                self.send(vec![(table, edit)]).await?;
                tag = format!("SELECT {count}");
            }
            if explicit {
                self.notice(
                    Error::new(SqlState::Warning, format!("{verb} has taken effect at once"))
                        .detail("DDL is not part of a transaction; ROLLBACK does not undo it."),
                );
            }
        }
        Ok(Response::done(tag))
    }

    /// Looks after an open block: changes it has made so far must not be mixed with DDL. Returns whether
    /// it is an explicit one.
    async fn prepare_block(&mut self, tag: &str) -> Result<bool> {
        let Some(block) = &mut self.block else { return Ok(false) };
        let explicit = block.explicit;
        if explicit && block.has_changes() {
            return Err(Error::new(
                SqlState::ActiveSqlTransaction,
                format!("{tag} cannot run in a transaction block that has written already"),
            )
            .hint("COMMIT first: DDL is not part of a transaction."));
        }
        if !explicit {
            // The statements of a message up to here are one transaction, the rest is another.
            self.end_block(true).await?;
            self.begin_message();
        } else {
            // Later statements of the block are to see what is defined here.
            block.unpin();
        }
        Ok(explicit)
    }
}

/// Makes a definition durable and true, then shows it to statements.
pub(super) async fn commit_definition(
    shared: &Arc<Shared>,
    defining: Defining,
    catalog: Option<Catalog>,
) -> Result<()> {
    let facts: Vec<_> = defining.plans.iter().map(|(id, _, plan)| (*id, Facts::of(plan))).collect();
    let dropped = defining.changes.iter().flat_map(|change| match change {
        Change::Drop(ids) => ids.clone(),
        _ => vec![],
    });
    let dropped: Vec<ObjectId> = dropped.collect();
    let plan = |(id, query, plan): (ObjectId, String, ViewPlan)| (id, query, Arc::new(plan.node));
    let definition = Definition {
        changes: defining.changes,
        catalog: catalog.clone(),
        plans: defining.plans.into_iter().map(plan).collect(),
        failed: vec![],
        write: None,
    };
    shared.runtime.define(definition).await?;
    if let Some(catalog) = catalog {
        shared.set_catalog(catalog);
    }
    shared.dropped(&dropped);
    for (view, facts) in facts {
        shared.view_defined(view, facts);
    }
    Ok(())
}

/// The command tag.
fn tag(statement: &Statement) -> Result<String> {
    Ok(match statement {
        Statement::CreateSchema { .. } => "CREATE SCHEMA".to_owned(),
        Statement::CreateTable(_) => "CREATE TABLE".to_owned(),
        Statement::CreateTableAs(_) => "CREATE TABLE AS".to_owned(),
        Statement::CreateSource(_) => "CREATE SOURCE".to_owned(),
        Statement::CreateView(_) => "CREATE VIEW".to_owned(),
        Statement::CreateMaterializedView(_) => "CREATE MATERIALIZED VIEW".to_owned(),
        Statement::Drop(drop) => format!("DROP {}", drop.kind.sql()),
        Statement::Alter(alter) => format!("ALTER {}", alter.kind.sql()),
        other => return Err(Error::internal(format!("{other:?} does not change the catalog"))),
    })
}
