//! `ARRAY(query)`: the query's rows, in its order, as the elements of an array.
//!
//! | written | becomes |
//! |---|---|
//! | `ARRAY(SELECT x FROM t ORDER BY y)` | `(SELECT coalesce(array_agg(e ORDER BY k1), '{}') FROM (SELECT x, y FROM t) AS q (e, k1))` |

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, OrderByExpr, OrderByKind,
    Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
    Value,
};

use super::columns::{folded, select};
use super::function_name::call;
use crate::error::{Error, Result, SqlState};

const ELEMENT: &str = "__element";

/// Rewrites `expr` if it is an array of a query's rows.
///
/// # Errors
/// `42601` if the query has several columns.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(Function { name, args: FunctionArguments::Subquery(query), .. }) = expr
    else {
        return Ok(());
    };
    if !name.to_string().eq_ignore_ascii_case("array") {
        return Ok(());
    }
    let mut query = query.as_ref().clone();
    let (order, added) = keys(&mut query)?;
    if query.limit_clause.is_none() && query.fetch.is_none() {
        query.order_by = None;
    }
    let mut columns = vec![Ident::with_quote('"', ELEMENT)];
    columns.extend((1..=added).map(key));
    let mut elements = call("array_agg", vec![Expr::Identifier(columns[0].clone())]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut elements
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    let empty = Expr::value(Value::SingleQuotedString("{}".to_owned()));
    let item = SelectItem::ExprWithAlias {
        expr: call("coalesce", vec![elements, empty]),
        alias: Ident::with_quote('"', "array"),
    };
    let column = |name| TableAliasColumnDef { name, data_type: None };
    let alias = TableAlias {
        explicit: true,
        name: Ident::with_quote('"', "__rows"),
        columns: columns.into_iter().map(column).collect(),
        at: None,
    };
    let (subquery, alias) = (Box::new(query), Some(alias));
    let relation = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
    let from = TableWithJoins { relation, joins: vec![] };
    *expr = Expr::Subquery(Box::new(select(vec![item], vec![from])));
    Ok(())
}

fn key(number: usize) -> Ident {
    Ident::with_quote('"', format!("__key{number}"))
}

/// What is in parentheses.
fn innermost(body: &mut SetExpr) -> &mut SetExpr {
    match body {
        SetExpr::Query(inner) => innermost(&mut inner.body),
        other => other,
    }
}

/// The query's order by columns of the relation that it becomes. What is none of its columns is added to them;
/// so many are.
fn keys(query: &mut Query) -> Result<(Vec<OrderByExpr>, usize)> {
    let order = match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(exprs)) => exprs.clone(),
        _ => vec![],
    };
    let mut sorted = vec![];
    let SetExpr::Select(select) = innermost(&mut query.body) else {
        // Rows of several queries are sorted by their one column.
        let element = Expr::Identifier(Ident::with_quote('"', ELEMENT));
        let by_element = |by| OrderByExpr { expr: element.clone(), ..by };
        return Ok((order.into_iter().map(by_element).collect(), 0));
    };
    let [item] = &select.projection[..] else {
        return Err(Error::syntax("subquery must return only one column"));
    };
    let (own, name) = match item {
        SelectItem::UnnamedExpr(expr @ Expr::Identifier(name)) => {
            (expr.clone(), Some(folded(name)))
        }
        SelectItem::UnnamedExpr(expr) => (expr.clone(), None),
        SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), Some(folded(alias))),
        _ if order.is_empty() => return Ok((vec![], 0)),
        _ => {
            return Err(Error::new(SqlState::FeatureNotSupported, "ARRAY of * is not supported")
                .hint("Name the column."));
        }
    };
    for by in order {
        let element = match &by.expr {
            Expr::Value(value) => value.value.to_string() == "1",
            Expr::Identifier(ident) => name.as_deref() == Some(&folded(ident)),
            other => *other == own,
        };
        let column = match element {
            true => Ident::with_quote('"', ELEMENT),
            false => {
                select.projection.push(SelectItem::UnnamedExpr(by.expr.clone()));
                key(select.projection.len() - 1)
            }
        };
        sorted.push(OrderByExpr { expr: Expr::Identifier(column), ..by });
    }
    Ok((sorted, select.projection.len() - 1))
}
