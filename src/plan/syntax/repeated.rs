//! What depends on chance: common table expressions that are read several times, which Postgres computes once,
//! DataFusion wherever they are read; and subqueries written alike, which Postgres computes one by one,
//! DataFusion once.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, Spanned, TableFactor, Visit, VisitMut, Visitor,
    VisitorMut, With,
};

use super::columns::folded;
use super::{Functions, form};
use crate::error::{Error, Result};
use crate::sql::Positions;
use crate::sql::visit::{Walk, WalkMut, contains};

/// Looks at the common table expressions of all queries.
///
/// # Errors
/// `0A000` where values of chance are read again.
pub(super) fn refuse(
    query: &Query,
    functions: &Functions<'_>,
    positions: &Positions,
) -> Result<()> {
    match query.visit(&mut Walk(&mut Search { functions, positions })) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Search<'a> {
    functions: &'a Functions<'a>,
    positions: &'a Positions,
}

impl Visitor for Search<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let Some(With { cte_tables, .. }) = &query.with else { return ControlFlow::Continue(()) };
        let mut of_chance: Vec<String> = vec![];
        for cte in cte_tables {
            let mut reads = of_chance.iter().flat_map(|name| references(&cte.query, name));
            if reads.next().is_none() && !is_of_chance(&cte.query, self.functions) {
                continue;
            }
            let name = folded(&cte.alias.name);
            let own = references(&cte.query, &name);
            let all = references(query, &name).into_iter();
            if let Some(again) = all.filter(|place| !own.contains(place)).nth(1) {
                let what = format!("reading \"{name}\", which depends on chance, several times");
                let error = Error::unsupported(what)
                    .hint("Write its rows into a table (CREATE TABLE … AS), and read that.");
                return ControlFlow::Break(error.or_at(self.positions.of_span(again.span)));
            }
            of_chance.push(name);
        }
        ControlFlow::Continue(())
    }
}

fn is_of_chance(query: &Query, functions: &Functions<'_>) -> bool {
    let volatile =
        |expr: &Expr| matches!(expr, Expr::Function(call) if functions.is_volatile(&call.name));
    contains(query, volatile)
}

/// Tells subqueries of chance that are written alike from each other.
///
/// # Errors
/// `0A000` for one that cannot be.
pub(super) fn number(
    query: &mut Query,
    functions: &Functions<'_>,
    positions: &Positions,
) -> Result<()> {
    let mut numbers = Numbers { functions, positions, seen: vec![] };
    super::finished(query.visit(&mut WalkMut(&mut numbers)))
}

struct Numbers<'a> {
    functions: &'a Functions<'a>,
    positions: &'a Positions,
    /// Subqueries of chance.
    seen: Vec<Query>,
}

impl VisitorMut for Numbers<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Some(query) = form::part_query(expr)
            && is_of_chance(query, self.functions)
        {
            let what = "assigning a query that depends on chance to several columns";
            let error = Error::unsupported(what).hint("Assign one subquery to each column.");
            return ControlFlow::Break(error.or_at(self.positions.of_span(query.span())));
        }
        let Expr::Subquery(query) = expr else { return ControlFlow::Continue(()) };
        if !is_of_chance(query, self.functions) {
            return ControlFlow::Continue(());
        }
        let (known, number) = (self.seen.contains(query), self.seen.len());
        self.seen.push(query.as_ref().clone());
        if !known {
            return ControlFlow::Continue(());
        }
        let plain = |item: &SelectItem| {
            matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
        };
        match query.body.as_mut() {
            SetExpr::Select(select) if select.projection.iter().all(plain) => {
                select.from.push(form::one_row(&format!("__chance{number}")));
                ControlFlow::Continue(())
            }
            _ => {
                let what = "repeating a subquery that depends on chance";
                let error =
                    Error::unsupported(what).hint("Write one of them as SELECT column FROM ….");
                ControlFlow::Break(error.or_at(self.positions.of_span(query.span())))
            }
        }
    }
}

/// Where relations named `name` are read in a query.
fn references(query: &Query, name: &str) -> Vec<Ident> {
    struct Names<'a>(&'a str, Vec<Ident>);

    impl Visitor for Names<'_> {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, args: None, .. } = factor
                && let [part] = name.0.as_slice()
                && let Some(ident) = part.as_ident()
                && folded(ident) == self.0
            {
                self.1.push(ident.clone());
            }
            ControlFlow::Continue(())
        }
    }

    let mut names = Names(name, vec![]);
    let _complete = query.visit(&mut Walk(&mut names));
    names.1
}
