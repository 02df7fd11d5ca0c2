//! Correlated subqueries and LATERAL of every shape, as joins: what DataFusion's own rules do not decorrelate
//! or decorrelate with another result.
//!
//! A subquery is evaluated once for all the distinct values that it sees of the query around it, its *domain*,
//! and joined back on them (Neumann and Kemper, "Unnesting Arbitrary Queries"):
//!
//! ```text
//! Filter: x > (SELECT count(*) FROM u WHERE u.a < t.a)
//!   t
//!
//! Filter: x > __subquery1.value
//!   Left Join: t.a IS NOT DISTINCT FROM __outer0.__c0
//!     t
//!     count(*) per __outer0.__c0
//!       u × __outer0, where u.a < __outer0.__c0
//! ```
//!
//! Shapes that DataFusion makes semi, anti and mark joins or grouped joins of are left to it.

mod domain;
mod outer_aggregate;
mod push;
mod simple;

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, NullEquality, Result as DataFusionResult};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Subquery,
    WindowFunctionDefinition,
};

pub(crate) use self::outer_aggregate::refuse_outer_aggregates;

use self::domain::{Domain, correlates, outer_columns};
use super::subquery;
use crate::error::{Error, Result};

/// `plan`, as it comes from SQL, without the correlations that DataFusion would refuse.
pub(crate) fn decorrelate(
    plan: LogicalPlan,
    row_number: &WindowFunctionDefinition,
) -> Result<LogicalPlan> {
    if !correlates(&plan)? {
        return Ok(plan);
    }
    let decorrelator = Decorrelator { row_number, named: Cell::new(0) };
    Ok(decorrelator.plan(plan)?.data)
}

struct Decorrelator<'a> {
    row_number: &'a WindowFunctionDefinition,
    /// How many names were given out.
    named: Cell<usize>,
}

impl Decorrelator<'_> {
    /// A name that nothing else in the plan has.
    fn name(&self, of: &str) -> String {
        let number = self.named.get();
        self.named.set(number + 1);
        format!("__{of}{number}")
    }

    /// From the leaves up, inner subqueries before the ones around them.
    fn plan(&self, plan: LogicalPlan) -> DataFusionResult<Transformed<LogicalPlan>> {
        let plan = plan.map_children(|child| self.plan(child))?;
        let below = plan.transformed;
        let plan = plan.data.map_subqueries(|inner| self.plan(inner))?;
        let plan = if below { plan.data.recompute_schema()? } else { plan.data };
        let lateral = match &plan {
            // A lateral join on the right may refer to what is left of it too.
            LogicalPlan::Join(join) => {
                join.right.exists(|node| Ok(matches!(node, LogicalPlan::Subquery(_))))?
                    || outer_columns(&join.right)?
                        .iter()
                        .any(|column| join.left.schema().has_column(column))
            }
            _ => false,
        };
        let node = match plan {
            LogicalPlan::Join(join) if lateral => Transformed::yes(self.lateral(join)?),
            other => self.node(other)?,
        };
        Ok(Transformed::new(node.data, node.transformed || below, TreeNodeRecursion::Continue))
    }

    /// One node, the subqueries in its expressions joined to its input.
    fn node(&self, plan: LogicalPlan) -> DataFusionResult<Transformed<LogicalPlan>> {
        let mut found = false;
        plan.apply_expressions(|expr| {
            found |= expr.exists(|part| self.is_ours(part, &plan))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        if !found {
            return Ok(Transformed::no(plan));
        }
        let node = match plan {
            LogicalPlan::Join(join) => self.join_condition(join)?,
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Window(_) => self.attached(plan)?,
            _ => return Err(refused()),
        };
        Ok(Transformed::yes(node))
    }

    /// Whether an expression is a subquery that refers to `plan`'s input and is not left to DataFusion.
    fn is_ours(&self, expr: &Expr, plan: &LogicalPlan) -> DataFusionResult<bool> {
        let (subquery, simple) = match expr {
            Expr::ScalarSubquery(subquery) => (
                subquery,
                matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Filter(_))
                    && simple::value(&subquery.subquery)?,
            ),
            Expr::Exists(Exists { subquery, .. })
            | Expr::InSubquery(InSubquery { subquery, .. }) => (
                subquery,
                matches!(plan, LogicalPlan::Filter(_)) && simple::rows(&subquery.subquery)?,
            ),
            _ => return Ok(false),
        };
        if simple {
            return Ok(false);
        }
        let inputs = plan.inputs();
        let outer = outer_columns(&subquery.subquery)?;
        Ok(outer.iter().any(|column| inputs.iter().any(|input| input.schema().has_column(column))))
    }

    /// A node of one input, which its subqueries are joined to.
    fn attached(&self, plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
        let output: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let input = plan.inputs()[0].clone();
        let mut joined = input.clone();
        let named = matches!(
            plan,
            LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)
        );
        let mut exprs = vec![];
        for expr in plan.expressions() {
            let (qualifier, name) = expr.qualified_name();
            let values =
                expr.transform_down(|part| self.value(part, &plan, &input, &mut joined))?;
            let changed = values.transformed && named;
            exprs.push(match changed {
                true => values.data.unalias().alias_qualified(qualifier, name),
                false => values.data,
            });
        }
        let kept = matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_));
        let plan = plan.with_new_exprs(exprs, vec![joined])?;
        if kept { Ok(plan) } else { LogicalPlanBuilder::from(plan).project(output)?.build() }
    }

    /// The column that holds a subquery's value after it has been joined to `joined`.
    fn value(
        &self,
        expr: Expr,
        plan: &LogicalPlan,
        input: &LogicalPlan,
        joined: &mut LogicalPlan,
    ) -> DataFusionResult<Transformed<Expr>> {
        if !self.is_ours(&expr, plan)? {
            return Ok(Transformed::no(expr));
        }
        let expr = match expr {
            Expr::InSubquery(_) => subquery::known_in(expr, input.schema())?.data,
            other => other,
        };
        let values = expr.transform_down(|part| {
            let part = subquery::exists_as_count(part)?.data;
            match part {
                Expr::ScalarSubquery(subquery) => {
                    let value = self.attach(subquery, input, joined)?;
                    Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
                }
                other => Ok(Transformed::no(other)),
            }
        })?;
        Ok(Transformed::new(values.data, true, TreeNodeRecursion::Jump))
    }

    /// Joins the values of a scalar subquery of at most one row to `joined`.
    fn attach(
        &self,
        subquery: Subquery,
        input: &LogicalPlan,
        joined: &mut LogicalPlan,
    ) -> DataFusionResult<Expr> {
        let Some(domain) = Domain::of(&subquery.subquery, input, self)? else {
            return Ok(Expr::ScalarSubquery(subquery));
        };
        let name = self.name("subquery");
        let value = subquery.subquery.schema().columns().swap_remove(0);
        let pushed = self.push(&subquery.subquery, &domain)?;
        let columns = domain.columns().into_iter().map(Expr::Column);
        let value = Expr::Column(value).alias_qualified(Some(name.as_str()), "value");
        let pushed =
            LogicalPlanBuilder::from(pushed).project([value].into_iter().chain(columns))?;
        *joined = LogicalPlanBuilder::from(joined.clone())
            .join_detailed(
                pushed.build()?,
                JoinType::Left,
                (domain.outer(), domain.columns()),
                None,
                NullEquality::NullEqualsNull,
            )?
            .build()?;
        Ok(Expr::Column(Column::new(Some(name), "value")))
    }

    /// An inner join whose condition has subqueries: they are a filter's.
    fn join_condition(&self, join: Join) -> DataFusionResult<LogicalPlan> {
        if join.join_type != JoinType::Inner {
            return Err(refused());
        }
        let conditions = join.filter.into_iter().flat_map(split_conjunction_owned);
        let holds = |expr: &Expr| {
            expr.exists(|part| {
                Ok(matches!(part, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)))
            })
            .unwrap_or(true)
        };
        let (above, within): (Vec<Expr>, Vec<Expr>) = conditions.partition(holds);
        let joined = Join::try_new(
            join.left,
            join.right,
            join.on,
            conjunction(within),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let input = Arc::new(LogicalPlan::Join(joined));
        match conjunction(above) {
            Some(condition) => {
                let filter = LogicalPlan::Filter(Filter::try_new(condition, input)?);
                Ok(self.node(filter)?.data)
            }
            None => Err(refused()),
        }
    }

    /// `left, LATERAL right`: the right side per distinct values of the left one, joined back.
    fn lateral(&self, join: Join) -> DataFusionResult<LogicalPlan> {
        let output: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
        let right = Arc::unwrap_or_clone(join.right).transform_down(|node| match node {
            LogicalPlan::Subquery(inner) => {
                Ok(Transformed::yes(Arc::unwrap_or_clone(inner.subquery)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let right = right.data.recompute_schema()?;
        let equal = join.on.into_iter().map(|(one, other)| one.eq(other));
        let condition = conjunction(equal.chain(join.filter));
        let Some(domain) = Domain::of(&right, &join.left, self)? else {
            let plan = LogicalPlanBuilder::from(join.left)
                .join_on(right, join.join_type, condition)?
                .build()?;
            return Ok(self.node(plan)?.data);
        };
        if join.join_type == JoinType::Inner && simple::keeps_rows(&right, &domain)? {
            let (whole, back) = Domain::whole(&join.left, &domain, self)?;
            let own = right.schema().columns().into_iter().map(Expr::Column);
            let mut plan = LogicalPlanBuilder::from(self.push(&right, &whole)?)
                .project(back.into_iter().chain(own))?;
            if let Some(condition) = condition {
                plan = plan.filter(condition)?;
            }
            return plan.project(output)?.build();
        }
        let pushed = self.push(&right, &domain)?;
        LogicalPlanBuilder::from(join.left)
            .join_detailed(
                pushed,
                join.join_type,
                (domain.outer(), domain.columns()),
                condition,
                NullEquality::NullEqualsNull,
            )?
            .project(output)?
            .build()
    }
}

/// `0A000` for the few shapes that stay.
fn refused() -> datafusion::error::DataFusionError {
    Error::unsupported("this correlated subquery").hint("Write the subquery as a join.").into()
}
