//! Names to OIDs and back: what `regclass` and its kind do. Functions that begin with `__` are what
//! the rewriter makes of casts.

use super::{Definition, OWNER, boolean, scalar, types};
use crate::engine::system::context::Context;
use crate::engine::system::layout::{self, static_rows};
use crate::engine::system::objects::{self, ROLE};
use crate::error::{Error, Result, SqlState};
use crate::types::QualifiedName;
use crate::types::name::quote;
use crate::types::pg_type::{OID, TEXT};

pub(super) const ALL: &[Definition] = &[
    scalar("__regclass", OID, |context, arguments| {
        arguments.text(0).map(|name| relation_oid(context, name)).transpose().map(shown)
    }),
    scalar("__regclass_name", TEXT, |context, arguments| {
        Ok(arguments.oid(0).map(|oid| relation_name(context, oid)))
    }),
    scalar("to_regclass", OID, |context, arguments| {
        Ok(shown(arguments.text(0).and_then(|name| find_relation(context, name))))
    }),
    scalar("__regtype", OID, |_, arguments| {
        let find = |name: &str| types::oid(name).ok_or_else(|| missing("type", name));
        arguments.text(0).map(find).transpose().map(shown)
    }),
    scalar("__regtype_name", TEXT, |_, arguments| {
        Ok(arguments.oid(0).map(|oid| types::format_type(oid, -1)))
    }),
    scalar("to_regtype", OID, |_, arguments| Ok(shown(arguments.text(0).and_then(types::oid)))),
    scalar("__regproc", OID, |_, arguments| {
        let find = |name: &str| function_oid(name).ok_or_else(|| missing("function", name));
        arguments.text(0).map(find).transpose().map(shown)
    }),
    scalar("__regproc_name", TEXT, |_, arguments| Ok(arguments.oid(0).map(function_name))),
    scalar("__regnamespace", OID, |context, arguments| {
        let find = |name: &str| {
            objects::schema_oid(&context.catalog, name).ok_or_else(|| missing("schema", name))
        };
        arguments.text(0).map(find).transpose().map(shown)
    }),
    scalar("__regnamespace_name", TEXT, |context, arguments| {
        Ok(arguments.oid(0).map(|oid| {
            let schemas = objects::schemas(&context.catalog);
            let found = schemas.into_iter().find(|(known, _)| *known == oid);
            found.map_or_else(|| oid.to_string(), |(_, name)| quote(&name).into_owned())
        }))
    }),
    scalar("__regrole", OID, |_, arguments| Ok(arguments.text(0).map(|_| ROLE.to_string()))),
    scalar("__regrole_name", TEXT, |_, arguments| Ok(arguments.oid(0).map(|_| OWNER.to_owned()))),
];

fn shown(oid: Option<u32>) -> Option<String> {
    oid.map(|oid| oid.to_string())
}

fn missing(kind: &str, name: &str) -> Error {
    let state = match kind {
        "schema" => SqlState::InvalidSchemaName,
        "function" => SqlState::UndefinedFunction,
        _ => SqlState::UndefinedObject,
    };
    Error::new(state, format!("{kind} \"{name}\" does not exist"))
}

/// The parts of a possibly quoted, possibly qualified name, folded where not quoted.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.trim().chars().peekable();
    while let Some(char) = chars.next() {
        let part = parts.last_mut().expect("there is always a part");
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            char if quoted => part.push(char),
            char => part.extend(char.to_lowercase()),
        }
    }
    parts
}

/// The relation of this name, system relations first, as in every search path.
fn find_relation(context: &Context, text: &str) -> Option<u32> {
    if let Ok(oid) = text.trim().parse() {
        return Some(oid);
    }
    let parts = split(text);
    let (schema, name) = match parts.as_slice() {
        [name] => (None, name),
        [schema, name] | [_, schema, name] => (Some(schema.as_str()), name),
        _ => return None,
    };
    if let Some(layout) = layout::find(schema.unwrap_or(layout::PG_CATALOG), name) {
        return Some(layout.oid);
    }
    let object = context.catalog.resolve(schema, name, &context.search_path).ok()?;
    Some(object.id().0)
}

/// OID of a relation by name.
///
/// # Errors
/// `42P01`.
pub(super) fn relation_oid(context: &Context, text: &str) -> Result<u32> {
    find_relation(context, text).ok_or_else(|| Error::undefined_table(text))
}

fn qualified(context: &Context, oid: u32) -> Option<QualifiedName> {
    if let Some(object) = context.catalog.get(crate::types::ObjectId(oid)) {
        return object.relation_name().cloned();
    }
    if let Some(layout) = layout::relations().find(|layout| layout.oid == oid) {
        return Some(QualifiedName::new(layout.schema, layout.name));
    }
    let mut keyed = objects::keyed_tables(&context.catalog);
    let index = |table: &&crate::catalog::Table| {
        objects::part_oid(objects::Part::KeyIndex, table.id, 0) == oid
    };
    let table = keyed.find(index)?;
    Some(QualifiedName::new(table.name.schema.clone(), objects::key_name(table)))
}

/// Whether a relation is found without its schema.
pub(super) fn relation_is_visible(context: &Context, oid: u32) -> Option<String> {
    let name = qualified(context, oid)?;
    let plain = quote(&name.name);
    let hidden_by = find_relation(context, &plain).is_some_and(|found| found != oid);
    let on_path = name.schema == layout::PG_CATALOG || context.search_path.contains(&name.schema);
    boolean(on_path && !hidden_by)
}

/// The name that `regclass` shows.
fn relation_name(context: &Context, oid: u32) -> String {
    let Some(name) = qualified(context, oid) else {
        return if oid == 0 { "-".to_owned() } else { oid.to_string() };
    };
    match relation_is_visible(context, oid).as_deref() {
        Some("t") => quote(&name.name).into_owned(),
        _ => name.to_string(),
    }
}

fn function_row(column: &str, value: &str) -> Option<usize> {
    let functions = static_rows("pg_proc");
    (0..functions.rows.len()).find(|row| functions.get(*row, column) == Some(value))
}

fn function_oid(name: &str) -> Option<u32> {
    let row = function_row("proname", split(name).last()?)?;
    static_rows("pg_proc").get(row, "oid")?.parse().ok()
}

fn function_name(oid: u32) -> String {
    let text = oid.to_string();
    let name =
        function_row("oid", &text).and_then(|row| static_rows("pg_proc").get(row, "proname"));
    match name {
        Some(name) => name.to_owned(),
        None if oid == 0 => "-".to_owned(),
        None => text,
    }
}
