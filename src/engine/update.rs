//! UPDATE, DELETE and TRUNCATE: a query over the numbered rows of the table finds the old rows and the
//! new values; both become one change.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take, take_record_batch};
use arrow::datatypes::Int64Type;

use super::arguments::Arguments;
use super::beside::Beside;
use super::change::{ATTEMPTS, replace, rows_at};
use super::collections::{Edit, Position};
use super::keys::{duplicate_key, same_key};
use super::response::Response;
use super::rows::{ROW, position};
use super::session::Session;
use super::target::{STORED, Stored, Target, number_field};
use crate::error::{Error, Result, SqlState};
use crate::plan::Select;
use crate::plan::write::Parts;
use crate::sql::Parsed;
use crate::sql::statement::{Delete, Name, SelectItem, TableWithJoins, Update, With};
use crate::types::Delta;

/// A planned UPDATE or DELETE.
pub(super) struct ChangePlan {
    pub(super) target: Target,
    /// Row numbers, then the values of `assigned`.
    pub(super) select: Select,
    /// Columns assigned, by index; `None` for DELETE.
    assigned: Option<Vec<usize>>,
    /// What `returning` reads beside the rows written, if anything: the last values of `select`.
    beside: Option<Beside>,
    pub(super) returning: Option<Select>,
}

impl ChangePlan {
    /// Whether rows may get the primary keys of others, so that all are to be looked at.
    fn moves_rows(&self) -> bool {
        let key = &self.target.table.definition.primary_key;
        self.assigned.iter().flatten().any(|column| key.contains(column))
    }
}

impl Session {
    /// UPDATE.
    pub(super) async fn update(
        &mut self,
        update: &Update,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        self.refuse_read_only("UPDATE")?;
        let plan = self.plan_update(update, parsed, arguments)?;
        self.change("UPDATE", plan, arguments).await
    }

    /// The plan of an UPDATE, parameters not yet bound.
    pub(super) fn plan_update(
        &self,
        update: &Update,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<ChangePlan> {
        let target = self.target(&update.table, update.alias.as_ref())?;
        target.refuse_append_only("UPDATE")?;
        let read =
            Read { with: &update.with, from: &update.from, items: update.returning.as_ref() };
        let (beside, returning) = self.plan_returning(&target, &read, parsed, arguments)?;
        let (mut assigned, mut fields) = (vec![], vec![number_field()]);
        let mut parts = Parts::from(Target::known(STORED, &target.alias))?
            .with(update.with.clone())
            .and_from_all(&update.from)
            .filter(update.filter.clone())
            .column(&target.alias, ROW);
        for (column, value) in target.assignments(&update.assignments)? {
            parts = parts.hidden(value);
            fields.push(target.field(column));
            assigned.push(column);
        }
        if let Some(beside) = &beside {
            parts = parts.items(&beside.items());
            fields.extend(beside.columns().map(Arc::clone));
        }
        let query = parts.query()?;
        let select =
            target.planner.query_into(&query, &parsed.message, &arguments.types, &fields)?;
        Ok(ChangePlan { target, select, assigned: Some(assigned), beside, returning })
    }

    /// DELETE.
    pub(super) async fn delete(
        &mut self,
        delete: &Delete,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        self.refuse_read_only("DELETE")?;
        let plan = self.plan_delete(delete, parsed, arguments)?;
        self.change("DELETE", plan, arguments).await
    }

    /// The plan of a DELETE, parameters not yet bound.
    pub(super) fn plan_delete(
        &self,
        delete: &Delete,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<ChangePlan> {
        let target = self.target(&delete.table, delete.alias.as_ref())?;
        target.refuse_append_only("DELETE")?;
        let read =
            Read { with: &delete.with, from: &delete.using, items: delete.returning.as_ref() };
        let (beside, returning) = self.plan_returning(&target, &read, parsed, arguments)?;
        let query = Parts::from(Target::known(STORED, &target.alias))?
            .with(delete.with.clone())
            .and_from_all(&delete.using)
            .filter(delete.filter.clone())
            .column(&target.alias, ROW)
            .items(&beside.as_ref().map(Beside::items).unwrap_or_default())
            .query()?;
        let select = target.planner.query(&query, &parsed.message, &arguments.types)?;
        Ok(ChangePlan { target, select, assigned: None, beside, returning })
    }

    /// The plan of RETURNING, and what that reads of FROM or USING.
    fn plan_returning(
        &self,
        target: &Target,
        read: &Read<'_>,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<(Option<Beside>, Option<Select>)> {
        let Read { with, from, items } = read;
        match items {
            Some(items) if !from.is_empty() => {
                let mut beside = self.beside(target, with.as_ref(), from, parsed, arguments)?;
                let select =
                    self.returning_beside(target, &mut beside, items, parsed, arguments)?;
                Ok((Some(beside), Some(select)))
            }
            items => Ok((None, target.returning(*items, parsed, arguments)?)),
        }
    }

    /// Runs a planned change. Outside of a block it is computed again if a concurrent statement has
    /// changed one of its rows in between; statements that compute changes of a table follow each other.
    async fn change(
        &mut self,
        verb: &'static str,
        plan: ChangePlan,
        arguments: &Arguments,
    ) -> Result<Response> {
        let select = arguments.bind(plan.select.clone())?;
        let table = plan.target.table.id;
        let _turn = self.take_turn(table).await;
        for _ in 0..ATTEMPTS {
            let Stored { rows: stored, given, looked_up } =
                self.stored(&plan.target, &select, !plan.moves_rows()).await?;
            let found = self.collect(&select, given).await?;
            let (old, values) = distinct(&concat_batches(&found_schema(&select), &found)?)?;
            let count: i64 = old.iter().map(|&(delta, row)| stored[delta].weight(row)).sum();
            let times = times(&stored, &old);
            let width = plan.assigned.as_ref().map_or(0, Vec::len);
            let (edit, written) = match &plan.assigned {
                None => {
                    let gone = plan.target.cast_rows(&stored, &old)?;
                    let none = RecordBatch::new_empty(gone.schema());
                    (replace(&stored, old, none)?, take_record_batch(&gone, &times)?)
                }
                Some(assigned) => {
                    updated(&plan.target, &stored, old, &values[..width], assigned, &times)?
                }
            };
            let edit = if looked_up { edit.by_key() } else { edit };
            let again =
                if count == 0 { false } else { self.keep_or_send(vec![(table, edit)]).await? };
            if !again {
                let beside = values[width..].iter().map(|value| Ok(take(value, &times, None)?));
                let beside = beside.collect::<Result<Vec<_>>>()?;
                let given = match &plan.beside {
                    Some(of) => of.given(&written, &beside)?,
                    None => plan.target.given(written),
                };
                let returning = plan.returning.map(|select| (select, given));
                return self.answer(verb, count.unsigned_abs(), returning, arguments).await;
            }
        }
        Err(Error::new(
            SqlState::SerializationFailure,
            "could not serialize access due to concurrent update",
        ))
    }

    /// TRUNCATE.
    pub(super) async fn truncate(&mut self, tables: &[Name], restart: bool) -> Result<Response> {
        self.refuse_read_only("TRUNCATE TABLE")?;
        let (mut edits, mut restarted) = (Vec::with_capacity(tables.len()), vec![]);
        for name in tables {
            let target = self.target(name, None)?;
            target.refuse_append_only("TRUNCATE")?;
            if restart {
                restarted.push((target.table.id, target.table.definition.sequences.clone()));
            }
            edits.push((target.table.id, Edit::Truncate));
        }
        self.keep_or_send(edits).await?;
        for (table, sequences) in restarted {
            self.shared.sequences.restart(table, &sequences);
        }
        Ok(Response::done("TRUNCATE TABLE"))
    }
}

fn found_schema(select: &Select) -> arrow::datatypes::SchemaRef {
    Arc::clone(&select.schema)
}

/// What a RETURNING may read.
struct Read<'a> {
    with: &'a Option<With>,
    from: &'a [TableWithJoins],
    items: Option<&'a Vec<SelectItem>>,
}

/// The numbers of the rows at `old`, each as often as it is stored.
fn times(stored: &[Delta], old: &[Position]) -> UInt32Array {
    let each = old.iter().enumerate().flat_map(|(row, &(delta, at))| {
        let row = u32::try_from(row).expect("a batch has fewer than 2^32 rows");
        let weight = usize::try_from(stored[delta].weight(at)).unwrap_or(0);
        std::iter::repeat_n(row, weight)
    });
    each.collect()
}

/// The rows found, each once (a row may match several rows of FROM: the first one counts), and the
/// values found with them.
pub(super) fn distinct(found: &RecordBatch) -> Result<(Vec<Position>, Vec<ArrayRef>)> {
    let numbers = found.column(0).as_primitive::<Int64Type>();
    let mut seen = HashSet::with_capacity(numbers.len());
    let (mut positions, mut kept) = (vec![], vec![]);
    for (row, &number) in numbers.values().iter().enumerate() {
        if seen.insert(number) {
            positions.push(position(number));
            kept.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
        }
    }
    let kept = UInt32Array::from(kept);
    let values = found.columns()[1..].iter().map(|column| Ok(take(column, &kept, None)?));
    Ok((positions, values.collect::<Result<_>>()?))
}

/// The change of an UPDATE, and the new rows: those of `old`, so many `times`.
fn updated(
    target: &Target,
    stored: &[Delta],
    old: Vec<Position>,
    values: &[ArrayRef],
    assigned: &[usize],
    times: &UInt32Array,
) -> Result<(Edit, RecordBatch)> {
    let before = target.cast_rows(stored, &old)?;
    let mut columns = before.columns().to_vec();
    for (column, value) in itertools::zip_eq(assigned, values) {
        columns[*column] = Arc::clone(value);
    }
    let new = target.rules.enforce(columns, before.num_rows())?;
    let key = &target.table.definition.primary_key;
    if assigned.iter().any(|column| key.contains(column)) {
        check_keys(target, stored, &old, &new)?;
    }
    // A row stored several times stays as often as it was.
    let new = take_record_batch(&new, times)?;
    Ok((replace(stored, old, new.clone())?, new))
}

/// No two new rows may have the same key, nor a new row that of a row that stays.
fn check_keys(
    target: &Target,
    stored: &[Delta],
    old: &[Position],
    new: &RecordBatch,
) -> Result<()> {
    let same = same_key(&target.table, stored, new)?;
    let gone: HashSet<Position> = old.iter().copied().collect();
    for row in 0..new.num_rows() {
        let taken = same.stored[row].is_some_and(|position| !gone.contains(&position));
        if taken || same.first[row] != row {
            return Err(duplicate_key(&target.table, new, row));
        }
    }
    Ok(())
}

impl Target {
    /// Stored rows under the table's own schema.
    pub(super) fn cast_rows(&self, stored: &[Delta], at: &[Position]) -> Result<RecordBatch> {
        if at.is_empty() {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.rules.schema)));
        }
        let rows = rows_at(stored, at)?;
        Ok(RecordBatch::try_new(Arc::clone(&self.rules.schema), rows.columns().to_vec())?)
    }
}
