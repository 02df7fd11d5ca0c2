//! VACUUM and ANALYZE: they look at what they name, and have nothing to do.

use super::response::Response;
use super::session::Session;
use crate::error::{Error, Result, SqlState};
use crate::sql::statement::Maintain;
use crate::types::definition::ObjectKind;

impl Session {
    /// VACUUM and ANALYZE.
    pub(super) fn maintain(&mut self, maintain: &Maintain) -> Result<Response> {
        let verb = if maintain.vacuum { "VACUUM" } else { "ANALYZE" };
        if maintain.vacuum && self.block.as_ref().is_some_and(|block| block.explicit) {
            return Err(Error::new(
                SqlState::ActiveSqlTransaction,
                "VACUUM cannot run inside a transaction block",
            ));
        }
        let scope = self.scope();
        for (name, columns) in &maintain.tables {
            let object = scope.object(name)?;
            if !matches!(object.kind(), ObjectKind::Table | ObjectKind::MaterializedView) {
                let message = format!(
                    "skipping \"{}\" --- cannot {} non-tables or special system tables",
                    object.name(),
                    verb.to_lowercase()
                );
                self.warning(Error::new(SqlState::Warning, message));
                continue;
            }
            let known =
                |name: &&String| object.columns().iter().any(|column| column.name == **name);
            if let Some(column) = columns.iter().find(|name| !known(name)) {
                return Err(no_column(column, object.name()));
            }
        }
        Ok(Response::done(verb))
    }
}

/// `42703` for a column that a relation does not have.
pub(super) fn no_column(column: &str, relation: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{relation}\" does not exist");
    Error::new(SqlState::UndefinedColumn, message)
}
