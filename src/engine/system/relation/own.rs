//! What sessions hold: prepared statements, cursors, advisory locks.

use crate::engine::advisory::Key;
use crate::engine::system::context::Context;
use crate::engine::system::function::{format_type, timestamptz};
use crate::engine::system::objects::DATABASE;
use crate::engine::system::table::Table;
use crate::types::pg_type;

pub(super) fn pg_prepared_statements(context: &Context, table: &mut Table) {
    for (name, kept) in context.statements.iter() {
        let params = kept.prepared.iter().flat_map(|prepared| &prepared.params);
        let types = params.map(|field| format_type(pg_type::oid_of_field(field), -1));
        let types: Vec<String> =
            types.map(|name| format!("\"{}\"", name.replace('"', "\\\""))).collect();
        table.push(&[
            ("name", name),
            ("statement", &kept.text),
            ("prepare_time", &timestamptz(kept.prepared_us)),
            ("parameter_types", &format!("{{{}}}", types.join(","))),
            ("from_sql", &kept.from_sql),
            ("generic_plans", &0),
            ("custom_plans", &0),
        ]);
    }
}

pub(super) fn pg_cursors(context: &Context, table: &mut Table) {
    for cursor in &context.cursors {
        table.push(&[
            ("name", &cursor.name),
            ("statement", &cursor.statement),
            ("is_holdable", &cursor.holdable),
            ("is_binary", &cursor.binary),
            ("is_scrollable", &cursor.scrollable),
            ("creation_time", &timestamptz(cursor.created_us)),
        ]);
    }
}

/// As PostgreSQL shows them: a `bigint` as its two halves.
pub(super) fn pg_locks(context: &Context, table: &mut Table) {
    for (key, session, shared) in context.locks.list() {
        let (class, object, kind) = match key {
            Key::One(key) => ((key as u64 >> 32) as u32, key as u32, 1),
            Key::Two(class, object) => (class as u32, object as u32, 2),
        };
        table.push(&[
            ("locktype", &"advisory"),
            ("database", &DATABASE),
            ("classid", &class),
            ("objid", &object),
            ("objsubid", &kind),
            ("pid", &session),
            ("mode", &if shared { "ShareLock" } else { "ExclusiveLock" }),
            ("granted", &true),
            ("fastpath", &false),
        ]);
    }
}
