//! What ORDER BY and DISTINCT ON name: an output column where a name stands alone, as in Postgres, input columns
//! within expressions; and rows, which sort by their columns.
//!
//! | written | becomes |
//! |---|---|
//! | `SELECT b AS a FROM t ORDER BY -a` | `… ORDER BY -t.a` |
//! | `ORDER BY (a, b) DESC` | `ORDER BY a DESC NULLS FIRST, b DESC NULLS FIRST` |
//! | `SELECT DISTINCT ON (1, y) x, y … ORDER BY y` | `SELECT DISTINCT ON (y, x) x, y … ORDER BY y, x` |

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Function, GroupByExpr, Ident, NamedWindowExpr, OrderBy, OrderByExpr,
    OrderByKind, OrderByOptions, Query, Select, SelectItem, SetExpr, Spanned, Value, VisitMut,
    VisitorMut, WindowType,
};

use super::columns::{Column, Names, folded};
use super::{column_name, row};
use crate::error::{Error, Result, SqlState};
use crate::plan::relation::Relations;
use crate::sql::Positions;
use crate::sql::visit::{WalkMut, change_own_exprs};

/// Rewrites every query's.
///
/// # Errors
/// `42601`, `42702` and `42P10` for what names no column.
pub(super) fn rewrite(
    query: &mut Query,
    relations: &dyn Relations,
    positions: &Positions,
) -> Result<()> {
    let mut orderer = Orderer { names: Names::new(relations), positions, depth: 0 };
    super::finished(query.visit(&mut WalkMut(&mut orderer)))
}

struct Orderer<'a> {
    names: Names<'a>,
    positions: &'a Positions,
    /// How many queries we are in.
    depth: usize,
}

impl VisitorMut for Orderer<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.names.enter(query);
        self.depth += 1;
        let Query { body, order_by, .. } = query;
        if let Some(OrderBy { kind: OrderByKind::Expressions(sorts), .. }) = order_by {
            spread(sorts);
        }
        let SetExpr::Select(select) = body.as_mut() else { return ControlFlow::Continue(()) };
        if let Err(error) = self.select(select, order_by.as_mut()) {
            return ControlFlow::Break(error);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.names.leave();
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for window in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = &mut window.1 {
                spread(&mut window.order_by);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(Function { over: Some(WindowType::WindowSpec(window)), .. }) = expr {
            spread(&mut window.order_by);
        }
        ControlFlow::Continue(())
    }
}

impl Orderer<'_> {
    fn select(&self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
        if let GroupByExpr::Expressions(exprs, _) = &select.group_by {
            exprs.iter().try_for_each(|expr| self.not_constant(expr, "GROUP BY"))?;
        }
        let mut none = vec![];
        let sorts = match order_by.map(|order_by| &mut order_by.kind) {
            Some(OrderByKind::Expressions(sorts)) => sorts,
            _ => &mut none,
        };
        self.sorts(sorts, select)?;
        let Some(Distinct::On(on)) = &select.distinct else { return Ok(()) };
        let on = on.iter().cloned().map(|expr| self.meant(expr, &select.projection, "DISTINCT ON"));
        let on = on.collect::<Result<Vec<_>>>()?;
        select.distinct = Some(Distinct::On(self.in_order(on, sorts, select)?));
        Ok(())
    }

    /// Looks at what stands alone, and gives input columns within expressions their relation. The outputs that
    /// are called like these are hidden from DataFusion, as far as nothing else calls them.
    fn sorts(&self, sorts: &mut [OrderByExpr], select: &mut Select) -> Result<()> {
        let mut hiding = HashSet::new();
        for OrderByExpr { expr, .. } in sorts.iter_mut() {
            match expr {
                Expr::Identifier(_) | Expr::Value(_) => {
                    self.meant(expr.clone(), &select.projection, "ORDER BY")?;
                }
                Expr::CompoundIdentifier(_) => {}
                _ => hiding.extend(self.qualified(expr, select)),
            }
        }
        if hiding.is_empty() || self.depth > 1 {
            return Ok(());
        }
        let hide = |name: &mut Ident| {
            if hiding.contains(&folded(name)) {
                *name = Ident::with_quote('"', column_name::numbered(&folded(name), 1));
            }
        };
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                hide(alias);
            }
        }
        for OrderByExpr { expr, .. } in sorts {
            if let Expr::Identifier(name) = expr {
                hide(name);
            }
        }
        Ok(())
    }

    /// Gives the columns in `expr` that outputs are called like their relation, and returns their names.
    fn qualified(&self, expr: &mut Expr, select: &Select) -> HashSet<String> {
        let outputs = select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        });
        let outputs: HashSet<String> = outputs.collect();
        if outputs.is_empty() {
            return outputs;
        }
        let columns = self.names.from(&select.from).unwrap_or_default();
        let columns = columns.into_iter().filter(|column| outputs.contains(&column.name));
        let columns: Vec<Column> = columns.collect();
        let mut found = HashSet::new();
        change_own_exprs(expr, |part| {
            let Expr::Identifier(name) = part else { return };
            let wanted = folded(name);
            let mut inputs = columns.iter().filter(|column| column.name == wanted);
            if let (Some(column), None) = (inputs.next(), inputs.next()) {
                *part = column.value.clone();
                found.insert(wanted);
            }
        });
        found
    }

    /// What a position or a name alone means: the expression of an item of the select list.
    fn meant(&self, expr: Expr, items: &[SelectItem], clause: &str) -> Result<Expr> {
        self.not_constant(&expr, clause)?;
        let known = items.iter().map(output);
        match &expr {
            Expr::Value(value) => {
                let Value::Number(digits, _) = &value.value else { return Ok(expr) };
                let place = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                match place.and_then(|place| known.clone().nth(place)) {
                    Some(Some((_, of))) => Ok(of),
                    None if known.clone().all(|item| item.is_some()) => {
                        let message = format!("{clause} position {digits} is not in select list");
                        let error = Error::new(SqlState::InvalidColumnReference, message);
                        Err(error.or_at(self.positions.of_span(expr.span())))
                    }
                    _ => Ok(expr),
                }
            }
            Expr::Identifier(name) => {
                let wanted = folded(name);
                let mut found = known.flatten().filter(|(name, _)| *name == wanted);
                let Some((_, first)) = found.next() else { return Ok(expr) };
                if found.any(|(_, other)| !same(&first, &other)) {
                    let message = format!("{clause} \"{wanted}\" is ambiguous");
                    let error = Error::new(SqlState::AmbiguousColumn, message);
                    return Err(error.or_at(self.positions.of_span(name.span)));
                }
                Ok(first)
            }
            _ => Ok(expr),
        }
    }

    fn not_constant(&self, expr: &Expr, clause: &str) -> Result<()> {
        let Expr::Value(value) = expr else { return Ok(()) };
        let whole = match &value.value {
            Value::Number(digits, _) => digits.bytes().all(|digit| digit.is_ascii_digit()),
            Value::Placeholder(_) => true,
            _ => false,
        };
        if whole {
            return Ok(());
        }
        let error = Error::syntax(format!("non-integer constant in {clause}"));
        Err(error.or_at(self.positions.of_span(expr.span())))
    }

    /// The expressions of DISTINCT ON in the order of ORDER BY, to which those that it leaves out are added.
    fn in_order(
        &self,
        mut on: Vec<Expr>,
        sorts: &mut Vec<OrderByExpr>,
        select: &Select,
    ) -> Result<Vec<Expr>> {
        let mut ordered: Vec<Expr> = vec![];
        for sort in sorts.iter() {
            let by = self.meant(sort.expr.clone(), &select.projection, "ORDER BY")?;
            match on.iter().position(|expr| same(expr, &by)) {
                Some(place) => ordered.push(on.remove(place)),
                None if ordered.iter().any(|expr| same(expr, &by)) => {}
                None => break,
            }
        }
        if !sorts.is_empty() && ordered.len() == sorts.len() {
            let sort = |expr: &Expr| OrderByExpr {
                expr: expr.clone(),
                options: OrderByOptions::default(),
                with_fill: None,
            };
            sorts.extend(on.iter().map(sort));
        }
        ordered.extend(on);
        Ok(ordered)
    }
}

/// The name and the expression of an item, if it is a single column.
fn output(item: &SelectItem) -> Option<(String, Expr)> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some((column_name::name_of(expr), expr.clone())),
        SelectItem::ExprWithAlias { expr, alias } => Some((folded(alias), expr.clone())),
        _ => None,
    }
}

/// Whether two expressions are written alike, or are one column with and without its relation.
fn same(one: &Expr, other: &Expr) -> bool {
    match (one, other) {
        (Expr::Identifier(one), Expr::Identifier(other)) => folded(one) == folded(other),
        (Expr::Identifier(column), Expr::CompoundIdentifier(parts))
        | (Expr::CompoundIdentifier(parts), Expr::Identifier(column)) => {
            parts.last().is_some_and(|last| folded(last) == folded(column))
        }
        (Expr::CompoundIdentifier(one), Expr::CompoundIdentifier(other)) => {
            one.iter().map(folded).eq(other.iter().map(folded))
        }
        _ => one == other,
    }
}

/// Rows as their columns: nulls in a row are the largest, whatever is said of the row itself.
fn spread(sorts: &mut Vec<OrderByExpr>) {
    let columns = |sort: OrderByExpr| match row::columns(&sort.expr) {
        Some(columns) if !columns.is_empty() => {
            let descending = sort.options.asc == Some(false);
            let options = OrderByOptions { nulls_first: Some(descending), ..sort.options };
            let column = |expr| OrderByExpr { expr, options, with_fill: None };
            columns.into_iter().map(column).collect()
        }
        _ => vec![sort],
    };
    *sorts = std::mem::take(sorts).into_iter().flat_map(columns).collect();
}
