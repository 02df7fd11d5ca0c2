//! `EXCEPT ALL`, `INTERSECT ALL`, and both without `ALL` where the sides' types must be unified:
//! DataFusion plans them as joins, which neither count rows nor convert columns.
//!
//! ```text
//! Projection (the left side's names)
//!   Repeat: max(l - r, 0) or least(l, r) times
//!     Aggregate: by all columns, l = rows of the left side, r = of the right
//!       Union
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{
    DFSchema, DFSchemaRef, NullEquality, NullHandling, Result as DataFusionResult, ScalarValue,
    UnnestOptions,
};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::functions_nested::range::range_udf;
use datafusion::logical_expr::{
    Distinct, Expr, Extension, Join, JoinType, LogicalPlan, LogicalPlanBuilder,
    UserDefinedLogicalNodeCore, col, lit, when,
};

use super::blank_padded;
use crate::error::{Error, Result};

const LEFT: &str = "__left";
const RIGHT: &str = "__right";
const ROWS: &str = "__rows";

/// Each input row as many times as the last column says, without that column.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Repeat {
    pub(crate) input: Arc<LogicalPlan>,
    pub(crate) schema: DFSchemaRef,
}

impl Repeat {
    fn new(input: LogicalPlan) -> DataFusionResult<Repeat> {
        let mut fields: Vec<_> =
            input.schema().iter().map(|(name, field)| (name.cloned(), Arc::clone(field))).collect();
        fields.pop();
        let schema = DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?;
        Ok(Repeat { input: Arc::new(input), schema: Arc::new(schema) })
    }

    /// The same rows by unnesting an array of as many elements.
    fn plain(&self) -> DataFusionResult<LogicalPlan> {
        let mut columns = self.input.schema().columns();
        let times = columns.pop().ok_or_else(|| Error::internal("a row without a count"))?;
        let columns: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
        let times = range_udf().call(vec![lit(0_i64), Expr::Column(times)]).alias(ROWS);
        let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
        LogicalPlanBuilder::from(self.input.as_ref().clone())
            .project(columns.iter().cloned().chain([times]))?
            .unnest_column_with_options(ROWS, options)?
            .project(columns)?
            .build()
    }
}

impl PartialOrd for Repeat {
    fn partial_cmp(&self, other: &Repeat) -> Option<Ordering> {
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for Repeat {
    fn name(&self) -> &str {
        "Repeat"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repeat")
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> DataFusionResult<Repeat> {
        let input = inputs.pop().ok_or_else(|| Error::internal("Repeat has one input"))?;
        Repeat::new(input)
    }
}

/// `plan`, as it comes from SQL, with set operations that count rows and unify types.
pub(crate) fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(mut join) if is_set_operation(&join) => {
            let sides = [Arc::clone(&join.left), Arc::clone(&join.right)];
            if let Some(sides) = blank_padded::alike(&sides)?
                && let [left, right] = &sides[..]
            {
                (join.left, join.right) = (Arc::clone(left), Arc::clone(right));
                return Ok(Transformed::yes(by_counts(join)?));
            }
            let distinct = matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)));
            if distinct && same_types(join.left.schema(), join.right.schema()) {
                return Ok(Transformed::no(LogicalPlan::Join(join)));
            }
            Ok(Transformed::yes(by_counts(join)?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// Only set operations are planned with a null that equals a null; joins get there when optimized.
fn is_set_operation(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.left.schema().fields().len() == join.right.schema().fields().len()
}

fn same_types(left: &DFSchema, right: &DFSchema) -> bool {
    itertools::zip_eq(left.fields(), right.fields())
        .all(|(one, other)| one.data_type() == other.data_type())
}

fn by_counts(join: Join) -> DataFusionResult<LogicalPlan> {
    let except = join.join_type == JoinType::LeftAnti;
    let names: Vec<_> = join
        .left
        .schema()
        .iter()
        .map(|(name, field)| (name.cloned(), field.name().clone()))
        .collect();
    let columns: Vec<String> = (0..names.len()).map(|index| format!("__column{index}")).collect();
    let side = |plan: LogicalPlan, is_left: bool| {
        let marks = if is_left { [Some(1), None] } else { [None, Some(1)] };
        let marks = marks.map(|mark| Expr::Literal(ScalarValue::Int64(mark), None));
        let exprs = itertools::zip_eq(plan.schema().columns(), &columns)
            .map(|(column, name)| Expr::Column(column).alias(name))
            .chain(itertools::zip_eq(marks, [LEFT, RIGHT]).map(|(mark, name)| mark.alias(name)))
            .collect::<Vec<_>>();
        LogicalPlanBuilder::from(plan).project(exprs)
    };
    // A DISTINCT side has each row once: counting gives the same without it being one.
    let right = side(join.right.as_ref().clone(), false)?.build()?;
    let [left_rows, right_rows] = ["__left_rows", "__right_rows"];
    let group: Vec<Expr> = columns.iter().map(col).collect();
    let times = match except {
        true => col(left_rows) - col(right_rows),
        false => {
            when(col(left_rows).lt(col(right_rows)), col(left_rows)).otherwise(col(right_rows))?
        }
    };
    let counts = [count(col(LEFT)).alias(left_rows), count(col(RIGHT)).alias(right_rows)];
    let counted = side(join.left.as_ref().clone(), true)?
        .union(right)?
        .aggregate(group.clone(), counts)?
        .project(group.into_iter().chain([times.alias(ROWS)]))?
        .build()?;
    let node = Arc::new(Repeat::new(counted)?);
    let output = itertools::zip_eq(columns, names)
        .map(|(column, (qualifier, name))| col(column).alias_qualified(qualifier, name))
        .collect::<Vec<_>>();
    LogicalPlanBuilder::from(LogicalPlan::Extension(Extension { node })).project(output)?.build()
}

/// `plan` with every repetition in plain relational terms.
pub(crate) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    let expanded = plan.transform_up_with_subqueries(|node| {
        let repeat = match &node {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<Repeat>(),
            _ => None,
        };
        match repeat {
            Some(repeat) => Ok(Transformed::yes(repeat.plain()?)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(expanded.data)
}
