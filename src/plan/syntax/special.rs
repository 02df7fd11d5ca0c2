//! Syntax that stands for functions (`substring(x FROM …)`, `|/ x`) as calls of them, collations, and
//! constants with a sign.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DataType, DateTimeField, Expr, Interval, ObjectName,
    TrimWhereField, UnaryOperator, Value,
};

use super::function_name::call;
use crate::error::{Error, Result};

/// `expr` as a call, if its syntax stands for one.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    if let Some(call) = as_call(expr)? {
        *expr = call;
    }
    Ok(())
}

fn as_call(expr: &Expr) -> Result<Option<Expr>> {
    Ok(Some(match expr {
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let one = || Expr::value(Value::Number("1".to_owned(), false));
            let from = substring_from.as_deref().cloned().unwrap_or_else(|| super::integer(one()));
            let parts =
                [Some(expr.as_ref().clone()), Some(from), substring_for.as_deref().cloned()];
            call("substring", parts.into_iter().flatten().collect())
        }
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let parts = [Some(expr), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()];
            call("overlay", parts.into_iter().flatten().map(|part| part.as_ref().clone()).collect())
        }
        Expr::Position { expr, r#in } => {
            call("position", vec![r#in.as_ref().clone(), expr.as_ref().clone()])
        }
        Expr::Trim { expr, trim_where, trim_what, trim_characters } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            };
            let set = trim_what.iter().map(|what| what.as_ref().clone());
            let set = set.chain(trim_characters.iter().flatten().cloned());
            call(name, std::iter::once(expr.as_ref().clone()).chain(set).collect())
        }
        Expr::Ceil { expr, field } => match plain(field) {
            true => call("ceil", vec![expr.as_ref().clone()]),
            false => return Ok(None),
        },
        Expr::Floor { expr, field } => match plain(field) {
            true => call("floor", vec![expr.as_ref().clone()]),
            false => return Ok(None),
        },
        Expr::UnaryOp { op, expr } => match op {
            UnaryOperator::PGAbs => call("abs", vec![expr.as_ref().clone()]),
            UnaryOperator::PGSquareRoot => call("dsqrt", vec![expr.as_ref().clone()]),
            UnaryOperator::PGCubeRoot => call("cbrt", vec![expr.as_ref().clone()]),
            UnaryOperator::BitwiseNot => call("bitwise_not", vec![expr.as_ref().clone()]),
            _ => return Ok(None),
        },
        Expr::Collate { expr, collation } => collated(expr, collation)?,
        Expr::Interval(interval) => return Ok(literal(interval)),
        Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } => {
            call("starts_with", vec![left.as_ref().clone(), right.as_ref().clone()])
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: Some(escape) } => {
            Expr::Like {
                negated: *negated,
                any: false,
                expr: expr.clone(),
                pattern: Box::new(escaped(pattern, escape.clone())),
                escape_char: None,
            }
        }
        Expr::ILike { negated, any: false, expr, pattern, escape_char: Some(escape) } => {
            Expr::ILike {
                negated: *negated,
                any: false,
                expr: expr.clone(),
                pattern: Box::new(escaped(pattern, escape.clone())),
                escape_char: None,
            }
        }
        _ => return Ok(None),
    }))
}

/// An interval as a text that is cast: in DataFusion's literal a sign before it counts for the first
/// unit alone.
fn literal(interval: &Interval) -> Option<Expr> {
    let Expr::Value(text) = interval.value.as_ref() else { return None };
    let plain =
        interval.leading_field.is_none() && matches!(text.value, Value::SingleQuotedString(_));
    let kind = DataType::Interval { fields: None, precision: None };
    plain.then(|| super::cast(interval.value.as_ref().clone(), kind))
}

/// Texts are compared byte by byte: other orders are refused.
fn collated(expr: &Expr, collation: &ObjectName) -> Result<Expr> {
    let name = collation.0.last().map(ToString::to_string).unwrap_or_default();
    match name.trim_matches('"') {
        "C" | "POSIX" | "default" | "ucs_basic" => Ok(expr.clone()),
        name => Err(Error::unsupported(format!("collation \"{name}\""))
            .hint("Texts are compared byte by byte, as COLLATE \"C\" does.")),
    }
}

fn plain(field: &CeilFloorKind) -> bool {
    matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime))
}

/// The pattern with backslashes in place of its own escape character.
fn escaped(pattern: &Expr, escape: datafusion::sql::sqlparser::ast::ValueWithSpan) -> Expr {
    call("like_escape", vec![pattern.clone(), Expr::Value(escape)])
}

/// A sign binds tighter than a power: `-2 ^ 2` is `(-2) ^ 2`.
pub(super) fn sign_before_power(expr: &mut Expr) {
    let Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand } = expr else { return };
    if !matches!(operand.as_ref(), Expr::BinaryOp { op: BinaryOperator::PGExp, .. }) {
        return;
    }
    let mut power = std::mem::replace(operand.as_mut(), Expr::value(Value::Null));
    let mut first = &mut power;
    while let Expr::BinaryOp { left, op: BinaryOperator::PGExp, .. } = first {
        first = left;
    }
    let base = Box::new(std::mem::replace(first, Expr::value(Value::Null)));
    *first = Expr::UnaryOp { op: UnaryOperator::Minus, expr: base };
    *expr = power;
}

/// `-5` as one number: `-2147483648` is an integer, though 2147483648 is none.
pub(super) fn sign(expr: &mut Expr) {
    if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand } = expr
        && let Expr::Value(value) = operand.as_mut()
        && let Value::Number(digits, long) = &value.value
        && !digits.starts_with('-')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        value.value = Value::Number(format!("-{digits}"), *long);
        *expr = operand.as_ref().clone();
    }
}
