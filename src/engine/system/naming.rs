//! Names of result columns: PostgreSQL's, made distinct for DataFusion, which refuses two columns of
//! one name, and taken back from the result.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, DataType, Expr, Ident, Select, SelectItem, SetExpr,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::rewrite::last;

/// Stands between a column's name and what makes it distinct; no name that is typed contains it.
const MARK: char = '\u{1}';

/// A result column's name without what made it distinct.
pub(super) fn shown_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Gives every column of a SELECT the name that PostgreSQL gives it, made distinct.
pub(super) fn name_columns(select: &mut Select) {
    let mut used = BTreeSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let (expr, given) = match item {
            SelectItem::UnnamedExpr(expr) => (expr.clone(), column_name(expr)),
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), alias.value.clone()),
            _ => continue,
        };
        let distinct = match used.insert(given.clone()) {
            true => given,
            false => format!("{given}{MARK}{index}"),
        };
        let quote_style = match item {
            SelectItem::ExprWithAlias { alias, .. } if !distinct.contains(MARK) => {
                alias.quote_style
            }
            _ => Some('"'),
        };
        let alias = Ident { value: distinct, quote_style, span: Span::empty() };
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// The name that PostgreSQL gives a column without alias.
fn column_name(expr: &Expr) -> String {
    strong_name(expr).or_else(|| weak_name(expr)).unwrap_or_else(|| "?column?".to_owned())
}

/// The name of what the expression is about: of a column, function or subquery.
fn strong_name(expr: &Expr) -> Option<String> {
    let folded = |ident: &Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Function(call) => last(&call.name).map(folded),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(column))) => Some(folded(column)),
            _ => strong_name(root),
        },
        Expr::Case { else_result, .. } => strong_name(else_result.as_deref()?),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Nested(inner)
        | Expr::Collate { expr: inner, .. }
        | Expr::Cast { expr: inner, .. } => strong_name(inner),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The name of what is done last: a cast's type, `case`.
fn weak_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => weak_name(inner),
        Expr::Cast { data_type, .. } => Some(type_name(data_type)),
        Expr::Case { .. } => Some("case".to_owned()),
        _ => None,
    }
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Custom(name, _) => last(name).map(|name| name.value.clone()).unwrap_or_default(),
        DataType::Text => "text".to_owned(),
        DataType::Boolean | DataType::Bool => "bool".to_owned(),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4".to_owned(),
        DataType::BigInt(_) | DataType::Int8(_) => "int8".to_owned(),
        DataType::Regclass => "regclass".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}
