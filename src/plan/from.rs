//! What DataFusion does not plan in FROM as Postgres does: functions that return rows, and aliases that name
//! some of a relation's columns.

use arrow::datatypes::DataType;
use datafusion::common::{
    Column, DFSchema, NullHandling, Result as DataFusionResult, ScalarValue, UnnestOptions,
};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, TableAlias, TableFactor};

use itertools::izip;

use super::function::ordinals_function;
use super::syntax::{LONG_SERIES, distinct};
use super::undefined::undefined_function;
use crate::error::{Error, Result, SqlState};
use crate::types::pg_type;

/// Plans `unnest(…) [WITH ORDINALITY]`, which stands for `generate_series` too, and column aliases.
#[derive(Debug)]
pub(crate) struct FromPlanner;

impl RelationPlanner for FromPlanner {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        if let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = relation {
            let planned = unnest(alias, array_exprs, with_ordinality, context)?;
            return Ok(RelationPlanning::Planned(Box::new(planned)));
        }
        let long = matches!(&relation, TableFactor::Table { name, args: Some(_), .. }
            if name.to_string() == LONG_SERIES);
        if long && let TableFactor::Table { alias: alias @ None, .. } = &mut relation {
            *alias = Some(named("generate_series"));
        }
        let alias = match &mut relation {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias,
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let Some(named) = alias.take_if(|alias| long || !alias.columns.is_empty()) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let plan = if long { series(relation, context)? } else { context.plan(relation)? };
        let names = match long {
            true => vec![context.normalize_ident(named.name.clone())],
            false => plan.schema().fields().iter().map(|field| field.name().clone()).collect(),
        };
        let names = renamed(names, &named, context)?;
        let columns = itertools::zip_eq(plan.schema().columns(), distinct(names));
        let columns: Vec<Expr> =
            columns.map(|(column, name)| Expr::Column(column).alias(name)).collect();
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        let alias = TableAlias { columns: vec![], ..named };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: false, name: ast::Ident::new(name), columns: vec![], at: None }
}

/// A long series as DataFusion makes it, row by row, in Postgres' type.
fn series(
    mut relation: TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> DataFusionResult<LogicalPlan> {
    let TableFactor::Table { name, args: Some(args), .. } = &mut relation else {
        return context.plan(relation);
    };
    let wide = |arg: &ast::FunctionArg| arg.to_string().parse::<i32>().is_err();
    let kind = if args.args.iter().any(wide) { DataType::Int64 } else { DataType::Int32 };
    let provider = std::mem::replace(name, ast::ObjectName::from(vec![]));
    let args = args.args.iter().filter_map(|arg| arg.to_string().parse::<i64>().ok());
    let args = args.map(|number| Expr::Literal(ScalarValue::Int64(Some(number)), None)).collect();
    let source =
        context.context_provider().get_table_function_source(&provider.to_string(), args)?;
    let scan = LogicalPlanBuilder::scan(LONG_SERIES, source, None)?;
    let column = Expr::Column(scan.schema().columns().swap_remove(0));
    let value = column.cast_to(&kind, scan.schema())?.alias("value");
    scan.project([value])?.build()
}

/// `names`, the first of them as the alias has them.
fn renamed(
    mut names: Vec<String>,
    alias: &TableAlias,
    context: &dyn RelationPlannerContext,
) -> Result<Vec<String>> {
    if alias.columns.len() > names.len() {
        return Err(Error::new(
            SqlState::InvalidColumnReference,
            format!(
                "table \"{}\" has {} columns available but {} columns specified",
                context.normalize_ident(alias.name.clone()),
                names.len(),
                alias.columns.len()
            ),
        ));
    }
    for (name, column) in names.iter_mut().zip(&alias.columns) {
        *name = context.normalize_ident(column.name.clone());
    }
    Ok(names)
}

/// Arrays side by side, each element a row; what is shorter is padded with nulls.
fn unnest(
    alias: Option<TableAlias>,
    arrays: Vec<ast::Expr>,
    ordinality: bool,
    context: &mut dyn RelationPlannerContext,
) -> Result<PlannedRelation> {
    const FUNCTION: &str = "unnest";
    let empty = DFSchema::empty();
    let mut exprs = vec![];
    for array in arrays {
        let expr = context.sql_to_expr(array, &empty)?;
        let kind = expr.get_type(&empty)?;
        if pg_type::element(&kind).is_none() {
            return Err(undefined_function(FUNCTION, &[kind]));
        }
        exprs.push(expr);
    }
    let called = match &alias {
        Some(alias) if exprs.len() == 1 => context.normalize_ident(alias.name.clone()),
        _ => FUNCTION.to_owned(),
    };
    let mut names = vec![called; exprs.len()];
    if ordinality {
        names.push("ordinality".to_owned());
        exprs.push(ordinals_function().call(exprs.clone()));
    }
    let alias = match alias {
        Some(alias) => {
            names = renamed(names, &alias, context)?;
            TableAlias { columns: vec![], ..alias }
        }
        None => named(FUNCTION),
    };
    let plan = rows(exprs, distinct(names))?;
    Ok(PlannedRelation::new(plan, Some(alias)))
}

fn rows(arrays: Vec<Expr>, names: Vec<String>) -> DataFusionResult<LogicalPlan> {
    let empty = DFSchema::empty();
    let field = |array: &Expr| match array.get_type(&empty)? {
        DataType::List(item) if !item.metadata().is_empty() => Ok(Some(item)),
        _ => Ok(None),
    };
    let fields = arrays.iter().map(field).collect::<DataFusionResult<Vec<_>>>()?;
    let plain: Vec<String> = (0..arrays.len()).map(|number| format!("__array{number}")).collect();
    let columns = itertools::zip_eq(arrays, &plain).map(|(array, name)| array.alias(name));
    let unnested = plain.iter().map(Column::from_name).collect();
    let output = izip!(&plain, names, fields).map(|(column, name, field)| {
        let element = Expr::Column(Column::from_name(column));
        // What its type alone does not say of an element is lost on the way.
        match field {
            Some(field) => Expr::Cast(Cast { expr: Box::new(element), field }).alias(name),
            None => element.alias(name),
        }
    });
    LogicalPlanBuilder::empty(true)
        .project(columns.collect::<Vec<_>>())?
        .unnest_columns_with_options(
            unnested,
            UnnestOptions::new().with_null_handling(NullHandling::Drop),
        )?
        .project(output.collect::<Vec<_>>())?
        .build()
}
