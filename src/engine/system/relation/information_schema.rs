//! The SQL standard's view of the catalog.

use crate::catalog::Object;
use crate::engine::system::context::Context;
use crate::engine::system::function::{OWNER, format_type};
use crate::engine::system::objects;
use crate::engine::system::table::Table;
use crate::types::QualifiedName;
use crate::types::definition::Column;
use crate::types::pg_type;

pub(super) fn fill(context: &Context, table: &mut Table, name: &str) {
    let fill = match name {
        "tables" => tables,
        "columns" => columns,
        "views" => views,
        "schemata" => schemata,
        "table_constraints" => table_constraints,
        "key_column_usage" | "constraint_column_usage" => return key_columns(context, table, name),
        "check_constraints" => check_constraints,
        "information_schema_catalog_name" => catalog_name,
        "character_sets" => character_sets,
        _ => return,
    };
    fill(context, table);
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}

fn catalog_name(context: &Context, table: &mut Table) {
    table.push(&[("catalog_name", &context.database)]);
}

fn character_sets(context: &Context, table: &mut Table) {
    table.push(&[
        ("character_set_name", &"UTF8"),
        ("character_repertoire", &"UCS"),
        ("form_of_use", &"UTF8"),
        ("default_collate_catalog", &context.database),
        ("default_collate_schema", &"pg_catalog"),
        ("default_collate_name", &"default"),
    ]);
}

/// Materialized views are left out, as PostgreSQL does.
fn standard_relations(
    context: &Context,
) -> impl Iterator<Item = (&Object, &QualifiedName, &'static str)> {
    objects::relations(&context.catalog).filter(|(_, _, kind)| *kind != "m")
}

fn tables(context: &Context, table: &mut Table) {
    for (_, name, kind) in standard_relations(context) {
        let table_type = match kind {
            "v" => "VIEW",
            "f" => "FOREIGN",
            _ => "BASE TABLE",
        };
        table.push(&[
            ("table_catalog", &context.database),
            ("table_schema", &name.schema),
            ("table_name", &name.name),
            ("table_type", &table_type),
            ("is_insertable_into", &yes_or_no(kind == "r")),
            ("is_typed", &"NO"),
        ]);
    }
}

fn columns(context: &Context, table: &mut Table) {
    for (_, name, kind, number, column) in
        standard_relations(context).flat_map(|(object, name, kind)| {
            let columns = object.columns().iter().enumerate();
            columns.map(move |(index, column)| (object, name, kind, index + 1, column))
        })
    {
        push_column(context, table, name, kind == "r", number, column);
    }
}

fn push_column(
    context: &Context,
    table: &mut Table,
    name: &QualifiedName,
    updatable: bool,
    number: usize,
    column: &Column,
) {
    let (oid, modifier, _) = objects::column_type(column);
    let field = column.sql_type.field(&column.name, true);
    let array = pg_type::element(field.data_type()).is_some();
    let element = pg_type::of_field(&field);
    let (udt, data_type) = match array {
        true => (format!("_{}", element.name), "ARRAY".to_owned()),
        false => (element.name.to_owned(), format_type(oid, -1)),
    };
    table.push(&[
        ("table_catalog", &context.database),
        ("table_schema", &name.schema),
        ("table_name", &name.name),
        ("column_name", &column.name),
        ("ordinal_position", &number),
        ("column_default", &column.default.as_deref().unwrap_or_default()),
        ("is_nullable", &yes_or_no(!(column.not_null && updatable))),
        ("data_type", &data_type),
        ("character_maximum_length", &(modifier - 4)),
        ("numeric_precision", &numeric_precision(oid, modifier)),
        ("numeric_precision_radix", &if oid == pg_type::NUMERIC.oid { 10 } else { 2 }),
        ("numeric_scale", &((modifier - 4) & 0x7ff)),
        ("datetime_precision", &if modifier >= 0 { modifier } else { 6 }),
        ("udt_catalog", &context.database),
        ("udt_schema", &"pg_catalog"),
        ("udt_name", &udt),
        ("dtd_identifier", &number),
        ("is_self_referencing", &"NO"),
        ("is_identity", &"NO"),
        ("identity_cycle", &"NO"),
        ("is_generated", &if column.generated.is_some() { "ALWAYS" } else { "NEVER" }),
        ("generation_expression", &column.generated.as_deref().unwrap_or_default()),
        ("is_updatable", &yes_or_no(updatable && column.generated.is_none())),
    ]);
    let known = |known: bool, name: &str, table: &mut Table| {
        if !known {
            table.set_null(name);
        }
    };
    let integer = [pg_type::INT2.oid, pg_type::INT4.oid, pg_type::INT8.oid].contains(&oid);
    let float = [pg_type::FLOAT4.oid, pg_type::FLOAT8.oid].contains(&oid);
    let numeric = oid == pg_type::NUMERIC.oid;
    let sized = [pg_type::VARCHAR.oid, pg_type::BPCHAR.oid].contains(&oid) && modifier >= 4;
    let timed = [
        pg_type::DATE.oid,
        pg_type::TIME.oid,
        pg_type::TIMESTAMP.oid,
        pg_type::TIMESTAMPTZ.oid,
        pg_type::INTERVAL.oid,
    ]
    .contains(&oid);
    known(column.default.is_some(), "column_default", table);
    known(column.generated.is_some(), "generation_expression", table);
    known(sized, "character_maximum_length", table);
    known(integer || float || numeric && modifier >= 4, "numeric_precision", table);
    known(integer || float || numeric, "numeric_precision_radix", table);
    known(numeric && modifier >= 4, "numeric_scale", table);
    known(timed, "datetime_precision", table);
}

fn numeric_precision(oid: u32, modifier: i32) -> i32 {
    match pg_type::by_oid(oid) {
        Some(pg_type::INT2) => 16,
        Some(pg_type::INT4) => 32,
        Some(pg_type::INT8) => 64,
        Some(pg_type::FLOAT4) => 24,
        Some(pg_type::FLOAT8) => 53,
        _ => (modifier - 4) >> 16,
    }
}

fn views(context: &Context, table: &mut Table) {
    for (object, name, kind) in standard_relations(context) {
        if kind == "v" {
            table.push(&[
                ("table_catalog", &context.database),
                ("table_schema", &name.schema),
                ("table_name", &name.name),
                (
                    "view_definition",
                    &format!("{};", objects::view_query(object).unwrap_or_default()),
                ),
                ("check_option", &"NONE"),
                ("is_updatable", &"NO"),
                ("is_insertable_into", &"NO"),
                ("is_trigger_updatable", &"NO"),
                ("is_trigger_deletable", &"NO"),
                ("is_trigger_insertable_into", &"NO"),
            ]);
        }
    }
}

fn schemata(context: &Context, table: &mut Table) {
    for (_, name) in objects::schemas(&context.catalog) {
        table.push(&[
            ("catalog_name", &context.database),
            ("schema_name", &name),
            ("schema_owner", &OWNER),
        ]);
    }
}

fn table_constraints(context: &Context, table: &mut Table) {
    let push = |table: &mut Table, name: &QualifiedName, constraint: &str, kind: &str| {
        table.push(&[
            ("constraint_catalog", &context.database),
            ("constraint_schema", &name.schema),
            ("constraint_name", &constraint),
            ("table_catalog", &context.database),
            ("table_schema", &name.schema),
            ("table_name", &name.name),
            ("constraint_type", &kind),
            ("is_deferrable", &"NO"),
            ("initially_deferred", &"NO"),
            ("enforced", &"YES"),
        ]);
    };
    for keyed in objects::keyed_tables(&context.catalog) {
        push(table, &keyed.name, &objects::key_name(keyed), "PRIMARY KEY");
    }
    for (object, name, _) in objects::relations(&context.catalog) {
        if let Object::Table(checked) = object {
            for check in &checked.definition.checks {
                push(table, name, &check.name, "CHECK");
            }
        }
    }
}

fn key_columns(context: &Context, table: &mut Table, name: &str) {
    for keyed in objects::keyed_tables(&context.catalog) {
        for (position, index) in keyed.definition.primary_key.iter().enumerate() {
            let constraint = objects::key_name(keyed);
            let position = position + 1;
            let mut cells: Vec<(&str, &dyn std::fmt::Display)> = vec![
                ("constraint_catalog", &context.database),
                ("constraint_schema", &keyed.name.schema),
                ("constraint_name", &constraint),
                ("table_catalog", &context.database),
                ("table_schema", &keyed.name.schema),
                ("table_name", &keyed.name.name),
                ("column_name", &keyed.definition.columns[*index].name),
            ];
            if name == "key_column_usage" {
                cells.push(("ordinal_position", &position));
            }
            table.push(&cells);
        }
    }
}

fn check_constraints(context: &Context, table: &mut Table) {
    for (object, name, _) in objects::relations(&context.catalog) {
        if let Object::Table(checked) = object {
            for check in &checked.definition.checks {
                table.push(&[
                    ("constraint_catalog", &context.database),
                    ("constraint_schema", &name.schema),
                    ("constraint_name", &check.name),
                    ("check_clause", &check.expr),
                ]);
            }
        }
    }
}
