//! Columns and their defaults.

use crate::catalog::Object;
use crate::engine::system::context::Context;
use crate::engine::system::layout::{self, static_rows};
use crate::engine::system::objects::{self, Part, part_oid};
use crate::engine::system::table::Table;

/// What `pg_attribute` repeats of a type.
struct TypeFacts {
    by_value: &'static str,
    align: &'static str,
    storage: &'static str,
    collation: &'static str,
    size: &'static str,
}

fn type_facts(oid: u32) -> TypeFacts {
    let types = static_rows("pg_type");
    let oid = oid.to_string();
    let row = (0..types.rows.len()).find(|row| types.get(*row, "oid") == Some(oid.as_str()));
    let fact = |name, other| row.and_then(|row| types.get(row, name)).unwrap_or(other);
    TypeFacts {
        by_value: fact("typbyval", "f"),
        align: fact("typalign", "i"),
        storage: fact("typstorage", "x"),
        collation: fact("typcollation", "0"),
        size: fact("typlen", "-1"),
    }
}

struct Attribute<'a> {
    relation: u32,
    number: usize,
    name: &'a str,
    type_oid: u32,
    modifier: i32,
    dimensions: u8,
    not_null: bool,
    has_default: bool,
    generated: bool,
}

fn push(attribute: &Attribute<'_>, table: &mut Table) {
    let facts = type_facts(attribute.type_oid);
    table.push(&[
        ("attrelid", &attribute.relation),
        ("attname", &attribute.name),
        ("atttypid", &attribute.type_oid),
        ("attstattarget", &-1),
        ("attlen", &facts.size),
        ("attnum", &attribute.number),
        ("attndims", &attribute.dimensions),
        ("attcacheoff", &-1),
        ("atttypmod", &attribute.modifier),
        ("attbyval", &facts.by_value),
        ("attalign", &facts.align),
        ("attstorage", &facts.storage),
        ("attnotnull", &attribute.not_null),
        ("atthasdef", &attribute.has_default),
        ("attgenerated", &if attribute.generated { "s" } else { "" }),
        ("attislocal", &true),
        ("attcollation", &facts.collation),
    ]);
}

pub(super) fn pg_attribute(context: &Context, table: &mut Table) {
    for (object, _, _) in objects::relations(&context.catalog) {
        for (index, column) in object.columns().iter().enumerate() {
            let (type_oid, modifier, _) = objects::column_type(column);
            let array = matches!(column.sql_type, crate::types::SqlType::Array(_));
            let attribute = Attribute {
                relation: object.id().0,
                number: index + 1,
                name: &column.name,
                type_oid,
                modifier,
                dimensions: u8::from(array),
                not_null: column.not_null && matches!(object, Object::Table(_)),
                has_default: column.default.is_some() || column.generated.is_some(),
                generated: column.generated.is_some(),
            };
            push(&attribute, table);
        }
    }
    for keyed in objects::keyed_tables(&context.catalog) {
        for (index, column) in keyed.definition.primary_key.iter().enumerate() {
            let column = &keyed.definition.columns[*column];
            let (type_oid, modifier, _) = objects::column_type(column);
            let relation = part_oid(Part::KeyIndex, keyed.id, 0);
            push(&plain(relation, index + 1, &column.name, type_oid, modifier), table);
        }
    }
}

/// The columns of the system's own relations.
pub(super) fn system_pg_attribute(table: &mut Table) {
    for layout in layout::relations() {
        for (index, column) in layout.columns.iter().enumerate() {
            let mut attribute = plain(layout.oid, index + 1, column.name, column.type_oid(), -1);
            attribute.not_null = column.not_null;
            push(&attribute, table);
        }
    }
}

fn plain(relation: u32, number: usize, name: &str, type_oid: u32, modifier: i32) -> Attribute<'_> {
    Attribute {
        relation,
        number,
        name,
        type_oid,
        modifier,
        dimensions: 0,
        not_null: false,
        has_default: false,
        generated: false,
    }
}

pub(super) fn pg_attrdef(context: &Context, table: &mut Table) {
    for (object, _, _) in objects::relations(&context.catalog) {
        for (index, expr) in defaults(object) {
            table.push(&[
                ("oid", &part_oid(Part::Default, object.id(), index)),
                ("adrelid", &object.id()),
                ("adnum", &(index + 1)),
                ("adbin", &expr),
            ]);
        }
    }
}

/// Columns (by index) with a default or a generating expression.
fn defaults(object: &Object) -> impl Iterator<Item = (usize, &str)> {
    object.columns().iter().enumerate().filter_map(|(index, column)| {
        let expr = column.default.as_deref().or(column.generated.as_deref());
        Some((index, expr?))
    })
}
