//! `BEGIN`, `COMMIT`, `ROLLBACK`, savepoints and transaction modes.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::{Statement, TransactionModes};
use crate::error::Result;

/// Reads a statement of transaction control.
pub(super) fn transaction(r: &mut Reader<'_>) -> Result<Statement> {
    let words = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];
    match r.expect_any(&words)? {
        "begin" => {
            block(r);
            Ok(Statement::Begin(modes(r)?, false))
        }
        "start" => {
            r.expect(&["transaction"])?;
            Ok(Statement::Begin(modes(r)?, true))
        }
        word @ ("commit" | "end") => {
            let at = r.position();
            if word == "commit" && r.at(&["prepared"]) {
                return Err(r.unsupported("two-phase commit", at, ""));
            }
            block(r);
            Ok(Statement::Commit { chain: chain(r) })
        }
        "savepoint" => r.identifier().map(Statement::Savepoint),
        "release" => {
            r.take(&["savepoint"]);
            r.identifier().map(Statement::Release)
        }
        word => {
            let at = r.position();
            if r.at(&["prepared"]) {
                return Err(r.unsupported("two-phase commit", at, ""));
            }
            block(r);
            if word == "rollback" && r.take(&["to"]) {
                r.take(&["savepoint"]);
                return r.identifier().map(Statement::RollbackTo);
            }
            Ok(Statement::Rollback { chain: chain(r) })
        }
    }
}

fn block(r: &mut Reader<'_>) {
    r.take_any(&["work", "transaction"]);
}

fn chain(r: &mut Reader<'_>) -> bool {
    !r.take(&["and", "no", "chain"]) && r.take(&["and", "chain"])
}

/// Reads transaction modes, separated by commas or by nothing.
pub(super) fn modes(r: &mut Reader<'_>) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    while !r.at_end() {
        if r.take(&["isolation", "level"]) {
            modes.isolation = Some(isolation(r)?);
        } else if r.take(&["read", "only"]) {
            modes.read_only = Some(true);
        } else if r.take(&["read", "write"]) {
            modes.read_only = Some(false);
        } else if r.take(&["deferrable"]) {
            modes.deferrable = Some(true);
        } else if r.take(&["not", "deferrable"]) {
            modes.deferrable = Some(false);
        } else {
            return Err(r.syntax_error());
        }
        r.take_symbol(&Token::Comma);
    }
    Ok(modes)
}

fn isolation(r: &mut Reader<'_>) -> Result<&'static str> {
    if r.take(&["repeatable", "read"]) {
        Ok("repeatable read")
    } else if r.take(&["read", "committed"]) {
        Ok("read committed")
    } else if r.take(&["read", "uncommitted"]) {
        Ok("read uncommitted")
    } else {
        r.expect(&["serializable"])?;
        Ok("serializable")
    }
}
