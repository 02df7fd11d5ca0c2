//! What Postgres' files need and ours do not: `VACUUM`, `ANALYZE`, and how full a table's pages are to be.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::refuse;
use super::statement::{Maintain, Name, Statement};
use crate::error::{Error, Result};

/// Reads `VACUUM [(options)] [FULL] [FREEZE] [VERBOSE] [ANALYZE] [tables]`.
pub(super) fn vacuum(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["vacuum"])?;
    if *r.peek() == Token::LParen {
        let known = [
            "full",
            "freeze",
            "verbose",
            "analyze",
            "disable_page_skipping",
            "skip_locked",
            "index_cleanup",
            "process_toast",
            "truncate",
            "parallel",
        ];
        options(r, "VACUUM", &known)?;
    } else {
        for word in ["full", "freeze", "verbose", "analyze"] {
            r.take(&[word]);
        }
    }
    Ok(Statement::Maintain(Maintain { vacuum: true, tables: tables(r)? }))
}

/// Reads `ANALYZE [(options)] [VERBOSE] [tables]`.
pub(super) fn analyze(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["analyze"])?;
    if *r.peek() == Token::LParen {
        options(r, "ANALYZE", &["verbose", "skip_locked"])?;
    } else {
        r.take(&["verbose"]);
    }
    Ok(Statement::Maintain(Maintain { vacuum: false, tables: tables(r)? }))
}

fn tables(r: &mut Reader<'_>) -> Result<Vec<(Name, Vec<String>)>> {
    if r.at_end() {
        return Ok(vec![]);
    }
    r.list(|r| {
        let name = r.name()?;
        let listed = *r.peek() == Token::LParen;
        Ok((name, if listed { r.parenthesized(Reader::identifier)? } else { vec![] }))
    })
}

fn options(r: &mut Reader<'_>, statement: &str, known: &[&str]) -> Result<()> {
    r.parenthesized(|r| {
        let at = r.position();
        let option = r.label()?;
        if !known.contains(&option.as_str()) {
            let message = format!("unrecognized {statement} option \"{option}\"");
            return Err(Error::syntax(message).at(at));
        }
        if !matches!(r.peek(), Token::Comma | Token::RParen) {
            r.skip();
        }
        Ok(())
    })?;
    Ok(())
}

/// Reads `WITH (fillfactor = 70)` behind a table's columns.
pub(super) fn storage_parameters(r: &mut Reader<'_>) -> Result<()> {
    let at = r.position();
    let refused = refuse::options(r, "a table");
    r.expect(&["with"])?;
    let mut refused = Some(refused);
    r.parenthesized(|r| {
        if !r.take(&["fillfactor"]) {
            return Err(refused.take().unwrap_or_else(|| r.syntax_error()));
        }
        r.expect_symbol(&Token::Eq)?;
        let percent = r.integer()?;
        if !(10..=100).contains(&percent) {
            let message = format!("value {percent} out of bounds for option \"fillfactor\"");
            return Err(Error::invalid_parameter(message)
                .detail("Valid values are between \"10\" and \"100\".")
                .at(at));
        }
        Ok(())
    })?;
    Ok(())
}
