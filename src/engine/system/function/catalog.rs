//! What is known of objects by their OID.

use super::{Arguments, Definition, boolean, scalar};
use crate::catalog::{Object, Table};
use crate::engine::system::context::Context;
use crate::engine::system::objects::{self, Part, part_oid};
use crate::error::Result;
use crate::types::name::quote;
use crate::types::pg_type::{BOOL, INT8, TEXT};

pub(super) const ALL: &[Definition] = &[
    scalar("pg_table_is_visible", BOOL, |context, arguments| {
        Ok(arguments.oid(0).and_then(|oid| super::name::relation_is_visible(context, oid)))
    }),
    scalar("pg_type_is_visible", BOOL, visible),
    scalar("pg_function_is_visible", BOOL, visible),
    scalar("pg_operator_is_visible", BOOL, visible),
    scalar("pg_opclass_is_visible", BOOL, visible),
    scalar("pg_opfamily_is_visible", BOOL, visible),
    scalar("pg_collation_is_visible", BOOL, visible),
    scalar("pg_conversion_is_visible", BOOL, visible),
    scalar("pg_statistics_obj_is_visible", BOOL, visible),
    scalar("pg_ts_config_is_visible", BOOL, visible),
    scalar("pg_ts_dict_is_visible", BOOL, visible),
    scalar("pg_ts_parser_is_visible", BOOL, visible),
    scalar("pg_ts_template_is_visible", BOOL, visible),
    scalar("pg_get_expr", TEXT, |_, arguments| Ok(arguments.text(0).map(str::to_owned))),
    scalar("pg_get_constraintdef", TEXT, |context, arguments| {
        Ok(arguments.oid(0).and_then(|oid| constraint(context, oid)))
    }),
    scalar("pg_get_indexdef", TEXT, index),
    scalar("pg_get_viewdef", TEXT, view),
    scalar("pg_get_ruledef", TEXT, none),
    scalar("pg_get_triggerdef", TEXT, none),
    scalar("pg_get_partkeydef", TEXT, none),
    scalar("pg_get_statisticsobjdef_columns", TEXT, none),
    scalar("pg_get_function_result", TEXT, |_, arguments| {
        Ok(arguments.oid(0).map(|_| "text".to_owned()))
    }),
    scalar("pg_get_function_arguments", TEXT, empty),
    scalar("pg_get_function_identity_arguments", TEXT, empty),
    scalar("pg_get_functiondef", TEXT, none),
    scalar("pg_get_function_sqlbody", TEXT, none),
    scalar("pg_get_function_arg_default", TEXT, none),
    scalar("pg_get_partition_constraintdef", TEXT, none),
    scalar("pg_get_statisticsobjdef", TEXT, none),
    scalar("pg_describe_object", TEXT, none),
    scalar("obj_description", TEXT, none),
    scalar("col_description", TEXT, none),
    scalar("shobj_description", TEXT, none),
    scalar("pg_tablespace_location", TEXT, empty),
    scalar("pg_relation_size", INT8, zero),
    scalar("pg_table_size", INT8, zero),
    scalar("pg_indexes_size", INT8, zero),
    scalar("pg_total_relation_size", INT8, zero),
    scalar("pg_database_size", INT8, zero),
    scalar("pg_tablespace_size", INT8, zero),
    scalar("pg_relation_is_publishable", BOOL, |_, _| Ok(boolean(false))),
    scalar("pg_relation_filenode", INT8, |_, arguments| {
        Ok(arguments.oid(0).map(|oid| oid.to_string()))
    }),
];

fn visible(_: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    Ok(arguments.oid(0).and_then(|_| boolean(true)))
}

fn none(_: &Context, _: &Arguments<'_>) -> Result<Option<String>> {
    Ok(None)
}

fn empty(_: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    Ok(arguments.text(0).map(|_| String::new()))
}

fn zero(_: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    Ok(arguments.text(0).map(|_| "0".to_owned()))
}

fn constraint(context: &Context, oid: u32) -> Option<String> {
    let key = |table: &&Table| part_oid(Part::KeyConstraint, table.id, 0) == oid;
    if let Some(table) = objects::keyed_tables(&context.catalog).find(key) {
        return Some(format!("PRIMARY KEY ({})", objects::key_columns(table)));
    }
    context.catalog.objects().find_map(|object| {
        let Object::Table(table) = &**object else { return None };
        let mut checks = table.definition.checks.iter().enumerate();
        let found = checks.find(|(number, _)| part_oid(Part::Check, table.id, *number) == oid)?;
        Some(format!("CHECK ({})", found.1.expr))
    })
}

/// The index's definition, or only its nth column.
fn index(context: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let Some(oid) = arguments.oid(0) else { return Ok(None) };
    let key = |table: &&Table| part_oid(Part::KeyIndex, table.id, 0) == oid;
    let Some(table) = objects::keyed_tables(&context.catalog).find(key) else { return Ok(None) };
    let column = arguments.number(1).unwrap_or(0);
    Ok(match usize::try_from(column - 1) {
        Err(_) => Some(objects::key_index_definition(table)),
        Ok(column) => {
            let index = table.definition.primary_key.get(column);
            index.map(|index| quote(&table.definition.columns[*index].name).into_owned())
        }
    })
}

/// The query of a view, by OID or by name.
fn view(context: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let Some(text) = arguments.text(0) else { return Ok(None) };
    let oid = match text.parse() {
        Ok(oid) => oid,
        Err(_) => super::name::relation_oid(context, text)?,
    };
    let object = context.catalog.get(crate::types::ObjectId(oid));
    let query = object.and_then(|object| objects::view_query(object));
    Ok(query.map(|query| format!(" {query};")))
}
