//! The objects by name: pure data, changed only by applying [`Change`]s, so that replaying the
//! catalog's log gives the same catalog. A clone is a snapshot and costs a few reference counts.

pub mod change;
pub mod object;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use change::Change;
pub use object::{Object, Schema, Source, Table, View};

use crate::error::{Error, Result, SqlState};
use crate::types::{ObjectId, QualifiedName};

/// The schema where unqualified names are created by default.
pub const PUBLIC: &str = "public";
/// The schemas of the system's own relations: nothing can be created there.
pub const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// A snapshot of all objects.
///
/// # Invariants
/// 1. `names` and `schemas` hold exactly the objects' names (kept by [`Catalog::apply`]).
/// 2. `next` is greater than every id ever used, dropped objects included.
#[derive(Clone, Debug)]
pub struct Catalog {
    objects: Arc<BTreeMap<ObjectId, Arc<Object>>>,
    schemas: Arc<BTreeMap<String, ObjectId>>,
    names: Arc<BTreeMap<QualifiedName, ObjectId>>,
    next: ObjectId,
}

impl Catalog {
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

    /// All objects by id.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// The relation of exactly this name.
    #[must_use]
    pub fn relation(&self, name: &QualifiedName) -> Option<&Arc<Object>> {
        self.get(*self.names.get(name)?)
    }

    /// The relation that a name means: in the schema it names, else in the first of `search_path` that
    /// has it.
    ///
    /// # Errors
    /// `42P01`, with the nearest name as hint.
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
        found.ok_or_else(|| {
            Error::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"))
        })
    }
}
