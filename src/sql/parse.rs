//! Cuts a message into statements and finds who reads each.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Query, SetExpr, With};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{
    Span, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

use super::dialect::{MillstreamDialect, is};
use super::reader::{self, Reader};
use super::{Parsed, Positions, Statement};
use super::{
    alter, copy, create, cursor, explain, insert, maintain, refuse, setting, show, table,
    transaction, update,
};
use crate::error::{Error, Result, SqlState};

/// Set operations in one statement after which it is refused: each is a level of the syntax tree.
const SET_OPERATIONS_MAX: usize = 1_000;

/// The statements of `text`.
pub(super) fn message(text: &str) -> Result<Vec<Parsed>> {
    let positions = Positions::new(text);
    let message: Arc<str> = text.into();
    let mut statements = Vec::new();
    for (tokens, semicolon) in split(tokens(text, &positions)?) {
        let Some(first) = tokens.iter().find(|token| !is_whitespace(token)) else { continue };
        let position = positions.of_span(first.span).unwrap_or(1);
        let semicolon = semicolon.and_then(|token| positions.of_span(token.span));
        let slice = reader::slice(text, &positions, &tokens);
        let dialect = MillstreamDialect::default();
        let mut reader = Reader::new(&dialect, &message, &positions, tokens, semicolon);
        let statement = statement(&mut reader)?;
        reader.expect_end()?;
        statements.push(Parsed {
            statement,
            message: Arc::clone(&message),
            text: slice,
            position,
            positions: positions.clone(),
        });
    }
    Ok(statements)
}

/// Reads the whole of `text` as one thing that is not a statement.
pub(super) fn fragment<T>(
    text: &str,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T>,
) -> Result<T> {
    let positions = Positions::new(text);
    let dialect = MillstreamDialect::default();
    let tokens = tokens(text, &positions)?;
    let message: Arc<str> = text.into();
    let mut reader = Reader::new(&dialect, &message, &positions, tokens, None);
    let value = read(&mut reader)?;
    reader.expect_end()?;
    Ok(value)
}

fn tokens(text: &str, positions: &Positions) -> Result<Vec<TokenWithSpan>> {
    let dialect = MillstreamDialect::default();
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| lexical_error(text, positions, &error))?;
    check_size(&tokens, positions)?;
    Ok(tokens.into_iter().flat_map(sign_apart).collect())
}

/// `->-` and `->>-` as two tokens: no such operator ends in a sign.
fn sign_apart(token: TokenWithSpan) -> Vec<TokenWithSpan> {
    let arrow = match &token.token {
        Token::CustomBinaryOperator(text) if text == "->-" => Token::Arrow,
        Token::CustomBinaryOperator(text) if text == "->>-" => Token::LongArrow,
        _ => return vec![token],
    };
    let Span { start, end } = token.span;
    let mut between = end;
    between.column = end.column.saturating_sub(1);
    vec![
        TokenWithSpan { token: arrow, span: Span { start, end: between } },
        TokenWithSpan { token: Token::Minus, span: Span { start: between, end } },
    ]
}

/// An unterminated string or comment, in Postgres' words.
fn lexical_error(text: &str, positions: &Positions, error: &TokenizerError) -> Error {
    let message = error.message.to_lowercase();
    let (what, byte) = if message.contains("comment") {
        // The tokenizer complains about the end; Postgres about where the comment begins.
        ("unterminated /* comment", text.rfind("/*").unwrap_or(0))
    } else {
        let what = if message.contains("string literal") || message.contains("quoted string") {
            "unterminated quoted string"
        } else if message.contains("delimiter") || message.contains("identifier") {
            "unterminated quoted identifier"
        } else {
            "syntax error"
        };
        (what, positions.byte(text, error.location))
    };
    let near: String = text[byte..].chars().take_while(|c| *c != '\n').collect();
    Error::syntax(format!("{what} at or near \"{near}\"")).at(text[..byte].chars().count() + 1)
}

/// Refuses what would make the syntax tree too deep without the parser recursing.
fn check_size(tokens: &[TokenWithSpan], positions: &Positions) -> Result<()> {
    let mut operations = 0;
    for token in tokens {
        if token.token == Token::SemiColon {
            operations = 0;
        } else if is(&token.token, &["union", "except", "intersect"]) {
            operations += 1;
            if operations > SET_OPERATIONS_MAX {
                let message = format!("more than {SET_OPERATIONS_MAX} set operations in a query");
                return Err(Error::new(SqlState::StatementTooComplex, message)
                    .or_at(positions.of_span(token.span))
                    .hint("Insert rows with VALUES, or in several statements."));
            }
        }
    }
    Ok(())
}

/// The tokens of each statement, with its semicolon.
fn split(tokens: Vec<TokenWithSpan>) -> Vec<(Vec<TokenWithSpan>, Option<TokenWithSpan>)> {
    let mut statements = Vec::new();
    let mut current = Vec::new();
    for token in tokens {
        if token.token == Token::SemiColon {
            statements.push((std::mem::take(&mut current), Some(token)));
        } else {
            current.push(token);
        }
    }
    statements.push((current, None));
    statements
}

fn is_whitespace(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

/// Reads one statement.
pub(super) fn statement(r: &mut Reader<'_>) -> Result<Statement> {
    let Token::Word(word) = r.peek() else {
        return if r.at_query() { query(r) } else { Err(r.syntax_error()) };
    };
    match word.value.to_ascii_lowercase().as_str() {
        "with" => with(r),
        "select" | "values" | "table" => query(r),
        "insert" => insert::insert(r, None),
        "update" => update::update(r, None),
        "delete" => update::delete(r, None),
        "truncate" => update::truncate(r),
        "vacuum" => maintain::vacuum(r),
        "analyze" => maintain::analyze(r),
        "copy" => copy::copy(r),
        "create" => create::create(r),
        "drop" => alter::drop(r),
        "alter" => alter::alter(r),
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            transaction::transaction(r)
        }
        "set" => setting::set(r),
        "reset" => setting::reset(r),
        "show" => show::show(r),
        "describe" | "desc" => show::describe(r),
        "explain" => explain::explain(r),
        "prepare" | "execute" | "deallocate" => cursor::prepared(r),
        "declare" | "fetch" | "move" | "close" => cursor::cursor(r),
        "discard" => setting::discard(r),
        "listen" => setting::listen(r),
        "notify" => setting::notify(r),
        "unlisten" => setting::unlisten(r),
        "flush" => explain::flush(r),
        "wait" => explain::wait(r),
        "subscribe" => cursor::subscribe(r),
        _ => Err(refuse::unknown(r)),
    }
}

fn query(r: &mut Reader<'_>) -> Result<Statement> {
    let mut query = r.query()?;
    refuse::emit(r)?;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(into) = select.into.take()
    {
        refuse::query(r, &query)?;
        return table::select_into(r, &into, query);
    }
    refuse::query(r, &query)?;
    Ok(Statement::Query(query))
}

/// `WITH … SELECT`, `INSERT`, `UPDATE` or `DELETE`.
fn with(r: &mut Reader<'_>) -> Result<Statement> {
    match r.after_with() {
        Some("insert") => {
            let with = r.with_parser(with_clause)?;
            insert::insert(r, Some(with))
        }
        Some("update") => {
            let with = r.with_parser(with_clause)?;
            update::update(r, Some(with))
        }
        Some("delete") => {
            let with = r.with_parser(with_clause)?;
            update::delete(r, Some(with))
        }
        Some(verb @ "merge") => Err(r.unsupported(
            &format!("WITH before {}", verb.to_uppercase()),
            r.position(),
            "Use INSERT … ON CONFLICT, UPDATE or DELETE.",
        )),
        _ => query(r),
    }
}

fn with_clause(
    parser: &mut Parser<'_>,
) -> Result<With, datafusion::sql::sqlparser::parser::ParserError> {
    use datafusion::sql::sqlparser::keywords::Keyword;
    let with_token = parser.expect_keyword(Keyword::WITH)?.into();
    let recursive = parser.parse_keyword(Keyword::RECURSIVE);
    let cte_tables = parser.parse_comma_separated(Parser::parse_cte)?;
    Ok(With { with_token, recursive, cte_tables })
}

/// Puts a `WITH` clause in front of a query.
pub(super) fn prepend(with: With, query: &mut Query) -> Result<()> {
    if query.with.is_some() {
        return Err(Error::unsupported("WITH both before INSERT and in its query")
            .hint("Put all common table expressions into one WITH clause."));
    }
    query.with = Some(with);
    Ok(())
}

#[cfg(test)]
mod tests;
