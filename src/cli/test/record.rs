//! What a test file consists of.

use std::ops::Range;

/// A record: something to do, and what should come of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Number of its first line, from 1.
    pub(super) line: usize,
    /// `skipif x`, `onlyif x`: the label, and whether it must hold.
    pub(super) conditions: Vec<(String, bool)>,
    /// The session that runs it, if it names one.
    pub(super) connection: Option<String>,
    /// What to do.
    pub(super) action: Action,
    /// Where its text stands; `None` within a loop, which stands there once and runs often.
    pub(super) place: Option<Place>,
}

/// Where a record stands in its file, by index of line.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The line that says `statement` or `query`.
    pub(super) header: usize,
    /// The lines that it expects, with the `----` before them if there is one.
    pub(super) expected: Range<usize>,
}

/// What a record does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Runs a statement.
    Statement {
        /// Its text.
        sql: String,
        /// What should come of it.
        expected: Expected,
    },
    /// Runs a query.
    Query(Query),
    /// Ends the file.
    Halt,
    /// Ends the file unless this is there.
    Require(String),
    /// Runs other files here, by name or pattern.
    Include(String),
    /// Sets the clock to microseconds since 1970.
    ClockSet(i64),
    /// Moves the clock by microseconds.
    ClockAdvance(i64),
    /// Copies CSV rows into a table.
    Ingest {
        /// The table, perhaps with columns.
        table: String,
        /// The rows.
        rows: String,
    },
    /// Waits until nothing is left to do at the present time.
    Step,
    /// Compares the changes of a relation since the last such record.
    ExpectChanges {
        /// The relation.
        relation: String,
        /// `+ row` and `- row`.
        expected: Vec<String>,
    },
    /// Opens the engine again: after closing it, or as a crash leaves it.
    Restart {
        /// Whether it is dropped without being closed.
        crash: bool,
    },
    /// Ends the present session; the next record begins another.
    Reconnect,
    /// Later records use this session.
    Connection(String),
    /// The sort mode of queries that say none.
    SortMode(Sort),
    /// Whether restarts between statements are allowed from here.
    RestartControl(bool),
    /// Whether the records from here are passed over.
    Skip(bool),
    /// Words of other runners that change nothing here.
    Nothing,
}

/// A query, and what it should answer.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// Its text.
    pub(super) sql: String,
    /// A letter per column; empty if not given.
    pub(super) types: String,
    /// How rows are sorted before they are compared, if said.
    pub(super) sort: Option<Sort>,
    /// Whether the first line expected names the columns.
    pub(super) names: bool,
    /// Queries of one label must agree.
    pub(super) label: Option<String>,
    /// The rows, or the failure, expected.
    pub(super) expected: Result<Vec<String>, Failure>,
}

/// What should come of a statement.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// Success.
    Ok,
    /// Success with so many rows.
    Count(u64),
    /// Failure.
    Error(Failure),
    /// Either.
    Any,
}

/// A failure that is expected.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    /// The SQLSTATE, if given.
    pub(super) state: Option<String>,
    /// What the error says: a part of it, or a regular expression.
    pub(super) message: String,
    /// The lines after `----`: the error as psql shows it, or a part of that.
    pub(super) lines: Vec<String>,
}

/// How rows are sorted before they are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// Not.
    #[default]
    No,
    /// By row.
    Rows,
    /// All values of all rows, one per line.
    Values,
}

impl Sort {
    /// The sort mode of that name.
    pub(super) fn parse(word: &str) -> Option<Sort> {
        match word {
            "nosort" => Some(Sort::No),
            "rowsort" => Some(Sort::Rows),
            "valuesort" => Some(Sort::Values),
            _ => None,
        }
    }
}
