//! Queries of tools over the system's relations: recognized, rewritten, planned apart from the
//! queries of users.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr as Expression, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, Expr, ObjectName, Query, Visit, Visitor};

use super::context::Context;
use super::{function, kind, layout, naming, reference, rewrite, table};
use crate::error::{Error, Result};
use crate::plan::function::of_catalogs;
use crate::plan::{Select, parameter_types};
use crate::sql::visit::Walk;

/// Whether a query reads system relations only, or calls system functions over no relation at all.
#[must_use]
pub fn owns(query: &Query) -> bool {
    let mut names = Names::default();
    let _complete = query.visit(&mut Walk(&mut names));
    let common = &names.common;
    let stored = |name: &&Vec<String>| {
        !(is_table_function(name) || name.len() == 1 && common.contains(&name[0]))
    };
    let mut relations = names.relations.iter().filter(stored).peekable();
    if relations.peek().is_none() {
        return names.calls_system;
    }
    relations.all(|name| find(name).is_some())
}

fn find(name: &[String]) -> Option<&'static layout::Layout> {
    match name {
        [name] => layout::find(layout::PG_CATALOG, name),
        [schema, name] | [_, schema, name] => layout::find(schema, name),
        _ => None,
    }
}

fn is_table_function(name: &[String]) -> bool {
    let name = name.last().map(String::as_str);
    matches!(name, Some("generate_series" | "unnest" | "aclexplode" | "generate_subscripts"))
}

/// The lower-case parts of a name.
fn parts(name: &ObjectName) -> Vec<String> {
    let ident = |part: &ast::ObjectNamePart| {
        part.as_ident().map(|ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        })
    };
    name.0.iter().filter_map(ident).collect()
}

/// What a query names.
#[derive(Default)]
struct Names {
    relations: Vec<Vec<String>>,
    /// Names of common table expressions.
    common: BTreeSet<String>,
    calls_system: bool,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.common.extend(tables.map(|table| table.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.relations.push(parts(relation));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(call) => {
                let name = parts(&call.name);
                self.calls_system |= match name.as_slice() {
                    [name] => function::exists(name),
                    [schema, _] => schema == layout::PG_CATALOG,
                    _ => false,
                };
            }
            Expr::Cast { data_type, .. } => {
                self.calls_system |= reference::is_reference_type(data_type);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Plans a query that [`owns`] has recognized. `parameters` are the types declared for `$1…`.
///
/// # Errors
/// What is wrong with the query.
pub fn plan(
    context: &Arc<Context>,
    query: &Query,
    parameters: &[Option<FieldRef>],
) -> Result<Select> {
    let parameters = &declared_by_casts(query, parameters);
    let mut query = query.clone();
    rewrite::rewrite(&mut query);
    let mut state = base_state().clone();
    for function in function::all(context) {
        state.register_udf(function)?;
    }
    let provider = Provider { context, state: &state };
    let mut planner_context =
        PlannerContext::new().with_prepare_param_data_types(parameters.clone());
    let statement = ast::Statement::Query(Box::new(query));
    let plan = SqlToRel::new(&provider)
        .sql_statement_to_plan_with_context(statement, &mut planner_context)?;
    let parameters = parameter_types(&plan, parameters)?;
    let schema = schema(&kind::with_kinds(&plan));
    Ok(Select { plan, schema, relations: vec![], parameters, state: Arc::new(state) })
}

/// The types declared for `$1…`, completed by casts to types that DataFusion does not have (`$1::oid[]`).
fn declared_by_casts(query: &Query, declared: &[Option<FieldRef>]) -> Vec<Option<FieldRef>> {
    let mut casts = Casts { types: declared.to_vec() };
    let _complete = query.visit(&mut Walk(&mut casts));
    casts.types
}

struct Casts {
    types: Vec<Option<FieldRef>>,
}

impl Visitor for Casts {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr, data_type, .. } = expr
            && let Expr::Value(value) = expr.as_ref()
            && let ast::Value::Placeholder(name) = &value.value
            && let Some(Ok(number @ 1..=1000)) = name.strip_prefix('$').map(str::parse::<usize>)
            && let Some(field) = rewrite::catalog_type(data_type)
        {
            self.types.resize(self.types.len().max(number), None);
            self.types[number - 1].get_or_insert_with(|| Arc::new(field));
        }
        ControlFlow::Continue(())
    }
}

/// Output columns under the names that PostgreSQL gives them.
fn schema(planned: &SchemaRef) -> SchemaRef {
    let named =
        |field: &Arc<Field>| field.as_ref().clone().with_name(naming::shown_name(field.name()));
    Arc::new(Schema::new(planned.fields().iter().map(named).collect::<Vec<_>>()))
}

/// DataFusion's registries, made once per process.
fn base_state() -> &'static SessionState {
    static BASE: OnceLock<SessionState> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut config =
            SessionConfig::new().with_target_partitions(1).with_information_schema(false);
        let options = config.options_mut();
        options.sql_parser.map_string_types_to_utf8view = false;
        options.execution.time_zone = Some("UTC".into());
        let mut state =
            SessionStateBuilder::new().with_config(config).with_default_features().build();
        let ours = of_catalogs(|name| state.scalar_functions().contains_key(name));
        for function in ours {
            let registered = state.register_udf(function);
            debug_assert!(registered.is_ok(), "registering takes any function");
        }
        state
    })
}

/// What DataFusion's SQL planner may ask.
struct Provider<'a> {
    context: &'a Arc<Context>,
    state: &'a SessionState,
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(&self, name: TableReference) -> DataFusionResult<Arc<dyn TableSource>> {
        let schema = name.schema().unwrap_or(layout::PG_CATALOG);
        let layout = layout::find(schema, name.table())
            .ok_or_else(|| Error::undefined_table(&name.to_string()))?;
        Ok(provider_as_source(Arc::new(table::Provider::new(layout, Arc::clone(self.context)))))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expression>,
    ) -> DataFusionResult<Arc<dyn TableSource>> {
        let function = self.state.table_functions().get(name).cloned().ok_or_else(|| {
            Error::new(
                crate::error::SqlState::UndefinedFunction,
                format!("function {name} does not exist"),
            )
        })?;
        // What stands for a constant is computed now: table functions take literals.
        let simplifier = ExprSimplifier::new(SimplifyContext::default());
        let schema = DFSchema::empty();
        let args = args
            .into_iter()
            .map(|arg| {
                let arg = simplifier.simplify(simplifier.coerce(arg, &schema)?)?;
                Ok(match arg {
                    Expression::Literal(value, metadata) if value.data_type().is_integer() => {
                        Expression::Literal(value.cast_to(&DataType::Int64)?, metadata)
                    }
                    other => other,
                })
            })
            .collect::<DataFusionResult<Vec<_>>>()?;
        let args = TableFunctionArgs::new(&args, self.state);
        Ok(provider_as_source(function.create_table_provider_with_args(args)?))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> DataFusionResult<Arc<dyn TableSource>> {
        let table = datafusion::datasource::cte_worktable::CteWorkTable::new(name, schema);
        Ok(provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
