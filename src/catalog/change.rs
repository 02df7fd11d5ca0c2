//! A step of the catalog: what is written to the catalog's log and replayed at open.

use serde::{Deserialize, Serialize};

use super::object::Object;
use crate::types::ObjectId;

/// A change of the catalog. Made and checked by [`super::Catalog`]'s methods, applied by
/// [`super::Catalog::apply`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// A new object; its id is the catalog's next.
    Create(Object),
    /// Objects with another name or definition, under the same ids: a replaced view, or a renamed
    /// relation together with the views that name it.
    Update(Vec<Object>),
    /// Objects and what depends on them, dependents first.
    Drop(Vec<ObjectId>),
}
