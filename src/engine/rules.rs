//! What a table demands of its rows: defaults, generated columns, NOT NULL, CHECK.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};

use crate::catalog::Table;
use crate::error::{Error, Result, SqlState, Subject};
use crate::plan::{Planner, Scalar};
use crate::sql;
use crate::types::definition;
use crate::types::text::{self, Style};

/// Rows without columns.
pub(super) fn blank(rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?)
}

/// A table's rules, planned.
pub(super) struct Rules {
    pub(super) table: Table,
    /// The table's columns.
    pub(super) schema: SchemaRef,
    pub(super) defaults: Vec<Option<Scalar>>,
    pub(super) generated: Vec<(usize, Scalar)>,
    pub(super) checks: Vec<(String, Scalar)>,
}

impl Rules {
    /// Plans a table's expressions.
    ///
    /// # Errors
    /// At CREATE TABLE: what is wrong with them.
    pub(super) fn plan(planner: &Planner, table: &Table) -> Result<Rules> {
        let schema = definition::schema(&table.definition.columns);
        let nothing = Arc::new(Schema::empty());
        let name = &table.name.name;
        // What expressions see before the rules have been applied: any column may be null.
        let open = nullable(&schema);
        let (mut defaults, mut generated) = (vec![], vec![]);
        for (index, column) in table.definition.columns.iter().enumerate() {
            let field = &schema.fields()[index];
            let plan = |text: &String, columns: &SchemaRef| {
                planner.scalar(&sql::parse_expr(text)?, text, name, columns, Some(field))
            };
            let default = column.default.as_ref().map(|text| {
                plan(text, &nothing).map_err(|error| match error.state() {
                    SqlState::UndefinedColumn => Error::new(
                        SqlState::FeatureNotSupported,
                        "cannot use column reference in DEFAULT expression",
                    ),
                    _ => error,
                })
            });
            defaults.push(default.transpose()?);
            if let Some(text) = &column.generated {
                generated.push((index, plan(text, &open)?));
            }
        }
        let checks = table.definition.checks.iter().map(|check| {
            let expr = sql::parse_expr(&check.expr)?;
            Ok((check.name.clone(), planner.scalar(&expr, &check.expr, name, &open, None)?))
        });
        let checks = checks.collect::<Result<_>>()?;
        Ok(Rules { table: table.clone(), schema, defaults, generated, checks })
    }

    /// Complete, checked rows from the columns given; missing ones get their defaults, generated ones
    /// are computed.
    ///
    /// # Errors
    /// 23502, 23514, or what an expression fails with.
    pub(super) fn complete(
        &self,
        given: Vec<Option<ArrayRef>>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let blank = blank(rows)?;
        let mut columns = Vec::with_capacity(given.len());
        for (index, column) in given.into_iter().enumerate() {
            let data_type = self.schema.field(index).data_type();
            columns.push(match (column, &self.defaults[index]) {
                (Some(column), _) => column,
                (None, Some(default)) => default.evaluate(&blank)?,
                (None, None) => arrow::array::new_null_array(data_type, rows),
            });
        }
        self.enforce(columns, rows)
    }

    /// The rows with generated columns computed and all rules checked.
    ///
    /// # Errors
    /// As [`Rules::complete`].
    pub(super) fn enforce(&self, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let open = nullable(&self.schema);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let assemble = |columns: &[ArrayRef]| {
            RecordBatch::try_new_with_options(Arc::clone(&open), columns.to_vec(), &options)
        };
        if !self.generated.is_empty() {
            // Generated columns cannot read each other, so all are computed from the given ones.
            let batch = assemble(&columns)?;
            for (index, generated) in &self.generated {
                columns[*index] = generated.evaluate(&batch)?;
            }
        }
        let batch = assemble(&columns)?;
        self.check_nulls(&batch)?;
        self.check_constraints(&batch)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn subject(&self) -> Subject {
        let name = &self.table.name;
        Subject { schema: name.schema.clone(), table: name.name.clone(), ..Subject::default() }
    }

    fn check_nulls(&self, batch: &RecordBatch) -> Result<()> {
        for (index, column) in batch.columns().iter().enumerate() {
            if self.schema.field(index).is_nullable() {
                continue;
            }
            let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
                continue;
            };
            let row = (0..batch.num_rows()).find(|&row| nulls.is_null(row)).unwrap_or(0);
            let message = format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                self.schema.field(index).name(),
                self.table.name.name
            );
            let column = Some(self.schema.field(index).name().clone());
            let error = Error::new(SqlState::NotNullViolation, message)
                .about(Subject { column, ..self.subject() });
            return Err(failing(error, batch, row));
        }
        Ok(())
    }

    fn check_constraints(&self, batch: &RecordBatch) -> Result<()> {
        for (name, check) in &self.checks {
            let verdict = check.evaluate(batch)?;
            let verdict = verdict.as_boolean();
            // Null satisfies a CHECK.
            let failed =
                (0..verdict.len()).find(|&row| verdict.is_valid(row) && !verdict.value(row));
            if let Some(row) = failed {
                let message = format!(
                    "new row for relation \"{}\" violates check constraint \"{name}\"",
                    self.table.name.name
                );
                let constraint = Some(name.clone());
                let error = Error::new(SqlState::CheckViolation, message)
                    .about(Subject { constraint, ..self.subject() });
                return Err(failing(error, batch, row));
            }
        }
        Ok(())
    }
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let open = |field: &Arc<arrow::datatypes::Field>| field.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(open).collect::<Vec<_>>()))
}

/// Adds the detail `Failing row contains (…)`.
fn failing(error: Error, batch: &RecordBatch, row: usize) -> Error {
    match row_text(batch, row) {
        Ok(text) => error.detail(format!("Failing row contains ({text}).")),
        Err(_) => error,
    }
}

/// A row's values as text, separated by commas.
pub(super) fn row_text(batch: &RecordBatch, row: usize) -> Result<String> {
    const LONGEST: usize = 64;
    let schema = batch.schema();
    let value = |(column, field): (&ArrayRef, &Arc<arrow::datatypes::Field>)| {
        let cells = text::encode(&column.slice(row, 1), field, &Style::default())?;
        let Some(bytes) = cells.get(0) else { return Ok("null".to_owned()) };
        let text = String::from_utf8_lossy(bytes);
        Ok(match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.into_owned(),
        })
    };
    let values = itertools::zip_eq(batch.columns(), schema.fields()).map(value);
    Ok(values.collect::<Result<Vec<_>>>()?.join(", "))
}
