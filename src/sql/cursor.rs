//! Cursors, prepared statements, subscriptions.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::{Declare, Fetch, FetchDirection, Statement};
use super::{Parsed, parse, refuse, types};
use crate::error::Result;

/// Reads `PREPARE`, `EXECUTE` or `DEALLOCATE`.
pub(super) fn prepared(r: &mut Reader<'_>) -> Result<Statement> {
    match r.expect_any(&["prepare", "execute", "deallocate"])? {
        "prepare" => prepare(r),
        "execute" => {
            let name = r.identifier()?;
            let given = *r.peek() == Token::LParen;
            let arguments = if given { r.parenthesized(Reader::expr)? } else { vec![] };
            Ok(Statement::Execute { name, arguments })
        }
        _ => {
            r.take(&["prepare"]);
            let all = r.take(&["all"]);
            Ok(Statement::Deallocate(if all { None } else { Some(r.identifier()?) }))
        }
    }
}

fn prepare(r: &mut Reader<'_>) -> Result<Statement> {
    let at = r.position();
    if r.at(&["transaction"]) {
        return Err(r.unsupported("two-phase commit", at, ""));
    }
    let name = r.identifier()?;
    let typed = *r.peek() == Token::LParen;
    let types = if typed { r.parenthesized(types::data_type)? } else { vec![] };
    r.expect(&["as"])?;
    let (from, position) = (r.index(), r.position());
    if !r.at_query() && !r.at_any(&["insert", "update", "delete"]) {
        return Err(r.syntax_error());
    }
    let statement = parse::statement(r)?;
    let text = r.slice(from);
    let statement = Box::new(Parsed {
        statement,
        message: r.message(),
        text,
        position,
        positions: r.positions().clone(),
    });
    Ok(Statement::Prepare { name, types, statement })
}

/// Reads `DECLARE`, `FETCH`, `MOVE` or `CLOSE`.
pub(super) fn cursor(r: &mut Reader<'_>) -> Result<Statement> {
    match r.expect_any(&["declare", "fetch", "move", "close"])? {
        "declare" => declare(r),
        "close" => {
            let all = r.take(&["all"]);
            Ok(Statement::Close(if all { None } else { Some(r.identifier()?) }))
        }
        verb => fetch(r, verb == "move"),
    }
}

fn declare(r: &mut Reader<'_>) -> Result<Statement> {
    let name = r.identifier()?;
    let (mut binary, mut scroll) = (false, None);
    loop {
        if r.take(&["binary"]) {
            binary = true;
        } else if r.take(&["no", "scroll"]) {
            scroll = Some(false);
        } else if r.take(&["scroll"]) {
            scroll = Some(true);
        } else if r.take_any(&["insensitive", "asensitive"]).is_none() {
            break;
        }
    }
    let at = r.position();
    if r.at(&["subscription"]) {
        return Err(r.unsupported("a subscription cursor", at, ""));
    }
    r.expect(&["cursor"])?;
    let hold = r.take(&["with", "hold"]);
    r.take(&["without", "hold"]);
    r.expect(&["for"])?;
    let from = r.index();
    if r.at(&["subscribe"]) {
        return Err(r.unsupported("a cursor over SUBSCRIBE", r.position(), ""));
    }
    if !r.at_query() {
        return Err(r.syntax_error());
    }
    let query = r.query()?;
    refuse::query(r, &query)?;
    let text = r.slice(from);
    Ok(Statement::Declare(Box::new(Declare { name, hold, scroll, binary, query, text })))
}

fn fetch(r: &mut Reader<'_>, is_move: bool) -> Result<Statement> {
    let direction = direction(r)?;
    r.take_any(&["from", "in"]);
    Ok(Statement::Fetch(Fetch { cursor: r.identifier()?, direction, is_move }))
}

fn direction(r: &mut Reader<'_>) -> Result<FetchDirection> {
    if matches!(r.peek(), Token::Number(..) | Token::Minus | Token::Plus) {
        return r.integer().map(FetchDirection::Relative);
    }
    // A cursor may be called like a direction if nothing follows it.
    if matches!(r.peek_nth(1), Token::EOF) {
        return Ok(FetchDirection::Relative(1));
    }
    let words =
        ["next", "prior", "first", "last", "absolute", "relative", "all", "forward", "backward"];
    Ok(match r.take_any(&words) {
        None | Some("next") => FetchDirection::Relative(1),
        Some("prior") => FetchDirection::Relative(-1),
        Some("first") => FetchDirection::Absolute(1),
        Some("last") => FetchDirection::Absolute(-1),
        Some("absolute") => FetchDirection::Absolute(r.integer()?),
        Some("relative") => FetchDirection::RelativeRow(r.integer()?),
        Some("all") => FetchDirection::All,
        Some("forward") => count(r)?.map_or(FetchDirection::All, FetchDirection::Relative),
        Some(_) => count(r)?.map_or(FetchDirection::BackwardAll, |n| FetchDirection::Relative(-n)),
    })
}

/// `n`, or nothing for one, or `ALL` for `None`.
fn count(r: &mut Reader<'_>) -> Result<Option<i64>> {
    if r.take(&["all"]) {
        return Ok(None);
    }
    match r.peek() {
        Token::Number(..) | Token::Minus | Token::Plus => r.integer().map(Some),
        _ => Ok(Some(1)),
    }
}

/// Reads `SUBSCRIBE [TO] { v | (query) }`.
pub(super) fn subscribe(r: &mut Reader<'_>) -> Result<Statement> {
    let at = r.position();
    r.expect(&["subscribe"])?;
    let hint = "Use Engine::subscribe when embedding, or read the view again after FLUSH.";
    Err(r.unsupported("SUBSCRIBE", at, hint))
}
