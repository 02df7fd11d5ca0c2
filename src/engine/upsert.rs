//! INSERT … ON CONFLICT DO UPDATE: new rows go in, existing ones are changed by expressions over the
//! stored row and the one that was to be inserted (`excluded`).

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};

use super::arguments::Arguments;
use super::change::{ATTEMPTS, fresh, replace};
use super::collections::{Edit, Position};
use super::keys::{SameKey, same_key};
use super::rows::{ROW, numbered};
use super::session::Session;
use super::target::{EXCLUDED, STORED, Target, number_field, provider};
use super::update::distinct;
use crate::error::{Error, Result, SqlState};
use crate::plan::Select;
use crate::plan::write::Parts;
use crate::runtime::request::Conflict;
use crate::sql::Parsed;
use crate::sql::statement::{Assignment, Expr};
use crate::types::Delta;

/// A planned `DO UPDATE`.
pub(super) struct Upsert {
    /// Over pairs of a stored and a proposed row: the pair's number, then the values of `assigned`.
    pub(super) select: Select,
    assigned: Vec<usize>,
}

impl Upsert {
    /// Plans the assignments.
    pub(super) fn plan(
        target: &Target,
        assignments: &[Assignment],
        filter: Option<&Expr>,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Upsert> {
        let mut parts = Parts::from(Target::known(STORED, &target.alias))?
            .and_from(Target::known(EXCLUDED, EXCLUDED))?
            .equal(&target.alias, EXCLUDED, ROW)
            .filter(filter.cloned())
            .column(EXCLUDED, ROW);
        let (mut assigned, mut fields) = (vec![], vec![number_field()]);
        for (column, value) in target.assignments(assignments)? {
            parts = parts.expr(value);
            fields.push(target.field(column));
            assigned.push(column);
        }
        let query = parts.query()?;
        let select =
            target.planner.query_into(&query, &parsed.message, &arguments.types, &fields)?;
        Ok(Upsert { select, assigned })
    }
}

impl Session {
    /// Inserts or updates; returns how many rows were written and those rows.
    pub(super) async fn upsert(
        &mut self,
        target: &Target,
        upsert: Upsert,
        rows: &RecordBatch,
        arguments: &Arguments,
    ) -> Result<(u64, RecordBatch)> {
        let select = arguments.bind(upsert.select.clone())?;
        let table = target.table.id;
        let _turn = self.take_turn(table).await;
        for _ in 0..ATTEMPTS {
            let by_key = self.with_keys_of(&target.table, rows).await?;
            let looked_up = by_key.is_some();
            let stored = match by_key {
                Some(rows) => rows,
                None => self.read(&[table]).await?.get(table)?.to_vec(),
            };
            let same = same_key(&target.table, &stored, rows)?;
            refuse_twice(&same)?;
            let fresh = fresh(rows, &same)?;
            let (old, new) =
                self.conflicting(target, &upsert, &select, &stored, rows, &same).await?;
            let written = concat_batches(&target.rules.schema, [&fresh, &new])?;
            let mut edits = vec![];
            if !old.is_empty() {
                let edit = replace(&stored, old, new)?;
                edits.push((table, if looked_up { edit.by_key() } else { edit }));
            }
            if fresh.num_rows() > 0 {
                edits.push((table, Edit::Insert { rows: fresh, conflict: Conflict::Raced }));
            }
            let sent = if edits.is_empty() { Ok(false) } else { self.keep_or_send(edits).await };
            match sent {
                Ok(false) => return Ok((written.num_rows() as u64, written)),
                Ok(true) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            SqlState::SerializationFailure,
            "could not serialize access due to concurrent update",
        ))
    }

    /// The stored rows that are updated, and what they become.
    async fn conflicting(
        &mut self,
        target: &Target,
        upsert: &Upsert,
        select: &Select,
        stored: &[Delta],
        rows: &RecordBatch,
        same: &SameKey,
    ) -> Result<(Vec<Position>, RecordBatch)> {
        let pairs: Vec<(usize, Position)> =
            same.stored.iter().enumerate().filter_map(|(row, at)| Some((row, (*at)?))).collect();
        let existing: Vec<Position> = pairs.iter().map(|&(_, at)| at).collect();
        let proposed: UInt32Array = pairs.iter().map(|&(row, _)| u32::try_from(row).ok()).collect();
        let existing_rows = target.cast_rows(stored, &existing)?;
        let given = [
            provider(target.stored, numbered(&existing_rows)?),
            provider(target.excluded, numbered(&take_record_batch(rows, &proposed)?)?),
        ];
        let found = self.collect(select, given.into_iter().collect()).await?;
        let (numbers, values) = distinct(&concat_batches(&select.schema, &found)?)?;
        // The numbers are those of the pairs, in the first (only) delta.
        let chosen: Vec<usize> = numbers.into_iter().map(|(_, pair)| pair).collect();
        let old: Vec<Position> = chosen.iter().map(|&pair| existing[pair]).collect();
        let mut columns = target.cast_rows(stored, &old)?.columns().to_vec();
        for (column, value) in itertools::zip_eq(&upsert.assigned, values) {
            columns[*column] = value;
        }
        let new = target.rules.enforce(columns, old.len())?;
        Ok((old, new))
    }
}

fn refuse_twice(same: &SameKey) -> Result<()> {
    if same.first.iter().enumerate().any(|(row, &first)| row != first) {
        return Err(Error::new(
            SqlState::CardinalityViolation,
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
        )
        .hint(
            "Ensure that no rows proposed for insertion within the same command have duplicate \
             constrained values.",
        ));
    }
    Ok(())
}
