//! Names → objects, with the search path, and what is said when there is none.

use std::sync::Arc;

use super::{Catalog, Object, SYSTEM_SCHEMAS};
use crate::error::{Error, Result, SqlState, nearest};
use crate::types::definition::ObjectKind;
use crate::types::{ObjectId, QualifiedName};

impl Catalog {
    /// The relation of exactly this name.
    #[must_use]
    pub fn relation(&self, name: &QualifiedName) -> Option<&Arc<Object>> {
        self.get(*self.names.get(name)?)
    }

    /// The relation that a name means: in the schema it names, else in the first of `search_path` that
    /// has it.
    ///
    /// # Errors
    /// `42P01`, with the nearest name as hint; `3F000` if the schema does not exist.
    pub fn resolve(
        &self,
        schema: Option<&str>,
        name: &str,
        search_path: &[String],
    ) -> Result<&Arc<Object>> {
        let found = match schema {
            Some(schema) => self.relation(&QualifiedName::new(schema, name)),
            None => search_path
                .iter()
                .find_map(|schema| self.relation(&QualifiedName::new(schema.as_str(), name))),
        };
        found.ok_or_else(|| self.undefined(schema, name))
    }

    /// The object that a name means, which must be of this kind. `TABLE` does not stand for views.
    ///
    /// # Errors
    /// As [`Catalog::resolve`], and `42809` if it is of another kind.
    pub fn resolve_kind(
        &self,
        kind: ObjectKind,
        schema: Option<&str>,
        name: &str,
        search_path: &[String],
    ) -> Result<&Arc<Object>> {
        if kind == ObjectKind::Schema {
            let id = self.schema_id(name)?;
            return self.get(id).ok_or_else(|| Error::internal("a schema without an object"));
        }
        let object = self.resolve(schema, name, search_path).map_err(|error| {
            if error.state() != SqlState::UndefinedTable {
                return error;
            }
            let hint = error.hint_text().map(str::to_owned);
            let message = format!("{} \"{name}\" does not exist", kind.noun());
            let error = Error::new(SqlState::UndefinedTable, message);
            hint.into_iter().fold(error, Error::hint)
        })?;
        if object.kind() == kind {
            return Ok(object);
        }
        let actual = object.kind();
        Err(Error::new(SqlState::WrongObjectType, format!("\"{name}\" is not a {}", kind.noun()))
            .hint(format!("It is a {}: say {}.", actual.noun(), actual.sql())))
    }

    /// The id of a schema.
    ///
    /// # Errors
    /// `3F000`, with the nearest name as hint.
    pub fn schema_id(&self, name: &str) -> Result<ObjectId> {
        self.schemas.get(name).copied().ok_or_else(|| {
            let message = format!("schema \"{name}\" does not exist");
            Error::new(SqlState::InvalidSchemaName, message)
                .did_you_mean(name, self.schemas.keys().map(String::as_str))
        })
    }

    /// Whether a schema of this name exists, the system's own included.
    #[must_use]
    pub fn has_schema(&self, name: &str) -> bool {
        self.schemas.contains_key(name) || SYSTEM_SCHEMAS.contains(&name)
    }

    fn undefined(&self, schema: Option<&str>, name: &str) -> Error {
        let full = match schema {
            Some(schema) => format!("{schema}.{name}"),
            None => name.to_owned(),
        };
        let error = Error::undefined_table(&full);
        if let Some(schema) = schema
            && !self.has_schema(schema)
        {
            return error.did_you_mean(schema, self.schemas.keys().map(String::as_str));
        }
        let candidates = self.names.keys().filter(|other| schema.is_none_or(|s| s == other.schema));
        if let Some(near) = nearest(name, candidates.map(|other| other.name.as_str())) {
            return error.hint(format!("Perhaps you meant \"{near}\"."));
        }
        // The name exists, but not where it was looked for.
        match self.names.keys().find(|other| other.name == name) {
            Some(other) => error.hint(format!("Perhaps you meant \"{}.{name}\".", other.schema)),
            None => error,
        }
    }
}
