//! CREATE SCHEMA, TABLE, SOURCE.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Volatility;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::define::Defining;
use super::rules::Rules;
use super::sequence::name_sequences;
use super::session::Session;
use crate::catalog::{Change, Object, Source, Table};
use crate::connector;
use crate::error::{Error, Result, SqlState};
use crate::runtime::source::{metadata, spec};
use crate::sql::statement::{Create, Name};
use crate::types::definition::{Column, OnError, SourceDefinition, TableDefinition, Watermark};
use crate::types::{ObjectId, QualifiedName, SqlType};

/// Whether an expression gives the same for the same row at any time, to anybody.
fn is_immutable(expr: &Arc<dyn PhysicalExpr>) -> Result<bool> {
    let varies = expr.exists(|part| {
        let function = part.downcast_ref::<ScalarFunctionExpr>();
        Ok(function.is_some_and(|call| call.fun().signature().volatility != Volatility::Immutable))
    })?;
    Ok(!varies)
}

impl Session {
    /// CREATE SCHEMA.
    pub(super) fn create_schema(&self, name: &str, if_not_exists: bool) -> Result<Defining> {
        match self.shared.catalog().create_schema(name) {
            Ok(change) => Ok(Defining::one(change)),
            Err(error) if if_not_exists && error.state() == SqlState::DuplicateSchema => {
                Ok(Defining::nothing(error.state(), format!("{error}, skipping")))
            }
            Err(error) => Err(error),
        }
    }

    /// The full name of a relation to be created; `Err` in `Ok` says that it exists and the statement
    /// does not mind.
    ///
    /// # Errors
    /// 3F000, 42501, 42P07.
    pub(super) fn new_name(
        &self,
        name: &Name,
        if_not_exists: bool,
    ) -> Result<Result<QualifiedName, Defining>> {
        let catalog = self.shared.catalog();
        let path = self.settings.search_path();
        match catalog.name_for_create(name.schema.as_deref(), &name.name, &path) {
            Ok(name) => Ok(Ok(name)),
            Err(error) if if_not_exists && error.state() == SqlState::DuplicateTable => {
                Ok(Err(Defining::nothing(error.state(), format!("{error}, skipping"))))
            }
            Err(error) => Err(error.at(name.position)),
        }
    }

    /// CREATE TABLE.
    pub(super) fn create_table(&self, create: &Create<TableDefinition>) -> Result<Defining> {
        let name = match self.new_name(&create.name, create.if_not_exists)? {
            Ok(name) => name,
            Err(skipped) => return Ok(skipped),
        };
        refuse_watermark(create.definition.watermark.as_ref(), &create.name)?;
        let id = self.shared.catalog().next_id();
        let mut table = Table { id, name, definition: create.definition.clone() };
        name_sequences(&self.shared.catalog(), &mut table);
        check_columns(&table.definition.columns)?;
        let rules = Rules::plan(&self.planner(self.scope()), &table).map_err(Error::unplaced)?;
        rules.check_definition()?;
        Ok(Defining::one(Change::Create(Object::Table(table))))
    }

    /// CREATE SOURCE: the connector is opened once, so that what is wrong is said now.
    pub(super) async fn create_source(
        &self,
        create: &Create<SourceDefinition>,
    ) -> Result<Defining> {
        let name = match self.new_name(&create.name, create.if_not_exists)? {
            Ok(name) => name,
            Err(skipped) => return Ok(skipped),
        };
        refuse_watermark(create.definition.watermark.as_ref(), &create.name)?;
        let catalog = self.shared.catalog();
        let mut definition = create.definition.clone();
        let dependencies = self.dead_letter_table(&definition)?;
        let source = tokio::task::spawn_blocking(move || {
            let mut source = Source {
                id: catalog.next_id(),
                name,
                definition: definition.clone(),
                dependencies,
            };
            if definition.columns.is_empty() {
                definition.columns = columns_of(&connector::columns(&spec(&source))?)?;
            }
            for include in &definition.include {
                definition.columns.push(metadata_column(&include.metadata, &include.column)?);
            }
            source.definition = definition;
            connector::open(&spec(&source), None)?;
            Ok::<Source, Error>(source)
        });
        let source = source
            .await
            .map_err(|error| Error::internal(format!("opening a source failed: {error}")))??;
        check_columns(&source.definition.columns)?;
        Ok(Defining::one(Change::Create(Object::Source(source))))
    }

    fn dead_letter_table(&self, definition: &SourceDefinition) -> Result<Vec<ObjectId>> {
        let OnError::DeadLetter { schema, table } = &definition.on_error else {
            return Ok(vec![]);
        };
        let name = Name { schema: schema.clone(), name: table.clone(), position: 1 };
        let scope = self.scope();
        let table = scope.table(&name).map_err(Error::unplaced)?;
        fits_dead_letters(&table)?;
        Ok(vec![table.id])
    }
}

/// Nothing would follow from a watermark yet, so it is not taken either.
fn refuse_watermark(watermark: Option<&Watermark>, name: &Name) -> Result<()> {
    if watermark.is_none() {
        return Ok(());
    }
    Err(Error::unsupported("WATERMARK")
        .at(name.position)
        .hint("Leave it out: views show every change at once, and no row is too late for them."))
}

/// What is written to a dead letter table must fit it: a record must not be lost over it later.
fn fits_dead_letters(table: &Table) -> Result<()> {
    let name = &table.name.name;
    let unfit = |message: String| {
        Err(Error::new(SqlState::InvalidObjectDefinition, message).hint(
            "A dead letter table may have the columns source, payload, error and sqlstate (text), \
             \"offset\" (bigint) and at (timestamptz); others must allow nulls and have no default.",
        ))
    };
    if !table.definition.checks.is_empty() {
        return unfit(format!("dead letter table \"{name}\" has check constraints"));
    }
    for column in &table.definition.columns {
        let fits = match column.name.as_str() {
            "source" | "payload" | "error" | "sqlstate" => column.sql_type == SqlType::Text,
            "offset" => matches!(column.sql_type, SqlType::Int8 | SqlType::Text),
            "at" => matches!(column.sql_type, SqlType::Timestamptz(_) | SqlType::Timestamp(_)),
            _ => !column.not_null && column.default.is_none(),
        };
        if !fits || column.generated.is_some() {
            let column = &column.name;
            return unfit(format!(
                "column \"{column}\" of dead letter table \"{name}\" does not fit"
            ));
        }
    }
    Ok(())
}

/// No two columns may have one name.
pub(super) fn check_columns(columns: &[Column]) -> Result<()> {
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|other| other.name == column.name) {
            return Err(Error::new(
                SqlState::DuplicateColumn,
                format!("column \"{}\" specified more than once", column.name),
            ));
        }
    }
    Ok(())
}

/// Columns as a definition has them.
pub(super) fn columns_of(schema: &arrow::datatypes::SchemaRef) -> Result<Vec<Column>> {
    let column = |field: &arrow::datatypes::FieldRef| {
        let sql_type = SqlType::of_field(field).ok_or_else(|| {
            Error::unsupported(format!("column \"{}\" of type {}", field.name(), field.data_type()))
                .hint("Cast it to a type that tables can have.")
        })?;
        let mut column = Column::new(field.name(), sql_type);
        column.not_null = !field.is_nullable();
        Ok(column)
    };
    schema.fields().iter().map(column).collect()
}

fn metadata_column(kind: &str, name: &str) -> Result<Column> {
    use connector::Metadata::{File, Offset, Partition, Timestamp};
    let sql_type = match metadata(kind) {
        Some(Offset) => SqlType::Int8,
        Some(Partition) => SqlType::Int4,
        Some(File) => SqlType::Text,
        Some(Timestamp) => SqlType::Timestamptz(None),
        None => {
            return Err(Error::invalid_parameter(format!("there is no metadata \"{kind}\""))
                .hint("INCLUDE takes offset, partition, file and timestamp."));
        }
    };
    Ok(Column::new(name, sql_type))
}

impl Rules {
    /// What only CREATE TABLE checks.
    ///
    /// # Errors
    /// 42804 for a CHECK that is not boolean, 42P17 for a generated column over another one.
    fn check_definition(&self) -> Result<()> {
        for (name, check) in &self.checks {
            if check.field.data_type() != &DataType::Boolean {
                return Err(Error::new(
                    SqlState::DatatypeMismatch,
                    format!(
                        "argument of CHECK must be type boolean, not type {} (constraint \"{name}\")",
                        crate::types::pg_type::of_field(&check.field).sql_name
                    ),
                ));
            }
        }
        for (column, default) in itertools::zip_eq(&self.table.definition.columns, &self.defaults) {
            // A literal that its column cannot take is told now, as Postgres does.
            let literal = column.default.as_ref().is_some_and(|text| text.starts_with('\''));
            if let Some(default) = default.as_ref().filter(|_| literal) {
                default.evaluate(&super::rules::blank(1)?)?;
            }
        }
        for (index, generated) in &self.generated {
            for column in collect_columns(&generated.expr) {
                if self.generated.iter().any(|(other, _)| *other == column.index()) {
                    return Err(Error::new(
                        SqlState::InvalidObjectDefinition,
                        format!(
                            "cannot use generated column \"{}\" in column generation expression",
                            column.name()
                        ),
                    )
                    .detail("A generated column cannot reference another generated column."));
                }
            }
            if !is_immutable(&generated.expr)? {
                return Err(Error::new(
                    SqlState::InvalidObjectDefinition,
                    format!(
                        "generation expression of column \"{}\" is not immutable",
                        self.schema.field(*index).name()
                    ),
                ));
            }
        }
        Ok(())
    }
}
