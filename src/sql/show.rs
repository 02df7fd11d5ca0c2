//! `SHOW …` and `DESCRIBE`.

use super::alter::kind;
use super::reader::Reader;
use super::setting::setting_name;
use super::statement::{ShowObjects, Statement};
use crate::error::Result;
use crate::types::definition::ObjectKind;

/// Reads `SHOW …`.
pub(super) fn show(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["show"])?;
    if r.take(&["all"]) {
        return Ok(Statement::Show(None));
    }
    if r.take(&["create"]) {
        let at = r.position();
        let Some(kind) = kind(r).filter(|kind| *kind != ObjectKind::Schema) else {
            let hint = "Write SHOW CREATE TABLE, SOURCE, VIEW or MATERIALIZED VIEW name.";
            return Err(r.syntax_error().hint(hint).or_at(Some(at)));
        };
        return Ok(Statement::ShowCreate { kind, name: r.name()? });
    }
    if r.take(&["columns"]) {
        r.expect_any(&["from", "in"])?;
        return Ok(Statement::ShowColumns { name: r.name()? });
    }
    if r.take(&["materialized", "views"]) {
        return objects(r, ObjectKind::MaterializedView);
    }
    if let Some(word) = r.take_any(&["tables", "sources", "views", "schemas"]) {
        return objects(
            r,
            match word {
                "tables" => ObjectKind::Table,
                "sources" => ObjectKind::Source,
                "views" => ObjectKind::View,
                _ => ObjectKind::Schema,
            },
        );
    }
    if r.take(&["time", "zone"]) {
        return Ok(Statement::Show(Some("timezone".to_owned())));
    }
    if r.take(&["transaction", "isolation", "level"]) {
        return Ok(Statement::Show(Some("transaction_isolation".to_owned())));
    }
    if r.take(&["session", "authorization"]) {
        return Ok(Statement::Show(Some("session_authorization".to_owned())));
    }
    setting_name(r).map(|name| Statement::Show(Some(name)))
}

fn objects(r: &mut Reader<'_>, kind: ObjectKind) -> Result<Statement> {
    let named = kind != ObjectKind::Schema && r.take_any(&["from", "in"]).is_some();
    let schema = if named { Some(r.identifier()?) } else { None };
    let like = if r.take(&["like"]) { Some(r.string()?) } else { None };
    Ok(Statement::ShowObjects(ShowObjects { kind, schema, like }))
}

/// Reads `DESCRIBE name`.
pub(super) fn describe(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect_any(&["describe", "desc"])?;
    Ok(Statement::ShowColumns { name: r.name()? })
}
