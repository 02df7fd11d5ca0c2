//! What a statement's parameters and columns are, before it is run; SQL's PREPARE and EXECUTE.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::arguments::Arguments;
use super::response::Response;
use super::session::{Prepared, Session};
use super::statements::Kept;
use crate::error::{Error, Result, SqlState};
use crate::plan::Select;
use crate::plan::write::{Known, Parts, STATEMENT};
use crate::sql::statement::{CopyTarget, Expr};
use crate::sql::{Parsed, Statement};
use crate::types::pg_type;

impl Session {
    /// Parameters and columns of a statement; `types` are those that the client declares.
    pub(super) fn describe(
        &mut self,
        parsed: &Arc<Parsed>,
        types: &[Option<FieldRef>],
    ) -> Result<Prepared> {
        let arguments = Arguments::declared(types);
        let (params, schema) = match &parsed.statement {
            Statement::Query(query) => {
                let select = self.plan_query(query, parsed, &arguments)?;
                (select.parameters.clone(), Some(select.schema))
            }
            Statement::Insert(insert) => {
                let plan = self.plan_insert(insert, parsed, &arguments)?;
                (parameters(plan.selects()), columns(plan.returning))
            }
            Statement::Update(update) => {
                let plan = self.plan_update(update, parsed, &arguments)?;
                (parameters([Some(&plan.select), plan.returning.as_ref()]), columns(plan.returning))
            }
            Statement::Delete(delete) => {
                let plan = self.plan_delete(delete, parsed, &arguments)?;
                (parameters([Some(&plan.select), plan.returning.as_ref()]), columns(plan.returning))
            }
            Statement::Declare(declare) => {
                let select = self.plan_query(&declare.query, parsed, &arguments)?;
                (select.parameters, None)
            }
            other => (vec![], self.describe_other(other, parsed)?),
        };
        Ok(Prepared { parsed: Arc::clone(parsed), params, schema })
    }

    /// The columns of statements that have no parameters.
    fn describe_other(
        &mut self,
        statement: &Statement,
        parsed: &Parsed,
    ) -> Result<Option<SchemaRef>> {
        let text = |names: &[&str]| {
            let field = |name: &&str| Field::new(*name, DataType::Utf8, false);
            Some(Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>())))
        };
        Ok(match statement {
            Statement::Show(Some(name)) => text(&[name]),
            Statement::Show(None) => text(&["name", "setting", "description"]),
            Statement::Explain(_) | Statement::ExplainView { .. } => text(&["QUERY PLAN"]),
            Statement::Fetch(fetch) if !fetch.is_move => {
                Some(self.find_cursor(&fetch.cursor)?.schema())
            }
            Statement::Execute { name, .. } => self.find_prepared(name)?.schema.clone(),
            // These only read the catalog: running one is the way to describe it.
            Statement::ShowObjects(_)
            | Statement::ShowColumns { .. }
            | Statement::ShowCreate { .. } => match self.show(statement)? {
                Response::Rows { schema, .. } => Some(schema),
                _ => None,
            },
            Statement::Subscribe(query) => Some(self.subscribe_schema(query, parsed)?),
            Statement::Copy(copy) => match &copy.target {
                CopyTarget::Query(query) => {
                    // Checked now; COPY itself has no row description.
                    self.plan_query(query, parsed, &Arguments::none())?;
                    None
                }
                CopyTarget::Table { .. } => None,
            },
            _ => None,
        })
    }

    fn find_prepared(&self, name: &str) -> Result<Arc<Prepared>> {
        self.statement(name).flatten().ok_or_else(|| no_statement(name))
    }

    /// PREPARE, EXECUTE and DEALLOCATE.
    pub(super) async fn prepared_statement(
        &mut self,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        match &parsed.statement {
            Statement::Prepare { name, types, statement } => {
                self.statement_name_is_free(name)?;
                let types: Vec<Option<FieldRef>> =
                    types.iter().map(|one| Some(Arc::new(one.field("", true)))).collect();
                let prepared = self.describe(&Arc::new((**statement).clone()), &types)?;
                let kept = Kept {
                    prepared: Some(Arc::new(prepared)),
                    text: parsed.text.clone(),
                    from_sql: true,
                    prepared_us: self.shared.clock.now_us(),
                };
                self.prepared.insert(name.clone(), kept);
                Ok(Response::done("PREPARE"))
            }
            Statement::Execute { name, arguments: values } => {
                let prepared = self.find_prepared(name)?;
                let values =
                    self.execute_values((name, &prepared), values, parsed, arguments).await?;
                let arguments = Arguments::new(&prepared.params, values.columns())?;
                let response = Box::pin(self.run_with(&prepared.parsed, &arguments)).await?;
                if let Response::Rows { schema, .. } = &response {
                    prepared.check_columns(schema)?;
                }
                Ok(response)
            }
            Statement::Deallocate(Some(name)) => {
                if !self.prepared.remove(name) {
                    return Err(no_statement(name));
                }
                Ok(Response::done("DEALLOCATE"))
            }
            Statement::Deallocate(None) => {
                self.prepared.clear();
                Ok(Response::done("DEALLOCATE ALL"))
            }
            other => Err(Error::internal(format!("{other:?} is not about prepared statements"))),
        }
    }

    /// The values of EXECUTE's arguments, converted to the parameters' types: one row.
    async fn execute_values(
        &mut self,
        (name, prepared): (&str, &Prepared),
        values: &[Expr],
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<RecordBatch> {
        if values.len() != prepared.params.len() {
            return Err(Error::new(
                SqlState::SyntaxError,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .detail(format!(
                "Expected {} parameters but got {}.",
                prepared.params.len(),
                values.len()
            )));
        }
        let mut scope = self.scope();
        let one = scope.add_local("one", Arc::new(Schema::empty()));
        let known = Known { schema: STATEMENT, name: "one", alias: "one" };
        let parts = Parts::from(known)?;
        let query = values.iter().fold(parts, |parts, value| parts.expr(value.clone())).query()?;
        let planner = self.planner(scope);
        let select =
            planner.query_into(&query, &parsed.message, &arguments.types, &prepared.params)?;
        let select = arguments.bind(select)?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
        let given = HashMap::from([super::target::provider(one, row)]);
        let rows = self.collect(&select, given).await?;
        rows.into_iter().next().ok_or_else(|| Error::internal("EXECUTE has no arguments"))
    }
}

/// A statement's parameters, which its queries know only in part.
fn parameters<const N: usize>(selects: [Option<&Select>; N]) -> Vec<FieldRef> {
    let mut params: Vec<FieldRef> = vec![];
    for select in selects.into_iter().flatten() {
        for (index, param) in select.parameters.iter().enumerate() {
            match params.get_mut(index) {
                None => params.push(Arc::clone(param)),
                Some(known) if pg_type::of_field(known) == pg_type::TEXT => {
                    known.clone_from(param);
                }
                Some(_) => {}
            }
        }
    }
    params
}

fn columns(returning: Option<Select>) -> Option<SchemaRef> {
    returning.map(|select| select.schema)
}

fn no_statement(name: &str) -> Error {
    Error::new(
        SqlState::InvalidSqlStatementName,
        format!("prepared statement \"{name}\" does not exist"),
    )
}
