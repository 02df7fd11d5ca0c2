//! `DROP …` and `ALTER …`.

use super::reader::Reader;
use super::statement::{Alter, AlterAction, Drop, Name, Statement};
use super::{refuse, table};
use crate::error::Result;
use crate::types::definition::ObjectKind;

/// The kind of object named next, if it is one of ours.
pub(super) fn kind(r: &mut Reader<'_>) -> Option<ObjectKind> {
    if r.take(&["materialized", "view"]) {
        return Some(ObjectKind::MaterializedView);
    }
    match r.take_any(&["schema", "table", "source", "view"])? {
        "schema" => Some(ObjectKind::Schema),
        "table" => Some(ObjectKind::Table),
        "source" => Some(ObjectKind::Source),
        _ => Some(ObjectKind::View),
    }
}

/// Reads `DROP kind [IF EXISTS] names [CASCADE | RESTRICT]`.
pub(super) fn drop(r: &mut Reader<'_>) -> Result<Statement> {
    let start = r.position();
    r.expect(&["drop"])?;
    let Some(kind) = kind(r) else { return Err(refuse::drop(r, start)) };
    let if_exists = r.if_exists();
    let names = r.list(|r| object_name(r, kind))?;
    let cascade = r.take_any(&["cascade", "restrict"]) == Some("cascade");
    Ok(Statement::Drop(Drop { kind, if_exists, names, cascade }))
}

fn object_name(r: &mut Reader<'_>, kind: ObjectKind) -> Result<Name> {
    if kind == ObjectKind::Schema {
        let (name, position) = r.identifier_at()?;
        return Ok(Name { schema: None, name, position });
    }
    r.name()
}

/// Reads `ALTER kind [IF EXISTS] name action`.
pub(super) fn alter(r: &mut Reader<'_>) -> Result<Statement> {
    let start = r.position();
    r.expect(&["alter"])?;
    let Some(kind) = kind(r) else { return Err(refuse::alter(r, start)) };
    let if_exists = r.if_exists();
    r.take(&["only"]);
    let name = object_name(r, kind)?;
    let at = r.position();
    let action = if r.take(&["rename", "to"]) {
        AlterAction::Rename(r.identifier()?)
    } else if kind != ObjectKind::Schema && r.take(&["rename"]) {
        if r.at(&["constraint"]) {
            return Err(r.unsupported("RENAME CONSTRAINT", at, ""));
        }
        r.take(&["column"]);
        let from = r.identifier()?;
        r.expect(&["to"])?;
        AlterAction::RenameColumn { from, to: r.identifier()? }
    } else if kind != ObjectKind::Schema && r.take(&["set", "schema"]) {
        AlterAction::SetSchema(r.identifier()?)
    } else if kind == ObjectKind::Table && r.at(&["add"]) {
        add(r, at)?
    } else {
        return Err(refuse::alter(r, at));
    };
    if kind == ObjectKind::Schema {
        return Err(r.unsupported(
            "renaming a schema",
            at,
            "Create another, and move relations with ALTER … SET SCHEMA.",
        ));
    }
    Ok(Statement::Alter(Alter { kind, if_exists, name, action }))
}

/// Reads `ADD [CONSTRAINT name] PRIMARY KEY (columns)`; `at` is where it begins.
fn add(r: &mut Reader<'_>, at: usize) -> Result<AlterAction> {
    let refused = refuse::alter(r, at);
    r.expect(&["add"])?;
    let name = if r.take(&["constraint"]) { Some(r.identifier()?) } else { None };
    if !r.take(&["primary", "key"]) {
        return Err(refused);
    }
    let given = r.parenthesized(Reader::identifier_at)?;
    let mut columns: Vec<String> = Vec::with_capacity(given.len());
    for (column, at) in given {
        if columns.contains(&column) {
            return Err(table::repeated_in_key(&column).at(at));
        }
        columns.push(column);
    }
    Ok(AlterAction::AddPrimaryKey { name, columns })
}
