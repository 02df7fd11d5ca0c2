//! A cursor over the tokens of one statement: sqlparser reads expressions, queries and types with it;
//! everything else is read word by word. Errors leave here in Postgres' words, with positions.

mod complaint;

use std::sync::Arc;

use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use datafusion::sql::sqlparser::ast::{Expr, Query, Value};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::dialect::{MillstreamDialect, is};
use super::position::Positions;
use super::statement::Name;
use super::window;
use crate::error::{Error, Result, SqlState};

/// Nesting of expressions and queries after which a statement is refused.
const DEPTH_MAX: usize = 200;

/// A cursor over one statement.
pub(super) struct Reader<'a> {
    parser: Parser<'a>,
    message: &'a Arc<str>,
    positions: &'a Positions,
    tokens: Vec<TokenWithSpan>,
    /// The position after the last token, and the token there: a semicolon, or nothing.
    end: (usize, &'static str),
}

impl<'a> Reader<'a> {
    /// A cursor over `tokens` of `message`. `semicolon` is where the statement's semicolon stands, if it
    /// has one.
    pub(super) fn new(
        dialect: &'a MillstreamDialect,
        message: &'a Arc<str>,
        positions: &'a Positions,
        tokens: Vec<TokenWithSpan>,
        semicolon: Option<usize>,
    ) -> Reader<'a> {
        let parser = Parser::new(dialect)
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(tokens.clone());
        let end = semicolon.map_or_else(|| (positions.end(), ""), |position| (position, ";"));
        Reader { parser, message, positions, tokens, end }
    }

    // --- what comes next ---

    /// The next token.
    pub(super) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// The token `n` after the next one.
    pub(super) fn peek_nth(&self, n: usize) -> &Token {
        &self.parser.peek_nth_token_ref(n).token
    }

    /// Whether the next words are these, in any case.
    pub(super) fn at(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, word)| is(self.peek_nth(n), &[word]))
    }

    /// Whether the next word is one of these.
    pub(super) fn at_any(&self, words: &[&str]) -> bool {
        is(self.peek(), words)
    }

    /// Whether nothing follows.
    pub(super) fn at_end(&self) -> bool {
        *self.peek() == Token::EOF
    }

    /// Position of the next token.
    pub(super) fn position(&self) -> usize {
        let token = self.parser.peek_token_ref();
        self.positions.of(token.span.start).unwrap_or(self.end.0)
    }

    /// Position of the statement.
    pub(super) fn start(&self) -> usize {
        self.tokens
            .iter()
            .find(|token| !matches!(token.token, Token::Whitespace(_)))
            .and_then(|token| self.positions.of(token.span.start))
            .unwrap_or(1)
    }

    /// Positions in the message.
    pub(super) fn positions(&self) -> &'a Positions {
        self.positions
    }

    /// The message.
    pub(super) fn message(&self) -> Arc<str> {
        Arc::clone(self.message)
    }

    /// The main verb behind a `WITH` clause that begins here.
    pub(super) fn after_with(&self) -> Option<&'static str> {
        let mut depth = 0_usize;
        for token in &self.tokens[self.parser.index()..] {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth == 0 => {
                    let verbs = ["select", "values", "insert", "update", "delete", "merge"];
                    let verb = verbs.into_iter().find(|verb| is(&token.token, &[verb]));
                    if verb.is_some() {
                        return verb;
                    }
                }
                _ => {}
            }
        }
        None
    }

    // --- taking words and symbols ---

    /// Takes the words if they come next.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let found = self.at(words);
        if found {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        found
    }

    /// Takes one of the words if it comes next.
    pub(super) fn take_any<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        let found = words.iter().copied().find(|word| self.at(&[word]))?;
        self.parser.advance_token();
        Some(found)
    }

    /// Takes a symbol if it comes next.
    pub(super) fn take_symbol(&mut self, symbol: &Token) -> bool {
        self.parser.consume_token(symbol)
    }

    /// Takes the words, or it is a syntax error.
    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.take(&[word]) {
                return Err(self.syntax_error());
            }
        }
        Ok(())
    }

    /// Takes one of the words, or it is a syntax error.
    pub(super) fn expect_any<'w>(&mut self, words: &[&'w str]) -> Result<&'w str> {
        self.take_any(words).ok_or_else(|| self.syntax_error())
    }

    /// Takes the symbol, or it is a syntax error.
    pub(super) fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Takes whatever comes next.
    pub(super) fn skip(&mut self) {
        self.parser.advance_token();
    }

    /// Nothing may follow.
    pub(super) fn expect_end(&mut self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// `IF EXISTS`, if it comes next.
    pub(super) fn if_exists(&mut self) -> bool {
        self.take(&["if", "exists"])
    }

    /// `IF NOT EXISTS`, if it comes next.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.take(&["if", "not", "exists"])
    }

    /// Items separated by commas, at least one.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take_symbol(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Items in parentheses.
    pub(super) fn parenthesized<T>(
        &mut self,
        item: impl FnMut(&mut Reader<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect_symbol(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect_symbol(&Token::RParen)?;
        Ok(items)
    }

    // --- names and values ---

    /// An identifier that is not a reserved word, folded.
    pub(super) fn identifier(&mut self) -> Result<String> {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_some() || !reserved(&word.value) => {
                let name = folded(word);
                if name.is_empty() {
                    let message = "zero-length delimited identifier";
                    return Err(Error::syntax(message).at(self.position()));
                }
                self.skip();
                Ok(name)
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// An identifier with its position.
    pub(super) fn identifier_at(&mut self) -> Result<(String, usize)> {
        let position = self.position();
        Ok((self.identifier()?, position))
    }

    /// Any word, reserved or not, folded: a label after a keyword that has told what follows.
    pub(super) fn label(&mut self) -> Result<String> {
        match self.peek() {
            Token::Word(word) => {
                let name = folded(word);
                self.skip();
                Ok(name)
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// `name` or `schema.name`.
    pub(super) fn name(&mut self) -> Result<Name> {
        let position = self.position();
        let mut parts = vec![self.identifier()?];
        while self.take_symbol(&Token::Period) {
            parts.push(self.label()?);
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if let (Some(database), Some(schema)) = (parts.pop(), &schema) {
            let message = format!(
                "cross-database references are not implemented: \"{database}.{schema}.{name}\""
            );
            return Err(Error::new(SqlState::FeatureNotSupported, message).at(position));
        }
        Ok(Name { schema, name, position })
    }

    /// A string literal.
    pub(super) fn string(&mut self) -> Result<String> {
        let text = match self.peek() {
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(quoted) => quoted.value.clone(),
            _ => return Err(self.syntax_error()),
        };
        self.skip();
        Ok(text)
    }

    /// An integer with an optional sign.
    pub(super) fn integer(&mut self) -> Result<i64> {
        let position = self.position();
        let negative = self.take_symbol(&Token::Minus);
        if !negative {
            self.take_symbol(&Token::Plus);
        }
        let Token::Number(digits, _) = self.peek() else { return Err(self.syntax_error()) };
        let signed = if negative { format!("-{digits}") } else { digits.clone() };
        let value = signed.parse().map_err(|_| {
            Error::invalid_parameter(format!("\"{signed}\" is not a valid integer")).at(position)
        })?;
        self.skip();
        Ok(value)
    }

    /// `INTERVAL '…'` (or just the string) as microseconds; months count as 30 days.
    pub(super) fn duration_us(&mut self) -> Result<i64> {
        let position = self.position();
        let text = if matches!(self.peek(), Token::SingleQuotedString(_)) {
            self.string()?
        } else {
            interval_text(&self.expr()?).ok_or_else(|| {
                Error::syntax("expected an interval")
                    .at(position)
                    .hint("Write INTERVAL '10 seconds'.")
            })?
        };
        duration_us(&text).map_err(|error| error.at(position))
    }

    // --- what sqlparser reads ---

    /// An expression.
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.with_parser(Parser::parse_expr)
    }

    /// An expression together with its text as written.
    pub(super) fn expr_text(&mut self) -> Result<String> {
        let from = self.parser.index();
        self.expr()?;
        Ok(self.slice(from))
    }

    /// A query; neighbors' spellings in it are rewritten.
    pub(super) fn query(&mut self) -> Result<Box<Query>> {
        let mut query = self.with_parser(Parser::parse_query)?;
        window::rewrite(&mut query).map_err(|error| self.place(error))?;
        Ok(query)
    }

    /// Whether a query begins here.
    pub(super) fn at_query(&self) -> bool {
        self.at_any(&["select", "with", "values", "table"]) || *self.peek() == Token::LParen
    }

    /// Lets sqlparser read something.
    pub(super) fn with_parser<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> Result<T> {
        read(&mut self.parser).map_err(|error| self.translate(&error))
    }

    /// The text between the token with index `from` and the next token.
    pub(super) fn slice(&self, from: usize) -> String {
        slice(self.message, self.positions, &self.tokens[from..self.parser.index()])
    }

    /// Index of the next token, for [`Reader::slice`].
    pub(super) fn index(&self) -> usize {
        self.parser.index()
    }
}

/// `text` from the first to the last of `tokens`.
pub(super) fn slice(text: &str, positions: &Positions, tokens: &[TokenWithSpan]) -> String {
    let mut solid = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let Some(first) = solid.next() else { return String::new() };
    let last = solid.next_back().unwrap_or(first);
    let (from, to) = (positions.byte(text, first.span.start), positions.byte(text, last.span.end));
    text[from..to.max(from)].to_owned()
}

/// The word as a name: lower case unless quoted.
fn folded(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() }
}

fn interval_text(expr: &Expr) -> Option<String> {
    let Expr::Interval(interval) = expr else { return None };
    let Expr::Value(value) = interval.value.as_ref() else { return None };
    let number = match &value.value {
        Value::SingleQuotedString(text) => text.clone(),
        Value::Number(number, _) => number.clone(),
        _ => return None,
    };
    let unit = interval.leading_field.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(format!("{number} {unit}"))
}

/// An interval's text as microseconds; months count as 30 days.
///
/// # Errors
/// `22007` if it is not an interval, `22015` if it is out of range.
pub(super) fn duration_us(text: &str) -> Result<i64> {
    let interval = parse_interval_month_day_nano(text.trim()).map_err(|_| {
        let message = format!("invalid input syntax for type interval: \"{text}\"");
        Error::new(SqlState::InvalidDatetimeFormat, message)
    })?;
    let days = i64::from(interval.months) * 30 + i64::from(interval.days);
    days.checked_mul(86_400_000_000)
        .and_then(|us| us.checked_add(interval.nanoseconds / 1_000))
        .ok_or_else(|| Error::new(SqlState::IntervalFieldOverflow, "interval out of range"))
}

/// Words that Postgres reserves.
const RESERVED: &str = "\
    all analyse analyze and any array as asc asymmetric both case cast check collate column \
    constraint create cross current_date current_role current_time current_timestamp \
    current_user default deferrable desc distinct do else end except false fetch for foreign \
    from full grant group having ilike in initially inner intersect into is isnull join lateral \
    leading left like limit localtime localtimestamp natural not notnull null offset on only or \
    order outer overlaps placing primary references returning right select session_user similar \
    some symmetric table then to trailing true union unique user using variadic when where \
    window with";

/// Whether Postgres reserves the word: it names neither a relation nor a column unless quoted.
pub(super) fn reserved(word: &str) -> bool {
    RESERVED.split(' ').any(|reserved| word.eq_ignore_ascii_case(reserved))
}
