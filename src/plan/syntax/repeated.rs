//! Common table expressions of chance that are read several times: Postgres computes them once, DataFusion
//! wherever they are read.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, TableFactor, Visit, Visitor, With};

use super::Functions;
use super::columns::folded;
use crate::error::{Error, Result};
use crate::sql::Positions;
use crate::sql::visit::{Walk, contains};

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
            let volatile = |expr: &Expr| matches!(expr, Expr::Function(call) if self.functions.is_volatile(&call.name));
            let mut reads = of_chance.iter().flat_map(|name| references(&cte.query, name));
            if reads.next().is_none() && !contains(&cte.query, volatile) {
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
