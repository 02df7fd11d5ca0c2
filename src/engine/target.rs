//! The table that a statement writes to: its columns, its rules, and the relations through which the
//! statement's expressions see its rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, FieldRef};
use datafusion::catalog::TableProvider;

use super::arguments::Arguments;
use super::maintain::no_column;
use super::reading::Providers;
use super::response::Response;
use super::rows::{Rows, numbered_schema};
use super::rules::Rules;
use super::session::Session;
use crate::catalog::Table;
use crate::error::{Error, Result, SqlState};
use crate::plan::write::{Known, Parts, STATEMENT, null, part_of};
use crate::plan::{Planner, Select};
use crate::sql::statement::{Assignment, Expr, Name, SelectItem};
use crate::sql::{self, Parsed};
use crate::types::definition::Column;
use crate::types::{Delta, ObjectId};

/// Local relation of the stored rows, numbered.
pub(super) const STORED: &str = "stored";
/// Local relation of the rows proposed by an INSERT, numbered.
pub(super) const EXCLUDED: &str = "excluded";
/// Local relation of the rows that a statement has written, for RETURNING.
pub(super) const WRITTEN: &str = "written";

/// A table being written to, in one statement.
pub(super) struct Target {
    /// The table.
    pub(super) table: Table,
    /// Its name in the statement's expressions.
    pub(super) alias: String,
    /// What it demands of rows.
    pub(super) rules: Rules,
    /// Plans the statement's queries.
    pub(super) planner: Planner,
    /// Id of [`STORED`].
    pub(super) stored: ObjectId,
    /// Id of [`EXCLUDED`].
    pub(super) excluded: ObjectId,
    written: ObjectId,
}

impl Session {
    /// The table that a statement writes to.
    ///
    /// # Errors
    /// 42P01, 42809, 42501.
    pub(super) fn target(&self, name: &Name, alias: Option<&String>) -> Result<Target> {
        let mut scope = self.scope();
        let table = scope.table(name)?;
        let schema = crate::types::definition::schema(&table.definition.columns);
        let stored = scope.add_local(STORED, numbered_schema(&schema));
        let excluded = scope.add_local(EXCLUDED, numbered_schema(&schema));
        let written = scope.add_local(WRITTEN, Arc::clone(&schema));
        let planner = self.planner(scope);
        let rules = Rules::plan(&planner, &table)?;
        let alias = alias.unwrap_or(&table.name.name).clone();
        Ok(Target { table, alias, rules, planner, stored, excluded, written })
    }

    /// The answer of a write: its tag, or the rows of its RETURNING over what that reads.
    pub(super) async fn answer(
        &mut self,
        verb: &'static str,
        count: u64,
        returning: Option<(Select, Providers)>,
        arguments: &Arguments,
    ) -> Result<Response> {
        let Some((select, given)) = returning else {
            return Ok(Response::done(format!("{verb} {count}")));
        };
        let select = arguments.bind(select)?;
        let schema = Arc::clone(&select.schema);
        let rows = self.run_select(&select, given).await?;
        Ok(Response::Rows { schema, rows, verb, counted: true })
    }
}

impl Session {
    /// The stored rows of the table, or (if `few`) those that `select` asks for by key, and providers of
    /// everything that it reads: one epoch.
    pub(super) async fn stored(
        &mut self,
        target: &Target,
        select: &Select,
        few: bool,
    ) -> Result<Stored> {
        if few
            && let Some(rows) = self.selected_by_key(select, target.stored, &target.table).await?
        {
            let given = HashMap::from([numbered(target, &rows)]);
            return Ok(Stored { rows, given, looked_up: true });
        }
        let others = select.relations.iter().filter(|id| **id != target.stored);
        let mut ids: Vec<ObjectId> = others.copied().collect();
        ids.push(target.table.id);
        let collections = self.read(&ids).await?;
        let stored = collections.get(target.table.id)?.to_vec();
        let mut given = self.providers(&collections, &ids)?;
        given.extend([numbered(target, &stored)]);
        Ok(Stored { rows: stored, given, looked_up: false })
    }
}

/// The rows that a statement changes some of.
pub(super) struct Stored {
    /// The rows.
    pub(super) rows: Vec<Delta>,
    /// What the statement's query reads.
    pub(super) given: Providers,
    /// Whether only some of the table's rows are among them.
    pub(super) looked_up: bool,
}

fn numbered(target: &Target, rows: &[Delta]) -> (ObjectId, Arc<dyn TableProvider>) {
    (target.stored, Arc::new(Rows::numbered(&target.rules.schema, rows.to_vec())))
}

/// A provider of one batch.
pub(super) fn provider(id: ObjectId, batch: RecordBatch) -> (ObjectId, Arc<dyn TableProvider>) {
    let rows = Rows::new(batch.schema(), vec![Delta::insert(batch)]);
    (id, Arc::new(rows))
}

impl Target {
    /// What a RETURNING over the rows written reads.
    pub(super) fn given(&self, written: RecordBatch) -> Providers {
        HashMap::from([provider(self.written, written)])
    }

    /// How the statement's queries know a local relation.
    pub(super) fn known<'a>(name: &'a str, alias: &'a str) -> Known<'a> {
        Known { schema: STATEMENT, name, alias }
    }

    /// The index of a column that the statement names.
    ///
    /// # Errors
    /// 42703.
    pub(super) fn column(&self, name: &str, position: usize) -> Result<usize> {
        let columns = &self.table.definition.columns;
        columns.iter().position(|column| column.name == name).ok_or_else(|| {
            no_column(name, &self.table.name.name)
                .at(position)
                .did_you_mean(name, columns.iter().map(|column| column.name.as_str()))
        })
    }

    /// The columns that the statement names, each once.
    ///
    /// # Errors
    /// 42703, 42701.
    pub(super) fn columns(&self, names: &[(String, usize)]) -> Result<Vec<usize>> {
        let mut columns = Vec::with_capacity(names.len());
        for (name, position) in names {
            let column = self.column(name, *position)?;
            if columns.contains(&column) {
                return Err(Error::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{name}\" specified more than once"),
                )
                .at(*position));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// The field of a column as the target of an assignment; nulls are refused later, with the row.
    pub(super) fn field(&self, column: usize) -> FieldRef {
        Arc::new(self.rules.schema.field(column).clone().with_nullable(true))
    }

    /// A column's definition.
    pub(super) fn definition(&self, column: usize) -> &Column {
        &self.table.definition.columns[column]
    }

    /// What DEFAULT means in a column.
    ///
    /// # Errors
    /// Never: defaults have been parsed when the table was created.
    pub(super) fn default(&self, column: usize) -> Result<Expr> {
        match &self.definition(column).default {
            Some(text) => sql::parse_expr(text),
            None => Ok(null()),
        }
    }

    /// The columns assigned and their values.
    ///
    /// # Errors
    /// 42703, 42601 for a column assigned twice, 428C9 for a generated one.
    pub(super) fn assignments(&self, assignments: &[Assignment]) -> Result<Vec<(usize, Expr)>> {
        let mut assigned: Vec<(usize, Expr)> = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let column = self.column(&assignment.column, assignment.position)?;
            let name = &assignment.column;
            if assigned.iter().any(|(other, _)| *other == column) {
                return Err(Error::syntax(format!(
                    "multiple assignments to same column \"{name}\""
                ))
                .at(assignment.position));
            }
            let default = sql::is_default(&assignment.value);
            let generated = self.definition(column).generated.is_some();
            let sequence = self.table.definition.sequence(column);
            let identity = sequence.is_some_and(|sequence| sequence.always);
            if generated && default {
                continue;
            }
            if generated || identity && !default {
                let what = match identity {
                    true => "an identity column defined as GENERATED ALWAYS",
                    false => "a generated column",
                };
                return Err(Error::new(
                    SqlState::GeneratedAlways,
                    format!("column \"{name}\" can only be updated to DEFAULT"),
                )
                .detail(format!("Column \"{name}\" is {what}."))
                .at(assignment.position));
            }
            let value = match assignment.part {
                _ if default => self.default(column)?,
                Some((index, count)) => part_of(assignment.value.clone(), index, count),
                None => assignment.value.clone(),
            };
            assigned.push((column, value));
        }
        Ok(assigned)
    }

    /// The plan of a RETURNING list.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn returning(
        &self,
        items: Option<&Vec<SelectItem>>,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Option<Select>> {
        let Some(items) = items else { return Ok(None) };
        let known = Target::known(WRITTEN, &self.alias);
        let query = Parts::from(known)?.items(items).query()?;
        self.planner.query(&query, &parsed.message, &arguments.types).map(Some)
    }

    /// Refuses what an APPEND ONLY table does not take.
    ///
    /// # Errors
    /// 55000.
    pub(super) fn refuse_append_only(&self, verb: &str) -> Result<()> {
        if !self.table.definition.append_only {
            return Ok(());
        }
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("cannot execute {verb} on append-only table \"{}\"", self.table.name.name),
        )
        .hint("Rows of a table created with APPEND ONLY stay; create it without to change them."))
    }
}

/// The field of a row number.
pub(super) fn number_field() -> FieldRef {
    Arc::new(Field::new(super::rows::ROW, arrow::datatypes::DataType::Int64, true))
}
