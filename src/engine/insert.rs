//! INSERT: rows from VALUES or a query, completed and checked, with ON CONFLICT and RETURNING.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;

use super::arguments::Arguments;
use super::change::policy;
use super::response::Response;
use super::session::Session;
use super::target::Target;
use super::upsert::Upsert;
use crate::error::{Error, Result, SqlState};
use crate::plan::Select;
use crate::plan::write::{fill_defaults, values_of};
use crate::runtime::request::Conflict;
use crate::sql::sqlparser::ast::Spanned;
use crate::sql::statement::{ConflictAction, Expr, Insert, OnConflict, Query};
use crate::sql::{self, Parsed};

/// A planned INSERT.
pub(super) struct InsertPlan {
    pub(super) target: Target,
    /// The table's columns to which the source's columns go, in order.
    columns: Vec<usize>,
    /// The source; `None` for `DEFAULT VALUES`.
    pub(super) source: Option<Select>,
    conflict: Action,
    pub(super) returning: Option<Select>,
}

/// What happens to rows whose key exists.
enum Action {
    /// What the runtime can do by itself.
    Simple(Conflict),
    /// `DO UPDATE`.
    Update(Box<Upsert>),
}

impl InsertPlan {
    /// Its queries.
    pub(super) fn selects(&self) -> [Option<&Select>; 3] {
        let update = match &self.conflict {
            Action::Update(upsert) => Some(&upsert.select),
            Action::Simple(_) => None,
        };
        [self.source.as_ref(), update, self.returning.as_ref()]
    }
}

impl Session {
    /// INSERT.
    pub(super) async fn insert(
        &mut self,
        insert: &Insert,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        self.refuse_read_only("INSERT")?;
        let plan = self.plan_insert(insert, parsed, arguments)?;
        let (columns, count) = match plan.source {
            None => (vec![None; plan.target.rules.schema.fields().len()], 1),
            Some(source) => {
                let source = arguments.bind(source)?;
                let schema = Arc::clone(&source.schema);
                let batches = self.collect(&source, HashMap::new()).await?;
                let rows = concat_batches(&schema, &batches)?;
                let width = plan.target.rules.schema.fields().len();
                (spread(&rows, &plan.columns, width), rows.num_rows())
            }
        };
        let rows = plan.target.rules.complete(columns, count)?;
        let (count, written) = match plan.conflict {
            Action::Simple(conflict) => {
                self.insert_rows(&plan.target.table, rows, conflict).await?
            }
            Action::Update(upsert) => self.upsert(&plan.target, *upsert, &rows, arguments).await?,
        };
        let returning = plan.returning.map(|select| (select, plan.target.given(written)));
        self.answer("INSERT 0", count, returning, arguments).await
    }

    /// The plan of an INSERT, parameters not yet bound.
    pub(super) fn plan_insert(
        &self,
        insert: &Insert,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<InsertPlan> {
        let target = self.target(&insert.table, insert.alias.as_ref())?;
        let mut columns = target.columns(&insert.columns)?;
        let source = match &insert.source {
            None => None,
            Some(query) => {
                Some(plan_source(&target, insert, query, &mut columns, parsed, arguments)?)
            }
        };
        let conflict = conflict(&target, insert.on_conflict.as_ref(), parsed, arguments)?;
        let returning = target.returning(insert.returning.as_ref(), parsed, arguments)?;
        Ok(InsertPlan { target, columns, source, conflict, returning })
    }
}

/// Plans the rows' query, each column converted to its target's type; without a column list, `columns`
/// becomes the table's first ones.
fn plan_source(
    target: &Target,
    insert: &Insert,
    query: &Query,
    columns: &mut Vec<usize>,
    parsed: &Parsed,
    arguments: &Arguments,
) -> Result<Select> {
    let mut query = query.clone();
    let all = target.rules.schema.fields().len();
    let room = if insert.columns.is_empty() { all } else { columns.len() };
    let surplus = values_of(&mut query)
        .and_then(|rows| rows.iter().find_map(|row| row.get(room).map(Spanned::span)));
    let widest = values_of(&mut query).and_then(|rows| rows.iter().map(|row| row.len()).max());
    let width = match widest {
        Some(width) => width,
        None => {
            let planned = target.planner.query(&query, &parsed.message, &arguments.types)?;
            planned.schema.fields().len()
        }
    };
    let named = !insert.columns.is_empty();
    if width > room {
        let position = surplus.and_then(|span| parsed.locate(span));
        return Err(
            Error::syntax("INSERT has more expressions than target columns").or_at(position)
        );
    }
    if named && width < room {
        let (_, position) = insert.columns[width];
        return Err(Error::syntax("INSERT has more target columns than expressions").at(position));
    }
    if !named {
        *columns = (0..width).collect();
    }
    refuse_generated(target, columns, insert.overriding, &mut query)?;
    if let Some(rows) = values_of(&mut query) {
        fill_defaults(rows, |column| target.default(columns[column]))?;
    }
    let fields: Vec<_> = columns.iter().map(|&column| target.field(column)).collect();
    target.planner.query_into(&query, &parsed.message, &arguments.types, &fields)
}

/// Generated columns take nothing but DEFAULT.
fn refuse_generated(
    target: &Target,
    columns: &[usize],
    overriding: bool,
    query: &mut Query,
) -> Result<()> {
    let rows = values_of(query);
    for (index, &column) in columns.iter().enumerate() {
        let definition = target.definition(column);
        let sequence = target.table.definition.sequence(column);
        let identity = sequence.is_some_and(|sequence| sequence.always && !overriding);
        if definition.generated.is_none() && !identity {
            continue;
        }
        let only_default = rows.as_ref().is_some_and(|rows| {
            rows.iter().all(|row| row.get(index).is_some_and(|value: &Expr| sql::is_default(value)))
        });
        if !only_default {
            let name = &definition.name;
            let message = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
            let error = Error::new(SqlState::GeneratedAlways, message);
            return Err(match identity {
                true => error
                    .detail(format!(
                        "Column \"{name}\" is an identity column defined as GENERATED ALWAYS."
                    ))
                    .hint("Use OVERRIDING SYSTEM VALUE to override."),
                false => error.detail(format!("Column \"{name}\" is a generated column.")),
            });
        }
    }
    Ok(())
}

/// The source's columns at their places in the table; what is missing is `None`.
fn spread(rows: &RecordBatch, columns: &[usize], width: usize) -> Vec<Option<ArrayRef>> {
    let mut given = vec![None; width];
    for (column, values) in itertools::zip_eq(columns, rows.columns()) {
        given[*column] = Some(Arc::clone(values));
    }
    given
}

/// What happens to rows whose key exists: as the statement says, else as the table says.
fn conflict(
    target: &Target,
    on_conflict: Option<&OnConflict>,
    parsed: &Parsed,
    arguments: &Arguments,
) -> Result<Action> {
    let definition = &target.table.definition;
    let Some(on_conflict) = on_conflict else {
        return Ok(Action::Simple(policy(definition)));
    };
    check_arbiter(target, on_conflict)?;
    match &on_conflict.action {
        ConflictAction::Nothing => Ok(Action::Simple(Conflict::Ignore)),
        ConflictAction::Update { assignments, filter } => {
            if on_conflict.columns.is_empty() && on_conflict.constraint.is_none() {
                return Err(Error::syntax(
                    "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                )
                .hint("For example, ON CONFLICT (column_name)."));
            }
            target.refuse_append_only("INSERT … ON CONFLICT DO UPDATE")?;
            let upsert = Upsert::plan(target, assignments, filter.as_ref(), parsed, arguments)?;
            Ok(Action::Update(Box::new(upsert)))
        }
    }
}

/// The conflict target must be the primary key, the only unique constraint there is.
fn check_arbiter(target: &Target, on_conflict: &OnConflict) -> Result<()> {
    let definition = &target.table.definition;
    if let Some(constraint) = &on_conflict.constraint
        && definition.primary_key_name.as_ref() != Some(constraint)
    {
        return Err(Error::new(
            SqlState::UndefinedObject,
            format!(
                "constraint \"{constraint}\" for table \"{}\" does not exist",
                target.table.name.name
            ),
        ));
    }
    if on_conflict.columns.is_empty() {
        return Ok(());
    }
    let mut columns = target.columns(&on_conflict.columns)?;
    let mut key = definition.primary_key.clone();
    columns.sort_unstable();
    key.sort_unstable();
    if columns != key {
        return Err(Error::new(
            SqlState::InvalidColumnReference,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        )
        .at(on_conflict.columns[0].1));
    }
    Ok(())
}
