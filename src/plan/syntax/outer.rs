//! Columns of the queries around: `a.x` in a subquery that has a column `a` but no relation `a` is the
//! column of an outer relation, never a field of the inner column as DataFusion has it.
//!
//! | written | becomes |
//! |---|---|
//! | `EXISTS (SELECT 1 FROM b WHERE b.a = a.id)` | `… b.a = "<any>".a.id` |
//! | `FROM jsonb_array_elements(j) AS e WHERE e = '1'` | `… WHERE e.value = '1'` |
//!
//! A schema that no relation has tells a relation's name from a column's; names compare without it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SetExpr, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::columns::folded;
use super::table_function;
use crate::sql::visit::WalkMut;

/// Stands for whatever schema a relation is in; no identifier is it.
const ANY_SCHEMA: &str = "\u{1}";

/// Qualifies columns of outer relations.
pub(super) fn rewrite(query: &mut Query) {
    let _complete = query.visit(&mut WalkMut(&mut Scopes(vec![])));
}

/// A relation of a FROM clause.
struct Known {
    name: String,
    /// What tells it from a column.
    schema: String,
    /// Its one column, which its name alone means too: that of a function of one value.
    value: Option<&'static str>,
}

/// The relations of the queries that we are in, from the outermost.
struct Scopes(Vec<Vec<Known>>);

impl VisitorMut for Scopes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // ORDER BY sees them too.
        let from = match query.body.as_ref() {
            SetExpr::Select(select) => relations(&select.from),
            _ => vec![],
        };
        self.0.push(from);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.0.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.0.push(relations(&select.from));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.0.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = &*expr {
            let name = folded(name);
            let mut known = self.0.iter().rev().flatten();
            if let Some(value) = known.find(|known| known.name == name).and_then(|k| k.value) {
                let parts = [name.as_str(), value].map(|part| Ident::with_quote('"', part));
                *expr = Expr::CompoundIdentifier(parts.to_vec());
            }
        }
        if let Expr::CompoundIdentifier(parts) = expr
            && let [relation, _] = parts.as_slice()
            && let Some((inner, outer)) = self.0.split_last()
        {
            let name = folded(relation);
            let find = |scope: &Vec<Known>| scope.iter().position(|known| known.name == name);
            let around = outer.iter().rev().find_map(|scope| Some(&scope[find(scope)?]));
            if let Some(known) = around.filter(|_| find(inner).is_none()) {
                parts.insert(0, Ident::with_quote('"', &known.schema));
            }
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
        to.push(Known { name, schema: schema.unwrap_or_else(|| ANY_SCHEMA.to_owned()), value });
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
