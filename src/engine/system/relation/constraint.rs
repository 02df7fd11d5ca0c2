//! Primary keys, their indexes, and CHECK constraints.

use crate::catalog::Object;
use crate::engine::system::context::Context;
use crate::engine::system::objects::{self, Part, part_oid};
use crate::engine::system::table::Table;
use crate::types::definition::Check;

/// `{1,2}` from column indexes.
fn numbers(columns: &[usize]) -> String {
    let numbers: Vec<String> = columns.iter().map(|column| (column + 1).to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

/// `{x,x}` as often as there are columns.
fn repeated(columns: &[usize], value: &str) -> String {
    format!("{{{}}}", vec![value; columns.len()].join(","))
}

/// Tables' CHECK constraints with their numbers.
fn checks(context: &Context) -> impl Iterator<Item = (&crate::catalog::Table, usize, &Check)> {
    context.catalog.objects().flat_map(|object| {
        let table = match &**object {
            Object::Table(table) => Some(table),
            _ => None,
        };
        table.into_iter().flat_map(|table| {
            table
                .definition
                .checks
                .iter()
                .enumerate()
                .map(move |(number, check)| (table, number, check))
        })
    })
}

pub(super) fn pg_constraint(context: &Context, table: &mut Table) {
    let schema = |name: &str| objects::schema_oid(&context.catalog, name).unwrap_or(0);
    for keyed in objects::keyed_tables(&context.catalog) {
        table.push(&[
            ("oid", &part_oid(Part::KeyConstraint, keyed.id, 0)),
            ("conname", &objects::key_name(keyed)),
            ("connamespace", &schema(&keyed.name.schema)),
            ("contype", &"p"),
            ("convalidated", &true),
            ("conrelid", &keyed.id),
            ("conindid", &part_oid(Part::KeyIndex, keyed.id, 0)),
            ("conislocal", &true),
            ("connoinherit", &true),
            ("conkey", &numbers(&keyed.definition.primary_key)),
        ]);
    }
    for (checked, number, check) in checks(context) {
        table.push(&[
            ("oid", &part_oid(Part::Check, checked.id, number)),
            ("conname", &check.name),
            ("connamespace", &schema(&checked.name.schema)),
            ("contype", &"c"),
            ("convalidated", &true),
            ("conrelid", &checked.id),
            ("conislocal", &true),
            ("conbin", &check.expr),
        ]);
    }
}

pub(super) fn pg_index(context: &Context, table: &mut Table) {
    for keyed in objects::keyed_tables(&context.catalog) {
        let key = &keyed.definition.primary_key;
        table.push(&[
            ("indexrelid", &part_oid(Part::KeyIndex, keyed.id, 0)),
            ("indrelid", &keyed.id),
            ("indnatts", &key.len()),
            ("indnkeyatts", &key.len()),
            ("indisunique", &true),
            ("indisprimary", &true),
            ("indimmediate", &true),
            ("indisvalid", &true),
            ("indisready", &true),
            ("indislive", &true),
            ("indkey", &numbers(key)),
            ("indcollation", &repeated(key, "0")),
            ("indclass", &repeated(key, "0")),
            ("indoption", &repeated(key, "0")),
        ]);
    }
}

pub(super) fn pg_indexes(context: &Context, table: &mut Table) {
    for keyed in objects::keyed_tables(&context.catalog) {
        table.push(&[
            ("schemaname", &keyed.name.schema),
            ("tablename", &keyed.name.name),
            ("indexname", &objects::key_name(keyed)),
            ("indexdef", &objects::key_index_definition(keyed)),
        ]);
    }
}
