//! Schemas, relations and what depends on what.

use crate::catalog::{Catalog, Object};
use crate::engine::system::context::Context;
use crate::engine::system::function;
use crate::engine::system::layout;
use crate::engine::system::objects::{self, PG_CATALOG, Part, ROLE, part_oid};
use crate::engine::system::table::Table;
use crate::types::ObjectId;

/// OID of `pg_class`, in `pg_depend`.
const PG_CLASS: u32 = 1259;
/// OID of `pg_rewrite`, in `pg_depend`.
const PG_REWRITE: u32 = 2618;
/// OIDs of functions that have none in PostgreSQL's export begin here.
const FIRST_FUNCTION: u32 = 9000;

pub(super) fn pg_namespace(context: &Context, table: &mut Table) {
    for (oid, name) in objects::schemas(&context.catalog) {
        table.push(&[("oid", &oid), ("nspname", &name), ("nspowner", &ROLE)]);
    }
}

fn schema_oid(catalog: &Catalog, name: &str) -> u32 {
    objects::schema_oid(catalog, name).unwrap_or(0)
}

pub(super) fn pg_class(context: &Context, table: &mut Table) {
    let catalog = &context.catalog;
    for (object, name, kind) in objects::relations(catalog) {
        let (key, checks) = match object {
            Object::Table(table) => {
                (!table.definition.primary_key.is_empty(), table.definition.checks.len())
            }
            _ => (false, 0),
        };
        let access_method = if matches!(kind, "r" | "m") { 2 } else { 0 };
        table.push(&[
            ("oid", &object.id()),
            ("relname", &name.name),
            ("relnamespace", &schema_oid(catalog, &name.schema)),
            ("relowner", &ROLE),
            ("relam", &access_method),
            ("relfilenode", &object.id()),
            ("reltuples", &-1),
            ("relhasindex", &key),
            ("relpersistence", &"p"),
            ("relkind", &kind),
            ("relnatts", &object.columns().len()),
            ("relchecks", &checks),
            ("relhasrules", &matches!(kind, "v" | "m")),
            ("relispopulated", &true),
            ("relreplident", &if matches!(kind, "r" | "m") { "d" } else { "n" }),
        ]);
    }
    for keyed in objects::keyed_tables(catalog) {
        table.push(&[
            ("oid", &part_oid(Part::KeyIndex, keyed.id, 0)),
            ("relname", &objects::key_name(keyed)),
            ("relnamespace", &schema_oid(catalog, &keyed.name.schema)),
            ("relowner", &ROLE),
            ("relam", &403),
            ("reltuples", &-1),
            ("relpersistence", &"p"),
            ("relkind", &"i"),
            ("relnatts", &keyed.definition.primary_key.len()),
            ("relispopulated", &true),
            ("relreplident", &"n"),
        ]);
    }
}

/// The system's own relations.
pub(super) fn system_pg_class(table: &mut Table) {
    for layout in layout::relations() {
        table.push(&[
            ("oid", &layout.oid),
            ("relname", &layout.name),
            ("relnamespace", &objects::system_schema_oid(layout.schema).unwrap_or(0)),
            ("relowner", &ROLE),
            ("relam", &if layout.kind == "r" { 2 } else { 0 }),
            ("reltuples", &-1),
            ("relpersistence", &"p"),
            ("relkind", &layout.kind),
            ("relnatts", &layout.columns.len()),
            ("relispopulated", &true),
            ("relreplident", &"n"),
        ]);
    }
}

pub(super) fn pg_tables(context: &Context, table: &mut Table) {
    for (object, name, kind) in objects::relations(&context.catalog) {
        if kind == "r" {
            let keyed =
                matches!(object, Object::Table(table) if !table.definition.primary_key.is_empty());
            table.push(&[
                ("schemaname", &name.schema),
                ("tablename", &name.name),
                ("tableowner", &function::OWNER),
                ("hasindexes", &keyed),
                ("hasrules", &false),
                ("hastriggers", &false),
                ("rowsecurity", &false),
            ]);
        }
    }
}

pub(super) fn pg_views(context: &Context, table: &mut Table) {
    for (object, name, kind) in objects::relations(&context.catalog) {
        if kind == "v" {
            table.push(&[
                ("schemaname", &name.schema),
                ("viewname", &name.name),
                ("viewowner", &function::OWNER),
                ("definition", &format!("{};", objects::view_query(object).unwrap_or_default())),
            ]);
        }
    }
}

pub(super) fn pg_matviews(context: &Context, table: &mut Table) {
    for (object, name, kind) in objects::relations(&context.catalog) {
        if kind == "m" {
            table.push(&[
                ("schemaname", &name.schema),
                ("matviewname", &name.name),
                ("matviewowner", &function::OWNER),
                ("hasindexes", &false),
                ("ispopulated", &true),
                ("definition", &format!("{};", objects::view_query(object).unwrap_or_default())),
            ]);
        }
    }
}

fn views(context: &Context) -> impl Iterator<Item = (ObjectId, &[ObjectId])> {
    objects::relations(&context.catalog)
        .filter(|(_, _, kind)| matches!(*kind, "v" | "m"))
        .map(|(object, _, _)| (object.id(), object.dependencies()))
}

pub(super) fn pg_rewrite(context: &Context, table: &mut Table) {
    for (view, _) in views(context) {
        table.push(&[
            ("oid", &part_oid(Part::Rule, view, 0)),
            ("rulename", &"_RETURN"),
            ("ev_class", &view),
            ("ev_type", &"1"),
            ("ev_enabled", &"O"),
            ("is_instead", &true),
        ]);
    }
}

/// As in PostgreSQL, a view's rule depends on what its query reads, and on the view.
pub(super) fn pg_depend(context: &Context, table: &mut Table) {
    for (view, dependencies) in views(context) {
        let rule = part_oid(Part::Rule, view, 0);
        let ends = dependencies.iter().map(|on| (on, "n")).chain([(&view, "i")]);
        for (on, kind) in ends {
            table.push(&[
                ("classid", &PG_REWRITE),
                ("objid", &rule),
                ("refclassid", &PG_CLASS),
                ("refobjid", on),
                ("deptype", &kind),
            ]);
        }
    }
}

/// Our catalog functions, after the exported input and output functions of types.
pub(super) fn system_pg_proc(table: &mut Table) {
    for (index, name) in function::names().enumerate() {
        let number = u32::try_from(index).unwrap_or(0);
        table.push(&[
            ("oid", &(FIRST_FUNCTION + number)),
            ("proname", &name),
            ("pronamespace", &PG_CATALOG),
            ("proowner", &ROLE),
            ("prolang", &12),
            ("procost", &1),
            ("prokind", &"f"),
            ("provolatile", &"s"),
            ("proparallel", &"s"),
            ("prorettype", &25),
            ("prosrc", &name),
        ]);
    }
}
