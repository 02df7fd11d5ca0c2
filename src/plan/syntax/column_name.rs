//! What columns are called that have no alias, as Postgres' `FigureColname` has it. DataFusion wants
//! distinct names: repeated ones carry a hidden number.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Ident, SelectItem, SetExpr,
};

use super::columns::folded;

/// Between a name and the number that makes it distinct; no identifier holds it.
const HIDDEN: char = '\u{1}';

/// The part of a name that the user sees.
pub(crate) fn visible(name: &str) -> &str {
    name.split_once(HIDDEN).map_or(name, |(name, _)| name)
}

/// `text` without the hidden numbers of the names in it.
pub(crate) fn shown(text: &str) -> String {
    let mut parts = text.split(HIDDEN);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        shown + rest.strip_prefix('.').filter(|_| rest.len() == part.len()).unwrap_or(rest)
    })
}

/// `name` with a hidden number.
pub(super) fn numbered(name: &str, number: usize) -> String {
    format!("{name}{HIDDEN}{number}")
}

/// Whether a name has a hidden number.
pub(super) fn is_numbered(name: &str) -> bool {
    visible(name).len() < name.len()
}

/// Names of a relation's columns, the repeated ones with a hidden number.
pub(crate) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let distinct = |name: String| {
        let (mut own, mut number) = (name.clone(), 1);
        while !taken.insert(own.clone()) {
            number += 1;
            own = numbered(visible(&name), number);
        }
        own
    };
    names.into_iter().map(distinct).collect()
}

/// Gives every column of a lateral subquery its name: it might be one of the query around.
pub(super) fn name_columns(body: &mut SetExpr) {
    let SetExpr::Select(select) = body else { return };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) =
            item
        {
            let alias = Ident::with_quote('"', name_of(expr));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// Gives the columns of the queries that a set operation combines names of their own where two share one:
/// DataFusion looks them up without their relations.
pub(super) fn name_operands(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            name_operands(left);
            name_operands(right);
        }
        SetExpr::Query(query) => name_operands(&mut query.body),
        SetExpr::Select(select) => {
            let names = select.projection.iter().filter_map(|item| match item {
                SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                _ => None,
            });
            let mut taken = HashSet::new();
            let names: Vec<String> = names.collect();
            if !names.into_iter().all(|name| taken.insert(name)) {
                name_columns(body);
            }
        }
        _ => {}
    }
}

/// Gives every expression of a select list a name, distinct among those of the list.
pub(super) fn name_items(items: &mut [SelectItem]) {
    let mut taken = HashSet::new();
    // Names without a relation, which a position or ORDER BY might take for one with one.
    let bare = items.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(_)) => None,
        SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    });
    let bare: HashSet<String> = bare.collect();
    for item in items {
        let (name, expr, named) = match item {
            SelectItem::UnnamedExpr(expr) => (name_of(expr), &*expr, false),
            SelectItem::ExprWithAlias { expr, alias } => (folded(alias), &*expr, true),
            _ => continue,
        };
        // Columns of two relations may share a name: the relation tells them apart.
        let column = !named && matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let key = match expr {
            Expr::CompoundIdentifier(parts) if column && !bare.contains(&name) => {
                parts.iter().map(folded).collect::<Vec<_>>().join(".")
            }
            _ => name.clone(),
        };
        let (mut distinct, mut number) = (name.clone(), 1);
        let mut key = key;
        while !taken.insert(key.clone()) {
            number += 1;
            distinct = numbered(&name, number);
            key = distinct.clone();
        }
        if number > 1 || !(column || named) {
            let alias = Ident::with_quote('"', distinct);
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

const UNKNOWN: &str = "?column?";

pub(super) fn name_of(expr: &Expr) -> String {
    strong_name(expr).map_or_else(|| UNKNOWN.to_owned(), |(name, _)| name)
}

/// A name and whether it is more than that of a type.
fn strong_name(expr: &Expr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expr {
        Expr::Identifier(ident) => Some((folded(ident), true)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| (folded(part), true)),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => strong_name(inner),
        Expr::Function(function) => {
            let last = function.name.0.last().and_then(|part| part.as_ident());
            last.map(|ident| (folded(ident), true))
        }
        Expr::Cast { expr, data_type, .. } => {
            let inner = strong_name(expr).filter(|(_, strong)| *strong);
            inner.or_else(|| Some((type_name(&data_type.to_string()), false)))
        }
        Expr::TypedString(typed) => Some((type_name(&typed.data_type.to_string()), false)),
        Expr::Interval(_) => Some(("interval".to_owned(), false)),
        Expr::Case { else_result, .. } => {
            let inner = else_result.as_ref().and_then(|inner| strong_name(inner));
            inner.filter(|(_, strong)| *strong).or_else(|| strong("case"))
        }
        Expr::Exists { .. } => strong("exists"),
        Expr::Subquery(query) => first_name(&query.body),
        Expr::Extract { .. } => strong("extract"),
        Expr::Substring { shorthand: true, .. } => strong("substr"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Position { .. } => strong("position"),
        Expr::Trim { trim_where, .. } => match trim_where.as_ref().map(ToString::to_string) {
            Some(side) if side == "LEADING" => strong("ltrim"),
            Some(side) if side == "TRAILING" => strong("rtrim"),
            _ => strong("btrim"),
        },
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Array(_) => strong("array"),
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => strong("overlaps"),
        Expr::Tuple(_) => strong("row"),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(field))) => Some((folded(field), true)),
            _ => strong_name(root),
        },
        _ => None,
    }
}

/// The name of a query's first column.
fn first_name(body: &SetExpr) -> Option<(String, bool)> {
    match body {
        SetExpr::Select(select) => match select.projection.first() {
            Some(SelectItem::UnnamedExpr(expr)) => strong_name(expr),
            Some(SelectItem::ExprWithAlias { alias, .. }) => Some((folded(alias), true)),
            _ => None,
        },
        SetExpr::SetOperation { left, .. } => first_name(left),
        SetExpr::Query(query) => first_name(&query.body),
        SetExpr::Values(_) => Some(("column1".to_owned(), true)),
        _ => None,
    }
}

/// A type's name in `pg_type`, which is what Postgres calls such a column.
fn type_name(sql: &str) -> String {
    let base = sql.split(['(', '[']).next().unwrap_or_default().trim().to_lowercase();
    match base.as_str() {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "real" => "float4",
        "double precision" | "float" | "double" => "float8",
        "boolean" => "bool",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        other => return other.to_owned(),
    }
    .to_owned()
}
