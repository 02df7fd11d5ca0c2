//! The catalog's objects with the OIDs under which tools refer to them and to their parts.

use crate::catalog::{Catalog, Object, PUBLIC, Table};
use crate::types::name::quote;
use crate::types::pg_type;
use crate::types::{ObjectId, QualifiedName};

/// OID of the one role.
pub(super) const ROLE: u32 = 10;
/// OID of the one database.
pub(super) const DATABASE: u32 = 5;
/// OID of `pg_catalog`.
pub(super) const PG_CATALOG: u32 = 11;
/// OID of `public`, if the catalog has no object for it.
const PUBLIC_OID: u32 = 2200;
/// OID of `information_schema`.
pub(super) const INFORMATION_SCHEMA: u32 = 13_000;
/// OID of `pg_toast`, a schema that tools expect.
pub(super) const PG_TOAST: u32 = 99;

/// Parts of objects whose OIDs are computed from the object's: they lie far above all objects.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// The index of a table's primary key.
    KeyIndex = 0x4000_0000,
    /// The primary key constraint.
    KeyConstraint = 0x5000_0000,
    /// A CHECK constraint, by number.
    Check = 0x6000_0000,
    /// A column's default, by number.
    Default = 0x7000_0000,
    /// The rule that makes a view.
    Rule = 0x3000_0000,
}

/// OID of a part. Checks and defaults are numbered up to 1600 per object, as many as columns may be.
pub(super) fn part_oid(part: Part, object: ObjectId, number: usize) -> u32 {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let base = part as u32;
    match part {
        Part::KeyIndex | Part::KeyConstraint | Part::Rule => base | object.0,
        Part::Check | Part::Default => {
            base.wrapping_add(object.0.wrapping_mul(1600)).wrapping_add(number)
        }
    }
}

/// OID of a system schema by name.
pub(super) fn system_schema_oid(name: &str) -> Option<u32> {
    match name {
        "pg_catalog" => Some(PG_CATALOG),
        "information_schema" => Some(INFORMATION_SCHEMA),
        "pg_toast" => Some(PG_TOAST),
        _ => None,
    }
}

/// OID of a schema by name.
pub(super) fn schema_oid(catalog: &Catalog, name: &str) -> Option<u32> {
    if let Some(oid) = system_schema_oid(name) {
        return Some(oid);
    }
    let named = |object: &&std::sync::Arc<Object>| matches!(&***object, Object::Schema(schema) if schema.name == name);
    let found = catalog.objects().find(named).map(|object| object.id().0);
    found.or_else(|| (name == PUBLIC).then_some(PUBLIC_OID))
}

/// All schemas with their OIDs.
pub(super) fn schemas(catalog: &Catalog) -> Vec<(u32, String)> {
    let mut schemas = vec![
        (PG_CATALOG, "pg_catalog".to_owned()),
        (INFORMATION_SCHEMA, "information_schema".to_owned()),
        (PG_TOAST, "pg_toast".to_owned()),
    ];
    for object in catalog.objects() {
        if let Object::Schema(schema) = &**object {
            schemas.push((schema.id.0, schema.name.clone()));
        }
    }
    if !schemas.iter().any(|(_, name)| name == PUBLIC) {
        schemas.push((PUBLIC_OID, PUBLIC.to_owned()));
    }
    schemas
}

/// `relkind`: sources are foreign tables, since their rows live elsewhere.
pub(super) fn kind(object: &Object) -> Option<&'static str> {
    match object {
        Object::Schema(_) => None,
        Object::Table(_) => Some("r"),
        Object::Source(_) => Some("f"),
        Object::View(_) => Some("v"),
        Object::MaterializedView(_) => Some("m"),
    }
}

/// Relations with their names and `relkind`.
pub(super) fn relations(
    catalog: &Catalog,
) -> impl Iterator<Item = (&Object, &QualifiedName, &'static str)> {
    catalog.objects().filter_map(|object| {
        let object = &**object;
        Some((object, object.relation_name()?, kind(object)?))
    })
}

/// Tables that have a primary key.
pub(super) fn keyed_tables(catalog: &Catalog) -> impl Iterator<Item = &Table> {
    catalog.objects().filter_map(|object| match &**object {
        Object::Table(table) if !table.definition.primary_key.is_empty() => Some(table),
        _ => None,
    })
}

/// Name of a table's primary key.
pub(super) fn key_name(table: &Table) -> String {
    let given = table.definition.primary_key_name.clone();
    given.unwrap_or_else(|| format!("{}_pkey", table.name.name))
}

/// The key's columns, quoted, separated by commas.
pub(super) fn key_columns(table: &Table) -> String {
    let columns = &table.definition.columns;
    let names = table.definition.primary_key.iter().map(|index| quote(&columns[*index].name));
    names.collect::<Vec<_>>().join(", ")
}

/// `CREATE UNIQUE INDEX …` of a primary key.
pub(super) fn key_index_definition(table: &Table) -> String {
    format!(
        "CREATE UNIQUE INDEX {} ON {} USING btree ({})",
        quote(&key_name(table)),
        table.name,
        key_columns(table),
    )
}

/// The query of a view.
pub(super) fn view_query(object: &Object) -> Option<&str> {
    match object {
        Object::View(view) | Object::MaterializedView(view) => Some(&view.definition.query),
        _ => None,
    }
}

/// Type OID, type modifier and `typlen` of a column.
pub(super) fn column_type(column: &crate::types::definition::Column) -> (u32, i32, i16) {
    let field = column.sql_type.field(&column.name, true);
    let modifier = field.metadata().get(pg_type::PG_TYPMOD).and_then(|text| text.parse().ok());
    let size = match pg_type::element(field.data_type()) {
        Some(_) => -1,
        None => pg_type::of_field(&field).size,
    };
    (pg_type::oid_of_field(&field), modifier.unwrap_or(-1), size)
}
