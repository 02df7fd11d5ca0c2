//! Correlated subqueries in the one shape that DataFusion joins: equalities between the inside and
//! the outside, nothing else.
//!
//! ```text
//! (SELECT x FROM t WHERE t.a = o.a AND o.b AND o.a <> t.c)
//!   → CASE WHEN o.b THEN (SELECT x FROM t WHERE t.a = o.a AND t.a <> t.c) END
//! ```
//! What concerns the outside only is asked outside; in what concerns both, an outer column gives way
//! to the inner one that it equals.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Ident, Query, Select, SetExpr, TableFactor, TableWithJoins,
    VisitMut, VisitorMut,
};

use crate::sql::visit::{self, WalkMut};

/// Takes out of a subquery the conditions on the outside alone, and simplifies the mixed ones.
/// Returns what was taken out.
pub(super) fn uncorrelate(query: &mut Query) -> Vec<Expr> {
    let SetExpr::Select(select) = query.body.as_mut() else { return vec![] };
    let inner = names(&select.from);
    let Some(condition) = select.selection.take() else { return vec![] };
    let mut conditions = vec![];
    split(condition, &mut conditions);
    let equal: Vec<(Expr, Expr)> =
        conditions.iter().filter_map(|condition| equality(condition, &inner)).collect();
    let mut outside = vec![];
    let mut inside = vec![];
    for mut condition in conditions {
        if equality(&condition, &inner).is_none() && is_outer(&condition, &inner) {
            let all_outer = !mentions_inner(&condition, &inner);
            if all_outer {
                outside.push(condition);
                continue;
            }
            let _complete = condition.visit(&mut WalkMut(&mut Substitute { equal: &equal }));
        }
        inside.push(condition);
    }
    select.selection = inside.into_iter().reduce(and);
    outside
}

/// `CASE WHEN conditions THEN value END`, or the value alone.
pub(super) fn guarded(conditions: Vec<Expr>, value: Expr) -> Expr {
    match conditions.into_iter().reduce(and) {
        None => value,
        Some(condition) => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition, result: value }],
            else_result: None,
        },
    }
}

/// Names by which a FROM clause's relations are referred to, with the relation's own name.
pub(super) fn aliases(select: &Select) -> Vec<(String, String)> {
    let factors = select.from.iter().flat_map(|item| {
        std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation))
    });
    factors
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, .. } => {
                let own = name.0.last()?.as_ident()?.value.to_lowercase();
                let alias = alias.as_ref().map(|alias| alias.name.value.to_lowercase());
                Some((alias.unwrap_or_else(|| own.clone()), own))
            }
            _ => None,
        })
        .collect()
}

fn names(from: &[TableWithJoins]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let factors = from.iter().flat_map(|item| {
        std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation))
    });
    for factor in factors {
        let (alias, name) = match factor {
            TableFactor::Table { alias, name, .. } => (alias, name.0.last()),
            TableFactor::Derived { alias, .. } | TableFactor::UNNEST { alias, .. } => (alias, None),
            _ => continue,
        };
        match (alias, name.and_then(|name| name.as_ident())) {
            (Some(alias), _) => names.insert(alias.name.value.to_lowercase()),
            (None, Some(name)) => names.insert(name.value.to_lowercase()),
            (None, None) => false,
        };
    }
    names
}

fn split(condition: Expr, into: &mut Vec<Expr>) {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            split(*left, into);
            split(*right, into);
        }
        Expr::Nested(inner) => split(*inner, into),
        other => into.push(other),
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}

/// Whether a column belongs to the outside: it is qualified with a name not known inside.
fn outer_column(parts: &[Ident], inner: &BTreeSet<String>) -> bool {
    let qualifier = parts.len().checked_sub(2).map(|index| parts[index].value.to_lowercase());
    qualifier.is_some_and(|qualifier| !inner.contains(&qualifier))
}

fn is_outer(expr: &Expr, inner: &BTreeSet<String>) -> bool {
    visit::contains(expr, |part| match part {
        Expr::CompoundIdentifier(parts) => outer_column(parts, inner),
        _ => false,
    })
}

fn mentions_inner(expr: &Expr, inner: &BTreeSet<String>) -> bool {
    visit::contains(expr, |part| match part {
        Expr::CompoundIdentifier(parts) => !outer_column(parts, inner),
        // Columns without qualifier are the inside's, as far as tools write them.
        Expr::Identifier(_) | Expr::Subquery(_) => true,
        _ => false,
    })
}

/// The inner and outer side of `inner column = outer column`, either way round.
fn equality(condition: &Expr, inner: &BTreeSet<String>) -> Option<(Expr, Expr)> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return None };
    match (is_outer(left, inner), is_outer(right, inner)) {
        (false, true) if is_column(left) => Some((left.as_ref().clone(), right.as_ref().clone())),
        (true, false) if is_column(right) => Some((right.as_ref().clone(), left.as_ref().clone())),
        _ => None,
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Puts inner columns in the place of the outer expressions that they equal.
struct Substitute<'a> {
    equal: &'a [(Expr, Expr)],
}

impl VisitorMut for Substitute<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((inner, _)) = self.equal.iter().find(|(_, outer)| outer == expr) {
            *expr = inner.clone();
        }
        ControlFlow::Continue(())
    }
}
