//! Pushes a domain down through a subquery's plan: what comes out has the plan's columns and the domain's, and
//! per row of the domain the rows that the plan has for it.

use std::sync::Arc;

use datafusion::common::{
    Column, ExprSchema, NullEquality, Result as DataFusionResult, ScalarValue, TableReference,
};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::expr_fn::col;
use datafusion::logical_expr::logical_plan::Sort as SortPlan;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Filter, Join, JoinConstraint, JoinType, Limit,
    LogicalPlan, LogicalPlanBuilder, Operator, Projection, Union, Values, Window, binary_expr, lit,
    when,
};

use super::domain::Domain;
use super::{Decorrelator, refused};

impl Decorrelator<'_> {
    pub(super) fn push(
        &self,
        plan: &LogicalPlan,
        domain: &Domain,
    ) -> DataFusionResult<LogicalPlan> {
        if !domain.is_in(plan)? {
            return crossed(plan, domain);
        }
        match plan {
            LogicalPlan::Projection(projection) => self.projection(projection, domain),
            LogicalPlan::Filter(filter) => {
                let input = Arc::new(self.push(&filter.input, domain)?);
                let predicate = domain.replace(filter.predicate.clone())?.data;
                let filter = LogicalPlan::Filter(Filter::try_new(predicate, input)?);
                Ok(self.node(filter)?.data)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.push(&alias.input, domain)?;
                let own = itertools::zip_eq(alias.input.schema().columns(), alias.schema.columns());
                let own = own.map(|(from, to)| {
                    Expr::Column(from).alias_qualified(to.relation.clone(), to.name)
                });
                with_domain(input, own.collect(), domain)
            }
            LogicalPlan::Sort(sort) => {
                let input = Arc::new(self.push(&sort.input, domain)?);
                let expr = sorts(&sort.expr, domain)?;
                let sort = LogicalPlan::Sort(SortPlan { expr, input, fetch: sort.fetch });
                Ok(self.node(sort)?.data)
            }
            LogicalPlan::Subquery(inner) => self.push(&inner.subquery, domain),
            LogicalPlan::Limit(limit) => self.limit(limit, domain),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                LogicalPlanBuilder::from(self.push(input, domain)?).distinct()?.build()
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, domain),
            LogicalPlan::Window(window) => self.window(window, domain),
            LogicalPlan::Join(join) => self.join(join, domain),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter();
                let inputs =
                    inputs.map(|input| Ok((self.push(input, domain)?, input.schema().columns())));
                let inputs = inputs.collect::<DataFusionResult<Vec<_>>>()?;
                united(inputs, &union.schema.columns(), domain)
            }
            LogicalPlan::Values(values) => self.values(values, domain),
            LogicalPlan::Unnest(unnest) => {
                let columns = plan.schema().columns().into_iter().map(Expr::Column).collect();
                let input = self.push(&unnest.input, domain)?;
                let unnested = LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(
                        unnest.exec_columns.clone(),
                        unnest.options.clone(),
                    )?
                    .build()?;
                with_domain(unnested, columns, domain)
            }
            _ => Err(refused()),
        }
    }

    fn projection(
        &self,
        projection: &Projection,
        domain: &Domain,
    ) -> DataFusionResult<LogicalPlan> {
        let input = self.push(&projection.input, domain)?;
        let own = projection.expr.iter().map(|expr| renamed(expr, domain));
        let plan = with_domain(input, own.collect::<DataFusionResult<_>>()?, domain)?;
        Ok(self.node(plan)?.data)
    }

    /// The first rows of each row of the domain, by `row_number()`.
    fn limit(&self, limit: &Limit, domain: &Domain) -> DataFusionResult<LogicalPlan> {
        let below = |input: &Arc<LogicalPlan>| {
            let limit = Limit { input: Arc::clone(input), ..limit.clone() };
            Arc::new(LogicalPlan::Limit(limit))
        };
        // Limits go below what keeps rows and their order, down to the order.
        match limit.input.as_ref() {
            LogicalPlan::Projection(projection) => {
                let input = below(&projection.input);
                let projection = Projection::try_new(projection.expr.clone(), input)?;
                return self.projection(&projection, domain);
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let plan = LogicalPlanBuilder::from(below(&alias.input));
                return self.push(&plan.alias(alias.alias.clone())?.build()?, domain);
            }
            _ => {}
        }
        let (order_by, input) = match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => (sorts(&sort.expr, domain)?, &sort.input),
            _ => (vec![], &limit.input),
        };
        let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
        let name = self.name("row");
        let mut number = WindowFunction::new(self.row_number.clone(), vec![]);
        number.params.partition_by = domain.columns().into_iter().map(Expr::Column).collect();
        number.params.order_by = order_by;
        let number = Expr::from(number).alias(&name);
        let skip = limit.skip.as_deref().cloned().unwrap_or_else(|| lit(0_i64));
        let mut range = col(&name).gt(skip.clone());
        if let Some(fetch) = &limit.fetch {
            range = range.and(col(&name).lt_eq(skip + fetch.as_ref().clone()));
        }
        let numbered = LogicalPlanBuilder::from(self.push(input, domain)?)
            .window([number])?
            .filter(domain.replace(range)?.data)?
            .build()?;
        with_domain(numbered, columns, domain)
    }

    fn aggregate(&self, aggregate: &Aggregate, domain: &Domain) -> DataFusionResult<LogicalPlan> {
        let input = self.push(&aggregate.input, domain)?;
        let mut computed = vec![];
        let mut group = vec![];
        for expr in &aggregate.group_expr {
            if matches!(expr, Expr::GroupingSet(_)) {
                return Err(refused());
            }
            if domain.is_in_expr(expr)? {
                let name = expr.qualified_name().1;
                computed.push(renamed(expr, domain)?.unalias().alias(&name));
                group.push(Expr::Column(Column::from_name(name)));
            } else {
                group.push(expr.clone());
            }
        }
        let mut input = LogicalPlanBuilder::from(input);
        if !computed.is_empty() {
            let columns = input.schema().columns().into_iter().map(Expr::Column);
            let exprs: Vec<Expr> = columns.chain(computed).collect();
            input = input.project(exprs)?;
        }
        let input = Arc::new(self.node(input.build()?)?.data);
        group.extend(domain.columns().into_iter().map(Expr::Column));
        let calls = aggregate.aggr_expr.iter().map(|expr| renamed(expr, domain));
        let mut calls = calls.collect::<DataFusionResult<Vec<_>>>()?;
        if !aggregate.group_expr.is_empty() {
            let plan = LogicalPlan::Aggregate(Aggregate::try_new(input, group, calls)?);
            return Ok(self.node(plan)?.data);
        }
        // Without groups there is a row for no rows, too.
        let rows = self.name("rows");
        calls.push(count(lit(1_i64)).alias(&rows));
        let grouped = LogicalPlan::Aggregate(Aggregate::try_new(input, group, calls)?);
        let grouped = self.node(grouped)?.data;
        let all = domain.again(self)?;
        let joined = LogicalPlanBuilder::from(all.plan.clone()).join_detailed(
            grouped,
            JoinType::Left,
            (all.columns(), domain.columns()),
            None,
            NullEquality::NullEqualsNull,
        )?;
        let columns = itertools::zip_eq(aggregate.schema.columns(), &aggregate.aggr_expr);
        let own = columns.map(|(column, call)| {
            let kind = aggregate.schema.field_from_column(&column)?.data_type().clone();
            let empty = match call.clone().unalias() {
                Expr::AggregateFunction(call) => call.func.default_value(&kind)?,
                _ => ScalarValue::try_from(&kind)?,
            };
            let value = Expr::Column(column.clone());
            if empty.is_null() {
                return Ok(value);
            }
            let value = when(col(&rows).is_null(), Expr::Literal(empty, None)).otherwise(value)?;
            Ok(value.alias_qualified(column.relation, column.name))
        });
        let own = own.collect::<DataFusionResult<Vec<_>>>()?;
        let columns = itertools::zip_eq(all.columns(), domain.columns())
            .map(|(from, to)| Expr::Column(from).alias_qualified(to.relation, to.name));
        joined.project(own.into_iter().chain(columns))?.build()
    }

    fn window(&self, window: &Window, domain: &Domain) -> DataFusionResult<LogicalPlan> {
        use datafusion::common::tree_node::{Transformed, TreeNode};
        let input = Arc::new(self.push(&window.input, domain)?);
        let calls = window.window_expr.iter().map(|expr| {
            let (qualifier, name) = expr.qualified_name();
            let call = domain.replace(expr.clone())?.data.transform_up(|part| match part {
                Expr::WindowFunction(mut call) => {
                    let columns = domain.columns().into_iter().map(Expr::Column);
                    call.params.partition_by.extend(columns);
                    Ok(Transformed::yes(Expr::WindowFunction(call)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(call.data.unalias().alias_qualified(qualifier, name))
        });
        let calls = calls.collect::<DataFusionResult<Vec<_>>>()?;
        Ok(self.node(LogicalPlan::Window(Window::try_new(calls, input)?))?.data)
    }

    fn join(&self, join: &Join, domain: &Domain) -> DataFusionResult<LogicalPlan> {
        use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right};
        let (left, right) = (domain.is_in(&join.left)?, domain.is_in(&join.right)?);
        let op = match join.null_equality {
            NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
            NullEquality::NullEqualsNothing => Operator::Eq,
        };
        let equal = join.on.iter().map(|(one, other)| binary_expr(one.clone(), op, other.clone()));
        let condition = conjunction(equal.chain(join.filter.clone()));
        let condition = condition.map(|condition| domain.replace(condition)).transpose()?;
        let condition = condition.map(|condition| condition.data);
        let one_side = match (join.join_type, left, right) {
            (Inner | Left | LeftSemi | LeftAnti | LeftMark, _, false) => Some(true),
            (Inner | Right, false, _) => Some(false),
            _ => None,
        };
        let rebuilt = |left: LogicalPlan, right: LogicalPlan| {
            let join = Join::try_new(
                Arc::new(left),
                Arc::new(right),
                vec![],
                condition.clone(),
                join.join_type,
                JoinConstraint::On,
                NullEquality::NullEqualsNothing,
                join.null_aware,
            )?;
            Ok(self.node(LogicalPlan::Join(join))?.data)
        };
        match one_side {
            Some(true) => rebuilt(self.push(&join.left, domain)?, join.right.as_ref().clone()),
            Some(false) => rebuilt(join.left.as_ref().clone(), self.push(&join.right, domain)?),
            None => {
                let again = domain.again(self)?;
                let plan = LogicalPlanBuilder::from(self.push(&join.left, domain)?)
                    .join_detailed(
                        self.push(&join.right, &again)?,
                        join.join_type,
                        (domain.columns(), again.columns()),
                        condition,
                        NullEquality::NullEqualsNull,
                    )?
                    .build()?;
                let own = join.schema.columns().into_iter().map(Expr::Column);
                let both = itertools::zip_eq(domain.columns(), again.columns());
                let carried = both.map(|(one, other)| {
                    let (left, right) = (Expr::Column(one.clone()), Expr::Column(other));
                    let value = match join.join_type {
                        Right => right,
                        Full => when(left.clone().is_null(), right).otherwise(left)?,
                        _ => return Ok(left),
                    };
                    Ok(value.alias_qualified(one.relation, one.name))
                });
                let carried = carried.collect::<DataFusionResult<Vec<_>>>()?;
                LogicalPlanBuilder::from(plan).project(own.chain(carried))?.build()
            }
        }
    }

    /// Each row of VALUES once per row of the domain.
    fn values(&self, values: &Values, domain: &Domain) -> DataFusionResult<LogicalPlan> {
        let columns = values.schema.columns();
        let rows = values.values.iter().map(|row| {
            let exprs = itertools::izip!(row, &columns, values.schema.fields());
            let exprs = exprs.map(|(expr, column, field)| {
                let expr = domain.replace(expr.clone())?.data;
                let expr = expr.cast_to(field.data_type(), domain.plan.schema())?;
                Ok(expr.alias_qualified(column.relation.clone(), column.name.clone()))
            });
            let exprs = exprs.collect::<DataFusionResult<Vec<_>>>()?;
            let plan = with_domain(domain.plan.clone(), exprs, domain)?;
            Ok((self.node(plan)?.data, columns.clone()))
        });
        let mut rows = rows.collect::<DataFusionResult<Vec<_>>>()?;
        match rows.len() {
            1 => Ok(rows.swap_remove(0).0),
            _ => united(rows, &columns, domain),
        }
    }
}

/// An uncorrelated plan with the domain beside it.
fn crossed(plan: &LogicalPlan, domain: &Domain) -> DataFusionResult<LogicalPlan> {
    match plan {
        LogicalPlan::EmptyRelation(empty)
            if empty.produce_one_row && empty.schema.fields().is_empty() =>
        {
            Ok(domain.plan.clone())
        }
        _ => LogicalPlanBuilder::from(domain.plan.clone()).cross_join(plan.clone())?.build(),
    }
}

fn with_domain(
    input: LogicalPlan,
    own: Vec<Expr>,
    domain: &Domain,
) -> DataFusionResult<LogicalPlan> {
    let columns = domain.columns().into_iter().map(Expr::Column);
    LogicalPlanBuilder::from(input).project(own.into_iter().chain(columns))?.build()
}

/// `expr` over the domain's columns, called as before.
fn renamed(expr: &Expr, domain: &Domain) -> DataFusionResult<Expr> {
    let (qualifier, name) = expr.qualified_name();
    let replaced = domain.replace(expr.clone())?;
    Ok(match replaced.transformed {
        true => replaced.data.unalias().alias_qualified(qualifier, name),
        false => replaced.data,
    })
}

fn sorts(exprs: &[Sort], domain: &Domain) -> DataFusionResult<Vec<Sort>> {
    let sorts = exprs
        .iter()
        .map(|sort| Ok(Sort { expr: domain.replace(sort.expr.clone())?.data, ..sort.clone() }));
    sorts.collect()
}

/// The union of pushed plans, each with its own columns' names, by position.
fn united(
    inputs: Vec<(LogicalPlan, Vec<Column>)>,
    columns: &[Column],
    domain: &Domain,
) -> DataFusionResult<LogicalPlan> {
    let plain = |number: usize| format!("__column{number}");
    let inputs = inputs.into_iter().map(|(input, own)| {
        let columns = own.into_iter().chain(domain.columns()).enumerate();
        let exprs = columns.map(|(n, column)| Expr::Column(column).alias(plain(n)));
        Ok(Arc::new(LogicalPlanBuilder::from(input).project(exprs)?.build()?))
    });
    let inputs = inputs.collect::<DataFusionResult<Vec<_>>>()?;
    let union = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
    let names = columns.iter().cloned().chain(domain.columns()).enumerate();
    let exprs = names.map(|(n, column)| {
        let relation: Option<TableReference> = column.relation;
        col(plain(n)).alias_qualified(relation, column.name)
    });
    LogicalPlanBuilder::from(union).project(exprs)?.build()
}
