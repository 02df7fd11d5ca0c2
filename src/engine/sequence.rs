//! The numbers of identity columns: handed out in memory, reserved in the catalog's log before a row with
//! one of them is written. What was reserved and not used when the engine stops is left out.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::define::{Defining, commit_definition};
use super::session::Session;
use crate::catalog::{Catalog, Change, Object};
use crate::error::{Error, Result, SqlState};
use crate::types::definition::Sequence;
use crate::types::name::quote_literal;
use crate::types::{ObjectId, QualifiedName};

/// How many numbers are reserved beyond the one that is needed, as in Postgres.
const RESERVED: i64 = 32;

/// A sequence: its table, and which of the table's.
type Key = (ObjectId, usize);

/// Where the sequences of an engine stand.
#[derive(Default, Debug)]
pub struct Sequences(Mutex<State>);

#[derive(Default, Debug)]
struct State {
    counters: HashMap<Key, Counter>,
    /// The last numbers that each session got, and of which sequence the very last one was.
    last: HashMap<u32, (HashMap<Key, i64>, i64)>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    /// The number handed out last, if any was.
    last: Option<i64>,
    reserved: Option<i64>,
    start: i64,
    step: i64,
}

impl Counter {
    fn of(sequence: &Sequence) -> Counter {
        let Sequence { start, step, reserved, .. } = *sequence;
        Counter { last: reserved, reserved, start, step }
    }

    /// Whether a number was handed out that is not reserved.
    fn due(&self) -> bool {
        let beyond = |last: i64, reserved: i64| match self.step > 0 {
            true => last > reserved,
            false => last < reserved,
        };
        self.last.is_some_and(|last| self.reserved.is_none_or(|reserved| beyond(last, reserved)))
    }
}

/// The sequence that a name means.
///
/// # Errors
/// `42P01` if there is none.
fn find<'a>(
    catalog: &'a Catalog,
    search_path: &[String],
    parts: &[String],
) -> Result<(Key, &'a Sequence)> {
    let all = || {
        catalog.objects().flat_map(|object| {
            match &**object {
                Object::Table(table) => table.definition.sequences.iter().enumerate(),
                _ => [].iter().enumerate(),
            }
            .map(|(index, sequence)| ((object.id(), index), sequence))
        })
    };
    let in_schema = |schema: &str, name: &str| {
        all().find(|(_, known)| known.name.name == name && known.name.schema == schema)
    };
    let found = match parts {
        [name] => search_path.iter().find_map(|schema| in_schema(schema, name)),
        [schema, name] => in_schema(schema, name),
        _ => None,
    };
    found.ok_or_else(|| Error::undefined_table(&parts.join(".")))
}

impl Sequences {
    /// `nextval`
    ///
    /// # Errors
    /// `42P01`, or `2200H` at the end.
    pub(super) fn next(
        &self,
        catalog: &Catalog,
        search_path: &[String],
        session: u32,
        parts: &[String],
    ) -> Result<i64> {
        let (key, sequence) = find(catalog, search_path, parts)?;
        let mut state = self.0.lock();
        let counter = state.counters.entry(key).or_insert_with(|| Counter::of(sequence));
        let next = match counter.last {
            None => Some(counter.start),
            Some(last) => last.checked_add(counter.step),
        };
        let next = next.ok_or_else(|| {
            let message =
                format!("nextval: sequence \"{}\" has no more numbers", sequence.name.name);
            Error::new(SqlState::SequenceLimit, message)
        })?;
        counter.last = Some(next);
        let of_session = state.last.entry(session).or_default();
        of_session.0.insert(key, next);
        of_session.1 = next;
        Ok(next)
    }

    /// `setval`: the next number is the one after `value`, or `value` itself.
    ///
    /// # Errors
    /// `42P01`
    pub(super) fn set(
        &self,
        catalog: &Catalog,
        search_path: &[String],
        parts: &[String],
        (value, called): (i64, bool),
    ) -> Result<()> {
        let (key, sequence) = find(catalog, search_path, parts)?;
        let mut state = self.0.lock();
        let counter = state.counters.entry(key).or_insert_with(|| Counter::of(sequence));
        counter.last = if called { Some(value) } else { value.checked_sub(counter.step) };
        Ok(())
    }

    /// `currval`
    ///
    /// # Errors
    /// `42P01`, or `55000` if the session has got none.
    pub(super) fn current(
        &self,
        catalog: &Catalog,
        search_path: &[String],
        session: u32,
        parts: &[String],
    ) -> Result<i64> {
        let (key, sequence) = find(catalog, search_path, parts)?;
        let state = self.0.lock();
        let last = state.last.get(&session).and_then(|(numbers, _)| numbers.get(&key));
        last.copied().ok_or_else(|| {
            let name = &sequence.name.name;
            let message =
                format!("currval of sequence \"{name}\" is not yet defined in this session");
            Error::new(SqlState::ObjectNotInPrerequisiteState, message)
        })
    }

    /// `lastval`
    ///
    /// # Errors
    /// `55000` if the session has got none.
    pub(super) fn last(&self, session: u32) -> Result<i64> {
        self.0.lock().last.get(&session).map(|(_, last)| *last).ok_or_else(|| {
            let message = "lastval is not yet defined in this session";
            Error::new(SqlState::ObjectNotInPrerequisiteState, message)
        })
    }

    /// Begins the sequences of a table again.
    pub(super) fn restart(&self, table: ObjectId, sequences: &[Sequence]) {
        let mut state = self.0.lock();
        for (index, sequence) in sequences.iter().enumerate() {
            let counter =
                state.counters.entry((table, index)).or_insert_with(|| Counter::of(sequence));
            counter.last = None;
        }
    }

    /// A session has ended.
    pub(super) fn forget(&self, session: u32) {
        self.0.lock().last.remove(&session);
    }

    /// A table is gone.
    pub(super) fn dropped(&self, table: ObjectId) {
        self.0.lock().counters.retain(|(of, _), _| *of != table);
    }

    /// What is to be reserved, and up to where.
    fn due(&self) -> Vec<(Key, i64)> {
        let state = self.0.lock();
        let due = state.counters.iter().filter(|(_, counter)| counter.due());
        let upto = |(key, counter): (&Key, &Counter)| {
            let room = counter.step.saturating_mul(RESERVED);
            Some((*key, counter.last?.saturating_add(room)))
        };
        due.filter_map(upto).collect()
    }

    fn reserved(&self, reserved: &[(Key, i64)]) {
        let mut state = self.0.lock();
        for (key, upto) in reserved {
            if let Some(counter) = state.counters.get_mut(key) {
                counter.reserved = Some(*upto);
            }
        }
    }
}

impl Session {
    /// Makes sure that no number that was handed out is handed out again after a crash.
    pub(super) async fn reserve_numbers(&self) -> Result<()> {
        if self.shared.sequences.due().is_empty() {
            return Ok(());
        }
        let shared = std::sync::Arc::clone(&self.shared);
        // On its own, as definitions are: it must not be left half made.
        let made = tokio::spawn(async move {
            let _one_at_a_time = std::sync::Arc::clone(&shared.ddl).lock_owned().await;
            let due = shared.sequences.due();
            let mut catalog = (*shared.catalog()).clone();
            let mut changes = vec![];
            for ((table, index), upto) in &due {
                let Some(Object::Table(table)) = catalog.get(*table).map(|object| &**object) else {
                    continue;
                };
                let mut table = table.clone();
                if let Some(sequence) = table.definition.sequences.get_mut(*index) {
                    sequence.reserved = Some(*upto);
                }
                let change = Change::Update(vec![Object::Table(table)]);
                catalog.apply(&change);
                changes.push(change);
            }
            let defining = Defining { changes, ..Defining::default() };
            commit_definition(&shared, defining, Some(catalog)).await?;
            shared.sequences.reserved(&due);
            Ok::<(), Error>(())
        });
        made.await.map_err(|error| Error::internal(format!("reserving numbers failed: {error}")))?
    }
}

/// Names the sequences of a table that is to be created, and makes them its columns' defaults.
pub(super) fn name_sequences(catalog: &Catalog, table: &mut crate::catalog::Table) {
    let path = [table.name.schema.clone()];
    let definition = &mut table.definition;
    for sequence in &mut definition.sequences {
        let column = &mut definition.columns[sequence.column];
        let plain = format!("{}_{}_seq", table.name.name, column.name);
        let numbered = (1..).map(|number| format!("{plain}{number}"));
        let free = |name: &String| find(catalog, &path, std::slice::from_ref(name)).is_err();
        let name = std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain);
        sequence.name = QualifiedName::new(table.name.schema.clone(), name);
        column.default = Some(format!("nextval({})", quote_literal(&sequence.name.to_string())));
    }
}
