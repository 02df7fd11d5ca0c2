//! `SET`, `RESET`, `DISCARD`, `LISTEN`, `UNLISTEN`, `NOTIFY`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::Statement;
use super::transaction::modes;
use crate::error::Result;

/// Reads `SET …`.
pub(super) fn set(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["set"])?;
    if r.take(&["session", "characteristics", "as", "transaction"]) {
        return Ok(Statement::SetTransaction { modes: modes(r)?, session: true });
    }
    // `SET session = …` would be a setting of that name; there is none.
    let local = r.take_any(&["session", "local"]) == Some("local");
    let at = r.position();
    if r.take(&["transaction"]) {
        if r.at(&["snapshot"]) {
            return Err(r.unsupported("SET TRANSACTION SNAPSHOT", at, ""));
        }
        return Ok(Statement::SetTransaction { modes: modes(r)?, session: false });
    }
    if r.take(&["constraints"]) {
        return Err(r.unsupported("SET CONSTRAINTS", at, "Constraints are checked at once."));
    }
    if r.take(&["time", "zone"]) {
        let values =
            if r.take_any(&["default", "local"]).is_some() { None } else { Some(vec![zone(r)?]) };
        return Ok(Statement::Set { local, name: "timezone".to_owned(), values });
    }
    if r.take(&["names"]) {
        let values = if r.at_end() || r.take(&["default"]) { None } else { Some(vec![value(r)?]) };
        return Ok(Statement::Set { local, name: "client_encoding".to_owned(), values });
    }
    if r.take(&["schema"]) {
        let values = Some(vec![r.string()?]);
        return Ok(Statement::Set { local, name: "search_path".to_owned(), values });
    }
    if r.take(&["role", "none"]) {
        let values = Some(vec!["none".to_owned()]);
        return Ok(Statement::Set { local, name: "role".to_owned(), values });
    }
    if r.take(&["session", "authorization", "default"]) || r.take(&["authorization", "default"]) {
        let name = "session_authorization".to_owned();
        return Ok(Statement::Set { local, name, values: None });
    }
    if r.at(&["session", "authorization"]) || r.at(&["role"]) || r.at(&["authorization"]) {
        return Err(r.unsupported(
            "changing the role of a session",
            at,
            "Connect as another user.",
        ));
    }
    let name = setting_name(r)?;
    if !r.take(&["to"]) {
        r.expect_symbol(&Token::Eq)?;
    }
    let values = if r.take(&["default"]) { None } else { Some(r.list(value)?) };
    Ok(Statement::Set { local, name, values })
}

/// Reads `RESET …`.
pub(super) fn reset(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["reset"])?;
    if r.take(&["all"]) {
        return Ok(Statement::Reset(None));
    }
    if r.take(&["time", "zone"]) {
        return Ok(Statement::Reset(Some("timezone".to_owned())));
    }
    if r.take(&["session", "authorization"]) {
        return Ok(Statement::Reset(Some("session_authorization".to_owned())));
    }
    setting_name(r).map(|name| Statement::Reset(Some(name)))
}

/// Reads `DISCARD …`.
pub(super) fn discard(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["discard"])?;
    let what = r.expect_any(&["all", "plans", "sequences", "temp", "temporary"])?;
    Ok(Statement::Discard(match what {
        "all" => "ALL",
        "plans" => "PLANS",
        "sequences" => "SEQUENCES",
        _ => "TEMP",
    }))
}

/// Reads `UNLISTEN …`.
pub(super) fn unlisten(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["unlisten"])?;
    let channel = match r.take_symbol(&Token::Mul) {
        true => None,
        false => Some(r.identifier()?),
    };
    Ok(Statement::Unlisten(channel))
}

/// Reads `LISTEN channel`.
pub(super) fn listen(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["listen"])?;
    Ok(Statement::Listen(r.identifier()?))
}

/// Reads `NOTIFY channel [, 'payload']`.
pub(super) fn notify(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["notify"])?;
    let channel = r.identifier()?;
    let payload = if r.take_symbol(&Token::Comma) { r.string()? } else { String::new() };
    Ok(Statement::Notify { channel, payload })
}

/// The name of a setting, `a` or `a.b`, in lower case.
pub(super) fn setting_name(r: &mut Reader<'_>) -> Result<String> {
    let mut name = r.label()?.to_lowercase();
    while r.take_symbol(&Token::Period) {
        name.push('.');
        name.push_str(&r.label()?.to_lowercase());
    }
    Ok(name)
}

fn value(r: &mut Reader<'_>) -> Result<String> {
    let text = match r.peek() {
        Token::Number(number, _) => number.clone(),
        Token::Minus | Token::Plus => {
            let sign = if *r.peek() == Token::Minus { "-" } else { "" };
            r.skip();
            return Ok(format!("{sign}{}", value(r)?));
        }
        Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
        Token::Word(word) => word.value.to_lowercase(),
        _ => return r.string(),
    };
    r.skip();
    Ok(text)
}

fn zone(r: &mut Reader<'_>) -> Result<String> {
    if r.take(&["interval"]) {
        let text = r.string()?;
        r.take(&["hour", "to", "minute"]);
        return Ok(text);
    }
    match r.peek() {
        // A name keeps its case: zones are found in any.
        Token::Word(word) => {
            let name = word.value.clone();
            r.skip();
            Ok(name)
        }
        _ => value(r),
    }
}
