//! The objects by name: pure data, changed only by applying [`Change`]s, so that replaying the
//! catalog's log gives the same catalog. A clone is a snapshot and costs a few reference counts.
//!
//! A method that prepares a change checks it against this snapshot and changes nothing; the engine
//! writes the change to the log and then [applies](Catalog::apply) it.

pub mod change;
mod dependency;
pub mod object;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use change::Change;
pub use object::{Object, Schema, Source, Table, View};

use crate::error::{Error, Result, SqlState};
use crate::types::{ObjectId, QualifiedName};

/// The schema where unqualified names are created by default.
pub const PUBLIC: &str = "public";
/// Id of the schema `public`, as in Postgres.
pub const PUBLIC_ID: ObjectId = ObjectId(2200);
/// The schemas of the system's own relations: nothing can be created there.
pub const SYSTEM_SCHEMAS: [&str; 3] = ["pg_catalog", "information_schema", "stream_catalog"];

/// A snapshot of all objects.
///
/// # Invariants
/// 1. `names` and `schemas` hold exactly the names of `objects`.
/// 2. `next` is greater than every id ever used, dropped objects included.
/// 3. Every dependency of an object is an object.
///
/// All three are kept by [`Catalog::apply`] and checked after each change in the tests.
#[derive(Clone, Debug)]
pub struct Catalog {
    objects: Arc<BTreeMap<ObjectId, Arc<Object>>>,
    schemas: Arc<BTreeMap<String, ObjectId>>,
    names: Arc<BTreeMap<QualifiedName, ObjectId>>,
    next: ObjectId,
}

impl Default for Catalog {
    fn default() -> Catalog {
        Catalog::new()
    }
}

impl Catalog {
    /// A catalog with the schema `public` and nothing in it.
    #[must_use]
    pub fn new() -> Catalog {
        let public = Object::Schema(Schema { id: PUBLIC_ID, name: PUBLIC.to_owned() });
        Catalog {
            objects: Arc::new(BTreeMap::from([(PUBLIC_ID, Arc::new(public))])),
            schemas: Arc::new(BTreeMap::from([(PUBLIC.to_owned(), PUBLIC_ID)])),
            names: Arc::default(),
            next: ObjectId::FIRST_USER,
        }
    }

    /// The id that the next object gets.
    #[must_use]
    pub fn next_id(&self) -> ObjectId {
        self.next
    }

    /// The object with this id.
    #[must_use]
    pub fn get(&self, id: ObjectId) -> Option<&Arc<Object>> {
        self.objects.get(&id)
    }

    /// All objects by id: what an object depends on comes before it, unless a view was replaced.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// All objects, each after those it depends on.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Arc<Object>> {
        dependency::in_order(self)
    }

    /// Applies a change. Infallible: a change was checked when it was made, against this catalog.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Create(object) => self.insert(object),
            Change::Update(objects) => {
                objects.iter().for_each(|object| self.remove(object.id()));
                objects.iter().for_each(|object| self.insert(object));
            }
            Change::Drop(ids) => ids.iter().for_each(|id| self.remove(*id)),
        }
    }

    fn insert(&mut self, object: &Object) {
        let id = object.id();
        match object.relation_name() {
            Some(name) => Arc::make_mut(&mut self.names).insert(name.clone(), id),
            None => Arc::make_mut(&mut self.schemas).insert(object.name().to_owned(), id),
        };
        Arc::make_mut(&mut self.objects).insert(id, Arc::new(object.clone()));
        self.next = self.next.max(ObjectId(id.0 + 1));
    }

    fn remove(&mut self, id: ObjectId) {
        let Some(object) = Arc::make_mut(&mut self.objects).remove(&id) else { return };
        match object.relation_name() {
            Some(name) => Arc::make_mut(&mut self.names).remove(name),
            None => Arc::make_mut(&mut self.schemas).remove(object.name()),
        };
    }

    // --- preparing changes ---

    /// Where an object called `schema.name` is to be created: an unnamed schema is the first of the
    /// search path that exists.
    ///
    /// # Errors
    /// `3F000` if there is no such schema, `42501` for a system schema, `42P07` if the name is taken.
    pub fn name_for_create(
        &self,
        schema: Option<&str>,
        name: &str,
        search_path: &[String],
    ) -> Result<QualifiedName> {
        let schema = match schema {
            Some(schema) => schema,
            None => {
                let known = |schema: &&String| self.schemas.contains_key(schema.as_str());
                search_path.iter().find(known).ok_or_else(|| {
                    Error::new(
                        SqlState::InvalidSchemaName,
                        "no schema has been selected to create in",
                    )
                })?
            }
        };
        if SYSTEM_SCHEMAS.contains(&schema) {
            let message = format!("permission denied for schema {schema}");
            return Err(Error::new(SqlState::InsufficientPrivilege, message)
                .detail("System schemas hold the system's own relations."));
        }
        self.schema_id(schema)?;
        let name = QualifiedName::new(schema, name);
        if self.names.contains_key(&name) {
            let message = format!("relation \"{}\" already exists", name.name);
            return Err(Error::new(SqlState::DuplicateTable, message));
        }
        Ok(name)
    }

    /// The change that creates a schema.
    ///
    /// # Errors
    /// `42P06` if it exists, `42939` for a reserved name.
    pub fn create_schema(&self, name: &str) -> Result<Change> {
        if name.starts_with("pg_") || SYSTEM_SCHEMAS.contains(&name) {
            let message = format!("unacceptable schema name \"{name}\"");
            return Err(Error::new(SqlState::ReservedName, message)
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.schemas.contains_key(name) {
            let message = format!("schema \"{name}\" already exists");
            return Err(Error::new(SqlState::DuplicateSchema, message));
        }
        Ok(Change::Create(Object::Schema(Schema { id: self.next, name: name.to_owned() })))
    }

    /// The change that gives a relation another name, in the same or in another schema. `rewrite`
    /// makes a view's new canonical query from its old one, the old name and the new one.
    ///
    /// # Errors
    /// As [`Catalog::name_for_create`], and whatever `rewrite` reports.
    pub fn rename(
        &self,
        object: &Object,
        schema: &str,
        name: &str,
        rewrite: impl Fn(&str, &QualifiedName, &QualifiedName) -> Result<String>,
    ) -> Result<Change> {
        let new = self.name_for_create(Some(schema), name, &[])?;
        let Some(old) = object.relation_name() else {
            return Err(Error::unsupported("renaming a schema"));
        };
        let mut updated = vec![object.renamed(&new)];
        for view in self.dependents(object.id()) {
            updated.push(view.with_query(|query| rewrite(query, old, &new))?);
        }
        Ok(Change::Update(updated))
    }

    /// The change that gives a column another name. `rewrite` makes a dependent view's new canonical
    /// query; `expression` renames the column in an expression of the relation itself.
    ///
    /// # Errors
    /// `42703` if there is no such column, `42701` if the new name is taken, and whatever `rewrite`
    /// and `expression` report.
    pub fn rename_column(
        &self,
        object: &Object,
        from: &str,
        to: &str,
        rewrite: impl Fn(&str, &Object) -> Result<String>,
        expression: impl Fn(&str) -> Result<String>,
    ) -> Result<Change> {
        let columns = object.columns();
        let index = columns.iter().position(|column| column.name == from).ok_or_else(|| {
            Error::undefined_column(from)
                .did_you_mean(from, columns.iter().map(|column| column.name.as_str()))
        })?;
        if columns.iter().any(|column| column.name == to) {
            let message =
                format!("column \"{to}\" of relation \"{}\" already exists", object.name());
            return Err(Error::new(SqlState::DuplicateColumn, message));
        }
        let renamed = object.with_column_renamed(index, to, expression)?;
        let mut updated = vec![];
        for view in self.dependents(object.id()) {
            updated.push(view.with_query(|query| rewrite(query, &renamed))?);
        }
        updated.insert(0, renamed);
        Ok(Change::Update(updated))
    }
}

#[cfg(test)]
mod tests;
