//! Which columns a FROM clause has, as far as the syntax tree and the catalog tell without planning.

use std::collections::HashSet;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, With,
};

use super::{column_name, merge};
use crate::error::{Error, Result};
use crate::plan::build::WINDOW_COLUMNS;
use crate::plan::relation::Relations;

/// A column of a FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// What it is: a relation's column, or of both sides of a join.
    pub(super) value: Expr,
    /// Its type, if it is a stored relation's.
    pub(super) kind: Option<DataType>,
    /// Whether a join has merged it.
    pub(super) merged: bool,
}

type Named = (String, Option<DataType>);

/// Names in sight of a query.
pub(super) struct Names<'a> {
    relations: &'a dyn Relations,
    /// Common table expressions, per query around.
    common: Vec<Vec<(String, Option<Vec<Named>>)>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(relations: &'a dyn Relations) -> Names<'a> {
        Names { relations, common: vec![] }
    }

    /// Sees the common table expressions of `query`.
    pub(super) fn enter(&mut self, query: &Query) {
        self.common.push(vec![]);
        let Some(With { cte_tables, .. }) = &query.with else { return };
        for cte in cte_tables {
            let mut columns = self.output(&cte.query);
            if let Some(columns) = &mut columns {
                rename(columns, Some(&cte.alias));
            } else if !cte.alias.columns.is_empty() {
                let names = cte.alias.columns.iter().map(|column| (folded(&column.name), None));
                columns = Some(names.collect());
            }
            if let Some(scope) = self.common.last_mut() {
                scope.push((folded(&cte.alias.name), columns));
            }
        }
    }

    /// Forgets them.
    pub(super) fn leave(&mut self) {
        self.common.pop();
    }

    /// The columns of a query, if they can be told.
    fn output(&self, query: &Query) -> Option<Vec<Named>> {
        let mut inner = Names { relations: self.relations, common: self.common.clone() };
        inner.enter(query);
        inner.body(&query.body)
    }

    fn body(&self, body: &SetExpr) -> Option<Vec<Named>> {
        match body {
            SetExpr::Query(query) => self.output(query),
            SetExpr::SetOperation { left, .. } => self.body(left),
            SetExpr::Values(values) => {
                let count = values.rows.first()?.len();
                Some((1..=count).map(|number| (format!("column{number}"), None)).collect())
            }
            SetExpr::Select(select) => {
                let mut output = vec![];
                for item in &select.projection {
                    match item {
                        SelectItem::UnnamedExpr(expr) => {
                            output.push((column_name::name_of(expr), None));
                        }
                        SelectItem::ExprWithAlias { alias, .. } => {
                            output.push((folded(alias), None))
                        }
                        SelectItem::Wildcard(_) => {
                            let columns = self.from(&select.from)?.into_iter();
                            output.extend(columns.map(|column| (column.name, column.kind)));
                        }
                        SelectItem::QualifiedWildcard(
                            SelectItemQualifiedWildcardKind::ObjectName(name),
                            _,
                        ) => {
                            let columns = self.qualified(&select.from, name)?.into_iter();
                            output.extend(columns.map(|column| (column.name, column.kind)));
                        }
                        _ => return None,
                    }
                }
                Some(output)
            }
            _ => None,
        }
    }

    /// The columns of the relation that `name.*` means.
    pub(super) fn qualified(
        &self,
        from: &[TableWithJoins],
        name: &ObjectName,
    ) -> Option<Vec<Column>> {
        let wanted = name.0.last()?.as_ident().map(folded)?;
        let factors = from.iter().flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
        });
        for factor in factors {
            let columns = self.factor(factor).ok()??;
            let of = columns.first().and_then(|column| match &column.value {
                Expr::CompoundIdentifier(parts) => parts.first().map(folded),
                _ => None,
            });
            if of.as_ref() == Some(&wanted) {
                return Some(columns);
            }
        }
        None
    }

    /// The columns of a FROM clause as `*` shows them.
    pub(super) fn from(&self, from: &[TableWithJoins]) -> Option<Vec<Column>> {
        let mut columns = vec![];
        for from in from {
            columns.extend(self.joined(from)?);
        }
        Some(columns)
    }

    fn joined(&self, from: &TableWithJoins) -> Option<Vec<Column>> {
        use datafusion::sql::sqlparser::ast::JoinConstraint::{Natural, Using};
        let mut left = self.factor(&from.relation).ok()??;
        for join in &from.joins {
            let right = self.factor(&join.relation).ok()??;
            let names: Vec<String> = match merge::constraint(&join.join_operator) {
                Some(Using(names)) => {
                    let name = |name: &ObjectName| name.0.last()?.as_ident().map(folded);
                    names.iter().filter_map(name).collect()
                }
                Some(Natural) => {
                    let common = |column: &&Column| right.iter().any(|r| r.name == column.name);
                    left.iter().filter(common).map(|column| column.name.clone()).collect()
                }
                _ => vec![],
            };
            let rest = |columns: Vec<Column>| {
                let names = names.clone();
                columns.into_iter().filter(move |column| !names.contains(&column.name))
            };
            let merged = names.iter();
            let merged = merged.filter_map(|name| left.iter().find(|c| c.name == *name).cloned());
            left = merged
                .collect::<Vec<_>>()
                .into_iter()
                .chain(rest(left))
                .chain(rest(right))
                .collect();
        }
        Some(left)
    }

    /// The names that a FROM clause gives to columns; none if they cannot be told.
    pub(super) fn visible(&self, from: &[TableWithJoins]) -> HashSet<String> {
        let columns = self.from(from).unwrap_or_default();
        columns.into_iter().map(|column| column.name).collect()
    }

    /// The columns of one factor; none if its relation does not exist.
    ///
    /// # Errors
    /// `0A000` if they cannot be told.
    pub(super) fn factor(&self, factor: &TableFactor) -> Result<Option<Vec<Column>>> {
        let (columns, name, alias) = match factor {
            TableFactor::Table { name, args: None, alias, .. } => {
                let Some(last) = name.0.last().and_then(|part| part.as_ident()) else {
                    return Ok(None);
                };
                (self.relation(name), last.clone(), alias)
            }
            TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
                let Some(last) = name.0.last().and_then(|part| part.as_ident()) else {
                    return Ok(None);
                };
                let called = folded(last);
                if called == "tumble" || called == "hop" {
                    (self.windowed(&args.args), last.clone(), alias)
                } else {
                    let columns = of_function(&called, 1, alias.as_ref(), *with_ordinality);
                    (Some(columns), last.clone(), alias)
                }
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let called = "unnest";
                let columns =
                    of_function(called, array_exprs.len(), alias.as_ref(), *with_ordinality);
                (Some(columns), Ident::new(called), alias)
            }
            TableFactor::Function { name, alias, .. } => {
                let Some(last) = name.0.last().and_then(|part| part.as_ident()) else {
                    return Ok(None);
                };
                let columns = of_function(&folded(last), 1, alias.as_ref(), false);
                (Some(columns), last.clone(), alias)
            }
            TableFactor::Derived { subquery, alias: alias @ Some(named), .. } => {
                (self.output(subquery), named.name.clone(), alias)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let Some(columns) = self.joined(table_with_joins) else { return Ok(None) };
                let Some(alias) = alias else { return Ok(Some(columns)) };
                let columns = columns.into_iter().map(|column| (column.name, column.kind));
                return Ok(Some(self.aliased(columns.collect(), &alias.name, Some(alias))));
            }
            _ => return Err(unknown()),
        };
        Ok(columns.map(|columns| {
            let name = alias.as_ref().map_or(name, |alias| alias.name.clone());
            self.aliased(columns, &name, alias.as_ref())
        }))
    }

    /// Columns under a relation's name.
    #[expect(clippy::unused_self, reason = "one of the family")]
    pub(super) fn aliased(
        &self,
        mut columns: Vec<Named>,
        name: &Ident,
        alias: Option<&TableAlias>,
    ) -> Vec<Column> {
        rename(&mut columns, alias);
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        let column = |((column, kind), own): (Named, String)| Column {
            value: Expr::CompoundIdentifier(vec![name.clone(), Ident::with_quote('"', own)]),
            name: column,
            kind,
            merged: false,
        };
        columns.into_iter().zip(column_name::distinct(names)).map(column).collect()
    }

    fn relation(&self, name: &ObjectName) -> Option<Vec<Named>> {
        let parts: Vec<String> =
            name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
        let (schema, name) = match parts.as_slice() {
            [name] => {
                let common = self.common.iter().rev().flat_map(|scope| scope.iter().rev());
                if let Some((_, columns)) = common.into_iter().find(|(common, _)| common == name) {
                    return columns.clone();
                }
                (None, name)
            }
            [.., schema, name] => (Some(schema.as_str()), name),
            [] => return None,
        };
        let relation = self.relations.find(schema, name)?;
        let columns = relation.columns.fields().iter();
        Some(columns.map(|f| (f.name().clone(), Some(f.data_type().clone()))).collect())
    }

    /// The columns of `TUMBLE(t, …)` and `HOP(t, …)`.
    fn windowed(&self, args: &[FunctionArg]) -> Option<Vec<Named>> {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(table)) = args.first()? else { return None };
        let mut columns = match table {
            Expr::Identifier(name) => self.relation(&ObjectName::from(vec![name.clone()]))?,
            Expr::CompoundIdentifier(parts) => self.relation(&ObjectName::from(parts.clone()))?,
            Expr::Subquery(query) => self.output(query)?,
            _ => return None,
        };
        columns.extend(WINDOW_COLUMNS.map(|name| (name.to_owned(), None)));
        Some(columns)
    }
}

/// The columns of a function in FROM: one is called as the alias, if there is one.
fn of_function(
    name: &str,
    count: usize,
    alias: Option<&TableAlias>,
    ordinality: bool,
) -> Vec<Named> {
    let name = match alias {
        Some(alias) if count == 1 => folded(&alias.name),
        _ => name.to_owned(),
    };
    let mut columns = vec![(name, None); count];
    if ordinality {
        columns.push(("ordinality".to_owned(), None));
    }
    columns
}

fn rename(columns: &mut [Named], alias: Option<&TableAlias>) {
    let names = alias.iter().flat_map(|alias| &alias.columns);
    for (column, name) in columns.iter_mut().zip(names) {
        column.0 = folded(&name.name);
    }
}

fn unknown() -> Error {
    Error::unsupported("USING or NATURAL with this relation")
        .hint("Write the join with ON, or name the relation's columns in a subquery.")
}

/// `SELECT items FROM from`
pub(super) fn select(items: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Query {
    use datafusion::sql::sqlparser::ast::{
        GroupByExpr, Select, SelectFlavor, helpers::attached_token::AttachedToken,
    };
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: items,
        exclude: None,
        into: None,
        from,
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
