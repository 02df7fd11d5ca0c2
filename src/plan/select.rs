//! A planned query, to be run once by DataFusion over the collections of one epoch.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::metadata::{FieldMetadata, ScalarAndMetadata};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::datasource::{DefaultTableSource, TableType};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};

use super::relation::RelationSource;
use super::short_circuit;
use super::stop::{self, Stop};
use crate::error::{Error, Result};
use crate::types::ObjectId;

/// A planned query.
#[derive(Clone)]
pub struct Select {
    /// The analyzed plan, before optimization.
    pub plan: LogicalPlan,
    /// Output columns as the client sees them: names may repeat.
    pub schema: SchemaRef,
    /// Stored relations read, each once.
    pub relations: Vec<ObjectId>,
    /// Types of `$1`, `$2`, …
    pub parameters: Vec<FieldRef>,
    pub(crate) state: Arc<SessionState>,
}

/// A query about to run.
pub struct Execution {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl Execution {
    /// Lets it run: on who polls the rows, and on tasks of the current runtime.
    ///
    /// # Errors
    /// What starting it reports.
    pub fn start(self) -> Result<SendableRecordBatchStream> {
        Ok(execute_stream(self.plan, self.context)?)
    }
}

impl Select {
    /// The same query with values for its parameters.
    ///
    /// # Errors
    /// If their number or types do not fit.
    pub fn bind(mut self, values: Vec<ScalarValue>) -> Result<Select> {
        if values.len() != self.parameters.len() {
            return Err(Error::new(
                crate::error::SqlState::ProtocolViolation,
                format!(
                    "bind message supplies {} parameters, but the statement requires {}",
                    values.len(),
                    self.parameters.len()
                ),
            ));
        }
        let described = |(value, field): (ScalarValue, &FieldRef)| {
            let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(&**field));
            ScalarAndMetadata::new(value, metadata)
        };
        let values = itertools::zip_eq(values, &self.parameters).map(described).collect();
        self.plan = self.plan.replace_params_with_values(&ParamValues::List(values))?;
        self.parameters.clear();
        Ok(self)
    }

    /// Runs it, until `stop` is used. The batches have [`Select::schema`]'s types; give them its names with
    /// [`Select::rename`].
    ///
    /// # Errors
    /// What planning its execution reports; failures of expressions come in the stream.
    pub async fn execute(
        &self,
        tables: &HashMap<ObjectId, Arc<dyn TableProvider>>,
        stop: &Stop,
    ) -> Result<SendableRecordBatchStream> {
        self.execution(tables, stop).await?.start()
    }

    /// The same, not yet running.
    ///
    /// # Errors
    /// What planning its execution reports.
    pub async fn execution(
        &self,
        tables: &HashMap<ObjectId, Arc<dyn TableProvider>>,
        stop: &Stop,
    ) -> Result<Execution> {
        let plan = with_tables(self.plan.clone(), tables)?;
        let plan = short_circuit::guarded_plan(self.state.optimize(&plan)?)?;
        let planner = self.state.query_planner();
        let physical = planner.create_physical_plan(&plan, self.state.as_ref()).await?;
        let plan = stop::stoppable(physical, stop)?;
        Ok(Execution { plan, context: self.state.task_ctx() })
    }

    /// A batch of [`Select::execute`] with this query's column names.
    ///
    /// # Errors
    /// If the batch is not one of this query.
    pub fn rename(&self, batch: &arrow::array::RecordBatch) -> Result<arrow::array::RecordBatch> {
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(arrow::array::RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            batch.columns().to_vec(),
            &options,
        )?)
    }
}

/// `plan` reading its stored relations from `tables`.
fn with_tables(
    plan: LogicalPlan,
    tables: &HashMap<ObjectId, Arc<dyn TableProvider>>,
) -> Result<LogicalPlan> {
    let bound = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let Some(source) = scan.source.downcast_ref::<RelationSource>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let id = source.relation.id;
        let table = tables.get(&id).ok_or_else(|| {
            Error::internal(format!("no rows were provided for \"{}\"", source.relation.name))
        })?;
        debug_assert!(table.table_type() != TableType::View, "views are planned away");
        scan.source = Arc::new(DefaultTableSource::new(Arc::clone(table)));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(bound.data)
}
