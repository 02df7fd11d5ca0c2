//! At most one row per key, or an error: what a scalar subquery may have.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use itertools::zip_eq;

use super::{Context, ErrorRow, Operator, Output, Port, StateSize};
use crate::error::{Error, Result, SqlState};
use crate::state::ordered::OrderedMultiset;
use crate::state::{Arrangements, GroupTable, Saved};
use crate::types::Delta;

/// The operator of [`crate::plan::node::NodeKind::AtMostOne`].
///
/// # Invariants
/// 1. A key's output is its row if it has exactly one; a key with more has an error row instead.
pub struct AtMostOne {
    key: Vec<usize>,
    placed: Vec<usize>,
    schema: SchemaRef,
    keys: GroupTable,
    rows: GroupTable,
    /// Row numbers by key number.
    members: OrderedMultiset<u32>,
    /// What the keys touched in this tick had at its beginning.
    touched: BTreeMap<u32, Has>,
    /// Rows touched in this tick, with their keys.
    changed: Vec<(u32, u32)>,
}

/// How many rows a key has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Has {
    None,
    One(u32),
    TooMany,
}

impl AtMostOne {
    /// Passes rows of `schema` whose `key` occurs once, on the workers that own their columns `placed`.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(key: &[usize], placed: Vec<usize>, schema: &SchemaRef) -> Result<AtMostOne> {
        let types: Vec<DataType> =
            schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let key_types: Vec<DataType> = key.iter().map(|&column| types[column].clone()).collect();
        Ok(AtMostOne {
            key: key.to_vec(),
            placed,
            schema: Arc::clone(schema),
            keys: GroupTable::new(&key_types)?,
            rows: GroupTable::new(&types)?,
            members: OrderedMultiset::default(),
            touched: BTreeMap::new(),
            changed: vec![],
        })
    }

    fn has(&self, key: u32) -> Has {
        let mut has = Has::None;
        for (&row, count) in self.members.entries(key) {
            has = match (has, count) {
                (has, ..=0) => has,
                (Has::None, 1) => Has::One(row),
                _ => return Has::TooMany,
            };
        }
        has
    }

    fn numbers(&mut self, columns: &[ArrayRef], rows: usize) -> Result<(Vec<u32>, Vec<u32>)> {
        let key: Vec<ArrayRef> =
            self.key.iter().map(|&column| Arc::clone(&columns[column])).collect();
        Ok((self.keys.assign(&key, rows)?, self.rows.assign(columns, rows)?))
    }

    fn batch(&self, rows: &[u32]) -> Result<RecordBatch> {
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), self.rows.columns(rows)?)?)
    }

    fn error(&self, key: u32, weight: i64) -> Result<ErrorRow> {
        let error = Error::new(
            SqlState::CardinalityViolation,
            "more than one row returned by a subquery used as an expression",
        );
        let schema = Arc::new(self.schema.project(&self.key)?);
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
        let columns = self.keys.columns(&[key])?;
        let key = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(ErrorRow::new(&error, "subquery", &Delta::new(key, vec![weight]), 0))
    }

    /// Forgets rows and keys of which nothing is left.
    fn forget(&mut self) {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        let gone: Vec<u32> = changed
            .iter()
            .filter(|(key, row)| self.members.count(*key, row) == 0)
            .map(|(_, row)| *row)
            .collect();
        self.rows.release(&gone);
        let mut keys: Vec<u32> = changed.into_iter().map(|(key, _)| key).collect();
        keys.dedup();
        keys.retain(|&key| self.members.entries(key).next().is_none());
        self.keys.release(&keys);
    }
}

impl Operator for AtMostOne {
    fn name(&self) -> &'static str {
        "at-most-one"
    }

    fn apply(
        &mut self,
        _ctx: &mut Context<'_>,
        _port: Port,
        delta: Delta,
        _out: &mut Output,
    ) -> Result<()> {
        let (keys, rows) = self.numbers(delta.batch.columns(), delta.rows())?;
        for (index, (&key, &row)) in zip_eq(&keys, &rows).enumerate() {
            if !self.touched.contains_key(&key) {
                self.touched.insert(key, self.has(key));
            }
            self.members.add(key, row, delta.weight(index));
            self.changed.push((key, row));
        }
        Ok(())
    }

    fn finish(&mut self, _ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        let (mut rows, mut weights) = (vec![], vec![]);
        for (key, had) in std::mem::take(&mut self.touched) {
            let has = self.has(key);
            if had == has {
                continue;
            }
            for (state, weight) in [(had, -1), (has, 1)] {
                match state {
                    Has::None => {}
                    Has::One(row) => {
                        rows.push(row);
                        weights.push(weight);
                    }
                    Has::TooMany => out.errors.push(self.error(key, weight)?),
                }
            }
        }
        if out.wanted && !rows.is_empty() {
            out.deltas.push(Delta::new(self.batch(&rows)?, weights));
        }
        self.forget();
        Ok(())
    }

    fn contents(&self, _arrangements: &Arrangements) -> Option<Result<Vec<Delta>>> {
        let rows: Vec<u32> = (0u32..)
            .take(self.keys.numbers())
            .filter_map(|key| match self.has(key) {
                Has::One(row) => Some(row),
                Has::None | Has::TooMany => None,
            })
            .collect();
        Some(self.batch(&rows).map(|batch| vec![Delta::insert(batch)]))
    }

    fn save(&self, _arrangements: &Arrangements, to: &mut Saved) -> Result<()> {
        let (mut rows, mut counts) = (vec![], vec![]);
        for key in (0u32..).take(self.keys.numbers()) {
            for (&row, count) in self.members.entries(key) {
                rows.push(row);
                counts.push(count);
            }
        }
        let mut columns = self.rows.columns(&rows)?;
        columns.push(Arc::new(Int64Array::from(counts)));
        let mut fields = self.schema.fields().to_vec();
        fields.push(Arc::new(Field::new("count", DataType::Int64, false)));
        let saved = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        to.put_by("rows", &saved, &self.placed)
    }

    fn restore(&mut self, _arrangements: &mut Arrangements, from: &Saved) -> Result<()> {
        for saved in from.part("rows") {
            let (counts, columns) = saved.columns().split_last().expect("counts come last");
            let (keys, rows) = self.numbers(columns, saved.num_rows())?;
            let counts = counts.as_primitive::<Int64Type>().values();
            for (&key, (&row, &count)) in zip_eq(&keys, zip_eq(&rows, counts)) {
                self.members.add(key, row, count);
            }
        }
        Ok(())
    }

    fn size(&self, _arrangements: &Arrangements) -> StateSize {
        let bytes = self.keys.byte_size() + self.rows.byte_size() + self.members.len() * 24;
        StateSize { rows: self.members.len(), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::operator::oracle::{Collection, Workers, add, check};

    fn pool() -> RecordBatch {
        let column = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![column("k"), column("x")]));
        let keys = Int64Array::from_iter((0..12).map(|row| (row % 6 > 0).then_some(row % 6)));
        let values = Int64Array::from_iter_values((0..12).map(|row| row / 4));
        RecordBatch::try_new(schema, vec![Arc::new(keys), Arc::new(values)]).unwrap()
    }

    fn make(_: usize, _: usize) -> Box<dyn Operator> {
        Box::new(AtMostOne::new(&[0], vec![0], &pool().schema()).unwrap())
    }

    #[test]
    fn passes_single_rows() {
        let expected = |rows: &RecordBatch| {
            let key = |row: usize| rows.column(0).slice(row, 1).to_data();
            let mut collection = Collection::new();
            for row in 0..rows.num_rows() {
                if (0..rows.num_rows()).all(|other| other == row || key(other) != key(row)) {
                    add(&mut collection, &Delta::insert(rows.slice(row, 1)));
                }
            }
            collection
        };
        for seed in 0..5 {
            for append_only in [false, true] {
                check(seed, &make, &[0], &pool(), append_only, &expected);
            }
        }
    }

    #[test]
    fn two_rows_are_an_error_until_one_is_gone() {
        let mut workers = Workers::new(&make, &[0]);
        workers.tick(&[Delta::insert(pool().slice(1, 1))]);
        assert_eq!((workers.output.len(), workers.errors.len()), (1, 0));
        workers.tick(&[Delta::insert(pool().slice(1, 1))]);
        let message = "21000 more than one row returned by a subquery used as an expression";
        assert_eq!(workers.output.len(), 0);
        assert_eq!(workers.errors.keys().collect::<Vec<_>>(), [&format!("{message} {{\"k\":1}}")]);
        workers.tick(&[Delta::delete(pool().slice(1, 1))]);
        assert_eq!((workers.output.len(), workers.errors.len()), (1, 0));
    }
}
