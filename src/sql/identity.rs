//! Columns that number rows: `serial` and its kin, and `GENERATED … AS IDENTITY`, which is their one form.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use crate::error::{Error, Result, SqlState};
use crate::types::definition::Sequence;
use crate::types::{QualifiedName, SqlType};

/// Types that are integers with numbers of their own.
const SERIAL: [(&str, SqlType); 6] = [
    ("smallserial", SqlType::Int2),
    ("serial2", SqlType::Int2),
    ("serial", SqlType::Int4),
    ("serial4", SqlType::Int4),
    ("bigserial", SqlType::Int8),
    ("serial8", SqlType::Int8),
];

/// Reads `serial` or one of its kin, if it comes next.
pub(super) fn serial(r: &mut Reader<'_>) -> Option<SqlType> {
    SERIAL.into_iter().find(|(name, _)| r.take(&[name])).map(|(_, sql_type)| sql_type)
}

/// The numbers of the column at `column`.
pub(super) fn sequence(column: usize) -> Sequence {
    // The engine names it with the table.
    let name = QualifiedName::new("", "");
    Sequence { name, column, always: false, start: 1, step: 1, reserved: None }
}

/// Reads `GENERATED { ALWAYS | BY DEFAULT } AS IDENTITY [(options)]` of the column at `column`, if it
/// comes next.
pub(super) fn identity(r: &mut Reader<'_>, column: usize) -> Result<Option<Sequence>> {
    let always = r.take(&["generated", "always", "as", "identity"]);
    if !always && !r.take(&["generated", "by", "default", "as", "identity"]) {
        return Ok(None);
    }
    let mut sequence = Sequence { always, ..sequence(column) };
    if !r.take_symbol(&Token::LParen) {
        return Ok(Some(sequence));
    }
    while !r.take_symbol(&Token::RParen) {
        let at = r.position();
        if r.take(&["start"]) {
            r.take(&["with"]);
            sequence.start = number(r)?;
        } else if r.take(&["increment"]) {
            r.take(&["by"]);
            sequence.step = number(r)?;
            if sequence.step == 0 {
                let message = "INCREMENT must not be zero";
                return Err(Error::new(SqlState::InvalidParameterValue, message).at(at));
            }
        } else {
            let hint = "START WITH and INCREMENT BY are there.";
            return Err(r.unsupported("this option of an identity column", at, hint));
        }
    }
    Ok(Some(sequence))
}

fn number(r: &mut Reader<'_>) -> Result<i64> {
    let negative = r.take_symbol(&Token::Minus);
    let at = r.position();
    let text = r.expr_text()?;
    let number: Option<i64> = text.trim().parse().ok();
    let number = number.ok_or_else(|| Error::syntax("a whole number is expected").at(at))?;
    Ok(if negative { -number } else { number })
}
