//! The text of a test file → records.

use std::ops::Range;

use crate::error::{Error, Result, SqlState};

/// A record: something to do, and what should come of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Number of its first line, from 1.
    pub(super) line: usize,
    /// `skipif x`, `onlyif x`: the label, and whether it must hold.
    pub(super) conditions: Vec<(String, bool)>,
    /// What to do.
    pub(super) action: Action,
    /// Index of the line that says `statement` or `query`, and of the lines that it expects.
    pub(super) lines: (usize, Range<usize>),
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
    Query {
        /// Its text.
        sql: String,
        /// A letter per column; empty if not given.
        types: String,
        /// How rows are sorted before they are compared, if said.
        sort: Option<Sort>,
        /// Queries of one label must agree.
        label: Option<String>,
        /// The rows, or the failure, expected.
        expected: Result<Vec<String>, Failure>,
    },
    /// Ends the file.
    Halt,
    /// Runs another file here.
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
    /// Later records use this session.
    Connection(String),
    /// The sort mode of queries that say none.
    SortMode(Sort),
    /// Whether restarts between statements are allowed from here.
    RestartControl(bool),
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
}

/// A failure that is expected.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    /// The SQLSTATE, if given.
    pub(super) state: Option<String>,
    /// What the message contains.
    pub(super) message: String,
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
    fn parse(word: &str) -> Option<Sort> {
        match word {
            "nosort" => Some(Sort::No),
            "rowsort" => Some(Sort::Rows),
            "valuesort" => Some(Sort::Values),
            _ => None,
        }
    }
}

/// Reads the records of a file.
///
/// # Errors
/// `42601` for a line that begins no record.
pub(super) fn parse(text: &str) -> Result<Vec<Record>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut cursor = Cursor { lines: &lines, next: 0 };
    let mut records = vec![];
    let mut conditions = vec![];
    while let Some(line) = cursor.header() {
        let number = cursor.next;
        let wrong = || {
            Error::new(SqlState::SyntaxError, format!("line {number}: unknown directive: {line}"))
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["skipif" | "onlyif", label] = words.as_slice() {
            conditions.push(((*label).to_owned(), words[0] == "onlyif"));
            continue;
        }
        let (action, expected) = action(&words, &mut cursor).ok_or_else(wrong)?;
        records.push(Record {
            line: number,
            conditions: std::mem::take(&mut conditions),
            action,
            lines: (number - 1, expected),
        });
    }
    Ok(records)
}

struct Cursor<'a> {
    lines: &'a [&'a str],
    next: usize,
}

impl<'a> Cursor<'a> {
    /// The next line that is neither blank nor a comment.
    fn header(&mut self) -> Option<&'a str> {
        loop {
            let line = self.lines.get(self.next)?.trim_end();
            self.next += 1;
            if !line.is_empty() && !line.starts_with('#') {
                return Some(line);
            }
        }
    }

    /// The lines up to a blank one or `----`.
    fn block(&mut self) -> Vec<&'a str> {
        let rest = &self.lines[self.next..];
        let block: Vec<&str> = rest
            .iter()
            .copied()
            .take_while(|line| !line.trim().is_empty() && line.trim_end() != "----")
            .collect();
        self.next += block.len();
        block
    }

    /// The lines expected, with their places: those after `----`, up to a blank one.
    fn results(&mut self) -> (Vec<String>, Range<usize>) {
        if self.lines.get(self.next).is_some_and(|line| line.trim_end() == "----") {
            self.next += 1;
        }
        let start = self.next;
        let block = self.block().into_iter().map(str::to_owned).collect();
        (block, start..self.next)
    }
}

/// A record's action and the place of what it expects; `None` if it is no record.
fn action(words: &[&str], cursor: &mut Cursor<'_>) -> Option<(Action, Range<usize>)> {
    let nowhere = cursor.next..cursor.next;
    let action = match words {
        ["statement", rest @ ..] => {
            let expected = expectation(rest)?;
            let sql = cursor.block().join("\n");
            let end = cursor.next..cursor.next;
            return Some((Action::Statement { sql, expected }, end));
        }
        ["query", "error", rest @ ..] => {
            let expected = Err(failure(rest));
            let sql = cursor.block().join("\n");
            let end = cursor.next..cursor.next;
            let types = String::new();
            return Some((Action::Query { sql, types, sort: None, label: None, expected }, end));
        }
        ["query", rest @ ..] => return Some(query(rest, cursor)),
        ["halt"] => Action::Halt,
        ["include", path] => Action::Include((*path).to_owned()),
        ["clock", "set", ..] => Action::ClockSet(instant(&words[2..].join(" "))?),
        ["clock", "advance", ..] => Action::ClockAdvance(duration(&words[2..].join(" "))?),
        ["ingest", ..] => {
            let table = words[1..].join(" ");
            Action::Ingest { table, rows: cursor.block().join("\n") + "\n" }
        }
        ["step"] => Action::Step,
        ["expect", "changes", relation] => {
            let (expected, lines) = cursor.results();
            let relation = (*relation).to_owned();
            return Some((Action::ExpectChanges { relation, expected }, lines));
        }
        ["crash"] => Action::Restart { crash: true },
        ["restart"] => Action::Restart { crash: false },
        ["connection", name] => Action::Connection((*name).to_owned()),
        ["control", "sortmode", mode] => Action::SortMode(Sort::parse(mode)?),
        ["control", "restart", switch @ ("on" | "off")] => Action::RestartControl(*switch == "on"),
        _ => return None,
    };
    Some((action, nowhere))
}

fn expectation(words: &[&str]) -> Option<Expected> {
    match words {
        ["ok"] => Some(Expected::Ok),
        ["count", count] => count.parse().ok().map(Expected::Count),
        ["error", rest @ ..] => Some(Expected::Error(failure(rest))),
        _ => None,
    }
}

fn failure(words: &[&str]) -> Failure {
    let text = words.join(" ");
    match text.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((state, rest)) => Failure {
            state: Some(state.to_owned()),
            message: rest.trim_start_matches(':').trim().to_owned(),
        },
        None => Failure { state: None, message: text },
    }
}

fn query(words: &[&str], cursor: &mut Cursor<'_>) -> (Action, Range<usize>) {
    let mut words = words.iter().copied().peekable();
    let types = words.next_if(|word| Sort::parse(word).is_none()).unwrap_or_default().to_owned();
    let sort = words.next_if(|word| Sort::parse(word).is_some()).and_then(Sort::parse);
    let label = words.next().map(str::to_owned);
    let sql = cursor.block().join("\n");
    let (rows, lines) = cursor.results();
    (Action::Query { sql, types, sort, label, expected: Ok(rows) }, lines)
}

/// A timestamp in quotes, UTC.
fn instant(text: &str) -> Option<i64> {
    let text = text.trim_matches('\'');
    let format = if text.contains('T') { "%Y-%m-%dT%H:%M:%S%.f" } else { "%Y-%m-%d %H:%M:%S%.f" };
    let time = chrono::NaiveDateTime::parse_from_str(text, format).ok()?;
    Some(time.and_utc().timestamp_micros())
}

/// `10s`, `5 minutes`, `'1 day 2 hours'`.
fn duration(text: &str) -> Option<i64> {
    let mut spaced = String::new();
    for c in text.trim_matches('\'').chars() {
        if c.is_alphabetic() && spaced.ends_with(|last: char| last.is_ascii_digit()) {
            spaced.push(' ');
        }
        spaced.push(c);
    }
    crate::sql::parse_duration_us(&spaced).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let text = "# goal\n\nstatement ok\nCREATE TABLE t\n(a int)\n\nonlyif restart\nquery IT rowsort x\nSELECT 1\n----\n1 a\n2 b\n\n\
                    statement error (42P01): no such\nSELECT\n\nquery\nSELECT 2\n----\n\nclock set '2024-01-01 00:00:01'\nclock advance 10s\n\
                    ingest t (a)\n1\n2\n\nexpect changes v\n- 1\n+ 2\n\nstep\ncrash\nhalt\n";
        let records = parse(text).unwrap();
        let Action::Query { types, sort, label, expected, .. } = &records[1].action else {
            panic!()
        };
        assert_eq!((types.as_str(), *sort, label.as_deref()), ("IT", Some(Sort::Rows), Some("x")));
        assert_eq!(expected.as_ref().unwrap(), &["1 a", "2 b"]);
        assert_eq!(records[1].conditions, [("restart".to_owned(), true)]);
        assert_eq!(records[1].lines, (7, 10..12));
        let Action::Statement { expected: Expected::Error(failure), .. } = &records[2].action
        else {
            panic!()
        };
        assert_eq!(
            (failure.state.as_deref(), failure.message.as_str()),
            (Some("42P01"), "no such")
        );
        assert!(
            matches!(&records[3].action, Action::Query { expected: Ok(rows), .. } if rows.is_empty())
        );
        assert!(matches!(records[4].action, Action::ClockSet(1_704_067_201_000_000)));
        assert!(matches!(records[5].action, Action::ClockAdvance(10_000_000)));
        assert!(matches!(&records[6].action, Action::Ingest { rows, .. } if rows == "1\n2\n"));
        assert!(
            matches!(&records[7].action, Action::ExpectChanges { expected, .. } if expected.len() == 2)
        );
        assert_eq!(records.len(), 11);
        assert_eq!(parse("\nfoo").unwrap_err().message(), "line 2: unknown directive: foo");
    }
}
