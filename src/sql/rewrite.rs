//! Rewrites the relations that a query names: to canonical text when a view is created, and when what
//! it names is renamed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, Spanned,
    TableAlias, TableFactor, VisitMut, VisitorMut, With,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::dialect::WINDOW_FUNCTIONS;
use super::statement::Name;
use super::visit::WalkMut;
use super::{parse_expr, parse_query};
use crate::error::{Error, Result};
use crate::types::QualifiedName;
use crate::types::name::quote;

/// Qualifies every relation that `query` names: `resolve` tells what a name means (its position is
/// unknown and 0; the span tells where it stands), or `None` to leave it as it is. Names of common
/// table expressions are not asked for. Returns what was named, each once.
///
/// # Errors
/// What `resolve` reports.
pub fn qualify(
    query: &mut Query,
    resolve: impl FnMut(&Name, Span) -> Result<Option<QualifiedName>>,
) -> Result<BTreeSet<QualifiedName>> {
    let mut named = BTreeSet::new();
    let mut resolve = resolve;
    relations(query, |mut relation| {
        let Some(name) = relation.name() else { return Ok(()) };
        if let Some(qualified) = resolve(&name, relation.span())? {
            relation.set(&qualified);
            named.insert(qualified);
        }
        Ok(())
    })?;
    Ok(named)
}

/// A canonical query with a relation called otherwise. What was a column's qualifier stays one: the
/// relation gets its old name as an alias.
///
/// # Errors
/// `XX000` if the text does not parse.
pub fn rename_relation(query: &str, from: &QualifiedName, to: &QualifiedName) -> Result<String> {
    let mut query = parse_query(query)?;
    relations(&mut query, |mut relation| {
        if relation.names(from) {
            relation.set(to);
            relation.alias(&from.name);
        }
        Ok(())
    })?;
    Ok(query.to_string())
}

/// A canonical query after a column of `relation` was renamed: it reads a subquery that calls the
/// column as before. `columns` are the relation's columns as they are called now and as the query
/// knows them.
///
/// # Errors
/// `0A000` if the relation is windowed by a table function, which takes no subquery.
pub fn rename_column(
    query: &str,
    relation: &QualifiedName,
    columns: &[(&str, &str)],
) -> Result<String> {
    let items: Vec<String> =
        columns.iter().map(|(now, known)| format!("{} AS {}", quote(now), quote(known))).collect();
    let subquery = parse_query(&format!("SELECT {} FROM {relation}", items.join(", ")))?;
    let mut query = parse_query(query)?;
    relations(&mut query, |mut named| {
        if named.names(relation) { named.replace(&subquery, &relation.name) } else { Ok(()) }
    })?;
    Ok(query.to_string())
}

/// An expression over the columns of one relation, with a column renamed.
///
/// # Errors
/// `XX000` if the text does not parse.
pub fn rename_in_expr(expr: &str, from: &str, to: &str) -> Result<String> {
    let mut expr = parse_expr(expr)?;
    let _complete = expr.visit(&mut WalkMut(&mut Rename { from, to }));
    Ok(expr.to_string())
}

struct Rename<'a> {
    from: &'a str,
    to: &'a str,
}

impl VisitorMut for Rename<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let column = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.last_mut(),
            _ => None,
        };
        if let Some(column) = column.filter(|column| folded(column) == self.from) {
            *column = ident(self.to);
        }
        ControlFlow::Continue(())
    }
}

/// A place where a query names a relation.
enum Relation<'a> {
    /// In FROM.
    Factor(&'a mut TableFactor),
    /// As the first argument of a window function.
    Argument(&'a mut Expr),
}

impl Relation<'_> {
    fn parts(&self) -> Option<Vec<&Ident>> {
        match self {
            Relation::Factor(TableFactor::Table { name, .. }) => {
                name.0.iter().map(ObjectNamePart::as_ident).collect()
            }
            Relation::Argument(Expr::Identifier(ident)) => Some(vec![ident]),
            Relation::Argument(Expr::CompoundIdentifier(parts)) => Some(parts.iter().collect()),
            _ => None,
        }
    }

    fn name(&self) -> Option<Name> {
        let parts = self.parts()?;
        let (schema, name) = match parts.as_slice() {
            [name] => (None, folded(name)),
            [schema, name] => (Some(folded(schema)), folded(name)),
            _ => return None,
        };
        Some(Name { schema, name, position: 0 })
    }

    fn names(&self, relation: &QualifiedName) -> bool {
        self.name().is_some_and(|name| {
            name.schema.as_ref() == Some(&relation.schema) && name.name == relation.name
        })
    }

    fn span(&self) -> Span {
        match self {
            Relation::Factor(factor) => factor.span(),
            Relation::Argument(expr) => expr.span(),
        }
    }

    fn set(&mut self, to: &QualifiedName) {
        let parts = [ident(&to.schema), ident(&to.name)];
        match self {
            Relation::Factor(TableFactor::Table { name, .. }) => {
                *name = ObjectName(parts.map(ObjectNamePart::Identifier).into());
            }
            Relation::Factor(_) => {}
            Relation::Argument(expr) => **expr = Expr::CompoundIdentifier(parts.into()),
        }
    }

    /// Gives the relation an alias unless it has one.
    fn alias(&mut self, name: &str) {
        if let Relation::Factor(TableFactor::Table { alias: alias @ None, .. }) = self {
            *alias = Some(alias_of(name));
        }
    }

    fn replace(&mut self, subquery: &Query, name: &str) -> Result<()> {
        match self {
            Relation::Factor(factor) => {
                let TableFactor::Table { alias, .. } = factor else { return Ok(()) };
                let alias = alias.take().unwrap_or_else(|| alias_of(name));
                **factor = TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(subquery.clone()),
                    alias: Some(alias),
                    sample: None,
                };
                Ok(())
            }
            Relation::Argument(_) => {
                Err(Error::unsupported("renaming a column of a relation that a view windows")
                    .hint("Drop the view, rename the column, and create the view again."))
            }
        }
    }
}

fn alias_of(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: ident(name), columns: vec![], at: None }
}

/// A name as an identifier, quoted if it must be.
fn ident(name: &str) -> Ident {
    if quote(name) == name { Ident::new(name) } else { Ident::with_quote('"', name) }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Calls `each` for every relation that `query` names and that is not a common table expression.
fn relations(query: &mut Query, each: impl FnMut(Relation<'_>) -> Result<()>) -> Result<()> {
    let mut visitor = Relations { each, scope: vec![], withs: vec![] };
    match query.visit(&mut WalkMut(&mut visitor)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Relations<F> {
    each: F,
    /// Names of the common table expressions in sight, innermost last.
    scope: Vec<String>,
    /// Of each query around, its `WITH` clause and the length of `scope` outside of it.
    withs: Vec<(Option<With>, usize)>,
}

impl<F: FnMut(Relation<'_>) -> Result<()>> VisitorMut for Relations<F> {
    type Break = Error;

    // The clause is taken out and visited here, since each of its expressions sees only those before
    // it (all of them, if recursive), and put back after the body.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let outside = self.scope.len();
        let mut with = query.with.take();
        if let Some(with) = &mut with {
            if with.recursive {
                self.scope.extend(with.cte_tables.iter().map(|cte| folded(&cte.alias.name)));
            }
            for cte in &mut with.cte_tables {
                cte.query.visit(&mut WalkMut(self))?;
                if !with.recursive {
                    self.scope.push(folded(&cte.alias.name));
                }
            }
        }
        self.withs.push((with, outside));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some((with, outside)) = self.withs.pop() {
            query.with = with;
            self.scope.truncate(outside);
        }
        ControlFlow::Continue(())
    }

    // After its children: what replaces a factor is not visited again.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let relation = match factor {
            TableFactor::Table { args: None, .. } => Relation::Factor(factor),
            TableFactor::Table { name, args: Some(call), .. } if is_window(name) => {
                match call.args.first_mut() {
                    Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) => {
                        Relation::Argument(expr)
                    }
                    _ => return ControlFlow::Continue(()),
                }
            }
            _ => return ControlFlow::Continue(()),
        };
        let common = relation
            .name()
            .is_none_or(|name| name.schema.is_none() && self.scope.contains(&name.name));
        if common {
            return ControlFlow::Continue(());
        }
        match (self.each)(relation) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn is_window(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| {
        WINDOW_FUNCTIONS.iter().any(|window| ident.value.eq_ignore_ascii_case(window))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qualified(text: &str) -> String {
        let mut query = parse_query(text).unwrap();
        qualify(&mut query, |name, span| {
            assert!(span.start.line > 0, "{name:?}");
            let schema = name.schema.clone().unwrap_or_else(|| "public".to_owned());
            Ok(Some(QualifiedName::new(schema, &*name.name)))
        })
        .unwrap();
        query.to_string()
    }

    #[test]
    fn names_are_qualified_but_for_common_table_expressions() {
        for (text, expected) in [
            ("SELECT t.a FROM T, s.u AS x", "SELECT t.a FROM public.t, s.u AS x"),
            (
                "WITH t AS (SELECT * FROM t) SELECT * FROM t",
                "WITH t AS (SELECT * FROM public.t) SELECT * FROM t",
            ),
            (
                "WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t",
                "WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t",
            ),
            (
                "SELECT (WITH c AS (SELECT 1) SELECT a FROM c) FROM c WHERE EXISTS (SELECT 1 FROM \"T\")",
                "SELECT (WITH c AS (SELECT 1) SELECT a FROM c) FROM public.c WHERE EXISTS (SELECT 1 FROM public.\"T\")",
            ),
            (
                "SELECT * FROM TUMBLE(bid, ts, INTERVAL '1 s') JOIN (SELECT 1 FROM b) ON true",
                "SELECT * FROM TUMBLE(public.bid, ts, INTERVAL '1 s') JOIN (SELECT 1 FROM public.b) ON true",
            ),
            (
                "WITH bid AS (SELECT 1) SELECT * FROM HOP(bid, ts, INTERVAL '1 s', INTERVAL '2 s')",
                "WITH bid AS (SELECT 1) SELECT * FROM HOP(bid, ts, INTERVAL '1 s', INTERVAL '2 s')",
            ),
            ("SELECT * FROM generate_series(1, 2)", "SELECT * FROM generate_series(1, 2)"),
        ] {
            assert_eq!(qualified(text), expected);
        }
    }

    #[test]
    fn renamed_relations_keep_their_qualifier() {
        let (from, to) = (QualifiedName::new("public", "t"), QualifiedName::new("s", "Order"));
        let rename = |text: &str| rename_relation(text, &from, &to).unwrap();
        assert_eq!(rename("SELECT t.a FROM public.t"), "SELECT t.a FROM s.\"Order\" AS t");
        assert_eq!(
            rename("SELECT x.a FROM public.t AS x, s.t"),
            "SELECT x.a FROM s.\"Order\" AS x, s.t"
        );
        assert_eq!(
            rename("SELECT 1 FROM TUMBLE(public.t, ts, INTERVAL '1 s')"),
            "SELECT 1 FROM TUMBLE(s.\"Order\", ts, INTERVAL '1 s')"
        );
    }

    #[test]
    fn renamed_columns_are_called_as_before() {
        let relation = QualifiedName::new("public", "t");
        let columns = [("b", "a"), ("c", "c")];
        let rename = |text: &str| rename_column(text, &relation, &columns);
        assert_eq!(
            rename("SELECT t.a FROM public.t").unwrap(),
            "SELECT t.a FROM (SELECT b AS a, c AS c FROM public.t) AS t"
        );
        assert!(rename("SELECT 1 FROM TUMBLE(public.t, ts, INTERVAL '1 s')").is_err());
        assert_eq!(
            rename_in_expr("a + t.a * A", "a", "X y").unwrap(),
            "\"X y\" + t.\"X y\" * \"X y\""
        );
    }
}
