//! `CREATE …`: which kind, and what we do not create.

use super::reader::Reader;
use super::statement::{CreateView, Statement};
use super::{refuse, source, table};
use crate::error::Result;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Reads `CREATE …`.
pub(super) fn create(r: &mut Reader<'_>) -> Result<Statement> {
    let start = r.position();
    r.expect(&["create"])?;
    let or_replace = r.take(&["or", "replace"]);
    let at = r.position();
    if r.take_any(&["temp", "temporary"]).is_some() {
        let hint = "Leave out TEMPORARY, and drop it when you are done.";
        return Err(r.unsupported("a temporary table or view", at, hint));
    }
    r.take(&["unlogged"]);
    if r.take(&["materialized", "view"]) {
        if or_replace {
            let hint = "DROP MATERIALIZED VIEW and create it again.";
            return Err(r.unsupported("CREATE OR REPLACE MATERIALIZED VIEW", start, hint));
        }
        return Ok(Statement::CreateMaterializedView(Box::new(view(r, false)?)));
    }
    if r.take(&["view"]) {
        return Ok(Statement::CreateView(Box::new(view(r, or_replace)?)));
    }
    if or_replace && r.at_any(&["table", "source", "schema"]) {
        return Err(r.unsupported("OR REPLACE here", start, "Use DROP … IF EXISTS before CREATE."));
    }
    if r.take(&["table"]) {
        return table::create_table(r);
    }
    if r.take(&["source"]) {
        return source::create_source(r);
    }
    if r.take(&["schema"]) {
        return schema(r);
    }
    Err(refuse::create(r, start))
}

fn schema(r: &mut Reader<'_>) -> Result<Statement> {
    let if_not_exists = r.if_not_exists();
    let at = r.position();
    if r.at(&["authorization"]) {
        return Err(r.unsupported("AUTHORIZATION", at, "Write CREATE SCHEMA name."));
    }
    let name = r.identifier()?;
    Ok(Statement::CreateSchema { name, if_not_exists })
}

/// Reads what follows `VIEW`.
fn view(r: &mut Reader<'_>, or_replace: bool) -> Result<CreateView> {
    let if_not_exists = r.if_not_exists();
    let name = r.name()?;
    let columns =
        if *r.peek() == Token::LParen { r.parenthesized(Reader::identifier)? } else { vec![] };
    if r.at(&["with"]) {
        return Err(refuse::options(r, "a view"));
    }
    r.expect(&["as"])?;
    if !r.at_query() {
        return Err(r.syntax_error());
    }
    let query = r.query()?;
    refuse::query(r, &query)?;
    let at = r.position();
    if r.take(&["with", "no", "data"]) {
        return Err(r.unsupported(
            "WITH NO DATA",
            at,
            "A view is filled as soon as it is created.",
        ));
    }
    r.take(&["with", "data"]);
    // What every view does: its changes show when they happen.
    let _ = r.take(&["emit", "changes"])
        || r.take(&["emit", "on", "update"])
        || r.take(&["emit", "on", "change"]);
    refuse::emit(r)?;
    Ok(CreateView { name, or_replace, if_not_exists, columns, query })
}
