//! Our dialect of SQL: PostgreSQL's lexis and grammar of queries, with the few hooks that streaming
//! clauses need.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

/// Operators in a row after which an expression is too long: its tree leans to the left, one level
/// each, and code that walks trees needs stack for every level.
const CHAIN_MAX: usize = 4_000;

/// Table functions that cut a relation into windows.
pub(super) const WINDOW_FUNCTIONS: [&str; 4] = ["tumble", "hop", "cumulate", "session"];

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

/// The dialect, for parsing one statement.
#[derive(Debug, Default)]
pub(super) struct MillstreamDialect {
    /// Infix operators met so far.
    operators: Cell<usize>,
}

macro_rules! as_in_postgres {
    ($($method:ident)*) => {
        $(fn $method(&self) -> bool { POSTGRES.$method() })*
    };
}

impl Dialect for MillstreamDialect {
    // The parser asks for the dialect's type where Postgres differs.
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    as_in_postgres! {
        supports_unicode_string_literal supports_filter_during_aggregation supports_group_by_expr
        allow_extract_custom allow_extract_single_quotes supports_create_index_with_clause
        supports_explain_with_utility_options supports_listen_notify supports_factorial_operator
        supports_bitwise_shift_operators supports_comment_on supports_load_extension
        supports_named_fn_args_with_colon_operator supports_empty_projections supports_nested_comments supports_string_escape_constant
        supports_numeric_literal_underscores supports_array_typedef_with_brackets
        supports_geometric_types supports_set_names supports_alter_column_type_using
        supports_notnull_operator supports_interval_options supports_insert_table_alias
        supports_create_table_like_parenthesized supports_select_wildcard_with_alias
        supports_comma_separated_trim supports_xml_expressions
    }

    /// Arguments are named by identifiers. Otherwise every argument would be read twice, once for a name, and what
    /// is within it four times, and so on.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    /// `STRUCT<a int>` as a type.
    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    /// `x NOT NULL` is a constraint behind an expression (`DEFAULT x NOT NULL`), not a test.
    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        let [first, second] = parser.peek_tokens_ref::<2>();
        if is(&first.token, &["not"]) && is(&second.token, &["null"]) {
            return Some(Ok(self.prec_unknown()));
        }
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    /// Flink's `TABLE t` as an argument of a window function is the relation `t`; `trim(LEADING FROM x)`.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let [trim, _, side, from] = parser.peek_tokens_ref::<4>();
        if is(&trim.token, &["trim"])
            && is(&side.token, &["leading", "trailing", "both"])
            && is(&from.token, &["from"])
        {
            return Some(trim_blanks(parser));
        }
        if let Some(literal) = precise_interval(parser) {
            return Some(literal);
        }
        let [table, name] = parser.peek_tokens_ref::<2>();
        let words = is(&table.token, &["table"]) && matches!(name.token, Token::Word(_));
        if !words || !in_window_function(parser) {
            return None;
        }
        parser.advance_token();
        Some(parser.parse_prefix())
    }

    /// `BETWEEN SYMMETRIC`; counts operators, and looks at the tree once there are many. What stands
    /// behind `IS DISTINCT FROM` ends before AND and OR.
    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let operators = self.operators.get() + 1;
        self.operators.set(operators);
        if operators.is_multiple_of(CHAIN_MAX) && left_depth(expr) > CHAIN_MAX / 2 {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        if let Some(compared) = with_values(parser, expr) {
            return Some(compared);
        }
        use Keyword::{DISTINCT, FROM, IS, NOT};
        let [first, second, third] = parser.peek_tokens_ref::<3>();
        let negated = is(&first.token, &["not"]);
        let (word, next) = if negated { (second, third) } else { (first, second) };
        if is(&word.token, &["between"]) && is(&next.token, &["symmetric", "asymmetric"]) {
            return Some(self.between(parser, expr, negated));
        }
        let test = match () {
            () if parser.parse_keywords(&[IS, DISTINCT, FROM]) => Expr::IsDistinctFrom,
            () if parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]) => Expr::IsNotDistinctFrom,
            () => return None,
        };
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(right.map(|right| test(Box::new(expr.clone()), Box::new(right))))
    }

    fn is_table_factor_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        (explicit || !starts_clause(parser))
            && POSTGRES.is_table_factor_alias(explicit, keyword, parser)
    }

    fn is_select_item_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        (explicit || !starts_clause(parser))
            && POSTGRES.is_select_item_alias(explicit, keyword, parser)
    }
}

impl MillstreamDialect {
    /// `x [NOT] BETWEEN SYMMETRIC a AND b`: between them, whichever is the lower one.
    fn between(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        negated: bool,
    ) -> Result<Expr, ParserError> {
        if negated {
            parser.advance_token();
        }
        parser.advance_token();
        let symmetric = is(&parser.next_token().token, &["symmetric"]);
        let precedence = self.prec_value(Precedence::Between);
        let one = parser.parse_subexpr(precedence)?;
        parser.expect_keyword_is(Keyword::AND)?;
        let other = parser.parse_subexpr(precedence)?;
        let between = |low: &Expr, high: &Expr| Expr::Between {
            expr: Box::new(expr.clone()),
            negated,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        };
        if !symmetric {
            return Ok(between(&one, &other));
        }
        let (left, right) = (Box::new(between(&one, &other)), Box::new(between(&other, &one)));
        let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
        Ok(Expr::Nested(Box::new(Expr::BinaryOp { left, op, right })))
    }
}

/// `trim(LEADING FROM x)`: of blanks.
fn trim_blanks(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let trim_where = Some(parser.parse_trim_where()?);
    parser.expect_keyword_is(Keyword::FROM)?;
    let expr = Box::new(parser.parse_expr()?);
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Trim { expr, trim_where, trim_what: None, trim_characters: None })
}

/// How many operators stand one in the left operand of the other.
fn left_depth(mut expr: &Expr) -> usize {
    for depth in 0.. {
        expr = match expr {
            Expr::BinaryOp { left, .. } => left,
            Expr::Cast { expr, .. }
            | Expr::Collate { expr, .. }
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsTrue(expr)
            | Expr::IsFalse(expr)
            | Expr::InList { expr, .. }
            | Expr::Between { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::AtTimeZone { timestamp: expr, .. } => expr,
            _ => return depth,
        };
    }
    0
}

/// `INTERVAL(2) '…'`: the parser would forget the number.
fn precise_interval(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let [interval, open, digits, close, text] = parser.peek_tokens_ref::<5>();
    let Token::Number(digits, _) = &digits.token else { return None };
    let literal = is(&interval.token, &["interval"])
        && open.token == Token::LParen
        && close.token == Token::RParen
        && matches!(text.token, Token::SingleQuotedString(_));
    let precision = digits.parse::<u64>().ok().filter(|_| literal)?;
    (0..4).for_each(|_| parser.advance_token());
    Some(parser.parse_interval().map(|mut literal| {
        if let Expr::Interval(interval) = &mut literal {
            interval.fractional_seconds_precision.get_or_insert(precision);
        }
        literal
    }))
}

/// `= ANY (VALUES …)` and its kin: the parser takes VALUES for a function there.
fn with_values(parser: &mut Parser<'_>, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let [op, quantifier, open, values] = parser.peek_tokens_ref::<4>();
    let compare_op = match op.token {
        Token::Eq => BinaryOperator::Eq,
        Token::Neq => BinaryOperator::NotEq,
        Token::Lt => BinaryOperator::Lt,
        Token::LtEq => BinaryOperator::LtEq,
        Token::Gt => BinaryOperator::Gt,
        Token::GtEq => BinaryOperator::GtEq,
        _ => return None,
    };
    let all = is(&quantifier.token, &["all"]);
    let quantified = all || is(&quantifier.token, &["any", "some"]);
    if !quantified || open.token != Token::LParen || !is(&values.token, &["values"]) {
        return None;
    }
    (0..3).for_each(|_| parser.advance_token());
    let right = parser.parse_query().and_then(|query| {
        parser.expect_token(&Token::RParen)?;
        Ok(Box::new(Expr::Subquery(query)))
    });
    let left = Box::new(expr.clone());
    Some(right.map(|right| match all {
        true => Expr::AllOp { left, compare_op, right },
        false => Expr::AnyOp { left, compare_op, right, is_some: false },
    }))
}

/// Whether the next token is the first or a named argument of a window function.
fn in_window_function(parser: &Parser<'_>) -> bool {
    let current = parser.get_current_index();
    match parser.get_current_token().token {
        Token::RArrow => true,
        Token::LParen => (0..current)
            .rev()
            .map(|index| &parser.token_at(index).token)
            .find(|token| !matches!(token, Token::Whitespace(_)))
            .is_some_and(|token| is(token, &WINDOW_FUNCTIONS)),
        _ => false,
    }
}

/// Whether the current word begins a clause after the query rather than being an alias: `ON CONFLICT`,
/// `EMIT ON WINDOW CLOSE`, `ALLOWED LATENESS …`, `LATE ROWS …`.
fn starts_clause(parser: &Parser<'_>) -> bool {
    let [next, second] = parser.peek_tokens_ref::<2>();
    let current = &parser.get_current_token().token;
    if is(current, &["emit"]) {
        return is(&next.token, &["changes", "final", "every", "periodic", "after"])
            || is(&next.token, &["on"]) && is(&second.token, &["update", "window", "change"]);
    }
    is(current, &["on"])
        || is(current, &["allowed", "allow"]) && is(&next.token, &["lateness"])
        || is(current, &["late"]) && is(&next.token, &["rows", "data"])
}

/// Whether a token is one of these words, in any case and unquoted.
pub(super) fn is(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. })
        if words.iter().any(|word| value.eq_ignore_ascii_case(word)))
}
