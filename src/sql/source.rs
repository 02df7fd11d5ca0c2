//! `CREATE SOURCE`: columns, metadata, connector options, format, and what to do with bad records.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::refuse;
use super::statement::{Create, Statement};
use super::table::Elements;
use crate::error::{Error, Result, SqlState, nearest};
use crate::types::definition::{Format, Include, OnError, Options, SourceDefinition};

/// Reads what follows `SOURCE`.
pub(super) fn create_source(r: &mut Reader<'_>) -> Result<Statement> {
    let if_not_exists = r.if_not_exists();
    let name = r.name()?;
    let mut definition = SourceDefinition::default();
    if *r.peek() == Token::LParen {
        let at = r.position();
        let mut elements = Elements::read(r, &name.name)?;
        if elements.constrained() {
            let at = elements.key_position.unwrap_or(at);
            let hint = "A source keeps no rows; put keys, checks and defaults on a table.";
            return Err(r.unsupported("a constraint or default of a source", at, hint));
        }
        definition.watermark = elements.take_watermark()?;
        definition.columns = elements.columns;
    }
    let end = clauses(r, &mut definition)?;
    if definition.option("connector").is_none() {
        let error = Error::new(SqlState::InvalidObjectDefinition, "a source needs a connector");
        let given = definition.options.iter().map(|(key, _)| key.as_str());
        let hint = match nearest("connector", given) {
            Some(misspelt) => format!("Perhaps you meant \"connector\" by \"{misspelt}\"."),
            None => "Add WITH (connector = 'file', path = '…'), or 'datagen', or 'nexmark'.".into(),
        };
        return Err(error.at(end).hint(hint));
    }
    Ok(Statement::CreateSource(Box::new(Create { name, if_not_exists, definition })))
}

/// The clauses in any order; returns where they end.
fn clauses(r: &mut Reader<'_>, source: &mut SourceDefinition) -> Result<usize> {
    loop {
        let at = r.position();
        if r.take(&["include"]) {
            source.include.extend(r.list(include)?);
        } else if r.take(&["with"]) {
            source.options.extend(options(r)?);
            if let Some(index) = source.options.iter().position(|(key, _)| key == "format") {
                // Flink names the encoding among the options.
                let (_, encode) = source.options.remove(index);
                let encode = encode.to_lowercase();
                source.format = Some(Format { format: "plain".into(), encode, options: vec![] });
            }
        } else if r.take(&["format"]) {
            source.format = Some(format(r)?);
        } else if r.take(&["on", "error"]) {
            source.on_error = on_error(r)?;
        } else if r.at(&["from"]) || r.at(&["envelope"]) {
            let hint = "Write WITH (connector = '…') FORMAT PLAIN ENCODE JSON.";
            return Err(r.unsupported("this form of CREATE SOURCE", at, hint));
        } else if r.at(&["emit"]) {
            refuse::emit(r)?;
        } else {
            return Ok(at);
        }
    }
}

fn include(r: &mut Reader<'_>) -> Result<Include> {
    let metadata = r.label()?;
    let column = if r.take(&["as"]) { r.identifier()? } else { metadata.clone() };
    Ok(Include { metadata, column })
}

fn format(r: &mut Reader<'_>) -> Result<Format> {
    let at = r.position();
    let format = r.label()?;
    let encode = if r.take(&["encode"]) { r.label()? } else { format.clone() };
    let format = if encode == format { "plain".to_owned() } else { format };
    if format != "plain" {
        let hint = "Write FORMAT PLAIN: every record is a row to be added.";
        return Err(r.unsupported(&format!("FORMAT {}", format.to_uppercase()), at, hint));
    }
    let options = if *r.peek() == Token::LParen { options(r)? } else { vec![] };
    Ok(Format { format, encode, options })
}

fn on_error(r: &mut Reader<'_>) -> Result<OnError> {
    match r.expect_any(&["fail", "skip", "dead"])? {
        "fail" => Ok(OnError::Fail),
        "skip" => Ok(OnError::Skip),
        _ => {
            r.expect(&["letter"])?;
            r.expect(&["into"])?;
            let name = r.name()?;
            Ok(OnError::DeadLetter { schema: name.schema, table: name.name })
        }
    }
}

/// `(key = value, …)`: keys may be dotted or quoted, values are literals or words.
fn options(r: &mut Reader<'_>) -> Result<Options> {
    let mut seen: Options = vec![];
    r.parenthesized(|r| {
        let at = r.position();
        let key = option_key(r)?;
        r.expect_symbol(&Token::Eq)?;
        let value = option_value(r)?;
        if seen.iter().any(|(other, _)| *other == key) {
            let message = format!("option \"{key}\" specified more than once");
            return Err(Error::syntax(message).at(at));
        }
        seen.push((key, value));
        Ok(())
    })?;
    Ok(seen)
}

fn option_key(r: &mut Reader<'_>) -> Result<String> {
    if matches!(r.peek(), Token::SingleQuotedString(_)) {
        return Ok(r.string()?.to_lowercase());
    }
    let mut key = r.label()?;
    while r.take_symbol(&Token::Period) {
        key.push('.');
        key.push_str(&r.label()?);
    }
    Ok(key)
}

fn option_value(r: &mut Reader<'_>) -> Result<String> {
    let text = match r.peek() {
        Token::Number(number, _) => number.clone(),
        Token::Minus => {
            return Ok(format!("-{}", {
                r.skip();
                option_value(r)?
            }));
        }
        Token::Word(word) if !word.value.eq_ignore_ascii_case("interval") => word.value.clone(),
        Token::Word(_) => {
            r.skip();
            return r.string();
        }
        _ => return r.string(),
    };
    r.skip();
    Ok(text)
}
