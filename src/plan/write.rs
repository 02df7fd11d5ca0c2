//! Writes as queries: the queries that compute what INSERT, UPDATE, DELETE, ON CONFLICT and RETURNING
//! need, built as syntax so that they are planned like any other.
//!
//! A statement's target and the rows being written are relations of the engine's own (`schema.name`),
//! which the query reads under the name that the user's expressions know.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, TableFactor, TableWithJoins, Value, With,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::syntax;
use crate::error::{Error, Result};
use crate::sql::is_default;
use crate::types::name::quote;

/// The schema of relations that exist only within one statement: the rows being written. Users cannot
/// name it, since they cannot create it.
pub const STATEMENT: &str = "__statement";

/// A relation and the name by which expressions know it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Schema of the relation.
    pub schema: &'a str,
    /// Name of the relation.
    pub name: &'a str,
    /// Its name in expressions.
    pub alias: &'a str,
}

/// The names by which expressions know the relations of a FROM.
#[must_use]
pub fn relation_names(from: &[TableWithJoins]) -> Vec<String> {
    syntax::relation_names(from)
}

/// What a query computes: `SELECT items FROM relations WHERE filter`.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    with: Option<With>,
    items: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    filter: Option<Expr>,
}

impl Parts {
    /// A query that reads `known`.
    ///
    /// # Errors
    /// Never for names made of characters.
    pub fn from(known: Known<'_>) -> Result<Parts> {
        Parts::default().and_from(known)
    }

    /// Common table expressions in front.
    #[must_use]
    pub fn with(mut self, with: Option<With>) -> Parts {
        self.with = with;
        self
    }

    /// Reads another relation too.
    ///
    /// # Errors
    /// As [`Parts::from`].
    pub fn and_from(mut self, known: Known<'_>) -> Result<Parts> {
        let Known { schema, name, alias } = known;
        let text = format!("{}.{} AS {}", quote(schema), quote(name), quote(alias));
        let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(&text).map_err(bug)?;
        self.from.push(parser.parse_table_and_joins().map_err(bug)?);
        Ok(self)
    }

    /// Reads the relations of a user's FROM or USING too.
    #[must_use]
    pub fn and_from_all(mut self, relations: &[TableWithJoins]) -> Parts {
        self.from.extend_from_slice(relations);
        self
    }

    /// Puts out a column of a relation.
    #[must_use]
    pub fn column(mut self, relation: &str, column: &str) -> Parts {
        self.items.push(SelectItem::UnnamedExpr(column_of(relation, column)));
        self
    }

    /// Puts out an expression.
    #[must_use]
    pub fn expr(mut self, expr: Expr) -> Parts {
        self.items.push(SelectItem::UnnamedExpr(expr));
        self
    }

    /// Puts out an expression under a name that no column has.
    #[must_use]
    pub fn hidden(mut self, expr: Expr) -> Parts {
        let alias = Ident::with_quote('"', format!("__value{}", self.items.len()));
        self.items.push(SelectItem::ExprWithAlias { expr, alias });
        self
    }

    /// Puts out a user's select list.
    #[must_use]
    pub fn items(mut self, items: &[SelectItem]) -> Parts {
        self.items.extend_from_slice(items);
        self
    }

    /// Only rows for which `filter` (if any) is true.
    #[must_use]
    pub fn filter(mut self, filter: Option<Expr>) -> Parts {
        self.filter = match (self.filter, filter) {
            (Some(left), Some(right)) => Some(and(left, right)),
            (left, right) => left.or(right),
        };
        self
    }

    /// Only pairs of rows with equal values in a column that both relations have.
    #[must_use]
    pub fn equal(self, left: &str, right: &str, column: &str) -> Parts {
        let equal = Expr::BinaryOp {
            left: Box::new(column_of(left, column)),
            op: datafusion::sql::sqlparser::ast::BinaryOperator::Eq,
            right: Box::new(column_of(right, column)),
        };
        self.filter(Some(equal))
    }

    /// The query.
    ///
    /// # Errors
    /// Never.
    pub fn query(self) -> Result<Query> {
        // The parser fills in the many fields that such a query does not use.
        let mut parser =
            Parser::new(&PostgreSqlDialect {}).try_with_sql("SELECT 1").map_err(bug)?;
        let mut query = *parser.parse_query().map_err(bug)?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(Error::internal("SELECT 1 is not a select"));
        };
        select.projection = self.items;
        select.from = self.from;
        select.selection = self.filter;
        query.with = self.with;
        Ok(query)
    }
}

fn bug(error: datafusion::sql::sqlparser::parser::ParserError) -> Error {
    Error::internal(error.to_string())
}

fn column_of(relation: &str, column: &str) -> Expr {
    let part = |name: &str| Ident::with_quote('"', name);
    Expr::CompoundIdentifier(vec![part(relation), part(column)])
}

fn and(left: Expr, right: Expr) -> Expr {
    let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp {
        left: nested(left),
        op: datafusion::sql::sqlparser::ast::BinaryOperator::And,
        right: nested(right),
    }
}

/// One of the columns, of which there are `count`, of a query's only row.
#[must_use]
pub fn part_of(query: Expr, index: usize, count: usize) -> Expr {
    syntax::part_of(query, index, count)
}

/// The expression NULL.
#[must_use]
pub fn null() -> Expr {
    Expr::value(Value::Null)
}

/// The rows of a bare `VALUES` list, to replace `DEFAULT` in them.
pub fn values_of(query: &mut Query) -> Option<Vec<&mut Vec<Expr>>> {
    let plain = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    match query.body.as_mut() {
        SetExpr::Values(values) if plain => {
            Some(values.rows.iter_mut().map(|row| &mut row.content).collect())
        }
        _ => None,
    }
}

/// Replaces every `DEFAULT` in the rows by what `default` gives for its column, or fails as it does.
///
/// # Errors
/// What `default` fails with.
pub fn fill_defaults(
    rows: Vec<&mut Vec<Expr>>,
    mut default: impl FnMut(usize) -> Result<Expr>,
) -> Result<()> {
    for row in rows {
        for (column, value) in row.iter_mut().enumerate() {
            if is_default(value) {
                *value = default(column)?;
            }
        }
    }
    Ok(())
}

/// The query `SELECT * FROM schema.name`, as `COPY … TO` reads a table.
///
/// # Errors
/// As [`Parts::from`].
pub fn columns_of(known: Known<'_>, columns: &[String]) -> Result<Query> {
    let parts = Parts::from(known)?;
    columns.iter().fold(parts, |parts, column| parts.column(known.alias, column)).query()
}

/// The relation that a `SUBSCRIBE` query names, if it is nothing but `SELECT * FROM relation`.
#[must_use]
pub fn sole_relation(query: &Query) -> Option<(Option<String>, String)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [TableWithJoins { relation: TableFactor::Table { name, .. }, joins }] = &select.from[..]
    else {
        return None;
    };
    let star = matches!(&select.projection[..], [SelectItem::Wildcard(_)]);
    let plain = star
        && joins.is_empty()
        && select.selection.is_none()
        && select.distinct.is_none()
        && query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none();
    let mut parts = name.0.iter().rev().map(|part| {
        let ident = part.as_ident()?;
        Some(match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        })
    });
    let relation = parts.next()??;
    plain.then(|| (parts.next().flatten(), relation))
}
