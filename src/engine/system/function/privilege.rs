//! Who may do what: everybody who is let in may do everything.

use super::{Arguments, Definition, boolean, scalar};
use crate::engine::system::context::Context;
use crate::error::Result;
use crate::types::pg_type::BOOL;

pub(super) const ALL: &[Definition] = &[
    scalar("has_table_privilege", BOOL, granted),
    scalar("has_schema_privilege", BOOL, granted),
    scalar("has_database_privilege", BOOL, granted),
    scalar("has_column_privilege", BOOL, granted),
    scalar("has_any_column_privilege", BOOL, granted),
    scalar("has_function_privilege", BOOL, granted),
    scalar("has_sequence_privilege", BOOL, granted),
    scalar("has_type_privilege", BOOL, granted),
    scalar("has_language_privilege", BOOL, granted),
    scalar("has_tablespace_privilege", BOOL, granted),
    scalar("has_server_privilege", BOOL, granted),
    scalar("has_foreign_data_wrapper_privilege", BOOL, granted),
    scalar("pg_has_role", BOOL, granted),
    scalar("row_security_active", BOOL, |_, _| Ok(boolean(false))),
];

fn granted(_: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let given = (0..arguments.count()).all(|index| arguments.text(index).is_some());
    Ok(given.then(|| "t".to_owned()))
}
