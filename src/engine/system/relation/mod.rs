//! The rows of each system relation.

mod column;
mod constraint;
mod information_schema;
mod object;
mod server;

use super::context::Context;
use super::layout::{INFORMATION_SCHEMA, Layout};
use super::table::Table;

/// Adds the rows of a relation. Those not named here have fixed rows or none.
pub(super) fn fill(context: &Context, table: &mut Table, layout: &Layout) {
    if layout.schema == INFORMATION_SCHEMA {
        return information_schema::fill(context, table, layout.name);
    }
    let fill = match layout.name {
        "pg_namespace" => object::pg_namespace,
        "pg_class" => object::pg_class,
        "pg_tables" => object::pg_tables,
        "pg_views" => object::pg_views,
        "pg_matviews" => object::pg_matviews,
        "pg_rewrite" => object::pg_rewrite,
        "pg_depend" => object::pg_depend,
        "pg_proc" => object::pg_proc,
        "pg_attribute" => column::pg_attribute,
        "pg_attrdef" => column::pg_attrdef,
        "pg_constraint" => constraint::pg_constraint,
        "pg_index" => constraint::pg_index,
        "pg_indexes" => constraint::pg_indexes,
        "pg_database" => server::pg_database,
        "pg_authid" | "pg_roles" => server::pg_roles,
        "pg_user" | "pg_shadow" => server::pg_user,
        "pg_settings" => server::pg_settings,
        "pg_stat_activity" => server::pg_stat_activity,
        _ => return table.push_static(),
    };
    fill(context, table);
}
