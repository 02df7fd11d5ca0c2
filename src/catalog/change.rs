//! A step of the catalog: what is written to the catalog's log and replayed at open.

use serde::{Deserialize, Serialize};

use super::object::Object;
use crate::types::{ObjectId, QualifiedName};

/// A change of the catalog. Made and checked by [`super::Catalog`]'s methods, applied by
/// [`super::Catalog::apply`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// A new object.
    Create(Object),
    /// A view with another query, under the same id and name.
    Replace(Object),
    /// Objects and what depends on them, dependents first.
    Drop(Vec<ObjectId>),
    /// A relation under another name or in another schema.
    Rename {
        /// The relation.
        id: ObjectId,
        /// Its new name.
        name: QualifiedName,
        /// The canonical queries of the views that name it, rewritten.
        queries: Vec<(ObjectId, String)>,
    },
    /// A column under another name.
    RenameColumn {
        /// The relation.
        id: ObjectId,
        /// Index of the column.
        column: usize,
        /// Its new name.
        name: String,
        /// The canonical queries of the views that name the relation, rewritten.
        queries: Vec<(ObjectId, String)>,
    },
}
