//! Queries over relations that are always empty here (policies, publications, foreign tables, …):
//! their answer has the right columns and no rows, whatever the rest of the query does with them.
//! This spares DataFusion shapes that it does not plan, and tools an error.

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, JoinOperator, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Value,
};

use super::layout;

/// Relations of `pg_catalog` that never have rows, of those that tools read in unusual ways.
const EMPTY: &[&str] = &[
    "pg_auth_members",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_inherits",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_sequence",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_trigger",
    "pg_user_mapping",
];

/// Array columns that are always null: `unnest` and `aclexplode` of them give no rows.
const NULL_ARRAYS: &[&str] = &[
    "attacl",
    "attoptions",
    "datacl",
    "lanacl",
    "nspacl",
    "proacl",
    "proconfig",
    "relacl",
    "reloptions",
    "spcacl",
    "typacl",
];

/// Whether a query has no rows because it reads an empty relation.
pub(super) fn query_has_no_rows(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if select_has_no_rows(select))
}

fn select_has_no_rows(select: &Select) -> bool {
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
        GroupByExpr::All(_) => true,
    };
    // A bare aggregate has a row even over nothing.
    let aggregated = !grouped && select.projection.iter().any(calls_aggregate);
    !aggregated && select.from.iter().any(has_no_rows)
}

/// Drops the order of a query that [`prune`] has found to have no rows: its keys may be gone.
pub(super) fn drop_order(query: &mut Query) {
    if let SetExpr::Select(select) = query.body.as_ref()
        && select.from.is_empty()
        && select.selection == Some(Expr::value(Value::Boolean(false)))
    {
        query.order_by = None;
    }
}

/// If a SELECT reads an empty relation and so has no rows, makes it one that says so at once.
pub(super) fn prune(select: &mut Select) {
    let wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _)));
    if wildcard || !select_has_no_rows(select) {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
            *expr = match literal(expr) {
                Some(literal) => literal,
                None => Expr::value(Value::Null),
            };
        }
    }
    select.from.clear();
    select.selection = Some(Expr::value(Value::Boolean(false)));
    select.group_by = GroupByExpr::Expressions(vec![], vec![]);
    select.having = None;
    select.distinct = None;
}

fn literal(expr: &Expr) -> Option<Expr> {
    matches!(expr, Expr::Value(_)).then(|| expr.clone())
}

fn calls_aggregate(item: &SelectItem) -> bool {
    const AGGREGATES: &[&str] =
        &["count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_or", "bool_and"];
    let (SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr)) = item else {
        return false;
    };
    let Expr::Function(call) = expr else { return false };
    let name = call.name.0.last().and_then(|part| part.as_ident());
    name.is_some_and(|name| AGGREGATES.contains(&name.value.to_lowercase().as_str()))
}

/// Whether a FROM item has no rows: an inner side of it has none.
fn has_no_rows(item: &TableWithJoins) -> bool {
    let kept = |operator: &JoinOperator| {
        matches!(
            operator,
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
        )
    };
    // A right or full join would keep rows of its other side.
    let keeps_left = item.joins.iter().all(|join| {
        kept(&join.join_operator)
            || matches!(join.join_operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_))
    });
    keeps_left
        && (is_empty(&item.relation)
            || item.joins.iter().any(|join| kept(&join.join_operator) && is_empty(&join.relation)))
}

fn is_empty(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => {
            let name: Vec<&str> =
                name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
            match name.as_slice() {
                [name] | [layout::PG_CATALOG, name] => EMPTY.contains(name),
                _ => false,
            }
        }
        TableFactor::Table { args: Some(args), .. } => args.args.iter().any(|arg| {
            use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr};
            matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_null_array(expr))
        }),
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter().any(is_null_array),
        TableFactor::NestedJoin { table_with_joins, .. } => has_no_rows(table_with_joins),
        _ => false,
    }
}

fn is_null_array(expr: &Expr) -> bool {
    let known = |ident: &Ident| NULL_ARRAYS.contains(&ident.value.to_lowercase().as_str());
    match expr {
        Expr::Identifier(ident) => known(ident),
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(known),
        _ => false,
    }
}
