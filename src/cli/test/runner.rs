//! Runs the records of a file against an engine whose time stands still unless told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::changes::Contents;
use super::outcome::{self, difference, mismatch};
use super::script::{self, Action, Expected, Failure, Record, Sort};
use super::{Mode, scratch::Scratch};
use crate::cli::{message, settings};
use crate::clock::SimClock;
use crate::config::{Config, Storage};
use crate::engine::{Engine, Response, Session, SessionOptions, TransactionStatus};
use crate::error::{Error, Result};

/// Where the clock stands when a file begins: 2024-01-01 00:00:00 UTC.
const START_US: i64 = 1_704_067_200_000_000;
/// Deepest `include` within an `include`.
const INCLUDE_DEPTH_MAX: usize = 8;

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
    /// Restarts between statements so far: every other one is a crash.
    reopens: usize,
    seen: BTreeMap<String, Contents>,
    labels: BTreeMap<String, Vec<String>>,
    scratch: Scratch,
}

/// What became of a record, for `--complete`.
struct Seen {
    /// The line that says `statement` or `query`, if it is to be another.
    header: Option<String>,
    /// The lines that should be expected.
    lines: Vec<String>,
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
        for record in records {
            if !self.applies(record) {
                continue;
            }
            let done = match &record.action {
                Action::Halt => break,
                Action::Include(other) => Box::pin(self.include(path, other, depth)).await,
                _ => match self.record(path, record).await {
                    Ok(Some(outcome)) => {
                        seen.push((record, outcome));
                        Ok(())
                    }
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                },
            };
            done.map_err(|error| placed(path, Some(record.line), &error))?;
        }
        if self.mode.complete { complete(path, text, &seen) } else { Ok(()) }
    }

    async fn include(&mut self, path: &Path, other: &str, depth: usize) -> Result<()> {
        if depth == INCLUDE_DEPTH_MAX {
            return Err(mismatch("include is nested too deeply"));
        }
        let other = directory(path).join(other);
        let text = settings::read(&other)?;
        let records = script::parse(&text).map_err(|error| placed(&other, None, &error))?;
        self.file(&other, &text, &records, depth + 1).await
    }

    fn applies(&self, record: &Record) -> bool {
        record.conditions.iter().all(|(label, must)| {
            let holds = label == "millstream" || label == "restart" && self.mode.restart;
            holds == *must
        })
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
            Action::Query { sql, types, sort, label, expected } => {
                let sql = self.substituted(sql, path);
                let sort = sort.unwrap_or(self.sort);
                return self.query(&sql, types, sort, label.as_deref(), expected).await;
            }
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
            Action::Connection(name) => {
                self.connection = if name == "default" { String::new() } else { name.clone() };
            }
            Action::SortMode(sort) => self.sort = *sort,
            Action::RestartControl(allowed) => self.restarts_allowed = *allowed,
            Action::Halt | Action::Include(_) => {}
        }
        Ok(None)
    }

    // --- records ---

    async fn statement(&mut self, sql: &str, expected: &Expected) -> Result<Option<Seen>> {
        let done = self.execute(sql).await;
        if done.is_ok() && sql.trim_start().to_lowercase().starts_with("set ") {
            self.settings.push((self.connection.clone(), sql.to_owned()));
        }
        let header = match (&done, expected) {
            (Ok(_), Expected::Ok) => None,
            (Ok((tag, _)), Expected::Count(count)) if tag_count(tag) == Some(*count) => None,
            (Ok((tag, _)), Expected::Count(_)) if self.mode.complete => {
                Some(format!("statement count {}", tag_count(tag).unwrap_or_default()))
            }
            (Ok(_), Expected::Error(_)) if self.mode.complete => Some("statement ok".to_owned()),
            (Ok((tag, _)), _) => return Err(mismatch(format!("{sql}\nsucceeded: {tag}"))),
            (Err(error), Expected::Error(failure)) if outcome::is_expected(error, failure) => None,
            (Err(error), _) if self.mode.complete => {
                Some(format!("statement error {}", described(error)))
            }
            (Err(error), Expected::Error(failure)) => return Err(other_error(sql, error, failure)),
            (Err(error), _) => return Err(failed(sql, error)),
        };
        Ok(header.map(|header| Seen { header: Some(header), lines: vec![] }))
    }

    async fn query(
        &mut self,
        sql: &str,
        types: &str,
        sort: Sort,
        label: Option<&str>,
        expected: &Result<Vec<String>, Failure>,
    ) -> Result<Option<Seen>> {
        let rows = match (self.rows(sql).await, expected) {
            (Ok(rows), Ok(_)) => rows,
            (Ok(_), Err(_)) => return Err(mismatch(format!("{sql}\nsucceeded"))),
            (Err(error), Err(failure)) if outcome::is_expected(&error, failure) => return Ok(None),
            (Err(error), Err(_)) if self.mode.complete => {
                let header = Some(format!("query error {}", described(&error)));
                return Ok(Some(Seen { header, lines: vec![] }));
            }
            (Err(error), Err(failure)) => return Err(other_error(sql, &error, failure)),
            (Err(error), Ok(_)) => return Err(failed(sql, &error)),
        };
        if let Some(row) = rows.first()
            && !types.is_empty()
            && types.chars().count() != row.len()
        {
            let message = format!("{sql}\nhas {} columns, not {}", row.len(), types.len());
            return Err(mismatch(message));
        }
        let lines = outcome::sorted(rows, sort);
        let actual = outcome::expected(&lines, sort);
        if let Some(label) = label
            && *self.labels.entry(label.to_owned()).or_insert_with(|| actual.clone()) != actual
        {
            let message = format!("{sql}\ndiffers from other queries of label {label}\n");
            return Err(mismatch(message + &difference(&self.labels[label], &actual)));
        }
        if self.mode.complete {
            return Ok(Some(Seen { header: None, lines }));
        }
        let wanted = expected.as_ref().map_or_else(|_| vec![], |l| outcome::expected(l, sort));
        match wanted == actual {
            true => Ok(None),
            false => Err(mismatch(format!("{sql}\n{}", difference(&wanted, &actual)))),
        }
    }

    async fn changes(&mut self, relation: &str, expected: &[String]) -> Result<Option<Seen>> {
        let rows = self.rows(&format!("SELECT * FROM {relation}")).await?;
        let rows = rows.into_iter().map(|row| row.join(" "));
        let lines = self.seen.entry(relation.to_owned()).or_default().replace(rows);
        if self.mode.complete {
            return Ok(Some(Seen { header: None, lines }));
        }
        let wanted = outcome::expected(expected, Sort::Rows);
        let actual = outcome::expected(&lines, Sort::Rows);
        match wanted == actual {
            true => Ok(None),
            false => {
                let message = format!("changes of {relation}\n{}", difference(&wanted, &actual));
                Err(mismatch(message))
            }
        }
    }

    async fn ingest(&mut self, table: &str, rows: &str) -> Result<()> {
        let session = self.session()?;
        let mut responses =
            session.execute(&format!("COPY {table} FROM STDIN (FORMAT csv)")).await?;
        match responses.pop() {
            Some(Response::CopyIn { .. }) => {}
            other => return Err(mismatch(format!("ingest was answered with {other:?}"))),
        }
        session.copy_data(&Bytes::from(rows.to_owned()))?;
        session.copy_finish().await?.finish().await.map(drop)
    }

    // --- the engine ---

    /// Runs a statement: its command tag, and its rows as text.
    async fn execute(&mut self, sql: &str) -> Result<(String, Vec<Vec<String>>)> {
        let mut last = (String::new(), vec![]);
        message::run(self.session()?, sql, async |response, session| {
            last = outcome::of(response, session).await?;
            Ok(())
        })
        .await?;
        Ok(last)
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>> {
        self.execute(sql).await.map(|(_, rows)| rows)
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

fn directory(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// The number at the end of a command tag.
fn tag_count(tag: &str) -> Option<u64> {
    tag.rsplit(' ').next()?.parse().ok()
}

fn described(error: &Error) -> String {
    let first_line = error.message().lines().next().unwrap_or_default();
    format!("({}) {first_line}", error.state().code())
}

fn failed(sql: &str, error: &Error) -> Error {
    mismatch(format!("{sql}\nfailed: {}", described(error)))
}

fn other_error(sql: &str, error: &Error, expected: &Failure) -> Error {
    let state = expected.state.as_deref().map_or_else(String::new, |state| format!("({state}) "));
    let wanted = format!("{state}{}", expected.message);
    mismatch(format!("{sql}\nfailed with {}\ninstead of  {wanted}", described(error)))
}

fn placed(path: &Path, line: Option<usize>, error: &Error) -> Error {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    Error::new(error.state(), format!("{}{line}: {error}", path.display()))
}

/// Writes what was seen into the file.
fn complete(path: &Path, text: &str, seen: &[(&Record, Seen)]) -> Result<()> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (record, outcome) in seen.iter().rev() {
        let (header, expected) = &record.lines;
        lines.splice(expected.clone(), outcome.lines.iter().cloned());
        if let Some(line) = &outcome.header {
            lines[*header].clone_from(line);
        }
    }
    std::fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}
