//! `INSERT`.

use datafusion::sql::sqlparser::ast::{SelectItem, With};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::{ConflictAction, Insert, OnConflict, Statement};
use super::{parse, refuse, update};
use crate::error::Result;

/// Reads `INSERT …`; `with` is the clause in front of it, if any.
pub(super) fn insert(r: &mut Reader<'_>, with: Option<With>) -> Result<Statement> {
    r.expect(&["insert", "into"])?;
    let table = r.name()?;
    let alias = if r.take(&["as"]) { Some(r.identifier()?) } else { None };
    let columns = if *r.peek() == Token::LParen && !query_in_parentheses(r) {
        r.parenthesized(Reader::identifier_at)?
    } else {
        vec![]
    };
    let at = r.position();
    let overriding = r.take(&["overriding", "system", "value"]);
    if r.at(&["overriding"]) {
        return Err(r.unsupported("OVERRIDING USER VALUE", at, "Leave the column out."));
    }
    let source = if r.take(&["default", "values"]) {
        None
    } else if r.at_query() {
        let mut query = r.query()?;
        refuse::query(r, &query)?;
        if let Some(with) = with {
            parse::prepend(with, &mut query)?;
        }
        Some(query)
    } else {
        return Err(r.syntax_error());
    };
    let on_conflict = if r.take(&["on", "conflict"]) { Some(conflict(r)?) } else { None };
    let returning = returning(r)?;
    Ok(Statement::Insert(Box::new(Insert {
        table,
        alias,
        columns,
        overriding,
        source,
        on_conflict,
        returning,
    })))
}

/// Whether the parenthesis begins a query rather than a list of columns.
fn query_in_parentheses(r: &Reader<'_>) -> bool {
    (1..)
        .map(|n| r.peek_nth(n))
        .find(|token| **token != Token::LParen)
        .is_some_and(|token| super::dialect::is(token, &["select", "with", "values", "table"]))
}

fn conflict(r: &mut Reader<'_>) -> Result<OnConflict> {
    let (mut columns, mut constraint) = (vec![], None);
    if *r.peek() == Token::LParen {
        columns = r.parenthesized(Reader::identifier_at)?;
        let at = r.position();
        if r.at(&["where"]) {
            return Err(r.unsupported("WHERE of a conflict target", at, ""));
        }
    } else if r.take(&["on", "constraint"]) {
        constraint = Some(r.identifier()?);
    }
    r.expect(&["do"])?;
    let action = if r.take(&["nothing"]) {
        ConflictAction::Nothing
    } else {
        r.expect(&["update", "set"])?;
        let assignments = update::assignments(r)?;
        let filter = if r.take(&["where"]) { Some(r.expr()?) } else { None };
        ConflictAction::Update { assignments, filter }
    };
    Ok(OnConflict { columns, constraint, action })
}

/// Reads `RETURNING …`, if it comes next.
pub(super) fn returning(r: &mut Reader<'_>) -> Result<Option<Vec<SelectItem>>> {
    if !r.take(&["returning"]) {
        return Ok(None);
    }
    r.with_parser(|parser| parser.parse_comma_separated(Parser::parse_select_item)).map(Some)
}
