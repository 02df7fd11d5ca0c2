//! Databases, roles, settings, sessions.

use crate::engine::system::context::Context;
use crate::engine::system::function::{OWNER, timestamptz};
use crate::engine::system::objects::{DATABASE, ROLE};
use crate::engine::system::table::Table;

pub(super) fn pg_database(context: &Context, table: &mut Table) {
    table.push(&[
        ("oid", &DATABASE),
        ("datname", &context.database),
        ("datdba", &ROLE),
        ("encoding", &6),
        ("datlocprovider", &"c"),
        ("datallowconn", &true),
        ("datconnlimit", &-1),
        ("dattablespace", &1663),
        ("datcollate", &"C.UTF-8"),
        ("datctype", &"C.UTF-8"),
    ]);
}

/// The owner of everything, and the user of this session if that is another name.
fn roles(context: &Context) -> Vec<(u32, &str)> {
    let mut roles = vec![(ROLE, OWNER)];
    if context.user != OWNER {
        roles.push((ROLE + 1, context.user.as_str()));
    }
    roles
}

pub(super) fn pg_roles(context: &Context, table: &mut Table) {
    for (oid, name) in roles(context) {
        table.push(&[
            ("oid", &oid),
            ("rolname", &name),
            ("rolsuper", &true),
            ("rolinherit", &true),
            ("rolcreaterole", &true),
            ("rolcreatedb", &true),
            ("rolcanlogin", &true),
            ("rolreplication", &false),
            ("rolbypassrls", &true),
            ("rolconnlimit", &-1),
        ]);
    }
}

pub(super) fn pg_user(context: &Context, table: &mut Table) {
    for (oid, name) in roles(context) {
        table.push(&[
            ("usename", &name),
            ("usesysid", &oid),
            ("usecreatedb", &true),
            ("usesuper", &true),
            ("userepl", &false),
            ("usebypassrls", &true),
        ]);
    }
}

pub(super) fn pg_settings(context: &Context, table: &mut Table) {
    for (name, value, about) in &context.settings {
        table.push(&[
            ("name", name),
            ("setting", value),
            ("category", &"Millstream"),
            ("short_desc", about),
            ("context", &"user"),
            ("vartype", &"string"),
            ("source", &"session"),
            ("boot_val", value),
            ("reset_val", value),
            ("pending_restart", &false),
        ]);
    }
}

pub(super) fn pg_stat_activity(context: &Context, table: &mut Table) {
    for session in &context.activity {
        table.push(&[
            ("datid", &DATABASE),
            ("datname", &context.database),
            ("pid", &session.id),
            ("usesysid", &ROLE),
            ("usename", &session.user),
            ("application_name", &session.application),
            ("backend_start", &timestamptz(session.started_us)),
            ("query_start", &timestamptz(session.query_started_us)),
            ("state_change", &timestamptz(session.query_started_us)),
            ("state", &session.state),
            ("query", &session.query),
            ("backend_type", &"client backend"),
        ]);
        if session.query.is_empty() {
            table.set_null("query_start");
        }
    }
}
