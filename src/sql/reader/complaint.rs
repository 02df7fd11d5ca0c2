//! What is wrong with a statement, in Postgres' words and at Postgres' place.

use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::{DEPTH_MAX, Reader, slice};
use crate::error::{Error, SqlState};
use crate::sql::dialect::{MillstreamDialect, is};

impl Reader<'_> {
    /// `syntax error at or near` the next token.
    pub(in crate::sql) fn syntax_error(&self) -> Error {
        let token = self.parser.peek_token_ref();
        self.syntax_error_at((token.token != Token::EOF).then_some(token))
    }

    /// The feature is one that we know but do not have; `position` is where it stands.
    pub(in crate::sql) fn unsupported(&self, feature: &str, position: usize, hint: &str) -> Error {
        let error = Error::unsupported(feature).at(position);
        if hint.is_empty() { error } else { error.hint(hint) }
    }

    fn syntax_error_at(&self, token: Option<&TokenWithSpan>) -> Error {
        match token {
            Some(token) => {
                if let Some(gap) = self.gap(token) {
                    return gap;
                }
                let near = slice(self.message, self.positions, std::slice::from_ref(token));
                Error::syntax(format!("syntax error at or near \"{near}\""))
                    .or_at(self.positions.of(token.span.start))
            }
            None if self.end.1.is_empty() => {
                Error::syntax("syntax error at end of input").at(self.end.0)
            }
            None => {
                Error::syntax(format!("syntax error at or near \"{}\"", self.end.1)).at(self.end.0)
            }
        }
    }

    /// What begins with this token is Postgres' and not ours.
    fn gap(&self, token: &TokenWithSpan) -> Option<Error> {
        let index = self.index_of(token.span.start)?;
        let solid = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let next = self.tokens[index + 1..].iter().find(solid);
        let (feature, hint) = if is(&token.token, &["exclude"])
            && next.is_some_and(|next| is(&next.token, &["current", "group", "ties", "no"]))
        {
            ("EXCLUDE of a window frame", "Leave it out, and take the current row's value off.")
        } else if is(&token.token, &["as"]) && self.ends_using(index) {
            ("an alias of JOIN … USING", "Leave it out: the columns have their names without it.")
        } else {
            return None;
        };
        Some(self.unsupported(feature, self.positions.of(token.span.start)?, hint))
    }

    /// Whether the column list of a USING ends before the token at `index`.
    fn ends_using(&self, index: usize) -> bool {
        let mut before = self.tokens[..index].iter().rev().map(|token| &token.token);
        let mut solid = || before.find(|token| !matches!(token, Token::Whitespace(_)));
        solid() == Some(&Token::RParen)
            && std::iter::from_fn(&mut solid).any(|token| *token == Token::LParen)
            && solid().is_some_and(|token| is(token, &["using"]))
    }

    pub(super) fn translate(&self, error: &ParserError) -> Error {
        let message = match error {
            ParserError::RecursionLimitExceeded => return too_complex(),
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        };
        let token = match location(message).and_then(|location| self.index_of(location)) {
            Some(index) => self.innermost(index, None),
            None if message.contains("found: EOF") => None,
            None => Some(self.parser.get_current_index()),
        };
        let token = token.and_then(|index| self.tokens.get(index));
        let error = self.syntax_error_at(token);
        if message.starts_with("Expected: ") { error } else { error.detail(sentence(message)) }
    }

    /// sqlparser tries a parenthesis as a subquery, and if that fails forgets why and complains about
    /// something else. If the complaint is within a parenthesis that begins with a query, reads that
    /// query once more to learn what was wrong. `None` stands for the end of the statement.
    fn innermost(&self, index: usize, reread: Option<usize>) -> Option<usize> {
        let Some(start) = self.subquery_around(index).filter(|start| Some(*start) != reread) else {
            return Some(index);
        };
        let dialect = MillstreamDialect::default();
        let mut inner = Parser::new(&dialect)
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(self.tokens[start..].to_vec());
        let location = match inner.parse_query() {
            Ok(_) if *inner.peek_token_ref() == Token::RParen => return Some(index),
            Ok(_) => Some(inner.peek_token_ref().span.start),
            Err(error) => location(&error.to_string()),
        };
        let next = location.and_then(|location| self.index_of(location))?;
        self.innermost(next, Some(start))
    }

    /// The first token of the query in the innermost parenthesis that is open before `index`.
    fn subquery_around(&self, index: usize) -> Option<usize> {
        let mut closed = 0_usize;
        let open = (0..index).rev().find(|at| match self.tokens[*at].token {
            Token::RParen => {
                closed += 1;
                false
            }
            Token::LParen if closed == 0 => true,
            Token::LParen => {
                closed -= 1;
                false
            }
            _ => false,
        })?;
        let solid = |at: &usize| !matches!(self.tokens[*at].token, Token::Whitespace(_));
        let first = (open + 1..self.tokens.len()).find(solid)?;
        is(&self.tokens[first].token, &["select", "with", "values"]).then_some(first)
    }

    fn index_of(&self, location: Location) -> Option<usize> {
        self.tokens.iter().position(|token| token.span.start == location)
    }

    /// Rewrites report positions as locations; see [`crate::sql::window::rewrite`].
    pub(super) fn place(&self, (error, location): (Error, Location)) -> Error {
        error.or_at(self.positions.of(location))
    }
}

/// `54001`: the statement is nested too deeply.
fn too_complex() -> Error {
    Error::new(SqlState::StatementTooComplex, "statement is nested too deeply")
        .hint("Split the expression or query into smaller ones.")
}

/// The location at the end of sqlparser's messages.
fn location(message: &str) -> Option<Location> {
    let (_, tail) = message.rsplit_once("at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.trim_end().parse().ok()? })
}

fn sentence(message: &str) -> String {
    let end = message.rfind(" at Line: ").unwrap_or(message.len());
    format!("{}.", message[..end].trim_end_matches('.'))
}
