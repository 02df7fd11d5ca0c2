//! `JOIN … USING` and `NATURAL JOIN` as Postgres has them, written as `ON`: the merged columns come first and
//! once, each the left side's, the right side's or `coalesce` of both, whichever is there for every row.
//!
//! | written over `a (id, x)`, `b (id, y)` | becomes |
//! |---|---|
//! | `SELECT * FROM a JOIN b USING (id)` | `SELECT a.id, a.x, b.y FROM a JOIN b ON a.id = b.id` |
//! | `SELECT id FROM a RIGHT JOIN b USING (id)` | `SELECT b.id FROM a RIGHT JOIN b ON a.id = b.id` |
//! | `SELECT id FROM a FULL JOIN b USING (id)` | `SELECT coalesce(a.id, b.id) AS id FROM a FULL JOIN …` |

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderBy, OrderByKind, Query, Select,
    SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::columns::{Column, Names, folded};
use super::{column_name, function_name};
use crate::error::{Error, Result, SqlState};
use crate::plan::relation::Relations;
use crate::sql::Positions;
use crate::sql::visit::{Walk, WalkMut};

/// Rewrites every join that merges columns.
pub(super) fn rewrite(
    query: &mut Query,
    relations: &dyn Relations,
    positions: &Positions,
) -> Result<()> {
    // Most queries have none.
    if Visit::visit(query, &mut Walk(&mut Merging)).is_continue() {
        return Ok(());
    }
    let mut merger = Merger { names: Names::new(relations), positions };
    super::finished(query.visit(&mut WalkMut(&mut merger)))
}

/// Finds a join that merges columns.
struct Merging;

impl Visitor for Merging {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.from.iter().any(merges) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn merges(from: &TableWithJoins) -> bool {
    let nested = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => merges(table_with_joins),
        _ => false,
    };
    nested(&from.relation)
        || from.joins.iter().any(|join| {
            nested(&join.relation)
                || matches!(
                    constraint(&join.join_operator),
                    Some(JoinConstraint::Using(_) | JoinConstraint::Natural)
                )
        })
}

pub(super) fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    match join {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on) => Some(on),
        _ => None,
    }
}

fn constraint_mut(join: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match join {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on) => Some(on),
        _ => None,
    }
}

struct Merger<'a> {
    names: Names<'a>,
    positions: &'a Positions,
}

impl VisitorMut for Merger<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.names.enter(query);
        let Query { body, order_by, .. } = query;
        let SetExpr::Select(select) = body.as_mut() else { return ControlFlow::Continue(()) };
        self.select(select, order_by.as_mut())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.names.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        self.select(select, None)
    }
}

impl Merger<'_> {
    fn select(&self, select: &mut Select, order_by: Option<&mut OrderBy>) -> ControlFlow<Error> {
        if !select.from.iter().any(merges) {
            return ControlFlow::Continue(());
        }
        match self.merged(select, order_by) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn merged(&self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
        let mut columns = vec![];
        for from in &mut select.from {
            self.laterals(&mut from.relation, &columns);
            match self.joined(from)? {
                Some(more) => columns.extend(more),
                // The relation does not exist, which is told when it is looked up.
                None => return Ok(()),
            }
        }
        let outputs: HashSet<String> = select
            .projection
            .iter()
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                SelectItem::UnnamedExpr(expr) => Some(column_name::name_of(expr)),
                _ => None,
            })
            .collect();
        let all = select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
        let items = std::mem::take(&mut select.projection).into_iter();
        select.projection = items.flat_map(|item| expanded(item, &columns)).collect();
        let from = std::mem::take(&mut select.from);
        self.replace(select, &columns);
        select.from = from;
        if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by {
            for item in exprs {
                let output = matches!(&item.expr, Expr::Identifier(ident)
                    if all || outputs.contains(&folded(ident)));
                if !output {
                    self.replace(&mut item.expr, &columns);
                }
            }
        }
        Ok(())
    }

    /// The columns of a join as `*` shows them, its merging conditions written as ON.
    fn joined(&self, from: &mut TableWithJoins) -> Result<Option<Vec<Column>>> {
        let Some(mut left) = self.factor(&mut from.relation)? else { return Ok(None) };
        for join in &mut from.joins {
            self.laterals(&mut join.relation, &left);
            let Some(right) = self.factor(&mut join.relation)? else { return Ok(None) };
            let span = join.relation.span();
            let kind = join.join_operator.clone();
            let Some(constraint) = constraint_mut(&mut join.join_operator) else {
                left.extend(right);
                continue;
            };
            let names: Vec<String> = match constraint {
                JoinConstraint::Using(names) => names.iter().filter_map(using_name).collect(),
                JoinConstraint::Natural => {
                    let common = |column: &&Column| right.iter().any(|r| r.name == column.name);
                    left.iter().filter(common).map(|column| column.name.clone()).collect()
                }
                JoinConstraint::On(condition) => {
                    left.extend(right);
                    self.replace(condition, &left);
                    continue;
                }
                JoinConstraint::None => {
                    left.extend(right);
                    continue;
                }
            };
            let merged = merge(&kind, left, right, &names);
            let (condition, columns) =
                merged.map_err(|error| error.or_at(self.positions.of_span(span)))?;
            *constraint = JoinConstraint::On(condition);
            left = columns;
        }
        Ok(Some(left))
    }

    fn factor(&self, factor: &mut TableFactor) -> Result<Option<Vec<Column>>> {
        let TableFactor::NestedJoin { table_with_joins, alias } = factor else {
            return self.names.factor(factor);
        };
        let Some(columns) = self.joined(table_with_joins)? else { return Ok(None) };
        let Some(alias) = alias.take() else { return Ok(Some(columns)) };
        // An alias hides the relations, so only what `*` shows is left.
        let from = table_with_joins.as_ref().clone();
        let renamed = self.names.aliased(
            columns.iter().map(|column| (column.name.clone(), column.kind.clone())).collect(),
            &alias.name,
            Some(&alias),
        );
        *factor = derived(columns, from, alias);
        Ok(Some(renamed))
    }

    /// Lateral factors see the columns before them.
    fn laterals(&self, factor: &mut TableFactor, columns: &[Column]) {
        let lateral = match factor {
            TableFactor::Derived { lateral, .. } | TableFactor::Function { lateral, .. } => {
                *lateral
            }
            TableFactor::Table { args, .. } => args.is_some(),
            TableFactor::UNNEST { .. } => true,
            _ => false,
        };
        if lateral {
            self.replace(factor, columns);
        }
    }

    /// Merged columns named in `tree` become what they stand for.
    fn replace<T: VisitMut>(&self, tree: &mut T, columns: &[Column]) {
        let mut replacer = Replacer { columns, names: &self.names, inner: vec![] };
        let _complete = tree.visit(&mut WalkMut(&mut replacer));
    }
}

fn using_name(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(folded)
}

/// A column as `*` shows it; a merged one under its name.
pub(super) fn shown(column: &Column) -> SelectItem {
    match &column.value {
        Expr::CompoundIdentifier(_) => SelectItem::UnnamedExpr(column.value.clone()),
        value => SelectItem::ExprWithAlias {
            expr: value.clone(),
            alias: Ident::with_quote('"', &column.name),
        },
    }
}

/// `*` as the columns that it stands for.
fn expanded(item: SelectItem, columns: &[Column]) -> Vec<SelectItem> {
    match &item {
        SelectItem::Wildcard(_) => columns.iter().map(shown).collect(),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
            let name = folded(ident);
            let merged = columns.iter().find(|column| column.merged && column.name == name);
            vec![merged.map_or(item, shown)]
        }
        _ => vec![item],
    }
}

/// The condition and the columns of a join that merges `names`.
fn merge(
    kind: &JoinOperator,
    mut left: Vec<Column>,
    mut right: Vec<Column>,
    names: &[String],
) -> Result<(Expr, Vec<Column>)> {
    let mut condition: Option<Expr> = None;
    let mut merged = vec![];
    for name in names {
        let (one, other) = (take(&mut left, name, "left")?, take(&mut right, name, "right")?);
        let equal =
            super::binary(one.value.clone(), super::BinaryOperator::Eq, other.value.clone());
        condition = Some(match condition {
            Some(condition) => super::binary(condition, super::BinaryOperator::And, equal),
            None => equal,
        });
        let differ = matches!((&one.kind, &other.kind), (Some(one), Some(other)) if one != other);
        let kind_of = if differ { None } else { one.kind.clone() };
        let value = match kind {
            JoinOperator::FullOuter(_) => {
                function_name::call("coalesce", vec![one.value, other.value])
            }
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) if differ => {
                typed_as_both(other.value, one.value)
            }
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => other.value,
            _ if differ => typed_as_both(one.value, other.value),
            _ => one.value,
        };
        merged.push(Column { name: name.clone(), value, kind: kind_of, merged: true });
    }
    let all = Expr::value(super::Value::Boolean(true));
    merged.extend(left);
    merged.extend(right);
    Ok((condition.unwrap_or(all), merged))
}

/// `value` in the common type of both.
fn typed_as_both(value: Expr, other: Expr) -> Expr {
    function_name::call("coalesce", vec![value, super::never(other)])
}

fn take(columns: &mut Vec<Column>, name: &str, side: &str) -> Result<Column> {
    let mut found = columns.iter().enumerate().filter(|(_, column)| column.name == name);
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(columns.remove(index)),
        (None, _) => Err(Error::new(
            SqlState::UndefinedColumn,
            format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
        )),
        (Some(_), Some(_)) => Err(Error::new(
            SqlState::AmbiguousColumn,
            format!("common column name \"{name}\" appears more than once in {side} table"),
        )),
    }
}

/// `(SELECT columns FROM from) AS alias`
fn derived(columns: Vec<Column>, from: TableWithJoins, alias: TableAlias) -> TableFactor {
    let items = columns.into_iter().map(|column| SelectItem::ExprWithAlias {
        expr: column.value,
        alias: Ident::with_quote('"', column.name),
    });
    let query = super::columns::select(items.collect(), vec![from]);
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(alias),
        sample: None,
    }
}

struct Replacer<'a> {
    columns: &'a [Column],
    names: &'a Names<'a>,
    /// Names that the queries within have themselves.
    inner: Vec<HashSet<String>>,
}

impl VisitorMut for Replacer<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.inner.push(self.names.visible(&select.from));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<()> {
        self.inner.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            let name = folded(ident);
            let hidden = self.inner.iter().any(|names| names.contains(&name));
            let merged = self.columns.iter().find(|column| column.merged && column.name == name);
            if let Some(column) = merged.filter(|_| !hidden) {
                *expr = column.value.clone();
            }
        }
        ControlFlow::Continue(())
    }
}
