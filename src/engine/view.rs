//! CREATE VIEW and CREATE MATERIALIZED VIEW.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;

use super::arguments::Arguments;
use super::create::{check_columns, columns_of};
use super::define::Defining;
use super::session::Session;
use crate::catalog::{Change, Object, View};
use crate::error::{Error, Result, SqlState};
use crate::plan::ViewPlan;
use crate::sql::rewrite::qualify;
use crate::sql::statement::CreateView;
use crate::sql::{self, Parsed};
use crate::types::definition::{Column, ViewDefinition};
use crate::types::{ObjectId, QualifiedName};

impl Session {
    /// CREATE [OR REPLACE] VIEW.
    pub(super) fn create_view(&self, create: &CreateView, parsed: &Parsed) -> Result<Defining> {
        let replaced = if create.or_replace { self.replaced_view(create)? } else { None };
        let name = match &replaced {
            Some(view) => view.name.clone(),
            None => match self.new_name(&create.name, create.if_not_exists)? {
                Ok(name) => name,
                Err(skipped) => return Ok(skipped),
            },
        };
        let select = self.plan_query(&create.query, parsed, &Arguments::none())?;
        if !select.parameters.is_empty() {
            return Err(Error::new(SqlState::UndefinedParameter, "there is no parameter $1"));
        }
        let id = replaced.as_ref().map_or_else(|| self.shared.catalog().next_id(), |view| view.id);
        let view = self.view(id, name, create, &select.schema)?;
        if let Some(old) = replaced {
            check_replacement(&old, &view)?;
            self.refuse_maintained_dependents(&old)?;
            if view.dependencies.contains(&id) {
                return Err(Error::new(
                    SqlState::InvalidObjectDefinition,
                    format!("view \"{}\" cannot read itself", view.name.name),
                ));
            }
            return Ok(Defining::one(Change::Update(vec![Object::View(view)])));
        }
        Ok(Defining::one(Change::Create(Object::View(view))))
    }

    /// CREATE MATERIALIZED VIEW: planned to be maintained, or refused.
    pub(super) fn create_materialized_view(
        &self,
        create: &CreateView,
        parsed: &Parsed,
    ) -> Result<Defining> {
        let name = match self.new_name(&create.name, create.if_not_exists)? {
            Ok(name) => name,
            Err(skipped) => return Ok(skipped),
        };
        let plan = self.planner(self.scope()).view(&create.query, &parsed.message)?;
        self.check_maintainable(&plan)?;
        let id = self.shared.catalog().next_id();
        let view = self.view(id, name, create, plan.columns())?;
        let query = view.definition.query.clone();
        Ok(Defining {
            changes: vec![Change::Create(Object::MaterializedView(view))],
            plans: vec![(id, query, plan)],
            ..Defining::default()
        })
    }

    /// The plan of a view that is in the catalog.
    pub(super) fn plan_stored_view(&self, view: &View) -> Result<ViewPlan> {
        let query = &view.definition.query;
        self.planner(self.scope()).in_utc().view(&*sql::parse_query(query)?, query)
    }

    /// Only tables, sources and materialized views tell of their changes.
    fn check_maintainable(&self, plan: &ViewPlan) -> Result<()> {
        let catalog = self.shared.catalog();
        match plan.relations.iter().find(|relation| catalog.get(**relation).is_none()) {
            None => Ok(()),
            Some(_) => Err(Error::unsupported("a materialized view over a system relation")
                .hint("Read tables, sources and views.")),
        }
    }

    /// The catalog's object of a view whose query gives `columns`.
    fn view(
        &self,
        id: ObjectId,
        name: QualifiedName,
        create: &CreateView,
        columns: &SchemaRef,
    ) -> Result<View> {
        let mut columns: Vec<Column> = columns_of(columns)?;
        if create.columns.len() > columns.len() {
            return Err(Error::syntax("CREATE VIEW specifies more column names than columns"));
        }
        let named = &mut columns[..create.columns.len()];
        for (column, name) in itertools::zip_eq(named, &create.columns) {
            column.name.clone_from(name);
        }
        check_columns(&columns)?;
        let scope = self.scope();
        let catalog = &scope.catalog;
        let mut query = create.query.clone();
        let named = qualify(&mut query, |name, _| {
            let schema = name.schema.as_deref();
            let found = catalog.resolve(schema, &name.name, &scope.search_path);
            Ok(found.ok().and_then(|object| object.relation_name().cloned()))
        })?;
        let depends = named.iter().filter_map(|name| Some(catalog.relation(name)?.id()));
        let dependencies = depends.collect();
        let definition = ViewDefinition { columns, query: query.to_string() };
        Ok(View { id, name, definition, dependencies })
    }

    /// A materialized view was planned with what the views that it reads meant then.
    fn refuse_maintained_dependents(&self, view: &View) -> Result<()> {
        let catalog = self.shared.catalog();
        let (mut seen, mut queue) = (BTreeSet::new(), vec![view.id]);
        while let Some(id) = queue.pop() {
            for dependent in catalog.dependents(id) {
                if let Object::MaterializedView(maintained) = &**dependent {
                    return Err(Error::new(
                        SqlState::DependentObjectsStillExist,
                        format!(
                            "cannot replace view {} because other objects depend on it",
                            view.name.name
                        ),
                    )
                    .detail(format!(
                        "materialized view {} depends on view {}",
                        maintained.name.name, view.name.name
                    ))
                    .hint("Drop the materialized view, replace the view, and create it again."));
                }
                if seen.insert(dependent.id()) {
                    queue.push(dependent.id());
                }
            }
        }
        Ok(())
    }

    /// The view that OR REPLACE replaces, if it exists.
    fn replaced_view(&self, create: &CreateView) -> Result<Option<View>> {
        let scope = self.scope();
        let Ok(object) = scope.object(&create.name) else { return Ok(None) };
        match &**object {
            Object::View(view) => Ok(Some(view.clone())),
            other => {
                let wanted = crate::types::definition::ObjectKind::View;
                Err(super::show::wrong_kind(other, wanted).at(create.name.position))
            }
        }
    }
}

/// A replaced view keeps its columns and may have further ones after them.
fn check_replacement(old: &View, new: &View) -> Result<()> {
    let invalid = |message: String| Err(Error::new(SqlState::InvalidTableDefinition, message));
    let (before, after) = (&old.definition.columns, &new.definition.columns);
    if after.len() < before.len() {
        return invalid("cannot drop columns from view".to_owned());
    }
    for (before, after) in itertools::zip_eq(before, &after[..before.len()]) {
        if before.name != after.name {
            return invalid(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                before.name, after.name
            ));
        }
        if before.sql_type != after.sql_type {
            return invalid(format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                before.name, before.sql_type, after.sql_type
            ));
        }
    }
    Ok(())
}
