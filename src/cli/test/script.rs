//! The text of a test file → records. Reads what the runners of SQLite, sqllogictest-rs, DuckDB and
//! CockroachDB agree on, and the streams' directives.

use std::borrow::Cow;
use std::ops::Range;

use super::record::{Action, Expected, Failure, Place, Query, Record, Sort};
use crate::error::{Error, Result, SqlState};

/// Words that begin a record, to say what might have been meant.
const DIRECTIVES: [&str; 20] = [
    "statement",
    "query",
    "halt",
    "include",
    "clock",
    "ingest",
    "step",
    "expect",
    "crash",
    "restart",
    "connection",
    "control",
    "skipif",
    "onlyif",
    "loop",
    "foreach",
    "endloop",
    "require",
    "sleep",
    "mode",
];
/// Most rounds of a loop.
const ROUNDS_MAX: i64 = 100_000;

/// Reads the records of a file.
///
/// # Errors
/// `42601` for a line that begins no record.
pub(super) fn parse(text: &str) -> Result<Vec<Record>> {
    let lines: Vec<Cow<'_, str>> = text.lines().map(Cow::Borrowed).collect();
    records(&lines, 0, false)
}

/// The records of lines, the first of which has the index `first` in its file.
fn records(lines: &[Cow<'_, str>], first: usize, looped: bool) -> Result<Vec<Record>> {
    let mut cursor = Cursor { lines, next: 0 };
    let mut records = vec![];
    let mut conditions = vec![];
    while let Some(line) = cursor.header() {
        let header = first + cursor.next - 1;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["skipif" | "onlyif", label, ..] => {
                conditions.push(((*label).to_owned(), words[0] == "onlyif"));
            }
            ["loop" | "foreach", variable, values @ ..] => {
                let rounds = rounds(words[0], values).ok_or_else(|| unknown(header, line))?;
                let body = cursor.body().ok_or_else(|| {
                    let message = format!("line {}: {} without endloop", header + 1, words[0]);
                    Error::new(SqlState::SyntaxError, message)
                })?;
                let conditions = std::mem::take(&mut conditions);
                for value in rounds {
                    let variable = format!("${{{variable}}}");
                    let replaced =
                        |line: &Cow<'_, str>| Cow::Owned(line.replace(&variable, &value));
                    let lines: Vec<_> = lines[body.clone()].iter().map(replaced).collect();
                    for mut record in self::records(&lines, first + body.start, true)? {
                        record.conditions.extend(conditions.iter().cloned());
                        records.push(record);
                    }
                }
            }
            _ => {
                let (words, connection) = without_options(words);
                let (action, expected) =
                    action(&words, line, &mut cursor).ok_or_else(|| unknown(header, line))?;
                let expected = first + expected.start..first + expected.end;
                // What follows the end of a file is no part of it.
                let ends = matches!(action, Action::Halt) && conditions.is_empty();
                records.push(Record {
                    line: header + 1,
                    conditions: std::mem::take(&mut conditions),
                    connection,
                    action,
                    place: (!looped).then_some(Place { header, expected }),
                });
                if ends {
                    return Ok(records);
                }
            }
        }
    }
    Ok(records)
}

fn unknown(header: usize, line: &str) -> Error {
    let word = line.split_whitespace().next().unwrap_or_default();
    let message = format!("line {}: unknown directive: {line}", header + 1);
    let error = Error::new(SqlState::SyntaxError, message);
    if DIRECTIVES.contains(&word) { error } else { error.did_you_mean(word, DIRECTIVES) }
}

struct Cursor<'a> {
    lines: &'a [Cow<'a, str>],
    next: usize,
}

impl<'a> Cursor<'a> {
    /// The next line that is neither blank nor a comment.
    fn header(&mut self) -> Option<&'a str> {
        loop {
            let line = self.lines.get(self.next)?.trim();
            self.next += 1;
            if !line.is_empty() && !line.starts_with('#') {
                return Some(line);
            }
        }
    }

    fn line(&self, index: usize) -> Option<&'a str> {
        self.lines.get(index).map(|line| line.trim_end())
    }

    /// The lines up to a blank one or `----`.
    fn block(&mut self) -> Vec<&'a str> {
        let rest = &self.lines[self.next..];
        let block: Vec<&str> = rest
            .iter()
            .map(AsRef::as_ref)
            .take_while(|line| !line.trim().is_empty() && line.trim_end() != "----")
            .collect();
        self.next += block.len();
        block
    }

    fn text(&mut self) -> String {
        self.block().join("\n")
    }

    /// The lines expected, up to a blank one, and where they and the `----` before them stand.
    fn results(&mut self) -> (Vec<String>, Range<usize>) {
        let start = self.next;
        if self.line(self.next) == Some("----") {
            self.next += 1;
        }
        let block = self.block().into_iter().map(str::to_owned).collect();
        (block, start..self.next)
    }

    /// The lines of an error after `----`: up to two blank ones, or one before another record.
    fn error_lines(&mut self) -> (Vec<String>, Range<usize>) {
        let start = self.next;
        if self.line(self.next) != Some("----") {
            return (vec![], start..start);
        }
        let (mut lines, mut end) = self.results();
        while let Some(next) = self.line(self.next + 1) {
            let word = next.split_whitespace().next().unwrap_or_default();
            if word.is_empty() || word.starts_with('#') || DIRECTIVES.contains(&word) {
                break;
            }
            self.next += 1;
            lines.push(String::new());
            lines.extend(self.block().into_iter().map(str::to_owned));
            end.end = self.next;
        }
        (lines, end)
    }

    /// The lines of a loop up to its end, which is passed over.
    fn body(&mut self) -> Option<Range<usize>> {
        let start = self.next;
        let mut depth = 1;
        loop {
            let line = self.line(self.next)?;
            self.next += 1;
            match line.split_whitespace().next() {
                Some("loop" | "foreach") => depth += 1,
                Some("endloop") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(start..self.next - 1);
            }
        }
    }
}

/// The values that a loop's variable takes.
fn rounds(kind: &str, values: &[&str]) -> Option<Vec<String>> {
    match (kind, values) {
        ("loop", [start, end]) => {
            let (start, end): (i64, i64) = (start.parse().ok()?, end.parse().ok()?);
            let few = end.checked_sub(start)? <= ROUNDS_MAX;
            few.then(|| (start..end).map(|value| value.to_string()).collect())
        }
        ("foreach", [_, ..]) => Some(values.iter().map(|value| (*value).to_owned()).collect()),
        _ => None,
    }
}

/// A header without `retry … backoff …`, which a runner does not need that waits for views; and the
/// session that it names.
fn without_options(mut words: Vec<&str>) -> (Vec<&str>, Option<String>) {
    if !matches!(words.first(), Some(&"statement" | &"query")) || words.get(1) == Some(&"error") {
        return (words, None);
    }
    if let Some(retry) = words.iter().position(|word| *word == "retry") {
        words.truncate(retry);
    }
    let session =
        |word: &&str| word.strip_prefix("con").is_some_and(|number| number.parse::<u32>().is_ok());
    let connection = words.pop_if(|word| session(&&**word)).map(str::to_owned);
    (words, connection)
}

/// A record's action and the place of what it expects; `None` if it is no record.
fn action(words: &[&str], line: &str, cursor: &mut Cursor<'_>) -> Option<(Action, Range<usize>)> {
    let rest_from = |index: usize| words[index..].join(" ");
    let action = match words {
        ["statement", "error", ..] => {
            let (sql, failure, place) = failing(line, cursor);
            return Some((Action::Statement { sql, expected: Expected::Error(failure) }, place));
        }
        ["query", "error", ..] => {
            let (sql, failure, place) = failing(line, cursor);
            let types = String::new();
            let expected = Err(failure);
            let query = Query { sql, types, sort: None, names: false, label: None, expected };
            return Some((Action::Query(query), place));
        }
        ["statement", rest @ ..] => {
            let expected = expectation(rest)?;
            Action::Statement { sql: cursor.text(), expected }
        }
        ["query", rest @ ..] => return Some(query(rest, cursor)),
        ["halt", ..] => Action::Halt,
        ["include", path] => Action::Include((*path).to_owned()),
        ["clock", "set", ..] => Action::ClockSet(instant(&rest_from(2))?),
        ["clock", "advance", ..] => Action::ClockAdvance(duration(&rest_from(2))?),
        ["sleep", ..] => Action::ClockAdvance(duration(&rest_from(1))?),
        ["ingest", _, ..] => Action::Ingest { table: rest_from(1), rows: cursor.text() + "\n" },
        ["step"] => Action::Step,
        ["expect", "changes", relation] => {
            let (expected, lines) = cursor.results();
            let relation = (*relation).to_owned();
            return Some((Action::ExpectChanges { relation, expected }, lines));
        }
        ["crash"] => Action::Restart { crash: true },
        ["restart"] => Action::Restart { crash: false },
        ["reconnect"] => Action::Reconnect,
        ["connection", name] => Action::Connection((*name).to_owned()),
        ["require", what, ..] => Action::Require((*what).to_owned()),
        ["require-env", what, ..] => Action::Require(format!("${what}")),
        ["mode", "skip"] => Action::Skip(true),
        ["mode", "unskip"] => Action::Skip(false),
        ["control", "sortmode", mode] => Action::SortMode(Sort::parse(mode)?),
        ["control", "restart", switch @ ("on" | "off")] => Action::RestartControl(*switch == "on"),
        ["control", "resultmode", "rowwise" | "valuewise"]
        | ["control", "substitution", "on" | "off"]
        | ["mode", _, ..]
        | ["hash-threshold", _, ..]
        | ["subtest" | "user" | "load", _, ..] => Action::Nothing,
        _ => return None,
    };
    Some((action, cursor.next..cursor.next))
}

fn expectation(words: &[&str]) -> Option<Expected> {
    match words {
        ["ok", ..] => Some(Expected::Ok),
        ["maybe", ..] => Some(Expected::Any),
        ["count", count] => count.parse().ok().map(Expected::Count),
        _ => None,
    }
}

/// A statement that should fail, and how: `error (SQLSTATE) text`, `error pgcode SQLSTATE text`.
fn failing(line: &str, cursor: &mut Cursor<'_>) -> (String, Failure, Range<usize>) {
    let text = line.split_once("error").map_or("", |(_, rest)| rest).trim();
    let (state, message) = if let Some(rest) = text.strip_prefix("pgcode ") {
        rest.split_once(' ').unwrap_or((rest, ""))
    } else {
        let state = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let parts = text.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        parts.filter(|(code, _)| state(code)).unwrap_or(("", text))
    };
    let message = message.trim_start_matches(':').trim().trim_start_matches("pq: ").to_owned();
    let sql = cursor.text();
    let (lines, place) = cursor.error_lines();
    let state = (!state.is_empty()).then(|| state.to_owned());
    (sql, Failure { state, message, lines }, place)
}

fn query(words: &[&str], cursor: &mut Cursor<'_>) -> (Action, Range<usize>) {
    let options = |word: &str| word.split(',').all(is_query_option);
    let mut words = words.iter().copied().peekable();
    let types = words.next_if(|word| !options(word)).unwrap_or_default().to_owned();
    let said: Vec<&str> = words
        .next_if(|word| options(word))
        .map(|word| word.split(',').collect())
        .unwrap_or_default();
    let sort = said.iter().find_map(|word| Sort::parse(word));
    let names = said.contains(&"colnames");
    let label = words.next().map(str::to_owned);
    let sql = cursor.text();
    let (rows, lines) = cursor.results();
    (Action::Query(Query { sql, types, sort, names, label, expected: Ok(rows) }), lines)
}

fn is_query_option(word: &str) -> bool {
    Sort::parse(word).is_some() || word == "colnames"
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
mod tests;
