//! A table's rows: what the log adds up to, with the primary key's index. Lives in the coordinator.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{and, is_not_null, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::request::{ChangeKind, Conflict};
use super::retention::Retaining;
use super::same_key::Groups;
use crate::catalog;
use crate::error::{Error, Result, SqlState, Subject};
use crate::state::{Arrangement, Batches, Matches};
use crate::types::key::{KeyBatch, KeyEncoder};
use crate::types::{Delta, definition};

/// A table's rows.
///
/// # Invariants
/// 1. `rows` is the sum of all deltas returned by [`Table::apply`] and not undone.
/// 2. No weight is negative; with a primary key, no two rows agree on it (checked before a change).
/// 3. `version` is different after every change.
pub(super) struct Table {
    /// Name, for messages.
    pub(super) name: String,
    /// What errors about its key are about.
    key_subject: Subject,
    /// Columns.
    pub(super) schema: SchemaRef,
    /// Primary key columns; empty if there is none.
    pub(super) primary_key: Vec<usize>,
    /// Counts changes.
    pub(super) version: u64,
    /// What is to be kept of its log; `None`: everything.
    pub(super) retaining: Option<Retaining>,
    rows: Rows,
    /// Key of `rows`: the primary key, or the whole row.
    key: Vec<usize>,
    encoder: KeyEncoder,
}

/// How the rows are kept.
enum Rows {
    /// `APPEND ONLY` without a primary key: as they come. The newest deltas wait in `open`, where a
    /// refused write can still be taken back.
    Appended { batches: Batches, open: Vec<Delta> },
    /// By key.
    Indexed(Box<Arrangement>),
}

/// What a change did.
pub(super) struct Applied {
    /// The table's delta.
    pub(super) deltas: Vec<Delta>,
    /// Rows inserted, replaced or deleted.
    pub(super) count: u64,
    /// Rows as inserted, for RETURNING.
    pub(super) inserted: Option<RecordBatch>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(table: &catalog::Table) -> Result<Table> {
        let schema = definition::schema(&table.definition.columns);
        let primary_key = table.definition.primary_key.clone();
        let key = if primary_key.is_empty() {
            (0..schema.fields().len()).collect()
        } else {
            primary_key.clone()
        };
        let encoder = KeyEncoder::for_columns(&schema, &key)?;
        let rows = if table.definition.append_only && primary_key.is_empty() {
            Rows::Appended { batches: Batches::new(Arc::clone(&schema)), open: vec![] }
        } else {
            Rows::Indexed(Box::new(Arrangement::new(Arc::clone(&schema), key.clone())?))
        };
        let name = table.name.name.clone();
        let constraint = table.definition.primary_key_name.clone();
        let key_subject = Subject {
            schema: table.name.schema.clone(),
            table: name.clone(),
            constraint: Some(constraint.unwrap_or_else(|| format!("{name}_pkey"))),
            ..Subject::default()
        };
        let retaining = table.definition.retain.map(Retaining::from);
        Ok(Table {
            name,
            key_subject,
            schema,
            primary_key,
            version: 0,
            retaining,
            rows,
            key,
            encoder,
        })
    }

    /// The same rows under the primary key that the table gets.
    ///
    /// # Errors
    /// 23502 for a null in it, 23505 for a key of several rows.
    pub(super) fn keyed(&self, table: &catalog::Table) -> Result<Table> {
        let mut keyed = Table::new(table)?;
        keyed.version = self.version + 1;
        let subject = keyed.key_subject.clone();
        for delta in self.contents()? {
            let rows = &delta.batch;
            let null = keyed.primary_key.iter().find(|&&key| rows.column(key).null_count() > 0);
            if let Some(&column) = null {
                let column = keyed.schema.field(column).name();
                let message = format!(
                    "column \"{column}\" of relation \"{}\" contains null values",
                    self.name
                );
                return Err(Error::new(SqlState::NotNullViolation, message).about(Subject {
                    column: Some(column.clone()),
                    constraint: None,
                    ..subject
                }));
            }
            let several = (0..delta.rows()).find(|&row| delta.weight(row) > 1);
            if let Some(row) = several.or(keyed.known_key(rows)?) {
                let name = subject.constraint.as_deref().unwrap_or(&self.name);
                let message = format!("could not create unique index \"{name}\"");
                return Err(Error::new(SqlState::UniqueViolation, message)
                    .detail(format!("Key {} is duplicated.", keyed.key_text(rows, row)))
                    .about(subject.clone()));
            }
            keyed.commit(&[delta])?;
        }
        Ok(keyed)
    }

    /// The rows; buffers are shared.
    pub(super) fn contents(&self) -> Result<Vec<Delta>> {
        match &self.rows {
            Rows::Appended { batches, open } => {
                Ok(batches.contents().iter().chain(open).cloned().collect())
            }
            Rows::Indexed(rows) => rows.contents(),
        }
    }

    /// The rows whose primary keys are among `keys`, which has the columns of the key only.
    pub(super) fn lookup(&mut self, keys: &RecordBatch) -> Result<Vec<Delta>> {
        let columns: Vec<usize> = (0..keys.num_columns()).collect();
        let mut matches = Matches::default();
        let keys = self.encoder.encode_batch(keys, &columns)?;
        let rows = self.indexed()?;
        rows.probe(&keys, true, &mut matches);
        // A key may have been asked for twice.
        matches.state.sort_unstable();
        matches.state.dedup();
        Ok(vec![Delta::insert(rows.gather_batch(&matches.state)?)])
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        match &self.rows {
            Rows::Appended { batches, open } => {
                batches.rows() + open.iter().map(Delta::rows).sum::<usize>()
            }
            Rows::Indexed(rows) => rows.rows(),
        }
    }

    /// Bytes held.
    pub(super) fn byte_size(&self) -> usize {
        match &self.rows {
            Rows::Appended { batches, .. } => batches.byte_size(),
            Rows::Indexed(rows) => rows.byte_size(),
        }
    }

    /// A little background work, when everything applied so far is in the log: compaction of about
    /// `budget` rows.
    pub(super) fn maintain(&mut self, budget: usize) {
        match &mut self.rows {
            Rows::Appended { batches, open } => {
                open.drain(..).for_each(|delta| batches.push(delta));
            }
            Rows::Indexed(rows) => rows.maintain(budget),
        }
    }

    /// Changes the table, all or nothing.
    ///
    /// # Errors
    /// 23505 for a duplicate key; 40001 when a row to retract is not there.
    pub(super) fn apply(&mut self, kind: ChangeKind) -> Result<Applied> {
        self.version += 1;
        match kind {
            ChangeKind::Insert { rows, conflict } if self.primary_key.is_empty() => {
                debug_assert!(conflict == Conflict::Error || conflict == Conflict::Ignore);
                self.insert(rows)
            }
            ChangeKind::Insert { rows, conflict: Conflict::Error } => {
                self.refuse_duplicates(&rows)?;
                self.insert(rows)
            }
            ChangeKind::Insert { rows, conflict: Conflict::Raced } => {
                let refused = self.refuse_duplicates(&rows);
                refused.map_err(|error| match error.detail_text() {
                    Some(detail) => serialization_failure().detail(detail.to_owned()),
                    None => error,
                })?;
                self.insert(rows)
            }
            ChangeKind::Insert { rows, conflict: Conflict::Ignore } => {
                let fresh = self.without_existing(&rows)?;
                self.insert(fresh)
            }
            ChangeKind::Insert { rows, conflict } => self.upsert(&rows, conflict),
            ChangeKind::Delta(delta) => self.change(&delta),
            ChangeKind::Truncate => {
                let contents = self.contents()?;
                let deltas: Vec<Delta> = contents.iter().map(Delta::negated).collect();
                let count = contents.iter().map(total).sum();
                self.commit(&deltas)?;
                Ok(Applied { deltas, count, inserted: None })
            }
        }
    }

    /// Adds deltas that are known to be right: replay of the log, or undoing a change.
    pub(super) fn commit(&mut self, deltas: &[Delta]) -> Result<()> {
        match &mut self.rows {
            Rows::Appended { open, .. } => open.extend(deltas.iter().cloned()),
            Rows::Indexed(rows) => {
                for delta in deltas {
                    rows.stage(delta.clone())?;
                }
                rows.commit();
            }
        }
        Ok(())
    }

    /// Takes back what [`Table::apply`] did.
    pub(super) fn undo(&mut self, deltas: &[Delta]) -> Result<()> {
        self.version += 1;
        if let Rows::Appended { open, .. } = &mut self.rows {
            open.truncate(open.len() - deltas.len());
            return Ok(());
        }
        let inverse: Vec<Delta> = deltas.iter().rev().map(Delta::negated).collect();
        self.commit(&inverse)
    }

    fn indexed(&mut self) -> Result<&mut Arrangement> {
        match &mut self.rows {
            Rows::Indexed(rows) => Ok(rows),
            Rows::Appended { .. } => Err(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("table \"{}\" is append only", self.name),
            )),
        }
    }

    fn insert(&mut self, rows: RecordBatch) -> Result<Applied> {
        let count = rows.num_rows() as u64;
        let deltas = vec![Delta::insert(rows.clone())];
        self.commit(&deltas)?;
        Ok(Applied { deltas, count, inserted: Some(rows) })
    }

    fn keys(&self, rows: &RecordBatch) -> Result<KeyBatch> {
        // A row that was on its way when the table got its key.
        if self.primary_key.iter().any(|&key| rows.column(key).null_count() > 0) {
            return Err(serialization_failure());
        }
        self.encoder.encode_batch(rows, &self.key)
    }

    fn probe(&mut self, rows: &RecordBatch) -> Result<Matches> {
        let mut matches = Matches::default();
        // A primary key is never null; without one, rows with nulls are found like any other.
        let keys = self.keys(rows)?;
        self.indexed()?.probe(&keys, true, &mut matches);
        Ok(matches)
    }

    fn refuse_duplicates(&mut self, rows: &RecordBatch) -> Result<()> {
        match self.known_key(rows)? {
            Some(row) => Err(self.duplicate_key(rows, row)),
            None => Ok(()),
        }
    }

    /// A row whose key the table has, or one before it.
    fn known_key(&mut self, rows: &RecordBatch) -> Result<Option<usize>> {
        Ok(match self.probe(rows)?.probe.first() {
            Some(&row) => Some(row as usize),
            None => Groups::new(&self.keys(rows)?).repeated(),
        })
    }

    fn duplicate_key(&self, rows: &RecordBatch, row: usize) -> Error {
        let detail = format!("Key {} already exists.", self.key_text(rows, row));
        Error::new(
            SqlState::UniqueViolation,
            format!(
                "duplicate key value violates unique constraint \"{}\"",
                self.key_subject.constraint.as_deref().unwrap_or(&self.name)
            ),
        )
        .detail(detail)
        .about(self.key_subject.clone())
    }

    /// A row's key, as `(a)=(1)`.
    fn key_text(&self, rows: &RecordBatch, row: usize) -> String {
        let names =
            self.primary_key.iter().map(|&column| self.schema.field(column).name().as_str());
        let values = self.primary_key.iter().map(|&column| display(rows.column(column), row));
        let [names, values] =
            [names.collect::<Vec<_>>().join(", "), values.collect::<Vec<_>>().join(", ")];
        format!("({names})=({values})")
    }

    /// The first occurrence of each key that the table does not have.
    fn without_existing(&mut self, rows: &RecordBatch) -> Result<RecordBatch> {
        let groups = Groups::new(&self.keys(rows)?);
        let mut stored = vec![false; rows.num_rows()];
        for row in self.probe(rows)?.probe {
            stored[row as usize] = true;
        }
        let fresh = groups.firsts().iter().copied().filter(|&row| !stored[row as usize]);
        let fresh = UInt32Array::from_iter_values(fresh);
        if fresh.len() == rows.num_rows() {
            Ok(rows.clone())
        } else {
            Ok(take_record_batch(rows, &fresh)?)
        }
    }

    /// Replaces by key. Rows of equal key within the batch count as applied one after another.
    fn upsert(&mut self, rows: &RecordBatch, conflict: Conflict) -> Result<Applied> {
        let groups = Groups::new(&self.keys(rows)?);
        let batch = if groups.distinct() { rows.clone() } else { groups.merged(rows, conflict)? };
        let deltas = self.replacements(batch, conflict)?;
        self.commit(&deltas)?;
        Ok(Applied { deltas, count: rows.num_rows() as u64, inserted: Some(rows.clone()) })
    }

    /// Retractions and insertions that put `rows`, whose keys are distinct, into the table.
    fn replacements(&mut self, rows: RecordBatch, conflict: Conflict) -> Result<Vec<Delta>> {
        let matches = self.probe(&rows)?;
        if matches.probe.is_empty() {
            return Ok(vec![Delta::insert(rows)]);
        }
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        let old = self.indexed()?.gather(&matches.state, &columns)?;
        let old = RecordBatch::try_new(Arc::clone(&self.schema), old)?;
        let mut merged = rows.clone();
        let mut keep = vec![true; rows.num_rows()];
        let mut retracted: Vec<u32> = (0..).take(old.num_rows()).collect();
        match conflict {
            Conflict::Error | Conflict::Raced | Conflict::Ignore | Conflict::Overwrite => {}
            Conflict::UpdateNonNull => merged = self.fill_nulls(&rows, &old, &matches.probe)?,
            Conflict::Newer(version) => {
                let order = arrow::array::make_comparator(
                    rows.column(version),
                    old.column(version),
                    arrow::compute::SortOptions { descending: false, nulls_first: true },
                )?;
                retracted.retain(|&at| {
                    let row = matches.probe[at as usize] as usize;
                    keep[row] = order(row, at as usize).is_ge();
                    keep[row]
                });
            }
        }
        let old = take_record_batch(&old, &UInt32Array::from(retracted))?;
        let new = Delta::insert(merged).filter(&BooleanArray::from(keep))?;
        Ok(vec![Delta::delete(old), new].into_iter().filter(|delta| !delta.is_empty()).collect())
    }

    /// `rows` with nulls replaced by the old values, where there is an old row.
    fn fill_nulls(
        &self,
        rows: &RecordBatch,
        old: &RecordBatch,
        matched: &[u32],
    ) -> Result<RecordBatch> {
        let mut place: Vec<Option<u32>> = vec![None; rows.num_rows()];
        for (&row, at) in
            itertools::zip_eq(matched, (0u32..).take(matched.len()).collect::<Vec<_>>())
        {
            place[row as usize] = Some(at);
        }
        let aligned = take_record_batch(old, &UInt32Array::from(place))?;
        let columns = itertools::zip_eq(rows.columns(), aligned.columns())
            .map(|(new, old)| Ok(zip(&is_not_null(new)?, new, old)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// A delta computed from a snapshot: retractions must be there, insertions must not collide.
    fn change(&mut self, delta: &Delta) -> Result<Applied> {
        let negative = signs(delta, |weight| weight < 0);
        let positive = signs(delta, |weight| weight > 0);
        let retractions = delta.filter(&negative)?;
        let insertions = delta.filter(&positive)?;
        self.refuse_missing(&retractions)?;
        self.commit(std::slice::from_ref(&retractions))?;
        if !self.primary_key.is_empty()
            && let Err(error) = self.refuse_duplicates(&insertions.batch)
        {
            self.undo(std::slice::from_ref(&retractions))?;
            return Err(error);
        }
        self.commit(std::slice::from_ref(&insertions))?;
        let count = total(&retractions).max(total(&insertions));
        let deltas: Vec<Delta> =
            [retractions, insertions].into_iter().filter(|delta| !delta.is_empty()).collect();
        Ok(Applied { deltas, count, inserted: None })
    }

    fn refuse_missing(&mut self, retractions: &Delta) -> Result<()> {
        let matches = self.probe(&retractions.batch)?;
        let equal = self.equal_rows(&retractions.batch, &matches)?;
        let mut needed: Vec<i64> =
            (0..retractions.rows()).map(|row| -retractions.weight(row)).collect();
        let mut left: HashMap<u32, i64> = HashMap::new();
        for at in (0..matches.probe.len()).filter(|&at| equal.value(at)) {
            let there = left.entry(matches.state[at]).or_insert(matches.weights[at]);
            let need = &mut needed[matches.probe[at] as usize];
            let taken = (*need).min(*there);
            *there -= taken;
            *need -= taken;
        }
        if needed.iter().any(|&need| need > 0) {
            return Err(serialization_failure().detail(format!(
                "A row of table \"{}\" has changed since it was read.",
                self.name
            )));
        }
        Ok(())
    }

    /// Per match, whether the whole rows are equal.
    fn equal_rows(&mut self, rows: &RecordBatch, matches: &Matches) -> Result<BooleanArray> {
        let mut equal = BooleanArray::from(vec![true; matches.probe.len()]);
        if self.primary_key.is_empty() {
            return Ok(equal);
        }
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        let theirs = self.indexed()?.gather(&matches.state, &columns)?;
        let ours = take_record_batch(rows, &UInt32Array::from(matches.probe.clone()))?;
        for (ours, theirs) in itertools::zip_eq(ours.columns(), &theirs) {
            equal = and(&equal, &same(ours, theirs)?)?;
        }
        Ok(equal)
    }
}

fn serialization_failure() -> Error {
    let message = "could not serialize access due to concurrent update";
    Error::new(SqlState::SerializationFailure, message).hint("Retry the transaction.")
}

/// Element-wise "is not distinct from", for nested types too.
fn same(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    if left.data_type().is_nested() {
        let order =
            arrow::array::make_comparator(left, right, arrow::compute::SortOptions::default())?;
        return Ok((0..left.len()).map(|row| Some(order(row, row).is_eq())).collect());
    }
    Ok(not_distinct(left, right)?)
}

fn signs(delta: &Delta, wanted: impl Fn(i64) -> bool) -> BooleanArray {
    (0..delta.rows()).map(|row| Some(wanted(delta.weight(row)))).collect()
}

/// Sum of the weights' magnitudes.
fn total(delta: &Delta) -> u64 {
    (0..delta.rows()).map(|row| delta.weight(row).unsigned_abs()).sum()
}

fn display(column: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    ArrayFormatter::try_new(column, &options)
        .map_or_else(|_| "?".to_owned(), |formatter| formatter.value(row).to_string())
}
