//! The rows of each system relation.

mod column;
mod constraint;
mod information_schema;
mod object;
mod own;
mod server;

use super::context::Context;
use super::layout::{INFORMATION_SCHEMA, Layout, PG_CATALOG};
use super::table::Table;

/// Adds the rows that are the same in every database.
pub(super) fn fill_fixed(table: &mut Table, layout: &Layout) {
    table.push_static();
    match (layout.schema, layout.name) {
        (PG_CATALOG, "pg_class") => object::system_pg_class(table),
        (PG_CATALOG, "pg_attribute") => column::system_pg_attribute(table),
        (PG_CATALOG, "pg_proc") => object::system_pg_proc(table),
        _ => {}
    }
}

/// Adds the rows that the catalog and the session contribute; most relations have none.
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
        "pg_prepared_statements" => own::pg_prepared_statements,
        "pg_cursors" => own::pg_cursors,
        "pg_locks" => own::pg_locks,
        _ => return,
    };
    fill(context, table);
}
