//! Columns of the queries around: `a.x` in a subquery that has a column `a` but no relation `a` is the
//! column of an outer relation, never a field of the inner column as DataFusion has it.
//!
//! A relation within a query that has one of the same name gets a hidden number, so that no column of one is
//! taken for one of the other when subqueries are taken apart.
//!
//! | written | becomes |
//! |---|---|
//! | `EXISTS (SELECT 1 FROM b WHERE b.a = a.id)` | `… b.a = "<any>".a.id` |
//! | `FROM jsonb_array_elements(j) AS e WHERE e = '1'` | `… WHERE e.value = '1'` |
//! | `SELECT (SELECT max(t.x) FROM t) FROM t` | `SELECT (SELECT max("t<2>".x) FROM t AS "t<2>") FROM t` |
//!
//! A schema that no relation has tells a relation's name from a column's; names compare without it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins,
    VisitMut, VisitorMut,
};

use super::columns::folded;
use super::{array, column_name, table_function};
use crate::sql::visit::WalkMut;

/// Stands for whatever schema a relation is in; no identifier is it.
const ANY_SCHEMA: &str = "\u{1}";

/// Qualifies columns of outer relations.
pub(super) fn rewrite(query: &mut Query) {
    let _complete = query.visit(&mut WalkMut(&mut Scopes { scopes: vec![], numbered: 1 }));
}

/// A relation of a FROM clause.
struct Known {
    /// As the user calls it.
    name: String,
    /// With its hidden number, if it has one.
    own: Option<String>,
    /// What tells it from a column.
    schema: String,
    /// Its one column, which its name alone means too: that of a function of one value.
    value: Option<&'static str>,
}

/// The relations of the queries that we are in, from the outermost: of each query, and of the SELECT in it.
struct Scopes {
    scopes: Vec<Vec<Known>>,
    /// The last hidden number.
    numbered: usize,
}

impl Scopes {
    /// Numbers the relations of `from` that the first `around` scopes have relations of the same name as.
    fn number(&mut self, from: &mut [TableWithJoins], around: usize) {
        for from in from {
            let joined = from.joins.iter_mut().map(|join| &mut join.relation);
            for factor in std::iter::once(&mut from.relation).chain(joined) {
                if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
                    self.number(std::slice::from_mut(table_with_joins.as_mut()), around);
                    continue;
                }
                let Some(name) = plain_name(factor) else { continue };
                let mut taken = self.scopes[..around].iter().flatten();
                if taken.any(|known| known.name == name) {
                    self.numbered += 1;
                    let alias = column_name::numbered(&name, self.numbered);
                    call(factor, Ident::with_quote('"', alias));
                }
            }
        }
    }

    /// The nearest relation that the user calls `name`, and whether it is of the innermost SELECT.
    fn find(&self, name: &str) -> Option<(&Known, bool)> {
        let scopes = self.scopes.iter().enumerate().rev();
        scopes.into_iter().find_map(|(index, scope)| {
            let known = scope.iter().find(|known| known.name == name)?;
            Some((known, index + 1 == self.scopes.len()))
        })
    }

    /// `relation.*` by the relation's own name.
    fn wildcard(&self, relation: &mut ObjectName) {
        let Some(last) = relation.0.last().and_then(|part| part.as_ident()) else { return };
        if let Some((Known { own: Some(own), .. }, _)) = self.find(&folded(last)) {
            *relation = ObjectName::from(vec![Ident::with_quote('"', own)]);
        }
    }

    /// A column's name with its relation's own.
    fn qualify(&self, parts: &mut Vec<Ident>) {
        let [.., relation, _] = parts.as_slice() else { return };
        let bare = parts.len() == 2;
        let Some((known, inner)) = self.find(&folded(relation)) else { return };
        if !bare && known.own.is_none() {
            return;
        }
        if let Some(own) = &known.own {
            parts.drain(..parts.len() - 2);
            parts[0] = Ident::with_quote('"', own);
        }
        if !inner {
            parts.insert(0, Ident::with_quote('"', &known.schema));
        }
    }
}

/// The name of a table or a subquery in FROM. (The columns of functions may be called as the function is.)
fn plain_name(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), args: None, .. }
        | TableFactor::Derived { alias: Some(alias), .. } => Some(folded(&alias.name)),
        TableFactor::Table { name, alias: None, args: None, .. } => {
            name.0.last().and_then(|part| part.as_ident()).map(folded)
        }
        _ => None,
    }
}

/// Gives a table or a subquery in FROM another name.
fn call(factor: &mut TableFactor, name: Ident) {
    if let TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } = factor {
        match alias {
            Some(alias) => alias.name = name,
            None => {
                *alias = Some(TableAlias { explicit: true, name, columns: vec![], at: None });
            }
        }
    }
}

impl VisitorMut for Scopes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // ORDER BY sees them too.
        let from = match query.body.as_mut() {
            SetExpr::Select(select) => {
                self.number(&mut select.from, self.scopes.len());
                relations(&select.from)
            }
            _ => vec![],
        };
        self.scopes.push(from);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        // The last scope is that of the query whose SELECT this is.
        self.number(&mut select.from, self.scopes.len().saturating_sub(1));
        self.scopes.push(relations(&select.from));
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(relation),
                _,
            ) = item
            {
                self.wildcard(relation);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = &*expr {
            let name = folded(name);
            let mut known = self.scopes.iter().rev().flatten();
            if let Some(value) = known.find(|known| known.name == name).and_then(|k| k.value) {
                let parts = [name.as_str(), value].map(|part| Ident::with_quote('"', part));
                *expr = Expr::CompoundIdentifier(parts.to_vec());
            }
        }
        array::qualify_root(expr);
        match expr {
            Expr::CompoundIdentifier(parts) => self.qualify(parts),
            Expr::Function(function) => {
                if let FunctionArguments::List(list) = &mut function.args {
                    for arg in &mut list.args {
                        if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(relation)) =
                            arg
                        {
                            self.wildcard(relation);
                        }
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The names of the relations of a FROM clause.
pub(crate) fn relation_names(from: &[TableWithJoins]) -> Vec<String> {
    relations(from).into_iter().map(|known| known.name).collect()
}

fn relations(from: &[TableWithJoins]) -> Vec<Known> {
    let mut known = vec![];
    from.iter().for_each(|from| add(from, &mut known));
    known
}

fn add(from: &TableWithJoins, to: &mut Vec<Known>) {
    let joined = from.joins.iter().map(|join| &join.relation);
    for factor in std::iter::once(&from.relation).chain(joined) {
        let value = value_of(factor);
        let (name, schema) = match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                add(table_with_joins, to);
                continue;
            }
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => (folded(&alias.name), None),
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
                let mut parts = name.0.iter().rev().filter_map(|part| part.as_ident()).map(folded);
                let Some(name) = parts.next() else { continue };
                (name, parts.next())
            }
            TableFactor::UNNEST { .. } => ("unnest".to_owned(), None),
            _ => continue,
        };
        let schema = schema.unwrap_or_else(|| ANY_SCHEMA.to_owned());
        let own = column_name::is_numbered(&name).then(|| name.clone());
        let name = column_name::visible(&name).to_owned();
        to.push(Known { name, own, schema, value });
    }
}

/// The column of a function of one value, under the name that the function gives it.
fn value_of(factor: &TableFactor) -> Option<&'static str> {
    let (TableFactor::Table { name, args: Some(_), alias, .. }
    | TableFactor::Function { name, alias, .. }) = factor
    else {
        return None;
    };
    let function = name.0.last().and_then(|part| part.as_ident()).map(folded)?;
    let plain = alias.as_ref().is_none_or(|alias| alias.columns.is_empty());
    table_function::column_of(&function).filter(|_| plain)
}
