//! Where in the statement an error is: from DataFusion's spans, else by what its message speaks of.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use super::syntax;
use crate::error::{Error, SqlState};
use crate::sql::Positions;

/// `error` with its position in `text`, if it can be told.
pub(crate) fn located(error: DataFusionError, text: &str) -> Error {
    let span = span(&error);
    let error = Error::from(error).reworded(&syntax::shown);
    if error.position().is_some() {
        return error;
    }
    let positions = Positions::new(text);
    let near = span.and_then(|start| positions.of(start));
    // A binary operator is found beside its operand.
    if let Some(operator) = operator(error.message()) {
        let found = Tokens::new(text, &positions).nearest(operator, near.unwrap_or(1));
        return error.or_at(found.or(near));
    }
    match near {
        Some(position) => error.at(position),
        None => named(error, text, &positions),
    }
}

/// `error` with the position of what it speaks of.
pub(crate) fn named(error: Error, text: &str, positions: &Positions) -> Error {
    if error.position().is_some() {
        return error;
    }
    let error = error.reworded(&syntax::shown);
    let tokens = Tokens::new(text, positions);
    let found = tokens.place(&error).or_else(|| tokens.first(|token| names(token, name(&error))));
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

/// The sign of the operator that does not exist.
fn operator(message: &str) -> Option<&str> {
    let types = message.strip_prefix("operator does not exist: ")?;
    types.split(' ').find(|word| !word.is_empty() && !word.contains(char::is_alphanumeric))
}

/// The name in an error's message that is to be looked for in the statement.
fn name(error: &Error) -> Option<&str> {
    let message = error.message();
    // The expression is meant, not the column that would take it.
    if message.contains(" is of type ") {
        return None;
    }
    if let Some(quoted) = message.split('"').nth(1) {
        let qualified = matches!(error.state(), SqlState::GroupingError | SqlState::UndefinedTable);
        return Some(if qualified { quoted.rsplit('.').next().unwrap_or(quoted) } else { quoted });
    }
    let word = match error.state() {
        SqlState::UndefinedFunction => message.strip_prefix("function ")?,
        SqlState::UndefinedColumn => message.strip_prefix("column ")?,
        SqlState::UndefinedParameter => message.strip_prefix("there is no parameter ")?,
        SqlState::FeatureNotSupported => {
            let message = message.strip_prefix("window function ").unwrap_or(message);
            message.strip_prefix("aggregate function ").unwrap_or(message)
        }
        _ => return None,
    };
    let word = word.split(['(', ' ']).next()?;
    Some(word.rsplit('.').next().unwrap_or(word))
}

/// Whether a token is this word, or a literal of this value.
fn names(token: &Token, name: Option<&str>) -> bool {
    let Some(name) = name else { return false };
    match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) => value == name,
        Token::Placeholder(value) => value == name,
        _ => false,
    }
}

/// Aggregate functions that a statement may call where none is allowed.
const AGGREGATES: [&str; 14] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "every",
    "stddev",
    "variance",
    "array_agg",
    "string_agg",
    "var_pop",
    "stddev_pop",
];

/// The words and signs of a statement.
struct Tokens<'a> {
    tokens: Vec<(Token, Span)>,
    positions: &'a Positions,
}

impl<'a> Tokens<'a> {
    fn new(text: &str, positions: &'a Positions) -> Tokens<'a> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location();
        let tokens = tokens.unwrap_or_default().into_iter();
        let spaced = |token: &Token| matches!(token, Token::Whitespace(_));
        let tokens = tokens.map(|token| (token.token, token.span));
        Tokens { tokens: tokens.filter(|(token, _)| !spaced(token)).collect(), positions }
    }

    fn position(&self, index: usize) -> Option<usize> {
        self.positions.of_span(self.tokens.get(index)?.1)
    }

    fn index(&self, from: usize, is: impl Fn(&Token) -> bool) -> Option<usize> {
        let found = self.tokens.iter().skip(from).position(|(token, _)| is(token))?;
        Some(from + found)
    }

    fn first(&self, is: impl Fn(&Token) -> bool) -> Option<usize> {
        self.position(self.index(0, is)?)
    }

    /// Behind where these words first stand, one after the other, or signs between them.
    fn behind(&self, words: &[&str]) -> Option<usize> {
        let mut from = 0;
        for word in words {
            from =
                self.index(from, |token| is_word(token, word) || token.to_string() == *word)? + 1;
        }
        Some(from)
    }

    /// The sign that is nearest to a position.
    fn nearest(&self, sign: &str, near: usize) -> Option<usize> {
        let same = |token: &Token| token.to_string() == sign;
        let found = self.tokens.iter().filter(|(token, _)| same(token));
        let found = found.filter_map(|(_, span)| self.positions.of_span(*span));
        found.min_by_key(|position| position.abs_diff(near))
    }

    /// Where an aggregate function is called, from a token on.
    fn aggregate(&self, from: usize) -> Option<usize> {
        self.index(from, |token| AGGREGATES.iter().any(|name| is_word(token, name)))
    }

    /// Where a message without a name in it points.
    fn place(&self, error: &Error) -> Option<usize> {
        let message = error.message();
        let starts = |words: &str| message.starts_with(words);
        let number = |clause: &str| {
            let digits = message.split_once(" position ")?.1.split(' ').next()?;
            self.index(self.behind(&[clause, "BY"])?, |token| token.to_string() == digits)
        };
        let index = if starts("argument of WHERE") {
            self.behind(&["WHERE"])
        } else if starts("argument of CASE/WHEN") {
            self.behind(&["WHEN"])
        } else if starts("argument of LIMIT") {
            self.behind(&["LIMIT"])
        } else if starts("argument of NOT") {
            self.behind(&["NOT"])
        } else if starts("aggregate functions are not allowed in WHERE") {
            self.behind(&["WHERE"]).and_then(|from| self.aggregate(from))
        } else if starts("aggregate function calls cannot be nested") {
            self.aggregate(0).and_then(|outer| self.aggregate(outer + 1))
        } else if starts("ORDER BY position") {
            number("ORDER")
        } else if starts("GROUP BY position") {
            number("GROUP")
        } else if starts("for SELECT DISTINCT, ORDER BY") {
            self.behind(&["ORDER", "BY"])
        } else if starts("SELECT DISTINCT ON") {
            self.behind(&["DISTINCT", "ON", "("])
        } else if starts("VALUES ") {
            self.behind(&["VALUES"])
        } else if starts("subquery ") {
            self.behind(&["(", "SELECT"]).map(|behind| behind - 2)
        } else if starts("cannot cast type") {
            self.index(0, |token| matches!(token, Token::DoubleColon) || is_word(token, "cast"))
        } else if starts("WITH query name") {
            let once = self.index(0, |token| names(token, name(error)))?;
            self.index(once + 1, |token| names(token, name(error)))
        } else if let Some(operation) = set_operation(message) {
            self.behind(&[operation, "SELECT"])
        } else {
            None
        };
        self.position(index?)
    }
}

/// The set operation that a message is about: its second query is where it points.
fn set_operation(message: &str) -> Option<&str> {
    let word = message.strip_prefix("each ").unwrap_or(message).split(' ').next()?;
    ["UNION", "EXCEPT", "INTERSECT"].into_iter().find(|operation| *operation == word)
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}
