//! `WINDOW w AS (…)`: every window that names another is written out, as Postgres combines them. DataFusion
//! knows a bare `OVER w` alone, and would leave out what `OVER (w ROWS …)` takes from `w`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, OrderBy, Query, Select, VisitMut,
    VisitorMut, WindowSpec, WindowType,
};

use super::columns::folded;
use crate::error::{Error, Result, SqlState};
use crate::sql::Positions;
use crate::sql::visit::WalkMut;

/// Writes the windows out that `select`, or the ORDER BY that belongs to it, names.
pub(super) fn expand(
    select: &mut Select,
    order_by: Option<&mut OrderBy>,
    positions: &Positions,
) -> Result<()> {
    let mut known: Vec<(String, WindowSpec)> = vec![];
    for NamedWindowDefinition(name, definition) in std::mem::take(&mut select.named_window) {
        let spec = match definition {
            NamedWindowExpr::NamedWindow(of) => find(&known, &of, positions)?,
            NamedWindowExpr::WindowSpec(spec) => combined(spec, &known, positions)?,
        };
        if known.iter().any(|(other, _)| *other == folded(&name)) {
            let message = format!("window \"{}\" is already defined", folded(&name));
            let error = Error::new(SqlState::WindowingError, message);
            return Err(error.or_at(positions.of_span(name.span)));
        }
        known.push((folded(&name), spec));
    }
    let mut expander = Expander { known, positions, depth: 0 };
    super::finished(select.visit(&mut WalkMut(&mut expander)))?;
    match order_by {
        Some(order_by) => super::finished(order_by.visit(&mut WalkMut(&mut expander))),
        None => Ok(()),
    }
}

fn find(known: &[(String, WindowSpec)], name: &Ident, positions: &Positions) -> Result<WindowSpec> {
    let wanted = folded(name);
    let found = known.iter().find(|(known, _)| *known == wanted).map(|(_, spec)| spec.clone());
    found.ok_or_else(|| {
        let message = format!("window \"{wanted}\" does not exist");
        Error::new(SqlState::UndefinedObject, message).or_at(positions.of_span(name.span))
    })
}

/// `spec` with what it takes from the window that it names.
fn combined(
    spec: WindowSpec,
    known: &[(String, WindowSpec)],
    positions: &Positions,
) -> Result<WindowSpec> {
    let Some(name) = &spec.window_name else { return Ok(spec) };
    let base = find(known, name, positions)?;
    let fail = |what: String| {
        let error = Error::new(SqlState::WindowingError, what);
        Err(error.or_at(positions.of_span(name.span)))
    };
    let called = folded(name);
    if !spec.partition_by.is_empty() {
        return fail(format!("cannot override PARTITION BY clause of window \"{called}\""));
    }
    if !spec.order_by.is_empty() && !base.order_by.is_empty() {
        return fail(format!("cannot override ORDER BY clause of window \"{called}\""));
    }
    if base.window_frame.is_some() {
        return fail(format!("cannot copy window \"{called}\" because it has a frame clause"));
    }
    let order_by = if spec.order_by.is_empty() { base.order_by } else { spec.order_by };
    let window_frame = spec.window_frame;
    Ok(WindowSpec { window_name: None, order_by, window_frame, ..base })
}

struct Expander<'a> {
    known: Vec<(String, WindowSpec)>,
    positions: &'a Positions,
    /// How many queries of its own we are in: they name their own windows.
    depth: usize,
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let spec = match function.over.take() {
            None => return ControlFlow::Continue(()),
            Some(WindowType::NamedWindow(name)) => find(&self.known, &name, self.positions),
            Some(WindowType::WindowSpec(spec)) => combined(spec, &self.known, self.positions),
        };
        match spec {
            Ok(spec) => {
                function.over = Some(WindowType::WindowSpec(spec));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}
