//! EXPLAIN: the plan of a query that is run once, or both plans of a maintained view.

use std::sync::Arc;

use futures::TryStreamExt;

use super::arguments::Arguments;
use super::response::Response;
use super::session::Session;
use super::setting::table;
use crate::catalog::Object;
use crate::clock::monotonic;
use crate::error::{Error, Result, SqlState};
use crate::plan::explain;
use crate::sql::statement::{Explain, Name};
use crate::sql::{Parsed, Statement};

impl Session {
    /// EXPLAIN.
    pub(super) async fn explain(
        &mut self,
        statement: &Explain,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        let mut text = match &statement.statement {
            Statement::Query(query) => {
                let select = self.plan_query(query, parsed, arguments)?;
                explain::select(&select)?
            }
            Statement::CreateMaterializedView(view) => {
                let plan = self.planner(self.scope()).view(&view.query, &parsed.message)?;
                explain::view(&plan, statement.verbose)
            }
            Statement::Insert(insert) => {
                let plan = self.plan_insert(insert, parsed, arguments)?;
                written("Insert on", &insert.table.name, plan.source.as_ref())?
            }
            Statement::Update(update) => {
                let plan = self.plan_update(update, parsed, arguments)?;
                written("Update on", &update.table.name, Some(&plan.select))?
            }
            Statement::Delete(delete) => {
                let plan = self.plan_delete(delete, parsed, arguments)?;
                written("Delete on", &delete.table.name, Some(&plan.select))?
            }
            _ => {
                return Err(Error::unsupported("EXPLAIN of this statement")
                    .hint("Explain a query, CREATE MATERIALIZED VIEW, INSERT, UPDATE or DELETE."));
            }
        };
        if statement.analyze {
            text.push_str(&self.analyze(statement, parsed, arguments).await?);
        }
        let lines = text.lines().map(str::to_owned).collect();
        Ok(Response::batch(table(&[("QUERY PLAN", lines)])?, "EXPLAIN", false))
    }

    /// EXPLAIN MATERIALIZED VIEW.
    pub(super) fn explain_view(&self, name: &Name, verbose: bool) -> Result<Response> {
        let object = Arc::clone(self.scope().object(name)?);
        let Object::MaterializedView(view) = &*object else {
            let message = format!("\"{}\" is not a materialized view", name.name);
            return Err(Error::new(SqlState::WrongObjectType, message).at(name.position));
        };
        let text = explain::view(&self.plan_stored_view(view)?, verbose);
        let lines = text.lines().map(str::to_owned).collect();
        Ok(Response::batch(table(&[("QUERY PLAN", lines)])?, "EXPLAIN", false))
    }

    /// Runs a query and tells how long it took.
    async fn analyze(
        &mut self,
        statement: &Explain,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<String> {
        let Statement::Query(query) = &statement.statement else {
            return Err(Error::unsupported("EXPLAIN ANALYZE of a statement that writes")
                .hint("Leave out ANALYZE."));
        };
        let started = monotonic();
        let Response::Rows { rows, .. } = self.select(query, parsed, arguments).await? else {
            return Err(Error::internal("a query has no rows"));
        };
        let count =
            |sum, batch: arrow::array::RecordBatch| std::future::ready(Ok(sum + batch.num_rows()));
        let rows: usize = rows.try_fold(0, count).await?;
        let ms = (monotonic() - started).as_secs_f64() * 1000.0;
        Ok(format!("\nRows: {rows}\nExecution Time: {ms:.3} ms"))
    }
}

fn written(verb: &str, relation: &str, select: Option<&crate::plan::Select>) -> Result<String> {
    let source = select.map(explain::select).transpose()?.unwrap_or_default();
    Ok(format!("{verb} {relation}\n{source}"))
}
