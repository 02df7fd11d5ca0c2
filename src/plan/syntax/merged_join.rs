//! `RIGHT JOIN … USING` and `FULL JOIN … USING`: DataFusion takes the left side's column for the merged
//! one. Here the join gets a condition, and the merged column is spelled out where it is named:
//! the right side's, or `coalesce` of both.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
    TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::function_name::call;
use crate::error::{Error, Result};
use crate::sql::visit::WalkMut;

/// Spells out the merged columns of `query`'s joins.
pub(super) fn rewrite(query: &mut Query) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
    let Some(merged) = spelled(select)? else { return Ok(()) };
    if let Some(order_by) = &mut query.order_by
        && let OrderByKind::Expressions(exprs) = &mut order_by.kind
    {
        for item in exprs {
            // A lone name is an output column's, if there is one of that name.
            if !matches!(&item.expr, Expr::Identifier(name) if puts_out(select, name)) {
                merged.replace(&mut item.expr);
            }
        }
    }
    Ok(())
}

/// Merged columns by name.
#[derive(Clone)]
pub(super) struct Merged {
    columns: Vec<(Ident, Expr)>,
}

/// What `*` stands for, piece by piece.
enum Piece {
    Merged(Ident),
    /// A relation's columns without some.
    Rest(ObjectName, Vec<Ident>),
}

/// Rewrites the joins and expressions of `select`, if one of its joins needs it.
pub(super) fn spelled(select: &mut Select) -> Result<Option<Merged>> {
    let joins = select.from.iter().flat_map(|from| &from.joins);
    if !joins.into_iter().any(|join| merges_columns(&join.join_operator)) {
        return Ok(None);
    }
    let [from] = &mut select.from[..] else {
        return Err(unsupported("RIGHT or FULL JOIN with USING beside another relation"));
    };
    let (merged, pieces) = joined(from)?;
    let from = std::mem::take(&mut select.from);
    let mut replacement = Replacement { merged: &merged, depth: 0 };
    let items = std::mem::take(&mut select.projection);
    let mut projection = vec![];
    for mut item in items {
        match &mut item {
            SelectItem::Wildcard(_) => {
                projection.extend(pieces.iter().map(|piece| star(piece, &merged)))
            }
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                projection.push(match merged.of(name) {
                    Some(expr) => {
                        let (expr, alias) = (expr.clone(), name.clone());
                        SelectItem::ExprWithAlias { expr, alias }
                    }
                    None => item,
                });
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                merged.replace(expr);
                projection.push(item);
            }
            _ => projection.push(item),
        }
    }
    let _ = select.visit(&mut WalkMut(&mut replacement));
    select.projection = projection;
    select.from = from;
    Ok(Some(merged))
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(what)
        .hint("Write ON l.c = r.c, and coalesce(l.c, r.c) for the merged column.")
}

/// Gives every join a condition; tells the merged columns, and what `*` is.
fn joined(from: &mut TableWithJoins) -> Result<(Merged, Vec<Piece>)> {
    let first = relation(&from.relation)?;
    let mut merged = Merged { columns: vec![] };
    let mut pieces = vec![Piece::Rest(first.clone(), vec![])];
    let mut only = Some(first);
    for join in &mut from.joins {
        let right = relation(&join.relation)?;
        let (full, takes_right) = match &join.join_operator {
            JoinOperator::FullOuter(_) => (true, false),
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (false, true),
            _ => (false, false),
        };
        let mut hidden = vec![];
        if let Some(constraint) = constraint(&mut join.join_operator)
            && let JoinConstraint::Using(names) = &*constraint
        {
            let mut conditions = vec![];
            let mut front = vec![];
            for name in names.clone() {
                let column = match name.0.first().and_then(|part| part.as_ident()) {
                    Some(column) => column.clone(),
                    None => return Err(unsupported("this form of USING")),
                };
                let left = match (merged.of(&column), &only) {
                    (Some(expr), _) => expr.clone(),
                    (None, Some(only)) => member(only, &column),
                    (None, None) => {
                        return Err(unsupported("USING of a column of several relations"));
                    }
                };
                let other = member(&right, &column);
                conditions.push(Expr::BinaryOp {
                    left: Box::new(left.clone()),
                    op: BinaryOperator::Eq,
                    right: Box::new(other.clone()),
                });
                let expr = match (full, takes_right) {
                    (true, _) => call("coalesce", vec![left, other]),
                    (false, true) => other,
                    (false, false) => left,
                };
                hide(&mut pieces, &column, only.as_ref());
                merged.columns.retain(|(other, _)| !same(other, &column));
                merged.columns.push((column.clone(), expr));
                front.push(Piece::Merged(column.clone()));
                hidden.push(column);
            }
            front.append(&mut pieces);
            pieces = front;
            let all = conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
                left: Box::new(left),
                op: BinaryOperator::And,
                right: Box::new(right),
            });
            *constraint = all.map_or(JoinConstraint::None, JoinConstraint::On);
        }
        pieces.push(Piece::Rest(right, hidden));
        only = None;
    }
    Ok((merged, pieces))
}

/// Takes a column that is merged from now on out of the pieces.
fn hide(pieces: &mut Vec<Piece>, column: &Ident, owner: Option<&ObjectName>) {
    pieces.retain(|piece| !matches!(piece, Piece::Merged(name) if same(name, column)));
    for piece in pieces {
        if let Piece::Rest(relation, hidden) = piece
            && Some(&*relation) == owner
        {
            hidden.push(column.clone());
        }
    }
}

fn star(piece: &Piece, merged: &Merged) -> SelectItem {
    match piece {
        Piece::Merged(name) => {
            let expr = merged.of(name).cloned().unwrap_or_else(|| Expr::Identifier(name.clone()));
            SelectItem::ExprWithAlias { expr, alias: name.clone() }
        }
        Piece::Rest(relation, hidden) => {
            let names = hidden.iter().map(|name| ObjectName::from(vec![name.clone()])).collect();
            let opt_exclude = (!hidden.is_empty()).then_some(ExcludeSelectItem::Multiple(names));
            let options = WildcardAdditionalOptions { opt_exclude, ..Default::default() };
            let kind = SelectItemQualifiedWildcardKind::ObjectName(relation.clone());
            SelectItem::QualifiedWildcard(kind, options)
        }
    }
}

/// The name by which the columns of `factor` are known.
fn relation(factor: &TableFactor) -> Result<ObjectName> {
    let (alias, name) = match factor {
        TableFactor::Table { alias, name, .. } => (alias, Some(name)),
        TableFactor::Derived { alias, .. } => (alias, None),
        _ => return Err(unsupported("RIGHT or FULL JOIN with USING of such a relation")),
    };
    match (alias, name) {
        (Some(alias), _) => Ok(ObjectName::from(vec![alias.name.clone()])),
        (None, Some(name)) => Ok(name.clone()),
        (None, None) => {
            Err(unsupported("RIGHT or FULL JOIN with USING of a relation without a name"))
        }
    }
}

fn member(relation: &ObjectName, column: &Ident) -> Expr {
    let mut parts: Vec<Ident> =
        relation.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
    parts.push(column.clone());
    Expr::CompoundIdentifier(parts)
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// Whether a column of the join is that of one side or the other, which DataFusion does not merge.
fn merges_columns(join: &JoinOperator) -> bool {
    let (JoinOperator::FullOuter(on) | JoinOperator::Right(on) | JoinOperator::RightOuter(on)) =
        join
    else {
        return false;
    };
    matches!(on, JoinConstraint::Using(_))
}

/// Whether an output column of `select` has this name.
fn puts_out(select: &Select, name: &Ident) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => same(alias, name),
        SelectItem::UnnamedExpr(Expr::Identifier(other)) => same(other, name),
        _ => false,
    })
}

fn same(one: &Ident, other: &Ident) -> bool {
    let folded = |ident: &Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    folded(one) == folded(other)
}

impl Merged {
    fn of(&self, name: &Ident) -> Option<&Expr> {
        self.columns.iter().find(|(column, _)| same(column, name)).map(|(_, expr)| expr)
    }

    fn replace(&self, expr: &mut Expr) {
        let _ = expr.visit(&mut WalkMut(&mut Replacement { merged: self, depth: 0 }));
    }
}

/// Puts merged columns in place of their names, but not in subqueries.
struct Replacement<'a> {
    merged: &'a Merged,
    depth: usize,
}

impl VisitorMut for Replacement<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(merged) = self.merged.of(name)
        {
            *expr = merged.clone();
        }
        ControlFlow::Continue(())
    }
}
