//! Columns of derived tables that share a name: naming one of them is ambiguous (`42702`). DataFusion would
//! take the first, since the others carry hidden numbers, and give names of its own to those that `*` stands for.
//!
//! | written | becomes |
//! |---|---|
//! | `FROM (SELECT * FROM t a, t b) s` | `… s (x, "x<2>")` |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, TableAliasColumnDef, TableFactor, TableWithJoins, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::column_name;
use super::columns::{Names, folded};
use crate::error::{Error, Result, SqlState};
use crate::plan::relation::Relations;
use crate::sql::Positions;
use crate::sql::visit::{Walk, WalkMut};

/// Refuses names in `query` that mean several columns of one relation.
pub(super) fn refuse(
    query: &Query,
    relations: &dyn Relations,
    positions: &Positions,
) -> Result<()> {
    let mut finder = Finder { names: Names::new(relations), positions, scopes: vec![] };
    super::finished(query.visit(&mut Walk(&mut finder)))
}

/// Numbers the columns of derived tables that share a name.
pub(super) fn number(query: &mut Query, relations: &dyn Relations) {
    let mut numberer = Numberer { names: Names::new(relations) };
    let _complete = query.visit(&mut WalkMut(&mut numberer));
}

struct Numberer<'a> {
    names: Names<'a>,
}

impl VisitorMut for Numberer<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.names.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.names.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let Ok(Some(columns)) = self.names.factor(factor) else { return ControlFlow::Continue(()) };
        if let TableFactor::Derived { alias: Some(alias), .. } = factor
            && alias.columns.is_empty()
        {
            let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            let numbered = column_name::distinct(names.clone());
            if numbered != names {
                let column = |name: String| TableAliasColumnDef {
                    name: Ident::with_quote('"', name),
                    data_type: None,
                };
                alias.columns = numbered.into_iter().map(column).collect();
            }
        }
        ControlFlow::Continue(())
    }
}

/// The relations of a FROM clause with the names of their columns; none if they cannot be told.
type Scope = Option<Vec<(String, Vec<String>)>>;

struct Finder<'a> {
    names: Names<'a>,
    positions: &'a Positions,
    /// Of the queries that we are in, from the outermost.
    scopes: Vec<Scope>,
}

impl Finder<'_> {
    fn scope(&self, from: &[TableWithJoins]) -> Scope {
        let factors = from.iter().flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
        });
        factors.map(|factor| self.relation(factor)).collect()
    }

    fn relation(&self, factor: &TableFactor) -> Option<(String, Vec<String>)> {
        let columns = self.names.factor(factor).ok()??;
        let relation = columns.first().and_then(|column| match &column.value {
            Expr::CompoundIdentifier(parts) => parts.first().map(folded),
            _ => None,
        });
        let known = matches!(factor, TableFactor::NestedJoin { alias: None, .. });
        // The relations of a bare join keep their own names.
        let relation = if known { String::new() } else { relation? };
        Some((relation, columns.into_iter().map(|column| column.name).collect()))
    }

    fn ambiguous(&self, column: &Ident) -> ControlFlow<Error> {
        let name = folded(column);
        let error = Error::new(
            SqlState::AmbiguousColumn,
            format!("column reference \"{name}\" is ambiguous"),
        );
        ControlFlow::Break(error.or_at(self.positions.of_span(column.span)))
    }
}

fn count(columns: &[String], name: &str) -> usize {
    columns.iter().filter(|column| *column == name).count()
}

impl Visitor for Finder<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        self.names.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Error> {
        self.names.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        let scope = self.scope(&select.from);
        self.scopes.push(scope);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &Select) -> ControlFlow<Error> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Identifier(column) => {
                let name = folded(column);
                for scope in self.scopes.iter().rev() {
                    let Some(relations) = scope else { return ControlFlow::Continue(()) };
                    let mut counts = relations.iter().map(|(_, columns)| count(columns, &name));
                    match counts.clone().max() {
                        None | Some(0) => {}
                        // What several relations have is told by DataFusion, or merged by USING.
                        _ if counts.any(|count| count > 1) => return self.ambiguous(column),
                        _ => return ControlFlow::Continue(()),
                    }
                }
            }
            Expr::CompoundIdentifier(parts) => {
                let [relation, column] = parts.as_slice() else {
                    return ControlFlow::Continue(());
                };
                let (relation, name) = (folded(relation), folded(column));
                for scope in self.scopes.iter().rev() {
                    let Some(relations) = scope else { return ControlFlow::Continue(()) };
                    if let Some((_, columns)) = relations.iter().find(|(own, _)| *own == relation) {
                        return match count(columns, &name) > 1 {
                            true => self.ambiguous(column),
                            false => ControlFlow::Continue(()),
                        };
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
