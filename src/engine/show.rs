//! SHOW TABLES and its kind, SHOW COLUMNS, SHOW CREATE.

use super::response::Response;
use super::session::Session;
use super::setting::table;
use crate::catalog::Object;
use crate::error::{Error, Result, SqlState};
use crate::sql::statement::{Name, ShowObjects};
use crate::sql::{Statement, render};
use crate::types::definition::{Column, ObjectKind};
use crate::types::name::quote;

impl Session {
    /// What the catalog holds, for people.
    pub(super) fn show(&mut self, statement: &Statement) -> Result<Response> {
        match statement {
            Statement::ShowObjects(show) => self.show_objects(show),
            Statement::ShowColumns { name } => self.show_columns(name),
            Statement::ShowCreate { kind, name } => self.show_create(*kind, name),
            other => Err(Error::internal(format!("{other:?} does not show the catalog"))),
        }
    }

    fn show_objects(&self, show: &ShowObjects) -> Result<Response> {
        let catalog = self.shared.catalog();
        let path = match &show.schema {
            Some(schema) => vec![schema.clone()],
            None => self.settings.search_path(),
        };
        let like = |name: &str| show.like.as_ref().is_none_or(|pattern| like(name, pattern));
        let mut rows: Vec<(String, String)> = vec![];
        for object in catalog.objects().filter(|object| object.kind() == show.kind) {
            let schema = object.relation_name().map_or("", |name| name.schema.as_str());
            let listed =
                show.kind == ObjectKind::Schema || path.iter().any(|known| known == schema);
            if listed && like(object.name()) {
                rows.push((object.name().to_owned(), schema.to_owned()));
            }
        }
        rows.sort();
        let (names, schemas): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let batch = match show.kind {
            ObjectKind::Schema => table(&[("name", names)])?,
            _ => table(&[("name", names), ("schema", schemas)])?,
        };
        Ok(Response::batch(batch, "SHOW", false))
    }

    fn show_columns(&self, name: &Name) -> Result<Response> {
        let scope = self.scope();
        let object = scope.object(name)?;
        let columns = object.columns();
        let text =
            |value: &dyn Fn(&Column) -> String| columns.iter().map(value).collect::<Vec<_>>();
        let extra = |column: &Column| match (&column.generated, &column.default) {
            (Some(generated), _) => format!("generated always as ({generated}) stored"),
            (None, Some(default)) => default.clone(),
            (None, None) => String::new(),
        };
        let batch = table(&[
            ("name", text(&|column| column.name.clone())),
            ("type", text(&|column| column.sql_type.to_string())),
            ("nullable", text(&|column| (if column.not_null { "no" } else { "yes" }).to_owned())),
            ("default", text(&extra)),
        ])?;
        Ok(Response::batch(batch, "SHOW", false))
    }

    fn show_create(&self, kind: ObjectKind, name: &Name) -> Result<Response> {
        let scope = self.scope();
        let object = scope.object(name)?;
        if object.kind() != kind {
            return Err(wrong_kind(object, kind).at(name.position));
        }
        let shown = object.relation_name().map_or_else(String::new, ToString::to_string);
        let batch =
            table(&[("name", vec![shown]), ("create_statement", vec![create_statement(object)])])?;
        Ok(Response::batch(batch, "SHOW", false))
    }
}

/// The statement that creates an object, in canonical form.
fn create_statement(object: &Object) -> String {
    match object {
        Object::Schema(schema) => format!("CREATE SCHEMA {}", quote(&schema.name)),
        Object::Table(table) => render::table(&table.name, &table.definition),
        Object::Source(source) => render::source(&source.name, &source.definition),
        Object::View(view) | Object::MaterializedView(view) => {
            render::view(object.kind(), &view.name, &view.definition)
        }
    }
}

/// 42809: `"v" is not a table`, with how to name it rightly.
pub(super) fn wrong_kind(object: &Object, wanted: ObjectKind) -> Error {
    let article = if wanted.noun().starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    Error::new(
        SqlState::WrongObjectType,
        format!("\"{}\" is not {article} {}", object.name(), wanted.noun()),
    )
    .hint(format!("It is a {}.", object.kind().noun()))
}

/// SQL's LIKE, for the patterns of SHOW.
fn like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
            starts.into_iter().any(|start| like(&text[start..], rest.as_str()))
        }
        Some(wanted) => {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| wanted == '_' || c == wanted)
                && like(chars.as_str(), rest.as_str())
        }
    }
}
