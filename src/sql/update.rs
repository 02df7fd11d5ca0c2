//! `UPDATE`, `DELETE` and `TRUNCATE`.

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, TableWithJoins, With};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::insert::returning;
use super::reader::Reader;
use super::refuse;
use super::statement::{Assignment, Delete, Name, Statement, Update};
use crate::error::{Error, Result, SqlState};
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
            return Ok(vec![Assignment { column, position, value: r.expr()?, part: None }]);
        }
        let columns = r.parenthesized(Reader::identifier_at)?;
        r.expect_symbol(&Token::Eq)?;
        let values = several(r, columns.len())?;
        let assign =
            |((column, position), (value, part))| Assignment { column, position, value, part };
        Ok(zip_eq(columns, values).map(assign).collect())
    })?;
    Ok(lists.into_iter().flatten().collect())
}

/// Reads the values of as many columns: `(x, y)`, `ROW(x, y)` or a query.
fn several(r: &mut Reader<'_>, count: usize) -> Result<Vec<(Expr, Option<(usize, usize)>)>> {
    let at = r.position();
    let row = r.take(&["row"]);
    let query = !row && super::dialect::is(r.peek_nth(1), &["select", "with", "values", "table"]);
    let source =
        "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
    if *r.peek() != Token::LParen {
        return Err(Error::new(SqlState::FeatureNotSupported, source).at(at));
    }
    let mismatch = || Error::syntax("number of columns does not match number of values").at(at);
    if query {
        r.expect_symbol(&Token::LParen)?;
        let query = r.query()?;
        refuse::query(r, &query)?;
        r.expect_symbol(&Token::RParen)?;
        match width(&query.body) {
            Some(width) if width != count => return Err(mismatch()),
            Some(_) => {}
            None => {
                let hint = "Name the query's columns.";
                return Err(r.unsupported("assigning all columns of a query", at, hint));
            }
        }
        let value = Expr::Subquery(query);
        return Ok((0..count).map(|index| (value.clone(), Some((index, count)))).collect());
    }
    let mut first = None;
    let values = r.parenthesized(|r| {
        first.get_or_insert_with(|| r.position());
        r.expr()
    })?;
    if !row && values.len() == 1 {
        return Err(Error::new(SqlState::FeatureNotSupported, source).or_at(first));
    }
    if values.len() != count {
        return Err(mismatch());
    }
    Ok(values.into_iter().map(|value| (value, None)).collect())
}

/// The number of columns of a query, as far as it says so.
fn width(body: &SetExpr) -> Option<usize> {
    let named = |item: &SelectItem| {
        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
    };
    match body {
        SetExpr::Select(select) => {
            select.projection.iter().all(named).then_some(select.projection.len())
        }
        SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
        SetExpr::Query(query) => width(&query.body),
        SetExpr::SetOperation { left, .. } => width(left),
        _ => None,
    }
}
