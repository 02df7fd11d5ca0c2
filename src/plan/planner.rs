//! The way in: one planner per statement, over one catalog snapshot and the session's values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use chrono::DateTime;
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Result as DataFusionResult, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF,
    TableSource, WindowFunctionDefinition, WindowUDF,
};
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;

use super::analyze::{PostgresCasts, TypeLiterals};
use super::decorrelate::{decorrelate, refuse_outer_aggregates};
use super::field::FieldPlanner;
use super::from::FromPlanner;
use super::lower::{Lowering, holds_subquery};
use super::operator::OperatorPlanner;
use super::relation::{Body, RelationSource, Relations};
use super::scalar::Scalar;
use super::select::Select;
use super::syntax::Functions;
use super::type_name::SqlTypes;
use super::view::{ViewPlan, unique_columns};
use super::window::WindowPlanner;
use super::{
    assign, check, error, function, grouping_set, guarded_rule, logical, origin, prune, recursion,
    set_operation, short_circuit, subquery, syntax, window, window_end, with_ties, zone,
};
use crate::error::{Error, Result, SqlState};
use crate::sql::Positions;
use crate::types::ObjectId;
use crate::types::text::Timezone;

/// What a session contributes to a statement's meaning.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Time of the statement's transaction: microseconds since the Unix epoch (`now()`).
    pub now_us: i64,
    /// In whose clocks instants are read and shown.
    pub timezone: Timezone,
    /// `current_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// `current_schema()`: the first of the search path.
    pub schema: String,
}

/// Plans the queries and expressions of one statement.
pub struct Planner {
    relations: Arc<dyn Relations>,
    session: Session,
    /// DataFusion's registries with the session's functions: copied when something is to be planned,
    /// since many a write has nothing to plan.
    state: OnceLock<Arc<SessionState>>,
    timezone: Timezone,
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Planner")
    }
}

impl Planner {
    /// A planner that finds relations in `relations`.
    #[must_use]
    pub fn new(relations: Arc<dyn Relations>, session: Session) -> Planner {
        let timezone = session.timezone;
        Planner { relations, session, state: OnceLock::new(), timezone }
    }

    fn state(&self) -> &Arc<SessionState> {
        static BASE: OnceLock<SessionState> = OnceLock::new();
        self.state.get_or_init(|| {
            let mut state = BASE.get_or_init(base_state).clone();
            state.execution_props_mut().query_execution_start_time =
                DateTime::from_timestamp_micros(self.session.now_us);
            let functions = function::of_session(&self.session).into_iter();
            for function in functions.chain(self.relations.functions()) {
                let registered = state.register_udf(function);
                debug_assert!(registered.is_ok(), "registering takes any function");
            }
            Arc::new(state)
        })
    }

    /// The same for views that there are, which know no session.
    #[must_use]
    pub fn in_utc(self) -> Planner {
        Planner { timezone: Timezone::default(), ..self }
    }

    /// Plans a query to be run once. `text` is what the query's spans refer to; `parameters` are the
    /// types that the client declared for `$1…` (unknown ones are inferred).
    ///
    /// # Errors
    /// What is wrong with the query, with its position in `text`.
    pub fn query(
        &self,
        query: &ast::Query,
        text: &str,
        parameters: &[Option<FieldRef>],
    ) -> Result<Select> {
        let plan = self.logical(query, text, parameters)?;
        let plan = set_operation::expand(window::expand(plan)?)?;
        let plan = subquery::single_values(plan, false)?;
        let plan = decorrelate(plan, &self.row_number())?;
        let plan = zone::zoned(self.analyzed(plan, text)?, self.timezone)?;
        let schema = origin::with_origins(visible_schema(plan.schema().inner()), &plan);
        Ok(Select {
            relations: scanned(&plan)?.into_keys().collect(),
            schema,
            parameters: parameter_types(&plan, parameters)?,
            plan,
            state: Arc::clone(self.state()),
        })
    }

    /// Like [`Planner::query`], each output column converted to the target at its position as an
    /// assignment converts (`42804` where that is not possible; too few or many columns: `42601`).
    ///
    /// # Errors
    /// What is wrong with the query, with its position in `text`.
    pub fn query_into(
        &self,
        query: &ast::Query,
        text: &str,
        parameters: &[Option<FieldRef>],
        targets: &[FieldRef],
    ) -> Result<Select> {
        let query = assign::typed_literals(query, targets);
        let select = self.query(&query, text, parameters)?;
        let plan = assign::values(select.plan, targets)
            .and_then(|plan| assign::assigned(plan, targets))
            .map_err(|error| error::named(error, text, &Positions::new(text)))?;
        let plan = zone::zoned(plan, self.timezone)?;
        let schema = visible_schema(plan.schema().inner());
        Ok(Select { plan, schema, ..select })
    }

    /// Plans a query to be maintained.
    ///
    /// # Errors
    /// What is wrong with the query, or (`0A000`) what in it cannot be maintained.
    pub fn view(&self, query: &ast::Query, text: &str) -> Result<ViewPlan> {
        let plan = subquery::single_values(self.logical(query, text, &[])?, true)?;
        let plan = decorrelate(plan, &self.row_number())?;
        let analyzed = self.analyzed(plan, text)?;
        if zone::zoned(analyzed.clone(), self.timezone)? != analyzed {
            return Err(Error::unsupported("a view that depends on the session's time zone")
                .hint("Write AT TIME ZONE, or SET TIME ZONE 'UTC' first, which views count in."));
        }
        let analyzed = grouping_set::expand(analyzed)?;
        unique_columns(&analyzed)?;
        let names = scanned(&analyzed)?;
        let lowered = logical::refuse_volatile(&analyzed)
            .and_then(|()| logical::optimize(analyzed, self.state()))
            .and_then(|optimized| {
                let node = Lowering::new(self.state().execution_props()).lower(&optimized)?;
                Ok((prune::prune(window_end::derive(node))?, optimized))
            });
        let (node, optimized) =
            lowered.map_err(|error| error::named(error, text, &Positions::new(text)))?;
        check::check(&node)?;
        let relations = names.keys().copied().collect();
        Ok(ViewPlan { node, logical: optimized.display_indent().to_string(), relations, names })
    }

    fn row_number(&self) -> WindowFunctionDefinition {
        self.window_function("row_number")
    }

    fn window_function(&self, name: &str) -> WindowFunctionDefinition {
        let function = self.state().window_functions().get(name);
        WindowFunctionDefinition::WindowUDF(Arc::clone(function.expect("it is registered")))
    }

    fn analyzed(&self, plan: LogicalPlan, text: &str) -> Result<LogicalPlan> {
        let options = self.state().config_options();
        let analyzed = self.state().analyzer().execute_and_check(plan, options, |_, _| {});
        analyzed.map_err(|error| error::located(error, text))
    }

    /// Plans an expression over the columns of one relation named `relation` (no columns: an empty
    /// schema). With a `target`, its value is converted as an assignment converts.
    ///
    /// # Errors
    /// What is wrong with the expression, with its position in `text`.
    pub fn scalar(
        &self,
        expr: &ast::Expr,
        text: &str,
        relation: &str,
        columns: &SchemaRef,
        target: Option<&FieldRef>,
    ) -> Result<Scalar> {
        let schema = DFSchema::try_from_qualified_schema(TableReference::bare(relation), columns)?;
        let mut expr = expr.clone();
        if let Some(target) = target {
            assign::type_literal(&mut expr, target);
        }
        syntax::rewrite_expr(&mut expr, &self.functions(), &Positions::new(text))?;
        let provider = Provider { planner: self };
        let located = |error| error::located(error, text);
        let planned = SqlToRel::new(&provider)
            .sql_to_expr(expr, &schema, &mut PlannerContext::new())
            .map_err(located)?;
        // A plan of one projection takes the expression through the analyzer.
        let source = Arc::new(RelationSource::columns(relation, columns));
        let input = match columns.fields().is_empty() {
            true => LogicalPlanBuilder::empty(true),
            false => LogicalPlanBuilder::scan(relation, source, None)?,
        };
        let plan = input.project(vec![planned.alias("value")])?.build()?;
        let plan = self.analyzed(plan, text)?;
        let plan = match target {
            Some(target) => assign::assigned(plan, std::slice::from_ref(target))?,
            None => plan,
        };
        let plan = zone::zoned(plan, self.timezone)?;
        let LogicalPlan::Projection(projection) = plan else {
            return Err(Error::internal("a projection became something else"));
        };
        let expr = projection.expr.into_iter().next().expect("one expression was projected");
        let expr = expr.unalias();
        if holds_subquery(&expr) {
            return Err(Error::unsupported("a subquery in this expression"));
        }
        let (_, field) = expr.to_field(&schema)?;
        let expr = short_circuit::guarded(expr, &schema)?.data;
        let expr = self.state().create_physical_expr(expr, &schema)?;
        Ok(Scalar { expr, field })
    }

    fn functions(&self) -> Functions<'_> {
        Functions { state: self.state() }
    }

    /// The plan of `query` before analysis.
    fn logical(
        &self,
        query: &ast::Query,
        text: &str,
        parameters: &[Option<FieldRef>],
    ) -> Result<LogicalPlan> {
        let mut query = query.clone();
        let positions = Positions::new(text);
        syntax::rewrite(&mut query, self.relations.as_ref(), &self.functions(), &positions)?;
        let provider = Provider { planner: self };
        let unnamed = |field: &FieldRef| Arc::new(field.as_ref().clone().with_name(""));
        let types = parameters.iter().map(|field| field.as_ref().map(unnamed));
        let mut context = PlannerContext::new().with_prepare_param_data_types(types.collect());
        let statement = ast::Statement::Query(Box::new(query));
        let plan = SqlToRel::new(&provider)
            .sql_statement_to_plan_with_context(statement, &mut context)
            .map_err(|error| error::located(error, text))?;
        recursion::check(&plan)?;
        let plan = recursion::pinned(plan)?;
        refuse_outer_aggregates(&plan)?;
        let plan = grouping_set::by_columns(subquery::values(set_operation::counted(plan)?)?)?;
        let plan = subquery::predicates(subquery::below_aggregates(plan)?)?;
        let row_number = self.row_number();
        let plan = logical::distinct_on(plan, &row_number)?;
        let rank = self.window_function("rank");
        with_ties::expand(plan, &with_ties::Counting { row_number, rank })
    }
}

/// The types of `$1…`: declared, inferred, or `text`.
pub(crate) fn parameter_types(
    plan: &LogicalPlan,
    declared: &[Option<FieldRef>],
) -> Result<Vec<FieldRef>> {
    let found = plan.get_parameter_fields()?;
    let number = |id: &String| id.trim_start_matches('$').parse::<usize>().unwrap_or(0);
    let count = found.keys().map(number).max().unwrap_or(0).max(declared.len());
    let kind = |index: usize| {
        let name = format!("${}", index + 1);
        let declared = declared.get(index).cloned().flatten();
        let inferred = || found.get(&name).cloned().flatten();
        match declared.or_else(inferred) {
            Some(field) => Arc::new(field.as_ref().clone().with_name(name).with_nullable(true)),
            None => Arc::new(Field::new(name, DataType::Utf8, true)),
        }
    };
    Ok((0..count).map(kind).collect())
}

/// The columns as the user names them.
fn visible_schema(schema: &Schema) -> SchemaRef {
    let field = |field: &FieldRef| {
        Arc::new(field.as_ref().clone().with_name(syntax::visible(field.name())))
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// The stored relations that `plan` reads, with their names.
pub(crate) fn scanned(plan: &LogicalPlan) -> Result<BTreeMap<ObjectId, String>> {
    let mut relations = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<RelationSource>()
        {
            relations.insert(source.relation.id, source.relation.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(relations)
}

/// Most bytes that running queries together may hold, as DataFusion counts: batches that share a buffer
/// count it several times. Beyond that, sorts and groupings go on in temporary files; what cannot fails,
/// which is better than the end of the process.
const MEMORY_MAX: usize = 8 << 30;
/// Most bytes of temporary files.
const SPILLED_MAX: u64 = 16 << 30;

/// Where queries compute.
fn environment() -> Arc<RuntimeEnv> {
    let disk = DiskManagerBuilder::default().with_max_temp_directory_size(SPILLED_MAX);
    let pool = Arc::new(GreedyMemoryPool::new(MEMORY_MAX));
    let builder = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk);
    Arc::new(builder.build().expect("nothing of it is opened"))
}

/// DataFusion's registries and settings, made once per process.
fn base_state() -> SessionState {
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".into());
    // It compares what columns might be null in two plans, of which one has been simplified.
    options.execution.skip_physical_aggregate_schema_check = true;
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment())
        .with_default_features()
        .with_type_planner(Arc::new(SqlTypes))
        .with_analyzer_rules(vec![
            Arc::new(ResolveGroupingFunction::new()),
            Arc::new(TypeLiterals),
            Arc::new(TypeCoercion::new()),
            Arc::new(PostgresCasts),
        ])
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(guarded_rule::physical_rules());
    let exprs = builder.expr_planners().get_or_insert_default();
    exprs.splice(0..0, [Arc::new(OperatorPlanner) as _, Arc::new(FieldPlanner) as _]);
    let relations = builder.relation_planners().get_or_insert_default();
    relations.splice(0..0, [Arc::new(WindowPlanner) as _, Arc::new(FromPlanner) as _]);
    builder.scalar_functions().get_or_insert_default().extend(function::scalars());
    builder.aggregate_functions().get_or_insert_default().extend(function::aggregates());
    builder.window_functions().get_or_insert_default().extend(function::windows());
    builder.build()
}

/// DataFusion's optimizer rules without the one that splits `sum(x), count(DISTINCT y)` into a sum of
/// sums: the result type of a sum depends on its argument's, so the outer sum would have another type.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    rules.retain(|rule| rule.name() != "single_distinct_aggregation_to_group_by");
    guarded_rule::guarded(rules)
}

/// What DataFusion's SQL planner may ask.
struct Provider<'a> {
    planner: &'a Planner,
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(&self, name: TableReference) -> DataFusionResult<Arc<dyn TableSource>> {
        let found = self.planner.relations.find(name.schema(), name.table());
        let relation = found.ok_or_else(|| {
            let names = self.planner.relations.names();
            let full = match name.schema() {
                Some(schema) => format!("{schema}.{}", name.table()),
                None => name.table().to_owned(),
            };
            Error::undefined_table(&full)
                .did_you_mean(name.table(), names.iter().map(String::as_str))
        })?;
        let view = match &relation.body {
            Body::Provided(table) => {
                return Ok(provider_as_source(Arc::clone(table)));
            }
            Body::View { query, text } => Some(self.planner.logical(query, text, &[])?),
            Body::Stored => None,
        };
        Ok(Arc::new(RelationSource::new(relation, view)))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> DataFusionResult<Arc<dyn TableSource>> {
        let state = self.planner.state();
        let name = if name == syntax::LONG_SERIES { "generate_series" } else { name };
        let function = state.table_functions().get(name).ok_or_else(|| {
            let error = format!("function {name} does not exist");
            Error::new(SqlState::UndefinedFunction, error)
                .did_you_mean(name, state.table_functions().keys().map(String::as_str))
        })?;
        let simplifier = ExprSimplifier::new(SimplifyContext::default());
        let schema = DFSchema::empty();
        let args = args
            .into_iter()
            .map(|arg| simplifier.simplify(simplifier.coerce(arg, &schema)?))
            .collect::<DataFusionResult<Vec<_>>>()?;
        let args = TableFunctionArgs::new(&args, state.as_ref());
        Ok(provider_as_source(function.create_table_provider_with_args(args)?))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: Arc<Schema>,
    ) -> DataFusionResult<Arc<dyn TableSource>> {
        let table = datafusion::datasource::cte_worktable::CteWorkTable::new(name, schema);
        Ok(provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.planner.state().expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.planner.state().relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(SqlTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.planner.state().scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.planner.state().higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.planner.state().aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.planner.state().window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.planner.state().config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.planner.state().scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        self.planner.state().aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.planner.state().window_functions().keys().cloned().collect()
    }
}
