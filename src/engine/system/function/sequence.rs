//! Sequences, which exist behind identity columns only.

use super::name::split;
use super::{Arguments, Definition, scalar};
use crate::catalog::Object;
use crate::engine::system::context::Context;
use crate::error::Result;
use crate::types::pg_type::{INT8, TEXT};

pub(super) const ALL: &[Definition] = &[
    scalar("nextval", INT8, |context, arguments| {
        let Some(name) = arguments.text(0) else { return Ok(None) };
        let (path, session) = (&context.search_path, context.session);
        let next = context.sequences.next(&context.catalog, path, session, &split(name))?;
        Ok(Some(next.to_string()))
    }),
    scalar("currval", INT8, |context, arguments| {
        let Some(name) = arguments.text(0) else { return Ok(None) };
        let (path, session) = (&context.search_path, context.session);
        let current = context.sequences.current(&context.catalog, path, session, &split(name))?;
        Ok(Some(current.to_string()))
    }),
    scalar("lastval", INT8, |context, _| {
        context.sequences.last(context.session).map(|last| Some(last.to_string()))
    }),
    scalar("setval", INT8, set),
    scalar("pg_get_serial_sequence", TEXT, of_column),
];

fn set(context: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let (Some(name), Some(value)) = (arguments.text(0), arguments.number(1)) else {
        return Ok(None);
    };
    let called = arguments.text(2).is_none_or(|called| called.starts_with('t'));
    let path = &context.search_path;
    context.sequences.set(&context.catalog, path, &split(name), (value, called))?;
    Ok(Some(value.to_string()))
}

fn of_column(context: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let (Some(table), Some(column)) = (arguments.text(0), arguments.text(1)) else {
        return Ok(None);
    };
    let parts = split(table);
    let (schema, name) = match parts.as_slice() {
        [name] => (None, name),
        [schema, name] => (Some(schema.as_str()), name),
        _ => return Ok(None),
    };
    let object = context.catalog.resolve(schema, name, &context.search_path)?;
    let Object::Table(table) = &**object else { return Ok(None) };
    let definition = &table.definition;
    let named = |index: usize| definition.columns[index].name == column;
    let sequence = definition.sequences.iter().find(|sequence| named(sequence.column));
    Ok(sequence.map(|sequence| sequence.name.to_string()))
}
