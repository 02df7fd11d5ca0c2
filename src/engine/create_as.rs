//! CREATE TABLE AS and SELECT INTO: a table with a query's columns, and its rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::arguments::Arguments;
use super::create::{check_columns, columns_of};
use super::define::Defining;
use super::rules::Rules;
use super::session::Session;
use crate::catalog::{Change, Object, Table};
use crate::error::{Error, Result};
use crate::sql::Parsed;
use crate::sql::statement::CreateTableAs;
use crate::types::definition::{Column, TableDefinition, schema};
use crate::types::{SqlType, pg_type};

impl Session {
    /// CREATE TABLE AS. The table is there before its rows are, as after two statements.
    pub(super) async fn create_table_as(
        &mut self,
        create: &CreateTableAs,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Defining> {
        let name = match self.new_name(&create.name, create.if_not_exists)? {
            Ok(name) => name,
            Err(skipped) => return Ok(skipped),
        };
        let planner = self.planner(self.scope());
        let planned = planner.query(&create.query, &parsed.message, &arguments.types)?;
        let columns = table_columns(&planned.schema, &create.columns)?;
        let fields: Vec<FieldRef> = schema(&columns).fields().iter().cloned().collect();
        let select =
            planner.query_into(&create.query, &parsed.message, &arguments.types, &fields)?;
        let definition = TableDefinition { columns, ..TableDefinition::default() };
        let table = Table { id: self.shared.catalog().next_id(), name, definition };
        let mut rows = None;
        if create.with_data {
            let select = arguments.bind(select)?;
            let schema = Arc::clone(&select.schema);
            let batch = concat_batches(&schema, &self.collect(&select, HashMap::new()).await?)?;
            let given = batch.columns().iter().map(|column: &ArrayRef| Some(Arc::clone(column)));
            let rules = Rules::plan(&planner, &table)?;
            rows = Some((table.id, rules.complete(given.collect(), batch.num_rows())?));
        }
        let changes = vec![Change::Create(Object::Table(table))];
        Ok(Defining { changes, rows, ..Defining::default() })
    }
}

/// The columns of a query's table; those without a type of their own are text.
fn table_columns(planned: &SchemaRef, names: &[String]) -> Result<Vec<Column>> {
    if names.len() > planned.fields().len() {
        return Err(Error::syntax("too many column names were specified"));
    }
    let typed = |field: &FieldRef| match field.data_type() {
        DataType::Null => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        // Computed numbers have no scale that later ones would be rounded to.
        DataType::Decimal128(_, _) if !field.metadata().contains_key(pg_type::PG_TYPMOD) => {
            SqlType::Numeric(None).field(field.name(), true).into()
        }
        _ => Arc::clone(field),
    };
    let fields: Vec<FieldRef> = planned.fields().iter().map(typed).collect();
    let mut columns = columns_of(&Arc::new(Schema::new(fields)))?;
    for column in &mut columns {
        column.not_null = false;
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    check_columns(&columns)?;
    Ok(columns)
}
