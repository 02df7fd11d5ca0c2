//! The system's own relations and functions: `pg_catalog` and `information_schema` as tools expect
//! them of PostgreSQL 15, made from a catalog snapshot and what is known of the session.
//!
//! ```text
//! data/columns.txt   every relation of PostgreSQL 15 with its columns   → layout
//! data/rows.txt      rows that are the same in every database           → layout
//! Context (catalog, session) → objects → relation/* → table (Arrow)     → provider
//! a query over system relations only → rewrite (what DataFusion lacks)  → query
//! ```
//! Guarantees: a relation that PostgreSQL has exists here with all its columns; what does not exist
//! in Millstream (triggers, policies, foreign tables) reads as empty. Queries of users over their own
//! relations never pass the rewriter.

mod call;
mod context;
mod correlate;
mod function;
mod kind;
mod layout;
mod naming;
mod objects;
mod prune;
mod query;
mod reference;
mod relation;
mod rewrite;
mod table;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use context::{Announcements, Context, SettingChanges};
pub use query::{owns, plan};

use crate::plan::{Body, Relation};
use crate::types::ObjectId;

/// The system relation with this name; without a schema, one of `pg_catalog`.
#[must_use]
pub fn relation(context: &Arc<Context>, schema: Option<&str>, name: &str) -> Option<Relation> {
    let layout = layout::find(schema.unwrap_or(layout::PG_CATALOG), name)?;
    Some(Relation {
        id: ObjectId(layout.oid),
        schema: layout.schema.to_owned(),
        name: layout.name.to_owned(),
        columns: Arc::clone(&layout.arrow),
        primary_key: None,
        append_only: false,
        body: Body::Provided(Arc::new(table::Provider::new(layout, Arc::clone(context)))),
    })
}

/// Functions that need the catalog or the session.
#[must_use]
pub fn functions(context: &Arc<Context>) -> Vec<Arc<ScalarUDF>> {
    function::all(context)
}

#[cfg(test)]
mod tests;
