//! Text → [`Statement`]: our dialect over sqlparser. Postgres' grammar as far as we go, the streaming
//! statements, and the spellings of neighbors rewritten to ours. What we do not do is refused here with
//! its position and a hint.
//!
//! Queries and expressions stay sqlparser's syntax trees, which the planner hands to DataFusion; all
//! other statements become plain structs, names folded and types resolved.

mod alter;
mod copy;
mod create;
mod cursor;
mod dialect;
mod explain;
mod identity;
mod insert;
mod maintain;
mod parse;
pub mod position;
mod reader;
mod refuse;
pub mod render;
pub mod rewrite;
mod setting;
mod show;
mod source;
pub mod statement;
mod table;
mod transaction;
pub mod types;
mod update;
pub mod visit;
mod window;

use std::sync::Arc;

pub use datafusion::sql::sqlparser;
use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::tokenizer::Span;

pub use position::Positions;
pub use statement::{Name, Statement};

use crate::error::Result;

/// One statement of a message.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// The whole message, which the spans in syntax trees refer to.
    pub message: Arc<str>,
    /// Its text: the exact slice of the message, without the semicolon.
    pub text: String,
    /// Where the text begins: 1-based character of the message.
    pub position: usize,
    /// Translates the spans in syntax trees to positions in the message.
    pub positions: Positions,
}

impl Parsed {
    /// The 1-based character of the message where `span` begins, if it is known.
    #[must_use]
    pub fn locate(&self, span: Span) -> Option<usize> {
        self.positions.of_span(span)
    }
}

/// The statements of a message, in order; none for an empty one.
///
/// # Errors
/// `42601` at the first token that no statement has there, `0A000` for what we know but do not do.
pub fn parse(text: &str) -> Result<Vec<Parsed>> {
    parse::message(text)
}

/// A lone expression, such as a column's default in the catalog.
///
/// # Errors
/// As [`parse()`].
pub fn parse_expr(text: &str) -> Result<Expr> {
    parse::fragment(text, |r| r.expr())
}

/// A lone query, such as a view's in the catalog.
///
/// # Errors
/// As [`parse()`].
pub fn parse_query(text: &str) -> Result<Box<Query>> {
    parse::fragment(text, |r| r.query())
}

/// The name of a relation, as a statement spells it.
///
/// # Errors
/// As [`parse()`].
pub fn parse_name(text: &str) -> Result<Name> {
    parse::fragment(text, |r| r.name())
}

/// The length of an interval written as text, such as `10 seconds`, in microseconds; months count as 30
/// days.
///
/// # Errors
/// `22007` if it is not an interval, `22015` if it is out of range.
pub fn parse_duration_us(text: &str) -> Result<i64> {
    reader::duration_us(text)
}

/// Whether an expression is the word `DEFAULT` of `VALUES` and `SET`.
#[must_use]
pub fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
