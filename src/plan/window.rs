//! `TUMBLE` and `HOP` in FROM: the logical node, how SQL makes it, and the same in plain relational
//! terms for queries that DataFusion runs.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore, col, lit,
};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, ObjectName, TableFactor, TableFunctionArgs,
};

use super::build::WINDOW_COLUMNS;
use super::function::window_bound;
use super::operator::typed;
use crate::error::{Error, Result, SqlState};

/// Sizes of windows, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct HopSize {
    /// Distance of window starts.
    pub(crate) slide_us: i64,
    /// Length of a window.
    pub(crate) size_us: i64,
    /// Shift of all starts, in `0..slide_us`.
    pub(crate) offset_us: i64,
}

/// Each input row once per window that its time falls into.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Hop {
    pub(crate) input: Arc<LogicalPlan>,
    pub(crate) time: Column,
    pub(crate) size: HopSize,
    pub(crate) schema: DFSchemaRef,
}

impl Hop {
    fn new(input: LogicalPlan, time: Column, size: HopSize) -> DataFusionResult<Hop> {
        let kind = input.schema().qualified_field_from_column(&time)?.1.data_type().clone();
        let mut fields: Vec<_> =
            input.schema().iter().map(|(name, field)| (name.cloned(), Arc::clone(field))).collect();
        fields.extend(
            WINDOW_COLUMNS.map(|name| (None, Arc::new(Field::new(name, kind.clone(), false)))),
        );
        let metadata = input.schema().metadata().clone();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, metadata)?);
        Ok(Hop { input: Arc::new(input), time, size, schema })
    }

    /// The same rows by a cross join with the number of a window among a row's, a projection and a
    /// filter.
    fn plain(&self) -> DataFusionResult<LogicalPlan> {
        let HopSize { slide_us, size_us, .. } = self.size;
        let windows = size_us.div_euclid(slide_us) + i64::from(size_us % slide_us != 0);
        let time = Expr::Column(self.time.clone());
        let columns: Vec<Expr> =
            self.input.schema().columns().into_iter().map(Expr::Column).collect();
        let mut plan = LogicalPlanBuilder::from(self.input.as_ref().clone())
            .filter(time.clone().is_not_null())?;
        let back = if windows == 1 {
            lit(0_i64)
        } else {
            let numbers = (0..windows).map(|number| vec![lit(number)]).collect();
            let numbers = LogicalPlanBuilder::values(numbers)?
                .project(vec![col("column1").alias("window_number")])?
                .build()?;
            plan = plan.cross_join(numbers)?;
            col("window_number")
        };
        let [start, end] = WINDOW_COLUMNS;
        let mut exprs = columns;
        exprs.push(
            window_bound(self.size, false).call(vec![time.clone(), back.clone()]).alias(start),
        );
        exprs.push(window_bound(self.size, true).call(vec![time.clone(), back]).alias(end));
        plan = plan.project(exprs)?;
        if size_us % slide_us != 0 {
            plan = plan.filter(col(end).gt(time))?;
        }
        plan.build()
    }
}

impl PartialOrd for Hop {
    fn partial_cmp(&self, other: &Hop) -> Option<Ordering> {
        (&self.input, &self.time, &self.size).partial_cmp(&(&other.input, &other.time, &other.size))
    }
}

impl UserDefinedLogicalNodeCore for Hop {
    fn name(&self) -> &str {
        "Hop"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![Expr::Column(self.time.clone())]
    }

    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        WINDOW_COLUMNS.iter().map(ToString::to_string).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Hop: {}, slide={}us, size={}us",
            self.time, self.size.slide_us, self.size.size_us
        )?;
        match self.size.offset_us {
            0 => Ok(()),
            offset => write!(f, ", offset={offset}us"),
        }
    }

    fn with_exprs_and_inputs(
        &self,
        mut exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> DataFusionResult<Hop> {
        let (Some(Expr::Column(time)), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return Err(Error::internal("a window's time must stay a column").into());
        };
        Hop::new(input, time, self.size)
    }

    fn necessary_children_exprs(&self, output: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let mut needed: Vec<usize> = output.iter().copied().filter(|&i| i < width).collect();
        needed.extend(self.input.schema().index_of_column(&self.time).ok());
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// `plan` with every window in plain relational terms.
pub(crate) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| {
        let hop = match &node {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<Hop>(),
            _ => None,
        };
        match hop {
            Some(hop) => Ok(Transformed::yes(hop.plain()?)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(expanded.data)
}

/// Plans `TUMBLE(t, ts, size [, offset])` and `HOP(t, ts, slide, size [, offset])` in FROM.
#[derive(Debug)]
pub(crate) struct WindowPlanner;

impl RelationPlanner for WindowPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        let TableFactor::Table { name, alias, args: Some(TableFunctionArgs { args, .. }), .. } =
            &relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let function = name.to_string().to_ascii_lowercase();
        let hops = match function.as_str() {
            "tumble" => false,
            "hop" => true,
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let args = args.iter().map(argument).collect::<Result<Vec<_>>>()?;
        let most = if hops { 5 } else { 4 };
        if args.len() + 1 < most || args.len() > most {
            return Err(wrong_arguments(&function).into());
        }
        let plan = context.plan(table(args[0])?)?;
        let time = time_column(args[1], &plan, context)?;
        let sizes =
            args[2..].iter().map(|arg| microseconds(arg, context)).collect::<Result<Vec<_>>>()?;
        let size = match (hops, &sizes[..]) {
            (false, [size, offset @ ..]) => hop_size(*size, *size, offset.first())?,
            (true, [slide, size, offset @ ..]) => hop_size(*slide, *size, offset.first())?,
            _ => return Err(wrong_arguments(&function).into()),
        };
        let node = Arc::new(Hop::new(plan, time, size)?);
        let plan = LogicalPlan::Extension(Extension { node });
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

fn wrong_arguments(function: &str) -> Error {
    let hint = match function {
        "tumble" => "Write TUMBLE(table, time_column, INTERVAL 'size' [, INTERVAL 'offset']).",
        _ => {
            "Write HOP(table, time_column, INTERVAL 'slide', INTERVAL 'size' [, INTERVAL 'offset'])."
        }
    };
    Error::new(SqlState::UndefinedFunction, format!("{function} does not take these arguments"))
        .hint(hint)
}

fn argument(arg: &FunctionArg) -> Result<&ast::Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(Error::syntax(format!("\"{other}\" cannot be an argument of a window"))),
    }
}

/// The first argument: a relation by name, or a subquery.
fn table(arg: &ast::Expr) -> Result<TableFactor> {
    let parts = match arg {
        ast::Expr::Identifier(name) => vec![name.clone()],
        ast::Expr::CompoundIdentifier(parts) => parts.clone(),
        ast::Expr::Subquery(query) => {
            return Ok(TableFactor::Derived {
                lateral: false,
                subquery: query.clone(),
                alias: None,
                sample: None,
            });
        }
        other => {
            return Err(Error::syntax(format!("\"{other}\" is not a relation"))
                .hint("The first argument of a window is a table, a view, a CTE or a subquery."));
        }
    };
    Ok(TableFactor::Table {
        name: ObjectName::from(parts),
        alias: None,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    })
}

fn time_column(
    arg: &ast::Expr,
    plan: &LogicalPlan,
    context: &mut dyn RelationPlannerContext,
) -> Result<Column> {
    let Expr::Column(time) = context.sql_to_expr(arg.clone(), plan.schema())? else {
        return Err(Error::new(
            SqlState::WrongObjectType,
            format!("the time of a window must be a column, not \"{arg}\""),
        )
        .hint("Compute it in a subquery or CTE and name that as the first argument."));
    };
    let (qualifier, field) = plan.schema().qualified_field_from_column(&time)?;
    if !matches!(field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            format!("the time of a window must be a timestamp, but \"{}\" is not", time.name),
        )
        .hint("Cast it in a subquery or CTE and name that as the first argument."));
    }
    Ok(Column::new(qualifier.cloned(), field.name()))
}

fn microseconds(arg: &ast::Expr, context: &mut dyn RelationPlannerContext) -> Result<i64> {
    let expr = context.sql_to_expr(arg.clone(), &DFSchema::empty())?;
    interval_us(&expr).ok_or_else(|| {
        Error::new(
            SqlState::InvalidParameterValue,
            format!("\"{arg}\" is not an interval of fixed length"),
        )
        .hint("Write a constant such as INTERVAL '10 seconds'; months have no fixed length.")
    })
}

/// The microseconds of a constant interval without months.
pub(crate) fn interval_us(expr: &Expr) -> Option<i64> {
    // A literal is the cast of a text until constants are folded.
    let literal = match expr {
        Expr::Cast(cast) => typed(cast.expr.as_ref().clone(), cast.field.data_type()).ok()?,
        other => other.clone(),
    };
    let ScalarValue::IntervalMonthDayNano(Some(interval)) = literal.as_literal()? else {
        return None;
    };
    let days = i64::from(interval.days).checked_mul(86_400_000_000)?;
    (interval.months == 0).then_some(days.checked_add(interval.nanoseconds / 1000)?)
}

fn hop_size(slide_us: i64, size_us: i64, offset_us: Option<&i64>) -> Result<HopSize> {
    let invalid = |message: &str| Error::invalid_parameter(message);
    if slide_us <= 0 || size_us <= 0 {
        return Err(invalid("the size and slide of a window must be positive"));
    }
    if slide_us > size_us {
        return Err(invalid("the slide of a window must not exceed its size")
            .hint("The slide comes first: HOP(table, time_column, slide, size)."));
    }
    let offset_us = offset_us.map_or(0, |offset| offset.rem_euclid(slide_us));
    Ok(HopSize { slide_us, size_us, offset_us })
}
