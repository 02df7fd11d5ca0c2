//! Physical expressions as a reader of SQL knows them, for EXPLAIN and error rows.

use arrow::datatypes::Field;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr,
    Literal, NegativeExpr, NotExpr,
};
use datafusion::scalar::ScalarValue;
use itertools::Itertools;

use super::node::Expr;
use crate::types::SqlType;

/// `expr` with columns by name and operators between their operands.
pub(crate) fn expression(expr: &Expr) -> String {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return column.name().to_owned();
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return constant(literal.value());
    }
    if let Some(case) = expr.downcast_ref::<CaseExpr>() {
        return conditional(case);
    }
    let parts = expr.children().into_iter().map(expression).collect_vec();
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return format!("({} {} {})", parts[0], binary.op(), parts[1]);
    }
    if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
        return function(call, &parts);
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let field = Field::new("", cast.cast_type().clone(), true);
        return converted(&parts[0], &field);
    }
    if let Some(like) = expr.downcast_ref::<LikeExpr>() {
        let not = if like.negated() { "NOT " } else { "" };
        let operator = if like.case_insensitive() { "ILIKE" } else { "LIKE" };
        return format!("({} {not}{operator} {})", parts[0], parts[1]);
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        let not = if list.negated() { "NOT " } else { "" };
        return format!("({} {not}IN ({}))", parts[0], parts[1..].iter().join(", "));
    }
    if expr.is::<IsNullExpr>() {
        format!("{} IS NULL", parts[0])
    } else if expr.is::<IsNotNullExpr>() {
        format!("{} IS NOT NULL", parts[0])
    } else if expr.is::<NotExpr>() {
        format!("NOT {}", parts[0])
    } else if expr.is::<NegativeExpr>() {
        format!("-{}", parts[0])
    } else {
        expr.to_string()
    }
}

fn constant(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::DurationMicrosecond(Some(size_us)) => format!("{}s", *size_us as f64 / 1e6),
        other => other.to_string(),
    }
}

fn conditional(case: &CaseExpr) -> String {
    let mut text = "CASE".to_owned();
    if let Some(operand) = case.expr() {
        text.push_str(&format!(" {}", expression(operand)));
    }
    for (when, then) in case.when_then_expr() {
        text.push_str(&format!(" WHEN {} THEN {}", expression(when), expression(then)));
    }
    if let Some(otherwise) = case.else_expr() {
        text.push_str(&format!(" ELSE {}", expression(otherwise)));
    }
    text + " END"
}

fn function(call: &ScalarFunctionExpr, parts: &[String]) -> String {
    match (call.name(), parts) {
        ("+" | "-" | "*" | "/" | "%", [left, right]) => {
            format!("({left} {} {right})", call.name())
        }
        ("cast", [operand]) => {
            converted(operand, &Field::new("", call.return_type().clone(), true))
        }
        (name, parts) => format!("{name}({})", parts.iter().join(", ")),
    }
}

fn converted(operand: &str, to: &Field) -> String {
    match SqlType::of_field(to) {
        Some(sql_type) => format!("{operand}::{sql_type}"),
        None => format!("{operand}::{}", to.data_type()),
    }
}
