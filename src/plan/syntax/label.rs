//! Expressions that DataFusion would name alike, as columns of one aggregate or window: its names leave out
//! conversions and parentheses. Labels tell them apart.
//!
//! | written | becomes |
//! |---|---|
//! | `SELECT sum(x), sum(x::numeric)` | `SELECT sum(x), sum("labeled value"(x::numeric, 'x::NUMERIC'))` |
//! | `SELECT a::date … GROUP BY a, a::date` | `SELECT l … GROUP BY a, l`, where `l` is `a::date` so labeled |

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr,
    Value, VisitMut, VisitorMut,
};

use super::columns::folded;
use super::{column_name, function_name};
use crate::plan::function::LABELED;
use crate::sql::visit::{WalkMut, change_own_exprs, own_expr};

/// Labels what would be named alike in `select` and the ORDER BY that belongs to it.
pub(super) fn distinguish(
    select: &mut Select,
    mut order_by: Option<&mut OrderBy>,
    is_aggregate: &dyn Fn(&Function) -> bool,
) {
    let mut alike = Alike::default();
    for expr in grouped(select) {
        alike.note(expr);
    }
    let mut note = |expr: &Expr| {
        if is_call(expr, is_aggregate) {
            alike.note(expr);
        }
        false
    };
    own_expr(select, &mut note);
    if let Some(order_by) = order_by.as_deref() {
        own_expr(order_by, &mut note);
    }
    let labeled = alike.labeled();
    if labeled.is_empty() {
        return;
    }
    // The names that the user sees are those of the expressions without labels.
    column_name::name_items(&mut select.projection);
    let label = |expr: &mut Expr| {
        if labeled.contains(&text(expr, Form::Whole)) {
            let _complete = VisitMut::visit(expr, &mut WalkMut(&mut Marker::default()));
        }
    };
    let from = std::mem::take(&mut select.from);
    change_own_exprs(select, label);
    select.from = from;
    if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = &mut order_by {
        change_own_exprs(exprs, label);
    }
}

/// Whether `select` itself calls an aggregate.
pub(super) fn aggregates(select: &Select, is_aggregate: &dyn Fn(&Function) -> bool) -> bool {
    let plain = |expr: &Expr| matches!(expr, Expr::Function(call) if call.over.is_none() && is_aggregate(call));
    own_expr(select, plain).is_some()
}

/// Labels the conversions that the recursive term of a common table expression puts out. A number that
/// the other one puts out is any `numeric`, not one of as many digits.
pub(super) fn recursive_term(query: &mut Query) {
    let SetExpr::SetOperation { left, right, .. } = query.body.as_mut() else { return };
    if let SetExpr::Select(select) = left.as_mut() {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                && let Expr::Value(value) = &*expr
                && matches!(&value.value, Value::Number(digits, _) if digits.contains('.'))
            {
                *expr = super::cast(expr.clone(), DataType::Numeric(ExactNumberInfo::None));
            }
        }
    }
    let SetExpr::Select(select) = right.as_mut() else { return };
    column_name::name_items(&mut select.projection);
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias { expr, .. } = item
            && matches!(expr, Expr::Cast { .. })
        {
            *expr = label(expr);
        }
    }
}

/// `expr` under its own text as a label.
fn label(expr: &Expr) -> Expr {
    let text = Expr::value(Value::SingleQuotedString(text(expr, Form::Whole)));
    let mut call = function_name::call(LABELED, vec![expr.clone(), text]);
    if let Expr::Function(function) = &mut call {
        function.name = ObjectName::from(vec![Ident::with_quote('"', LABELED)]);
    }
    call
}

/// Expressions by the names that DataFusion would give them.
#[derive(Default)]
struct Alike(BTreeMap<String, HashSet<String>>);

impl Alike {
    fn note(&mut self, expr: &Expr) {
        let (whole, bare) = (text(expr, Form::Whole), text(expr, Form::Bare));
        self.0.entry(bare).or_default().insert(whole);
    }

    /// Those that share a name.
    fn labeled(self) -> HashSet<String> {
        self.0.into_values().filter(|alike| alike.len() > 1).flatten().collect()
    }
}

/// What an expression is compared by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// All of it.
    Whole,
    /// Without what names leave out.
    Bare,
}

fn text(expr: &Expr, form: Form) -> String {
    let mut expr = expr.clone();
    let _complete = VisitMut::visit(&mut expr, &mut WalkMut(&mut Simplifier(form)));
    expr.to_string()
}

struct Simplifier(Form);

impl VisitorMut for Simplifier {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => *name = Ident::with_quote('"', folded(name)),
            Expr::CompoundIdentifier(parts) => {
                let parts = parts.iter().map(|part| Ident::with_quote('"', folded(part)));
                let mut parts: Vec<Ident> = parts.collect();
                match (self.0, parts.pop()) {
                    (Form::Bare, Some(column)) => *expr = Expr::Identifier(column),
                    (_, column) => {
                        parts.extend(column);
                        *expr = Expr::CompoundIdentifier(parts);
                    }
                }
            }
            Expr::Cast { expr: inner, .. } | Expr::Nested(inner) if self.0 == Form::Bare => {
                *expr = inner.as_ref().clone();
            }
            Expr::Function(function) => {
                if let Some(inner) = unlabeled(function) {
                    *expr = inner.clone();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn unlabeled(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_label(function) => Some(expr),
        _ => None,
    }
}

fn is_label(function: &Function) -> bool {
    function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|name| name.value == LABELED)
}

/// What `select` groups by: the expressions themselves, whether written, numbered or named.
fn grouped(select: &Select) -> Vec<&Expr> {
    let GroupByExpr::Expressions(exprs, _) = &select.group_by else { return vec![] };
    let mut grouped = vec![];
    exprs.iter().for_each(|expr| parts(expr, &mut grouped));
    // An input column goes before an output name.
    grouped.into_iter().flat_map(|expr| [expr, meant(expr, &select.projection)]).collect()
}

/// The item of a select list that a position or an output name among grouping expressions means.
fn meant<'a>(expr: &'a Expr, items: &'a [SelectItem]) -> &'a Expr {
    let item = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => {
                let position = digits.parse::<usize>().ok();
                position.and_then(|position| items.get(position.checked_sub(1)?))
            }
            _ => None,
        },
        Expr::Identifier(name) => items.iter().find(|item| {
            matches!(item, SelectItem::ExprWithAlias { alias, .. }
                if folded(alias) == folded(name))
        }),
        _ => None,
    };
    match item {
        Some(SelectItem::UnnamedExpr(of) | SelectItem::ExprWithAlias { expr: of, .. }) => of,
        _ => expr,
    }
}

/// The expressions of a grouping set, which may hold others.
fn parts<'a>(expr: &'a Expr, to: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
            sets.iter().flatten().for_each(|expr| parts(expr, to));
        }
        Expr::Tuple(exprs) => exprs.iter().for_each(|expr| parts(expr, to)),
        other => to.push(other),
    }
}

/// Whether an expression is a call of an aggregate or window function.
fn is_call(expr: &Expr, is_aggregate: &dyn Fn(&Function) -> bool) -> bool {
    matches!(expr, Expr::Function(call) if call.over.is_some() || is_aggregate(call))
}

/// Labels the parts of an expression that its name leaves out: the outermost ones.
#[derive(Default)]
struct Marker {
    /// How many queries and such parts we are in.
    depth: usize,
}

fn left_out(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { .. } => true,
        Expr::Nested(inner) => matches!(inner.as_ref(), Expr::BinaryOp { .. }),
        _ => false,
    }
}

fn labeled(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if is_label(function))
}

impl VisitorMut for Marker {
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
        self.depth += usize::from(left_out(expr) || labeled(expr));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.depth -= usize::from(left_out(expr) || labeled(expr));
        if self.depth == 0 && left_out(expr) {
            *expr = label(expr);
        }
        ControlFlow::Continue(())
    }
}
