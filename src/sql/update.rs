//! `UPDATE`, `DELETE` and `TRUNCATE`.

use datafusion::sql::sqlparser::ast::{Expr, TableWithJoins, With};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::insert::returning;
use super::reader::Reader;
use super::statement::{Assignment, Delete, Name, Statement, Update};
use crate::error::{Error, Result};
use itertools::zip_eq;

/// Reads `UPDATE table [AS alias] SET … [FROM …] [WHERE …] [RETURNING …]`.
pub(super) fn update(r: &mut Reader<'_>, with: Option<With>) -> Result<Statement> {
    r.expect(&["update"])?;
    let (table, alias) = target(r, "set")?;
    r.expect(&["set"])?;
    let assignments = assignments(r)?;
    let from = if r.take(&["from"]) { tables(r)? } else { vec![] };
    let filter = filter(r)?;
    let returning = returning(r)?;
    let update = Update { with, table, alias, assignments, from, filter, returning };
    Ok(Statement::Update(Box::new(update)))
}

/// Reads `DELETE FROM table [AS alias] [USING …] [WHERE …] [RETURNING …]`.
pub(super) fn delete(r: &mut Reader<'_>, with: Option<With>) -> Result<Statement> {
    r.expect(&["delete", "from"])?;
    let (table, alias) = target(r, "using")?;
    let using = if r.take(&["using"]) { tables(r)? } else { vec![] };
    let filter = filter(r)?;
    let returning = returning(r)?;
    Ok(Statement::Delete(Box::new(Delete { with, table, alias, using, filter, returning })))
}

/// Reads `TRUNCATE [TABLE] a, b`.
pub(super) fn truncate(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["truncate"])?;
    r.take(&["table"]);
    r.take(&["only"]);
    let tables = r.list(Reader::name)?;
    r.take(&["continue", "identity"]);
    let restart = r.take(&["restart", "identity"]);
    // There are no foreign keys that it would follow.
    r.take_any(&["cascade", "restrict"]);
    Ok(Statement::Truncate { tables, restart })
}

/// The table written to and its alias; `next` is the word that may follow instead of an alias.
fn target(r: &mut Reader<'_>, next: &str) -> Result<(Name, Option<String>)> {
    r.take(&["only"]);
    let table = r.name()?;
    let aliased = r.take(&["as"])
        || matches!(r.peek(), Token::Word(_)) && !r.at_any(&[next, "set", "where", "returning"]);
    let alias = if aliased { Some(r.identifier()?) } else { None };
    Ok((table, alias))
}

fn tables(r: &mut Reader<'_>) -> Result<Vec<TableWithJoins>> {
    r.with_parser(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))
}

fn filter(r: &mut Reader<'_>) -> Result<Option<Expr>> {
    let at = r.position();
    if !r.take(&["where"]) {
        return Ok(None);
    }
    if r.at(&["current", "of"]) {
        return Err(r.unsupported("WHERE CURRENT OF", at, "Name the row by its key."));
    }
    r.expr().map(Some)
}

/// Reads `a = 1, (b, c) = (2, 3)`.
pub(super) fn assignments(r: &mut Reader<'_>) -> Result<Vec<Assignment>> {
    let lists = r.list(|r| {
        let at = r.position();
        if *r.peek() != Token::LParen {
            let (column, position) = r.identifier_at()?;
            if matches!(r.peek(), Token::LBracket | Token::Period) {
                return Err(r.unsupported("assigning to a part of a column", at, ""));
            }
            r.expect_symbol(&Token::Eq)?;
            return Ok(vec![Assignment { column, position, value: r.expr()? }]);
        }
        let columns = r.parenthesized(Reader::identifier_at)?;
        r.expect_symbol(&Token::Eq)?;
        r.take(&["row"]);
        if super::dialect::is(r.peek_nth(1), &["select", "with", "values"]) {
            let hint = "Assign one subquery to each column.";
            return Err(r.unsupported("assigning a subquery to several columns", at, hint));
        }
        let values = r.parenthesized(Reader::expr)?;
        if values.len() != columns.len() {
            let message = "number of columns does not match number of values";
            return Err(Error::syntax(message).at(at));
        }
        let assign = |((column, position), value)| Assignment { column, position, value };
        Ok(zip_eq(columns, values).map(assign).collect())
    })?;
    Ok(lists.into_iter().flatten().collect())
}
