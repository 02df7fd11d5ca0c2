//! `EXPLAIN`, `FLUSH`, `WAIT FOR`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parse;
use super::reader::Reader;
use super::statement::{Explain, Statement};
use crate::error::{Error, Result};

/// Reads `EXPLAIN [(options)] statement`.
pub(super) fn explain(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["explain"])?;
    let (mut analyze, mut verbose) = (false, false);
    if *r.peek() == Token::LParen
        && !super::dialect::is(r.peek_nth(1), &["select", "with", "values"])
    {
        r.parenthesized(|r| option(r, &mut analyze, &mut verbose))?;
    } else {
        analyze = r.take_any(&["analyze", "analyse"]).is_some();
        verbose = r.take(&["verbose"]);
    }
    let at = r.position();
    if r.take(&["materialized", "view"]) {
        return Ok(Statement::ExplainView { name: r.name()?, verbose });
    }
    if !r.at_query() && !r.at_any(&["insert", "update", "delete", "create"]) {
        return Err(r.syntax_error());
    }
    let statement = parse::statement(r)?;
    let explains = matches!(
        statement,
        Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::CreateView(_)
            | Statement::CreateMaterializedView(_)
    );
    if !explains {
        let hint = "EXPLAIN takes a query, a write, or CREATE MATERIALIZED VIEW.";
        return Err(r.unsupported("EXPLAIN of this statement", at, hint));
    }
    Ok(Statement::Explain(Box::new(Explain { analyze, verbose, statement })))
}

fn option(r: &mut Reader<'_>, analyze: &mut bool, verbose: &mut bool) -> Result<()> {
    let at = r.position();
    let name = r.label()?;
    let on = match r.take_any(&["on", "off", "true", "false"]) {
        Some(word) => matches!(word, "on" | "true"),
        None => true,
    };
    match name.as_str() {
        "analyze" | "analyse" => *analyze = on,
        "verbose" => *verbose = on,
        // What the incremental plan always shows, and what Postgres would add to its own.
        "changelog" | "state" | "costs" | "buffers" | "timing" | "summary" | "settings" | "wal" => {
        }
        "format" => {
            let at = r.position();
            if r.label()? != "text" {
                return Err(r.unsupported("this EXPLAIN format", at, "Use FORMAT text."));
            }
        }
        _ => {
            let message = format!("unrecognized EXPLAIN option \"{name}\"");
            let names = ["analyze", "verbose", "changelog", "state", "format"];
            return Err(Error::syntax(message).at(at).did_you_mean(&name, names));
        }
    }
    Ok(())
}

/// Reads `FLUSH`.
pub(super) fn flush(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["flush"])?;
    Ok(Statement::Flush)
}

/// Reads `WAIT FOR v [TIMEOUT i]`.
pub(super) fn wait(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["wait", "for"])?;
    let name = r.name()?;
    let at = r.position();
    if r.at(&["up", "to"]) {
        return Err(r.unsupported("UP TO", at, "WAIT FOR waits for what has been acknowledged."));
    }
    let timeout_us = if r.take(&["timeout"]) { Some(r.duration_us()?) } else { None };
    Ok(Statement::WaitFor { name, timeout_us })
}
