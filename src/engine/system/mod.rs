//! The system's own relations and functions: `pg_catalog`, `information_schema`, `stream_catalog`.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use crate::catalog::Catalog;
use crate::plan::Relation;

/// What system relations and functions are made from, for one statement.
#[derive(Clone, Debug)]
pub struct Context {
    /// The catalog that the statement sees.
    pub catalog: Arc<Catalog>,
    /// `current_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// The session's number: `pg_backend_pid()`.
    pub session: u32,
    /// The schemas searched for unqualified names.
    pub search_path: Vec<String>,
    /// The session's settings: name, value, description.
    pub settings: Vec<(String, String, &'static str)>,
    /// All sessions.
    pub activity: Vec<super::activity::SessionInfo>,
}

/// The system relation with this name; without a schema, one of `pg_catalog`.
#[must_use]
pub fn relation(_context: &Arc<Context>, _schema: Option<&str>, _name: &str) -> Option<Relation> {
    None
}

/// Functions that need the catalog or the session.
#[must_use]
pub fn functions(_context: &Arc<Context>) -> Vec<Arc<ScalarUDF>> {
    vec![]
}
