//! Rows of system relations: written by column name as text, read by DataFusion as Arrow. The
//! relations are small; what the catalog and the session contribute is made anew for each statement.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;

use super::context::Context;
use super::layout::{Layout, LayoutColumn, static_rows};
use super::relation;
use crate::error::Result;
use crate::types::pg_type;
use crate::types::text::{Style, decode};

/// A relation being filled, column by column.
pub(super) struct Table {
    layout: &'static Layout,
    columns: Vec<Vec<Option<String>>>,
    rows: usize,
}

impl Table {
    pub(super) fn new(layout: &'static Layout) -> Table {
        Table { layout, columns: vec![vec![]; layout.columns.len()], rows: 0 }
    }

    /// Adds a row; columns that are not named are null, or zero, false or empty where the relation
    /// says NOT NULL.
    pub(super) fn push(&mut self, cells: &[(&str, &dyn fmt::Display)]) {
        for (column, layout) in itertools::zip_eq(&mut self.columns, &self.layout.columns) {
            let cell = cells.iter().find(|(name, _)| *name == layout.name);
            column.push(match cell {
                Some((_, value)) => Some(value.to_string()),
                None => default(layout),
            });
        }
        self.rows += 1;
        debug_assert!(
            cells.iter().all(|(name, _)| self.layout.columns.iter().any(|c| c.name == *name)),
            "a row of {} names a column that it does not have",
            self.layout.name,
        );
    }

    /// Makes a cell of the last row null.
    pub(super) fn set_null(&mut self, name: &str) {
        let index = self.layout.columns.iter().position(|column| column.name == name);
        let column = index.map(|index| &mut self.columns[index]);
        if let Some(cell) = column.and_then(|column| column.last_mut()) {
            *cell = None;
        }
    }

    /// Adds the exported rows.
    pub(super) fn push_static(&mut self) {
        let fixed = static_rows(self.layout.name);
        for row in 0..fixed.rows.len() {
            for (column, layout) in itertools::zip_eq(&mut self.columns, &self.layout.columns) {
                let known = fixed.header.contains(&layout.name);
                let cell = fixed.get(row, layout.name).map(str::to_owned);
                column.push(if known { cell } else { default(layout) });
            }
        }
        self.rows += fixed.rows.len();
    }

    fn batch(&self) -> Result<RecordBatch> {
        let arrays = itertools::zip_eq(&self.columns, self.layout.arrow.fields())
            .map(|(column, field)| {
                let texts: Vec<Option<&str>> = column.iter().map(Option::as_deref).collect();
                decode(&texts, field, &Style::default())
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let schema = Arc::clone(&self.layout.arrow);
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }
}

fn default(column: &LayoutColumn) -> Option<String> {
    if !column.not_null {
        return None;
    }
    let text = match column.pg_type {
        _ if column.array => "{}",
        pg_type::BOOL => "f",
        pg_type::TEXT | pg_type::NAME => "",
        _ => "0",
    };
    Some(text.to_owned())
}

/// The rows that are the same in every database, made once per process.
fn fixed(layout: &'static Layout) -> Result<RecordBatch> {
    static MADE: Mutex<BTreeMap<u32, RecordBatch>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock();
    if let Some(batch) = made.get(&layout.oid) {
        return Ok(batch.clone());
    }
    let mut table = Table::new(layout);
    relation::fill_fixed(&mut table, layout);
    let batch = table.batch()?;
    made.insert(layout.oid, batch.clone());
    Ok(batch)
}

/// A system relation as DataFusion reads it.
pub(super) struct Provider {
    layout: &'static Layout,
    context: Arc<Context>,
}

impl Provider {
    pub(super) fn new(layout: &'static Layout, context: Arc<Context>) -> Provider {
        Provider { layout, context }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layout.schema, self.layout.name)
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.layout.arrow)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut table = Table::new(self.layout);
        relation::fill(&self.context, &mut table, self.layout);
        let batches = vec![fixed(self.layout)?, table.batch()?];
        let schema = Arc::clone(&self.layout.arrow);
        Ok(MemorySourceConfig::try_new_exec(&[batches], schema, projection.cloned())?)
    }
}
