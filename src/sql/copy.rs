//! `COPY … FROM STDIN` and `COPY … TO STDOUT`, in the present and in the old syntax of options.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::refuse;
use super::statement::{Copy, CopyFormat, CopyOptions, CopyTarget, Statement};
use crate::error::{Error, Result};

/// Options as written; what is `None` takes the format's default.
#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    delimiter: Option<(String, usize)>,
    null: Option<String>,
    header: bool,
    quote: Option<(String, usize)>,
    escape: Option<(String, usize)>,
}

/// Reads `COPY …`.
pub(super) fn copy(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect(&["copy"])?;
    let target = if *r.peek() == Token::LParen {
        r.skip();
        let at = r.position();
        if !r.at_query() {
            return Err(r.unsupported(
                "COPY of this statement",
                at,
                "COPY takes a table or a query.",
            ));
        }
        let query = r.query()?;
        refuse::query(r, &query)?;
        r.expect_symbol(&Token::RParen)?;
        CopyTarget::Query(query)
    } else {
        let name = r.name()?;
        let listed = *r.peek() == Token::LParen;
        let columns = if listed { r.parenthesized(Reader::identifier_at)? } else { vec![] };
        CopyTarget::Table { name, columns }
    };
    let at = r.position();
    let inward = r.expect_any(&["from", "to"])? == "from";
    if inward && matches!(target, CopyTarget::Query(_)) {
        return Err(Error::syntax("syntax error at or near \"FROM\"").at(at));
    }
    let at = r.position();
    if r.take_any(&[if inward { "stdin" } else { "stdout" }]).is_none() {
        if matches!(r.peek(), Token::SingleQuotedString(_)) || r.at(&["program"]) {
            let hint = "Use psql's \\copy, or CREATE SOURCE … WITH (connector = 'file').";
            return Err(r.unsupported("COPY from or to a file of the server", at, hint));
        }
        return Err(r.syntax_error());
    }
    let options = options(r)?;
    let at = r.position();
    if r.at(&["where"]) {
        return Err(r.unsupported("COPY … WHERE", at, "Copy into a table, then DELETE."));
    }
    Ok(Statement::Copy(Box::new(Copy { target, inward, options })))
}

fn options(r: &mut Reader<'_>) -> Result<CopyOptions> {
    let mut given = Given::default();
    let at = r.position();
    r.take(&["with"]);
    if *r.peek() == Token::LParen {
        r.parenthesized(|r| option(r, &mut given))?;
    } else {
        while old_option(r, &mut given)? {}
    }
    given.complete().map_err(|error| error.or_at(Some(at)))
}

/// One option of the parenthesized syntax.
fn option(r: &mut Reader<'_>, given: &mut Given) -> Result<()> {
    let at = r.position();
    match r.label()?.as_str() {
        "format" => {
            let at = r.position();
            let quoted = matches!(r.peek(), Token::SingleQuotedString(_));
            let name = if quoted { r.string()? } else { r.label()? };
            given.format = Some(match name.as_str() {
                "text" => CopyFormat::Text,
                "csv" => CopyFormat::Csv,
                "binary" => CopyFormat::Binary,
                _ => {
                    let message = format!("COPY format \"{name}\" not recognized");
                    return Err(Error::invalid_parameter(message)
                        .at(at)
                        .did_you_mean(&name, ["text", "csv", "binary"]));
                }
            });
        }
        "delimiter" => given.delimiter = Some(quoted(r)?),
        "null" => given.null = Some(r.string()?),
        "header" => given.header = flag(r)?,
        "quote" => given.quote = Some(quoted(r)?),
        "escape" => given.escape = Some(quoted(r)?),
        "encoding" => encoding(r)?,
        "freeze" => {
            flag(r)?;
        }
        other @ ("force_quote" | "force_not_null" | "force_null" | "default" | "on_error") => {
            return Err(r.unsupported(&format!("COPY option {other}"), at, ""));
        }
        other => {
            let names = ["format", "delimiter", "null", "header", "quote", "escape", "encoding"];
            return Err(Error::syntax(format!("option \"{other}\" not recognized"))
                .at(at)
                .did_you_mean(other, names));
        }
    }
    Ok(())
}

/// One option of the syntax before Postgres 9, if one follows.
fn old_option(r: &mut Reader<'_>, given: &mut Given) -> Result<bool> {
    let at = r.position();
    let names = [
        "binary",
        "csv",
        "delimiter",
        "delimiters",
        "null",
        "header",
        "quote",
        "escape",
        "encoding",
        "force",
    ];
    match r.take_any(&names) {
        Some("binary") => given.format = Some(CopyFormat::Binary),
        Some("csv") => given.format = Some(CopyFormat::Csv),
        Some("header") => given.header = true,
        Some("force") => return Err(r.unsupported("COPY option force", at, "")),
        Some(name) => {
            r.take(&["as"]);
            match name {
                "null" => given.null = Some(r.string()?),
                "quote" => given.quote = Some(quoted(r)?),
                "escape" => given.escape = Some(quoted(r)?),
                "encoding" => encoding(r)?,
                _ => given.delimiter = Some(quoted(r)?),
            }
        }
        None => return Ok(false),
    }
    Ok(true)
}

fn quoted(r: &mut Reader<'_>) -> Result<(String, usize)> {
    let at = r.position();
    Ok((r.string()?, at))
}

fn encoding(r: &mut Reader<'_>) -> Result<()> {
    let (name, at) = quoted(r)?;
    if ["utf8", "utf-8", "unicode"].contains(&name.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(r.unsupported(&format!("encoding \"{name}\""), at, "Data is UTF-8."))
}

/// An optional boolean; absent means true.
fn flag(r: &mut Reader<'_>) -> Result<bool> {
    match r.peek() {
        Token::Comma | Token::RParen => Ok(true),
        Token::Number(..) => Ok(r.integer()? != 0),
        Token::SingleQuotedString(_) => Ok(!matches!(r.string()?.as_str(), "false" | "off" | "0")),
        _ => match r.expect_any(&["true", "on", "false", "off", "match"])? {
            "match" => Err(r.unsupported("HEADER MATCH", r.position(), "Use HEADER.")),
            word => Ok(matches!(word, "true" | "on")),
        },
    }
}

impl Given {
    fn complete(self) -> Result<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let csv = format == CopyFormat::Csv;
        let only_csv = |what: &str| {
            Error::unsupported(format!("COPY {what} outside CSV")).hint("Add FORMAT csv.")
        };
        if !csv && (self.quote.is_some() || self.escape.is_some()) {
            return Err(only_csv("QUOTE or ESCAPE"));
        }
        if format == CopyFormat::Binary
            && (self.header || self.delimiter.is_some() || self.null.is_some())
        {
            let message = "cannot specify DELIMITER, NULL or HEADER in BINARY mode";
            return Err(Error::syntax(message));
        }
        let delimiter = one_byte("delimiter", self.delimiter, if csv { b',' } else { b'\t' })?;
        let quote = one_byte("quote", self.quote, b'"')?;
        let escape = one_byte("escape", self.escape, quote)?;
        if csv && delimiter == quote {
            return Err(Error::invalid_parameter("COPY delimiter and quote must be different"));
        }
        if delimiter == b'\n' || delimiter == b'\r' {
            let message = "COPY delimiter cannot be newline or carriage return";
            return Err(Error::invalid_parameter(message));
        }
        let null = self.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
        Ok(CopyOptions { format, delimiter, null, header: self.header, quote, escape })
    }
}

fn one_byte(what: &str, given: Option<(String, usize)>, default: u8) -> Result<u8> {
    match given {
        None => Ok(default),
        Some((text, at)) => match text.as_bytes() {
            [byte] => Ok(*byte),
            _ => {
                let message = format!("COPY {what} must be a single one-byte character");
                Err(Error::unsupported("a longer separator").detail(message).at(at))
            }
        },
    }
}
