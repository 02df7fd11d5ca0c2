//! The values that a correlated subquery sees of the query around it.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DataFusionResult, TableReference};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::Decorrelator;

/// What the columns of the domain `of` are called: nothing that a user's column would be, nor one of another
/// domain, which may be within this one.
fn nth(of: &str, number: usize) -> String {
    format!("{of}_{number}")
}

/// Columns of the query around a subquery, as a relation.
pub(super) struct Domain {
    /// The rows: distinct, or the outer query's own.
    pub(super) plan: LogicalPlan,
    /// Columns that the subquery refers to, and what they are called in `plan`.
    names: Vec<(Column, Column)>,
    /// Columns that go through the whole of the subquery.
    carried: Vec<Column>,
}

impl Domain {
    /// The distinct values of the columns of `input` that `subquery` refers to; none if it refers to none.
    pub(super) fn of(
        subquery: &LogicalPlan,
        input: &LogicalPlan,
        names: &Decorrelator<'_>,
    ) -> DataFusionResult<Option<Domain>> {
        let mut outer = outer_columns(subquery)?;
        outer.retain(|column| input.schema().has_column(column));
        if outer.is_empty() {
            return Ok(None);
        }
        let own = names.name("c");
        let columns = outer.iter().enumerate();
        let columns = columns.map(|(n, column)| Expr::Column(column.clone()).alias(nth(&own, n)));
        let base = LogicalPlanBuilder::from(input.clone())
            .project(columns.collect::<Vec<_>>())?
            .distinct()?
            .build()?;
        Domain::named(base, outer, names).map(Some)
    }

    fn named(
        base: LogicalPlan,
        outer: Vec<Column>,
        names: &Decorrelator<'_>,
    ) -> DataFusionResult<Domain> {
        let name = names.name("outer");
        let plan = LogicalPlanBuilder::from(base).alias(name.as_str())?.build()?;
        let carried = plan.schema().columns();
        let names = itertools::zip_eq(outer, carried.iter().cloned()).collect();
        Ok(Domain { plan, names, carried })
    }

    /// The same values under another name.
    pub(super) fn again(&self, names: &Decorrelator<'_>) -> DataFusionResult<Domain> {
        let base = match &self.plan {
            LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref().clone(),
            other => other.clone(),
        };
        Domain::named(base, self.outer(), names)
    }

    /// The rows of the outer query themselves, all columns carried through, and what gives the columns
    /// their names back.
    pub(super) fn whole(
        left: &Arc<LogicalPlan>,
        domain: &Domain,
        names: &Decorrelator<'_>,
    ) -> DataFusionResult<(Domain, Vec<Expr>)> {
        let name = TableReference::bare(names.name("outer"));
        let own = names.name("c");
        let columns = left.schema().columns();
        let carried: Vec<Column> =
            (0..columns.len()).map(|n| Column::new(Some(name.clone()), nth(&own, n))).collect();
        let pairs = || itertools::zip_eq(columns.clone(), carried.clone());
        let renamed =
            pairs().map(|(from, to)| Expr::Column(from).alias_qualified(to.relation, to.name));
        let back =
            pairs().map(|(to, from)| Expr::Column(from).alias_qualified(to.relation, to.name));
        let plan = LogicalPlanBuilder::from(left.as_ref().clone())
            .project(renamed.collect::<Vec<_>>())?
            .build()?;
        let outer = domain.outer();
        let names = pairs().filter(|(from, _)| outer.contains(from)).collect();
        let back = back.collect();
        Ok((Domain { plan, names, carried }, back))
    }

    /// The columns under their names outside.
    pub(super) fn outer(&self) -> Vec<Column> {
        self.names.iter().map(|(outer, _)| outer.clone()).collect()
    }

    /// The columns that a pushed plan has besides its own.
    pub(super) fn columns(&self) -> Vec<Column> {
        self.carried.clone()
    }

    fn find(&self, column: &Column) -> Option<&Column> {
        self.names.iter().find(|(outer, _)| outer == column).map(|(_, own)| own)
    }

    /// Whether `plan` refers to the domain.
    pub(super) fn is_in(&self, plan: &LogicalPlan) -> DataFusionResult<bool> {
        Ok(outer_columns(plan)?.iter().any(|column| self.find(column).is_some()))
    }

    /// Whether `expr` refers to the domain, in a subquery or outside of one.
    pub(super) fn is_in_expr(&self, expr: &Expr) -> DataFusionResult<bool> {
        let mut columns = vec![];
        collect(expr, &[], &mut columns)?;
        Ok(columns.iter().any(|column| self.find(column).is_some()))
    }

    /// `expr` over a plan that has the domain's columns.
    pub(super) fn replace(&self, expr: Expr) -> DataFusionResult<Transformed<Expr>> {
        expr.transform_down(|part| match part {
            Expr::OuterReferenceColumn(field, column) => Ok(match self.find(&column) {
                Some(own) => Transformed::yes(Expr::Column(own.clone())),
                None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
            }),
            mut other => {
                let inner = match &mut other {
                    Expr::ScalarSubquery(inner) => inner,
                    Expr::Exists(Exists { subquery, .. })
                    | Expr::InSubquery(InSubquery { subquery, .. })
                    | Expr::SetComparison(SetComparison { subquery, .. }) => subquery,
                    _ => return Ok(Transformed::no(other)),
                };
                let renamed = self.rename(inner)?;
                Ok(Transformed::new(other, renamed, TreeNodeRecursion::Continue))
            }
        })
    }

    /// A subquery of the subquery sees the domain's columns as its own outer ones.
    fn rename(&self, inner: &mut Subquery) -> DataFusionResult<bool> {
        let rename = |expr: Expr| {
            expr.transform_down(|part| match part {
                Expr::OuterReferenceColumn(field, column) => Ok(match self.find(&column) {
                    Some(own) => Transformed::yes(Expr::OuterReferenceColumn(field, own.clone())),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                }),
                other => Ok(Transformed::no(other)),
            })
        };
        let plan = inner.subquery.as_ref().clone();
        let renamed = plan.transform_up_with_subqueries(|node| {
            // The names of columns stay as they were.
            let named = matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_));
            node.map_expressions(|expr| {
                let (qualifier, name) = expr.qualified_name();
                let changed = rename(expr)?;
                Ok(match changed.transformed && named {
                    true => {
                        changed.update_data(|expr| expr.unalias().alias_qualified(qualifier, name))
                    }
                    false => changed,
                })
            })
        })?;
        if renamed.transformed {
            inner.subquery = Arc::new(renamed.data);
            inner.outer_ref_columns = inner.subquery.all_out_ref_exprs();
        }
        Ok(renamed.transformed)
    }
}

/// Whether anything in `plan` refers to a query around it.
pub(super) fn correlates(plan: &LogicalPlan) -> DataFusionResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(_, _))))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

/// The columns that `plan` refers to outside of itself, in subqueries too, each once.
pub(super) fn outer_columns(plan: &LogicalPlan) -> DataFusionResult<Vec<Column>> {
    let mut found = vec![];
    match plan {
        // What is lateral in it may refer to its left side.
        LogicalPlan::Join(join) => {
            let right = outer_columns(&join.right)?.into_iter();
            found.extend(right.filter(|column| !join.left.schema().has_column(column)));
            found.extend(outer_columns(&join.left)?);
        }
        LogicalPlan::Subquery(inner) => found.extend(outer_columns(&inner.subquery)?),
        other => {
            for input in other.inputs() {
                found.extend(outer_columns(input)?);
            }
        }
    }
    let inputs = plan.inputs();
    plan.apply_expressions(|expr| {
        let mut columns = vec![];
        collect(expr, &inputs, &mut columns)?;
        found.append(&mut columns);
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut seen = HashSet::new();
    found.retain(|column| seen.insert(column.clone()));
    Ok(found)
}

/// The same of an expression over `inputs`: what subqueries in it refer to there is not outside.
fn collect(expr: &Expr, inputs: &[&LogicalPlan], found: &mut Vec<Column>) -> DataFusionResult<()> {
    expr.apply(|part| {
        match part {
            Expr::OuterReferenceColumn(_, column) => found.push(column.clone()),
            Expr::ScalarSubquery(subquery)
            | Expr::Exists(Exists { subquery, .. })
            | Expr::InSubquery(InSubquery { subquery, .. })
            | Expr::SetComparison(SetComparison { subquery, .. }) => {
                let columns = outer_columns(&subquery.subquery)?.into_iter();
                let outside =
                    |column: &Column| !inputs.iter().any(|input| input.schema().has_column(column));
                found.extend(columns.filter(outside));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
