//! DROP and ALTER.

use super::define::Defining;
use super::maintain::no_column;
use super::scope::Scope;
use super::session::Session;
use crate::catalog::{Catalog, Change, Object};
use crate::error::{Error, Result, SqlState};
use crate::sql::rewrite::{rename_column, rename_in_expr, rename_relation};
use crate::sql::statement::{Alter, AlterAction, Drop, Name};
use crate::types::ObjectId;
use crate::types::definition::ObjectKind;

impl Session {
    /// DROP.
    pub(super) fn drop_objects(&self, drop: &Drop) -> Result<Defining> {
        let scope = self.scope();
        let catalog = &scope.catalog;
        let (mut ids, mut notices): (Vec<ObjectId>, Vec<Error>) = (vec![], vec![]);
        for name in &drop.names {
            let schema = name.schema.as_deref();
            let found = catalog.resolve_kind(drop.kind, schema, &name.name, &scope.search_path);
            match found {
                Ok(object) => ids.push(object.id()),
                Err(error) if missing(&error) && other_kind(catalog, name, &scope).is_some() => {
                    let kind = other_kind(catalog, name, &scope).unwrap_or(drop.kind);
                    return Err(wrong_kind(drop.kind, kind, &name.name).at(name.position));
                }
                Err(error) if drop.if_exists && missing(&error) => {
                    let what = format!("{} \"{}\"", drop.kind.noun(), name.name);
                    let message = format!("{what} does not exist, skipping");
                    notices.push(Error::new(SqlState::SuccessfulCompletion, message));
                }
                Err(error) => return Err(error.at(name.position)),
            }
        }
        if ids.is_empty() {
            return Ok(Defining { notices, ..Defining::default() });
        }
        let change = catalog.drop_objects(&ids, drop.cascade)?;
        if let Change::Drop(dropped) = &change {
            for id in dropped.iter().filter(|id| !ids.contains(id)) {
                let Some(object) = catalog.get(*id) else { continue };
                let message =
                    format!("drop cascades to {} {}", object.kind().noun(), object.name());
                notices.push(Error::new(SqlState::SuccessfulCompletion, message));
            }
        }
        Ok(Defining { changes: vec![change], notices, ..Defining::default() })
    }

    /// ALTER …
    pub(super) fn alter(&self, alter: &Alter) -> Result<Defining> {
        let scope = self.scope();
        let catalog = &scope.catalog;
        let name = &alter.name;
        let found = match alter.kind {
            // As in Postgres, ALTER TABLE also takes the other relations.
            ObjectKind::Table => {
                catalog.resolve(name.schema.as_deref(), &name.name, &scope.search_path)
            }
            kind => {
                let schema = name.schema.as_deref();
                catalog.resolve_kind(kind, schema, &name.name, &scope.search_path)
            }
        };
        let object = match found {
            Ok(object) => object,
            Err(error) if alter.if_exists && missing(&error) => {
                let message = format!("relation \"{}\" does not exist, skipping", name.name);
                return Ok(Defining::nothing(SqlState::SuccessfulCompletion, message));
            }
            Err(error) => return Err(error.at(name.position)),
        };
        let schema = object.relation_name().map(|name| name.schema.clone()).unwrap_or_default();
        let change = match &alter.action {
            AlterAction::Rename(to) => catalog.rename(object, &schema, to, rename_relation)?,
            AlterAction::SetSchema(to) => {
                catalog.rename(object, to, object.name(), rename_relation)?
            }
            AlterAction::RenameColumn { from, to } => self.rename_column(object, from, to)?,
            AlterAction::AddPrimaryKey { name, columns } => {
                add_primary_key(catalog, object, name.as_deref(), columns)
                    .map_err(|error| error.or_at(Some(alter.name.position)))?
            }
        };
        Ok(Defining::one(change))
    }

    fn rename_column(&self, object: &Object, from: &str, to: &str) -> Result<Change> {
        let catalog = self.shared.catalog();
        let before = object.columns();
        let rewrite = |query: &str, renamed: &Object| {
            let Some(name) = renamed.relation_name() else { return Ok(query.to_owned()) };
            let columns: Vec<(&str, &str)> = itertools::zip_eq(renamed.columns(), before)
                .map(|(now, known)| (now.name.as_str(), known.name.as_str()))
                .collect();
            rename_column(query, name, &columns)
        };
        catalog.rename_column(object, from, to, rewrite, |text| rename_in_expr(text, from, to))
    }
}

/// The change that gives a table a primary key; whether its rows allow it is looked at when it is made.
fn add_primary_key(
    catalog: &Catalog,
    object: &Object,
    name: Option<&str>,
    columns: &[String],
) -> Result<Change> {
    let Object::Table(table) = object else {
        let message = format!(
            "ALTER action ADD CONSTRAINT cannot be performed on relation \"{}\"",
            object.name()
        );
        return Err(Error::new(SqlState::WrongObjectType, message));
    };
    let mut table = table.clone();
    let relation = table.name.name.clone();
    let definition = &mut table.definition;
    if !definition.primary_key.is_empty() {
        let message = format!("multiple primary keys for table \"{relation}\" are not allowed");
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    for name in columns {
        let index = definition.columns.iter().position(|column| column.name == *name);
        let index = index.ok_or_else(|| no_column(name, &relation))?;
        definition.columns[index].not_null = true;
        definition.primary_key.push(index);
    }
    let name = name.map_or_else(|| format!("{relation}_pkey"), str::to_owned);
    if definition.checks.iter().any(|check| check.name == name) {
        let message = format!("constraint \"{name}\" for relation \"{relation}\" already exists");
        return Err(Error::new(SqlState::DuplicateObject, message));
    }
    definition.primary_key_name = Some(name);
    if catalog.dependents(table.id).next().is_some() {
        return Err(Error::unsupported("adding a primary key to a table that views read")
            .hint("Drop the views, add the key, and create them again."));
    }
    Ok(Change::Update(vec![Object::Table(table)]))
}

/// The kind of the relation that a name means.
fn other_kind(catalog: &Catalog, name: &Name, scope: &Scope) -> Option<ObjectKind> {
    let found = catalog.resolve(name.schema.as_deref(), &name.name, &scope.search_path);
    found.ok().map(|object| object.kind())
}

/// `42809`, and which statement would do.
fn wrong_kind(wanted: ObjectKind, kind: ObjectKind, name: &str) -> Error {
    let article = if kind.noun().starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    let message = format!("\"{name}\" is not a {}", wanted.noun());
    Error::new(SqlState::WrongObjectType, message).hint(format!(
        "Use DROP {} to remove {article} {}.",
        kind.sql(),
        kind.noun()
    ))
}

fn missing(error: &Error) -> bool {
    matches!(
        error.state(),
        SqlState::UndefinedTable | SqlState::InvalidSchemaName | SqlState::UndefinedObject
    )
}
