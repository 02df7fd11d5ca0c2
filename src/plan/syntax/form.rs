//! Forms of queries that stand for others.
//!
//! | written | becomes |
//! |---|---|
//! | `TABLE t` | `SELECT * FROM t` |
//! | `WITH c (x) AS (query)` | `WITH c AS (SELECT * FROM (query) AS c (x))` |
//! | `(a, b) IN (query)` | true if a row of it equals, else null if one might, else false |
//! | `(a, b) < (query)` | `(SELECT (a, b) < (x, y) FROM (query) AS q (x, y))` |

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Cte, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    ObjectName, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, Value, WildcardAdditionalOptions,
};

use super::columns::select;
use super::function_name::call;
use super::{binary, row};
use crate::error::{Error, Result};

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

/// `(SELECT 1) AS name`: a relation of one row without columns that have names.
pub(super) fn one_row(name: &str) -> TableWithJoins {
    let alias = TableAlias { explicit: true, name: Ident::new(name), columns: vec![], at: None };
    let one = SelectItem::ExprWithAlias {
        expr: Expr::value(Value::Number("1".to_owned(), false)),
        alias: Ident::new(name),
    };
    from(derived(select(vec![one], vec![]), alias)).swap_remove(0)
}

fn derived(query: Query, alias: TableAlias) -> TableFactor {
    let subquery = Box::new(query);
    TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }
}

/// `(a, b) [NOT] IN (query)`, `= ANY`, `<> ALL`, and comparisons with a query of one row.
///
/// # Errors
/// `42601` if the query is seen to have another number of columns.
pub(super) fn row_query(expr: &mut Expr) -> Result<()> {
    let (row, subquery, negated) = match &*expr {
        Expr::InSubquery { expr: row, subquery, negated } => (row, subquery.as_ref(), *negated),
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => match query_of(right) {
            Some(query) => (left, query, false),
            None => return Ok(()),
        },
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => match query_of(right) {
            Some(query) => (left, query, true),
            None => return Ok(()),
        },
        Expr::BinaryOp { left, op, right } if row::comparison(op) => {
            let compared = match (row::columns(left), query_of(right)) {
                (Some(values), Some(query)) => {
                    let rows = Rows::new(&values, query)?;
                    Some(rows.select(binary(Expr::Tuple(values), op.clone(), rows.tuple())))
                }
                _ => match (query_of(left), row::columns(right)) {
                    (Some(query), Some(values)) => {
                        let rows = Rows::new(&values, query)?;
                        Some(rows.select(binary(rows.tuple(), op.clone(), Expr::Tuple(values))))
                    }
                    _ => None,
                },
            };
            if let Some(compared) = compared {
                *expr = Expr::Subquery(Box::new(compared));
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    let Some(values) = row::columns(row) else { return Ok(()) };
    let rows = Rows::new(&values, subquery)?;
    let equal = itertools::zip_eq(values, rows.columns())
        .map(|(value, column)| binary(Expr::Nested(Box::new(value)), BinaryOperator::Eq, column));
    let Some(equal) = equal.reduce(|one, other| binary(one, BinaryOperator::And, other)) else {
        return Ok(());
    };
    *expr = found(&rows, equal, negated);
    Ok(())
}

/// Name of a call that stands for a column of a query's row; a user has no way to write it.
const PART: &str = "part of a row";

/// One of the columns, of which there are `count`, of a query's only row.
pub(crate) fn part_of(query: Expr, index: usize, count: usize) -> Expr {
    let number = |n: usize| Expr::value(Value::Number(n.to_string(), false));
    call(PART, vec![query, number(index), number(count)])
}

/// A column of a query's row as a field of the query's only value, which is computed once for all of them.
pub(super) fn row_part(expr: &mut Expr) {
    let Some((query, index, count)) = part(expr) else { return };
    let name = |text: String| Expr::value(Value::SingleQuotedString(text));
    let rows = Rows { query: query.clone(), count };
    let columns = rows.columns().into_iter().enumerate();
    let fields = columns.flat_map(|(n, column)| [name(n.to_string()), column]).collect();
    let row = rows.select(call("named_struct", fields));
    *expr = call("get_field", vec![Expr::Subquery(Box::new(row)), name(index)]);
}

/// The query of which an expression is one of several columns.
pub(super) fn part_query(expr: &Expr) -> Option<&Query> {
    part(expr).filter(|(.., count)| *count > 1).map(|(query, ..)| query)
}

/// The query, which column it is, and of how many.
fn part(expr: &Expr) -> Option<(&Query, String, usize)> {
    let Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.name.to_string() != PART {
        return None;
    }
    let args: Vec<&Expr> = list.args.iter().filter_map(argument).collect();
    let [Expr::Subquery(query), index, count] = args[..] else { return None };
    Some((query.as_ref(), index.to_string(), count.to_string().parse().ok()?))
}

fn argument(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// True if a row of the query is equal, else null if one might be, else false; or the negation of that.
fn found(rows: &Rows, equal: Expr, negated: bool) -> Expr {
    let exists = |condition: Expr| {
        let mut query = rows.select(Expr::value(Value::Number("1".to_owned(), false)));
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.selection = Some(condition);
        }
        Expr::Exists { subquery: Box::new(query), negated: false }
    };
    let maybe = Expr::IsNull(Box::new(Expr::Nested(Box::new(equal.clone()))));
    let when = |condition: Expr, result: Value| CaseWhen { condition, result: Expr::value(result) };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![
            when(exists(equal), Value::Boolean(!negated)),
            when(exists(maybe), Value::Null),
        ],
        else_result: Some(Box::new(Expr::value(Value::Boolean(negated)))),
    }
}

fn query_of(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::Subquery(query) => Some(query),
        Expr::Nested(inner) => query_of(inner),
        _ => None,
    }
}

/// The rows of a query beside which a row is put, under names that no statement has.
struct Rows {
    query: Query,
    count: usize,
}

impl Rows {
    const NAME: &str = "__rows";

    fn new(values: &[Expr], query: &Query) -> Result<Rows> {
        let items = match query.body.as_ref() {
            SetExpr::Select(select) => select.projection.as_slice(),
            _ => &[],
        };
        let named = |item: &SelectItem| {
            matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
        };
        if !items.is_empty() && items.iter().all(named) && items.len() != values.len() {
            let too = if items.len() < values.len() { "few" } else { "many" };
            return Err(Error::syntax(format!("subquery has too {too} columns")));
        }
        Ok(Rows { query: query.clone(), count: values.len() })
    }

    fn column(number: usize) -> Ident {
        Ident::new(format!("__row{number}"))
    }

    fn columns(&self) -> Vec<Expr> {
        let of = |number| vec![Ident::new(Self::NAME), Self::column(number)];
        (0..self.count).map(|number| Expr::CompoundIdentifier(of(number))).collect()
    }

    fn tuple(&self) -> Expr {
        Expr::Tuple(self.columns())
    }

    /// `SELECT value FROM (query) AS __rows (__row0, …)`
    fn select(&self, value: Expr) -> Query {
        let name = |number| TableAliasColumnDef { name: Self::column(number), data_type: None };
        let alias = TableAlias {
            explicit: true,
            name: Ident::new(Self::NAME),
            columns: (0..self.count).map(name).collect(),
            at: None,
        };
        select(vec![SelectItem::UnnamedExpr(value)], from(derived(self.query.clone(), alias)))
    }
}
