//! `*` beside other items of a select list, and `*` of a relation of the query around, as the columns that they
//! stand for: DataFusion wants distinct names, and looks for relations in the FROM clause alone.
//!
//! | written over `t (id, x)` | becomes |
//! |---|---|
//! | `SELECT id, * FROM t` | `SELECT id, t.id, t.x FROM t` |
//! | `FROM t, LATERAL (SELECT t.* …) s` | `FROM t, LATERAL (SELECT t.id, t.x …) s` |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins,
    Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::columns::{Column, Names};
use super::merge;
use crate::plan::relation::Relations;
use crate::sql::visit::{Walk, WalkMut};

/// Writes out the columns.
pub(super) fn expand(query: &mut Query, relations: &dyn Relations) {
    // Most queries have none that needs it.
    if Visit::visit(query, &mut Walk(&mut Search)).is_continue() {
        return;
    }
    let mut expander = Expander { names: Names::new(relations), around: vec![] };
    let _complete = query.visit(&mut WalkMut(&mut expander));
}

struct Search;

impl Visitor for Search {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        match select.projection.iter().any(|item| is_open(item, select)) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Whether an item may have to be written out.
fn is_open(item: &SelectItem, select: &Select) -> bool {
    match item {
        SelectItem::Wildcard(_) => select.projection.len() > 1,
        SelectItem::QualifiedWildcard(..) => true,
        _ => false,
    }
}

struct Expander<'a> {
    names: Names<'a>,
    /// The FROM clauses of the queries that we are in, from the outermost.
    around: Vec<Vec<TableWithJoins>>,
}

impl Expander<'_> {
    /// The columns that an item stands for; none if it stays, or they cannot be told.
    fn columns(&self, item: &SelectItem, select: &Select) -> Option<Vec<Column>> {
        if !is_open(item, select) {
            return None;
        }
        match item {
            SelectItem::Wildcard(options)
                if is_plain(options) && !select.from.iter().any(has_nameless) =>
            {
                self.names.from(&select.from).filter(|columns| !columns.is_empty())
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) if is_plain(options) => {
                let own = self.names.qualified(&select.from, name);
                if own.is_some() && select.projection.len() == 1 {
                    return None;
                }
                let around = || {
                    let mut around = self.around.iter().rev();
                    around.find_map(|from| self.names.qualified(from, name))
                };
                own.or_else(around)
            }
            _ => None,
        }
    }
}

/// Whether a FROM item has a function without an alias: its columns have no relation.
fn has_nameless(from: &TableWithJoins) -> bool {
    let nameless = |factor: &TableFactor| match factor {
        TableFactor::Table { args, alias, .. } => args.is_some() && alias.is_none(),
        TableFactor::NestedJoin { table_with_joins, .. } => has_nameless(table_with_joins),
        TableFactor::Derived { .. } => false,
        _ => true,
    };
    nameless(&from.relation) || from.joins.iter().any(|join| nameless(&join.relation))
}

/// A column as an item that stands nowhere: where names stand says what LATERAL shows them.
fn written(column: &Column) -> SelectItem {
    let mut item = merge::shown(column);
    if let SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) = &mut item {
        parts.iter_mut().for_each(|part| part.span = Span::empty());
    }
    item
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    *options == WildcardAdditionalOptions::default()
}

impl VisitorMut for Expander<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.names.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.names.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let items = select.projection.iter().flat_map(|item| match self.columns(item, select) {
            Some(columns) => columns.iter().map(written).collect(),
            None => vec![item.clone()],
        });
        select.projection = items.collect();
        self.around.push(select.from.clone());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.around.pop();
        ControlFlow::Continue(())
    }
}
