//! Forms of queries that stand for others.
//!
//! | written | becomes |
//! |---|---|
//! | `TABLE t` | `SELECT * FROM t` |
//! | `WITH c (x) AS (query)` | `WITH c AS (SELECT * FROM (query) AS c (x))` |
//! | `(a, b) IN (query)` | true if a row of it equals, else null if one might, else false |

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Cte, Expr, Ident, ObjectName, Query, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, Value, WildcardAdditionalOptions,
};

use super::binary;
use super::columns::select;

fn from(relation: TableFactor) -> Vec<TableWithJoins> {
    vec![TableWithJoins { relation, joins: vec![] }]
}

fn star() -> SelectItem {
    SelectItem::Wildcard(WildcardAdditionalOptions::default())
}

/// `TABLE t`, alone or in a set operation.
pub(super) fn table(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            table(left);
            table(right);
        }
        SetExpr::Table(named) => {
            let Some(name) = &named.table_name else { return };
            let part = |name: &String| Ident::with_quote('"', name);
            let parts = named.schema_name.iter().chain([name]).map(part).collect::<Vec<_>>();
            let relation = TableFactor::Table {
                name: ObjectName::from(parts),
                alias: None,
                args: None,
                with_hints: vec![],
                version: None,
                with_ordinality: false,
                partitions: vec![],
                json_path: None,
                sample: None,
                index_hints: vec![],
            };
            *body = *select(vec![star()], from(relation)).body;
        }
        _ => {}
    }
}

/// A common table expression with names for its columns.
pub(super) fn named_columns(cte: &mut Cte) {
    if cte.alias.columns.is_empty() {
        return;
    }
    let alias = cte.alias.clone();
    cte.alias.columns.clear();
    let inner = std::mem::replace(cte.query.as_mut(), select(vec![], vec![]));
    *cte.query = select(vec![star()], from(derived(inner, alias)));
}

fn derived(query: Query, alias: TableAlias) -> TableFactor {
    let subquery = Box::new(query);
    TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
}

/// `(a, b) [NOT] IN (query)`
pub(super) fn row_in(expr: &mut Expr) {
    let Expr::InSubquery { expr: row, subquery, negated } = expr else { return };
    let Expr::Tuple(values) = row.as_ref() else { return };
    let column = |number: usize| format!("__row{number}");
    let names = (0..values.len())
        .map(|number| TableAliasColumnDef { name: Ident::new(column(number)), data_type: None });
    let alias = TableAlias {
        explicit: true,
        name: Ident::new("__rows"),
        columns: names.collect(),
        at: None,
    };
    let equal = values.iter().enumerate().map(|(number, value)| {
        let column =
            Expr::CompoundIdentifier(vec![Ident::new("__rows"), Ident::new(column(number))]);
        binary(Expr::Nested(Box::new(value.clone())), BinaryOperator::Eq, column)
    });
    let Some(equal) = equal.reduce(|one, other| binary(one, BinaryOperator::And, other)) else {
        return;
    };
    let exists = |condition: Expr| {
        let one = SelectItem::UnnamedExpr(Expr::value(Value::Number("1".to_owned(), false)));
        let mut query = select(vec![one], from(derived(subquery.as_ref().clone(), alias.clone())));
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.selection = Some(condition);
        }
        Expr::Exists { subquery: Box::new(query), negated: false }
    };
    let maybe = Expr::IsNull(Box::new(Expr::Nested(Box::new(equal.clone()))));
    let when = |condition: Expr, result: Value| CaseWhen { condition, result: Expr::value(result) };
    *expr = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![
            when(exists(equal), Value::Boolean(!*negated)),
            when(exists(maybe), Value::Null),
        ],
        else_result: Some(Box::new(Expr::value(Value::Boolean(*negated)))),
    };
}
