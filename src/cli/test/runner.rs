//! Runs the records of a file against an engine whose time stands still unless told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::answer::{Answer, in_order};
use super::changes::Contents;
use super::outcome::{self, difference, mismatch};
use super::record::{Action, Expected, Failure, Query, Record, Sort};
use super::seen::{Seen, complete, described};
use super::{Mode, scratch::Scratch, script};
use crate::cli::{message, settings};
use crate::clock::SimClock;
use crate::config::{Config, Storage};
use crate::engine::{Engine, Response, Session, SessionOptions, TransactionStatus};
use crate::error::{Error, Result};

/// Where the clock stands when a file begins: 2024-01-01 00:00:00 UTC.
const START_US: i64 = 1_704_067_200_000_000;
/// Deepest `include` within an `include`.
const INCLUDE_DEPTH_MAX: usize = 8;
/// What other runners' files may `require` and have here.
const PRESENT: [&str; 6] =
    ["parquet", "json", "icu", "core_functions", "vector_size", "noforcestorage"];

/// An engine under test.
pub(super) struct Runner {
    mode: Mode,
    config: Config,
    clock: SimClock,
    /// `None` only between closing and opening.
    engine: Option<Engine>,
    /// Sessions by name; the first is nameless.
    sessions: BTreeMap<String, Session>,
    connection: String,
    /// `SET` statements, to be repeated in the session of that name after a restart.
    settings: Vec<(String, String)>,
    sort: Sort,
    restarts_allowed: bool,
    /// Whether records are passed over until told otherwise.
    skipping: bool,
    /// Restarts between statements so far: every other one is a crash.
    reopens: usize,
    seen: BTreeMap<String, Contents>,
    labels: BTreeMap<String, Vec<String>>,
    scratch: Scratch,
}

impl Runner {
    /// Runs a file.
    pub(super) async fn run(path: &Path, mode: Mode) -> Result<()> {
        let text = settings::read(path)?;
        let records = script::parse(&text).map_err(|error| placed(path, None, &error))?;
        let scratch = Scratch::new()?;
        let reopened = |record: &Record| matches!(record.action, Action::Restart { .. });
        let durable = mode.restart || records.iter().any(reopened);
        let storage = match durable {
            true => Storage::Directory(scratch.path().join("data")),
            false => Storage::Memory,
        };
        let config =
            Config { storage, workers: mode.workers, deterministic: true, ..Config::default() };
        let clock = SimClock::new(START_US);
        let mut runner = Runner {
            mode,
            config,
            clock,
            engine: None,
            sessions: BTreeMap::new(),
            connection: String::new(),
            settings: vec![],
            sort: Sort::No,
            restarts_allowed: true,
            skipping: false,
            reopens: 0,
            seen: BTreeMap::new(),
            labels: BTreeMap::new(),
            scratch,
        };
        runner.open().await?;
        let done = runner.file(path, &text, &records, 0).await;
        let closed = runner.close().await;
        done.and(closed)
    }

    async fn file(
        &mut self,
        path: &Path,
        text: &str,
        records: &[Record],
        depth: usize,
    ) -> Result<()> {
        let mut seen: Vec<(&Record, Seen)> = vec![];
        let mut failures = vec![];
        for record in records {
            if let Action::Skip(skipping) = record.action {
                self.skipping = skipping;
            }
            if self.skipping || !self.applies(record) {
                continue;
            }
            let done = match &record.action {
                Action::Halt => break,
                Action::Require(what) if !PRESENT.contains(&what.as_str()) => break,
                Action::Include(other) => Box::pin(self.include(path, other, depth)).await,
                _ => self.of_session(path, record).await.map(|outcome| {
                    seen.extend(outcome.map(|outcome| (record, outcome)));
                }),
            };
            if let Err(error) = done {
                let error = placed(path, Some(record.line), &error);
                if !self.mode.keep_going {
                    return Err(error);
                }
                failures.push(error.message().to_owned());
            }
        }
        if !failures.is_empty() {
            return Err(mismatch(failures.join("\n\n")));
        }
        if self.mode.complete { complete(path, text, &seen) } else { Ok(()) }
    }

    async fn include(&mut self, path: &Path, other: &str, depth: usize) -> Result<()> {
        if depth == INCLUDE_DEPTH_MAX {
            return Err(mismatch("include is nested too deeply"));
        }
        for other in super::matching(&directory(path).join(other))? {
            let text = settings::read(&other)?;
            let records = script::parse(&text).map_err(|error| placed(&other, None, &error))?;
            self.file(&other, &text, &records, depth + 1).await?;
        }
        Ok(())
    }

    fn applies(&self, record: &Record) -> bool {
        record.conditions.iter().all(|(label, must)| {
            let holds = match label.as_str() {
                "millstream" | "postgresql" | "postgres" => true,
                "restart" => self.mode.restart,
                _ => false,
            };
            holds == *must
        })
    }

    /// Runs a record in the session that it names.
    async fn of_session(&mut self, path: &Path, record: &Record) -> Result<Option<Seen>> {
        let Some(name) = &record.connection else { return self.record(path, record).await };
        let before = std::mem::replace(&mut self.connection, name.clone());
        let done = self.record(path, record).await;
        self.connection = before;
        done
    }

    async fn record(&mut self, path: &Path, record: &Record) -> Result<Option<Seen>> {
        match &record.action {
            Action::Statement { sql, expected } => {
                let seen = self.statement(&self.substituted(sql, path), expected).await?;
                if self.mode.restart && self.restarts_allowed && self.quiet() {
                    self.reopens += 1;
                    self.reopen(self.reopens % 2 == 1).await?;
                }
                return Ok(seen);
            }
            Action::Query(query) => return self.query(query, path).await,
            Action::ExpectChanges { relation, expected } => {
                return self.changes(relation, expected).await;
            }
            Action::ClockSet(us) => self.clock.set(*us),
            Action::ClockAdvance(us) => self.clock.advance(*us),
            Action::Ingest { table, rows } => self.ingest(table, rows).await?,
            Action::Step => {
                self.engine()?.settle().await?;
            }
            Action::Restart { crash } => self.reopen(*crash).await?,
            Action::Reconnect => drop(self.sessions.remove(&self.connection)),
            Action::Connection(name) => {
                self.connection = if name == "default" { String::new() } else { name.clone() };
            }
            Action::SortMode(sort) => self.sort = *sort,
            Action::RestartControl(allowed) => self.restarts_allowed = *allowed,
            Action::Halt
            | Action::Require(_)
            | Action::Include(_)
            | Action::Skip(_)
            | Action::Nothing => {}
        }
        Ok(None)
    }

    // --- records ---

    async fn statement(&mut self, sql: &str, expected: &Expected) -> Result<Option<Seen>> {
        // Data of a COPY follow its semicolon, as in a dump.
        let done = match sql.split_once(";\n") {
            Some((copy, data)) if is_copy(copy) => {
                self.copy(copy, data.trim_end_matches("\\.")).await
            }
            _ => self.execute(sql).await,
        };
        if done.is_ok() && sql.trim_start().to_lowercase().starts_with("set ") {
            self.settings.push((self.connection.clone(), sql.to_owned()));
        }
        let seen = match (&done, expected) {
            (_, Expected::Any) | (Ok(_), Expected::Ok) => return Ok(None),
            (Ok(answer), Expected::Count(count)) if tag_count(&answer.tag) == Some(*count) => {
                return Ok(None);
            }
            (Ok(answer), Expected::Count(_)) if self.mode.complete => {
                let count = tag_count(&answer.tag).unwrap_or_default();
                Seen::header(format!("statement count {count}"))
            }
            (Ok(_), Expected::Error(_)) if self.mode.complete => Seen::header("statement ok"),
            (Ok(answer), _) => return Err(mismatch(format!("{sql}\nsucceeded: {}", answer.tag))),
            (Err(error), Expected::Error(failure))
                if outcome::is_expected(error, sql, failure) && !self.retells(failure) =>
            {
                return Ok(None);
            }
            (Err(error), _) if self.mode.complete => {
                let before = match expected {
                    Expected::Error(failure) => Some(failure),
                    _ => None,
                };
                Seen::failure("statement", error, sql, before)
            }
            (Err(error), Expected::Error(failure)) => return Err(other_error(sql, error, failure)),
            (Err(error), _) => return Err(failed(sql, error)),
        };
        Ok(Some(seen))
    }

    async fn query(&mut self, query: &Query, path: &Path) -> Result<Option<Seen>> {
        let sql = self.substituted(&query.sql, path);
        let mut answer = match (self.execute(&sql).await, &query.expected) {
            (Ok(answer), Ok(_)) => answer,
            (Ok(_), Err(_)) => return Err(mismatch(format!("{sql}\nsucceeded"))),
            (Err(error), Err(failure))
                if outcome::is_expected(&error, &sql, failure) && !self.retells(failure) =>
            {
                return Ok(None);
            }
            (Err(error), expected) if self.mode.complete => {
                return Ok(Some(Seen::failure("query", &error, &sql, expected.as_ref().err())));
            }
            (Err(error), Err(failure)) => return Err(other_error(&sql, &error, failure)),
            (Err(error), Ok(_)) => return Err(failed(&sql, &error)),
        };
        self.compared(query, &sql, &mut answer)
    }

    /// Whether the lines of a failure are written anew although they are met.
    fn retells(&self, failure: &Failure) -> bool {
        self.mode.complete && !failure.lines.is_empty()
    }

    /// Compares an answer with what a query should answer.
    fn compared(&mut self, query: &Query, sql: &str, answer: &mut Answer) -> Result<Option<Seen>> {
        let Query { types, label, .. } = query;
        let sort = query.sort.unwrap_or(self.sort);
        let columns = answer.kinds.len();
        if self.mode.exact && !types.is_empty() && types.chars().count() != columns {
            return Err(mismatch(format!("{sql}\nhas {columns} columns, not {}", types.len())));
        }
        let lines = answer.lines(sort);
        if let Some(label) = label
            && *self.labels.entry(label.clone()).or_insert_with(|| lines.clone()) != lines
        {
            let message = format!("{sql}\ndiffers from other queries of label {label}\n");
            return Err(mismatch(message + &difference(&self.labels[label], &lines)));
        }
        let names = query.names.then(|| answer.names.join(" "));
        if self.mode.complete {
            return Ok(Some(Seen::rows(names.into_iter().chain(lines).collect())));
        }
        let mut wanted = query.expected.as_ref().map_or(&[][..], Vec::as_slice);
        if let (Some(names), [first, rest @ ..]) = (&names, wanted) {
            let first = std::slice::from_ref(first);
            if in_order(first, Sort::No) != in_order(std::slice::from_ref(names), Sort::No) {
                let message =
                    format!("{sql}\ncolumns\n{}", difference(first, std::slice::from_ref(names)));
                return Err(mismatch(message));
            }
            wanted = rest;
        }
        let likely = || !self.mode.exact && answer.is_likely(wanted, types, sort);
        if answer.is_exactly(wanted, sort) || likely() {
            return Ok(None);
        }
        let difference = difference(&in_order(wanted, sort), &lines);
        Err(mismatch(format!("{sql}\n{difference}")))
    }

    async fn changes(&mut self, relation: &str, expected: &[String]) -> Result<Option<Seen>> {
        let rows = self.execute(&format!("SELECT * FROM {relation}")).await?.lines(Sort::No);
        let lines = self.seen.entry(relation.to_owned()).or_default().replace(rows);
        if self.mode.complete {
            return Ok(Some(Seen::rows(lines)));
        }
        let wanted = in_order(expected, Sort::Rows);
        let actual = in_order(&lines, Sort::Rows);
        match wanted == actual {
            true => Ok(None),
            false => {
                let message = format!("changes of {relation}\n{}", difference(&wanted, &actual));
                Err(mismatch(message))
            }
        }
    }

    async fn ingest(&mut self, table: &str, rows: &str) -> Result<()> {
        self.copy(&format!("COPY {table} FROM STDIN (FORMAT csv)"), rows).await.map(drop)
    }

    /// Runs a `COPY … FROM STDIN` with these data.
    async fn copy(&mut self, sql: &str, data: &str) -> Result<Answer> {
        let session = self.session()?;
        let mut responses = session.execute(sql).await?;
        match responses.pop() {
            Some(Response::CopyIn { .. }) => {}
            other => return Err(mismatch(format!("{sql}\nwas answered with {other:?}"))),
        }
        session.copy_data(&Bytes::from(data.to_owned()))?;
        let (tag, _) = session.copy_finish().await?.finish().await?;
        Ok(Answer { tag, ..Answer::default() })
    }

    // --- the engine ---

    /// Runs a statement, or several: what the last one answers.
    async fn execute(&mut self, sql: &str) -> Result<Answer> {
        let mut last = Answer::default();
        message::run(self.session()?, sql, async |response, session| {
            last = outcome::of(response, session).await?;
            Ok(())
        })
        .await?;
        Ok(last)
    }

    fn engine(&self) -> Result<&Engine> {
        self.engine.as_ref().ok_or_else(|| Error::internal("the engine is closed"))
    }

    fn session(&mut self) -> Result<&mut Session> {
        if !self.sessions.contains_key(&self.connection) {
            let session = self.engine()?.session(SessionOptions::default())?;
            self.sessions.insert(self.connection.clone(), session);
        }
        Ok(self.sessions.get_mut(&self.connection).expect("just inserted"))
    }

    /// Whether no session is within a transaction or a COPY.
    fn quiet(&self) -> bool {
        self.sessions
            .values()
            .all(|session| session.status() == TransactionStatus::Idle && !session.copying())
    }

    async fn open(&mut self) -> Result<()> {
        let clock = Arc::new(self.clock.clone());
        self.engine = Some(Engine::open_with_clock(self.config.clone(), clock).await?);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.sessions.clear();
        match self.engine.take() {
            Some(engine) => engine.shutdown().await,
            None => Ok(()),
        }
    }

    async fn reopen(&mut self, crash: bool) -> Result<()> {
        if crash {
            self.sessions.clear();
            if let Some(engine) = self.engine.take() {
                engine.crash().await?;
            }
        } else {
            self.close().await?;
        }
        self.open().await?;
        let connection = std::mem::take(&mut self.connection);
        for (name, sql) in self.settings.clone() {
            self.connection = name;
            self.execute(&sql).await?;
        }
        self.connection = connection;
        Ok(())
    }

    fn substituted(&self, sql: &str, path: &Path) -> String {
        sql.replace("$__TEST_DIR__", &self.scratch.path().to_string_lossy())
            .replace("$__DIR__", &directory(path).to_string_lossy())
    }
}

/// Whether a statement is a `COPY … FROM STDIN`.
fn is_copy(sql: &str) -> bool {
    let sql = sql.trim_start().to_lowercase();
    sql.starts_with("copy") && sql.contains("from stdin")
}

fn directory(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// The number at the end of a command tag.
fn tag_count(tag: &str) -> Option<u64> {
    tag.rsplit(' ').next()?.parse().ok()
}

fn failed(sql: &str, error: &Error) -> Error {
    mismatch(format!("{sql}\nfailed: {}", described(error)))
}

fn other_error(sql: &str, error: &Error, expected: &Failure) -> Error {
    let state = expected.state.as_deref().map_or_else(String::new, |state| format!("({state}) "));
    let wanted = format!("{state}{}", expected.message);
    let mut text = format!("{sql}\nfailed with {}\ninstead of  {wanted}", described(error));
    if !expected.lines.is_empty() {
        text.push('\n');
        text.push_str(&difference(&expected.lines, &outcome::shown(error, sql)));
    }
    mismatch(text)
}

fn placed(path: &Path, line: Option<usize>, error: &Error) -> Error {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    let placed = Error::new(error.state(), format!("{}{line}: {error}", path.display()));
    match error.hint_text() {
        Some(hint) => placed.hint(hint),
        None => placed,
    }
}
