//! Where in the statement an error is: from DataFusion's spans, else by the name that it tells.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use crate::error::{Error, SqlState};
use crate::sql::Positions;

/// `error` with its position in `text`, if it can be told.
pub(crate) fn located(error: DataFusionError, text: &str) -> Error {
    let span = span(&error);
    let error = Error::from(error);
    if error.position().is_some() {
        return error;
    }
    let positions = Positions::new(text);
    let position = span.and_then(|start| positions.of(start));
    match position {
        Some(position) => error.at(position),
        None => named(error, text, &positions),
    }
}

/// `error` with the position of what it names.
pub(crate) fn named(error: Error, text: &str, positions: &Positions) -> Error {
    let found = name(&error).and_then(|name| find(name, text, positions));
    error.or_at(found)
}

/// Where the first diagnostic with a span begins.
fn span(error: &DataFusionError) -> Option<Location> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => match diagnostic.span {
            Some(span) => Some(Location::new(span.start.line, span.start.column)),
            None => span(inner),
        },
        DataFusionError::Context(_, inner) => span(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(span),
        _ => None,
    }
}

/// The name in an error's message that is to be looked for in the statement.
fn name(error: &Error) -> Option<&str> {
    let message = error.message();
    if let Some(quoted) = message.split('"').nth(1) {
        return Some(quoted);
    }
    let word = match error.state() {
        SqlState::UndefinedFunction => message.strip_prefix("function ")?,
        SqlState::UndefinedColumn => message.strip_prefix("column ")?,
        SqlState::FeatureNotSupported => {
            let message = message.strip_prefix("window function ").unwrap_or(message);
            message.strip_prefix("aggregate function ").unwrap_or(message)
        }
        _ => return None,
    };
    let word = word.split(['(', ' ']).next()?;
    Some(word.rsplit('.').next().unwrap_or(word))
}

/// The first place where `name` stands as a word, or as a literal.
fn find(name: &str, text: &str, positions: &Positions) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().ok()?;
    let found = tokens.into_iter().find(|token| match &token.token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        Token::SingleQuotedString(value) => value == name,
        _ => false,
    })?;
    positions.of_span(found.span)
}
