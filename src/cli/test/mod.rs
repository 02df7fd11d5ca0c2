//! `test`: runs sqllogictest files. Beside the usual records they may move time, feed tables, look at
//! the changes of a view, and crash the engine; nothing sleeps.
//!
//! ```text
//! statement ok                         query IT rowsort             clock set '2024-01-01 00:00:00'
//! CREATE TABLE t (a int)               SELECT a, b FROM t           clock advance 10s
//!                                      ----
//! statement error (42P01) exist        1 x                          step          sources and views
//! SELECT * FROM nothing                2 y                                        have nothing to do
//!
//! statement count 2                    ingest t                     restart       close and open
//! INSERT INTO t VALUES (1), (2)        1,x                          crash         open what a crash
//!                                      2,y                                        would leave
//! halt                                 expect changes v
//! include other.slt                    - 1 x                        connection other
//! skipif restart / onlyif restart      + 1 y                        statement ok …
//! control sortmode rowsort             control restart off
//! ```
//!
//! A null is `NULL`, an empty text `(empty)`; runs of blanks count as one. `$__DIR__` in a statement is
//! the file's directory, `$__TEST_DIR__` one that is empty at the start and removed at the end.
//!
//! After `statement error`, the text is a part of the message or a regular expression; lines after `----`
//! are the whole error as psql shows it, caret, detail and hint included.
//!
//! The rows of a `COPY … FROM STDIN;` are the lines below it.
//!
//! Files of other runners: a value per line, `N values hashing to …`, `true` for `t`, floats to as many
//! digits as the file has (not with `--exact`); `hash-threshold`, `subtest`, `loop`, `foreach`, `require`,
//! `mode skip`, `sleep` (moves the clock), `include` of a pattern, `query T colnames`, `error pgcode …`.

mod answer;
mod changes;
mod outcome;
mod record;
mod runner;
mod scratch;
mod script;
mod seen;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::arguments::TestArguments;
use crate::error::{Error, Result, SqlState};
use runner::Runner;

/// How a file is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Whether the engine is restarted between statements.
    pub restart: bool,
    /// Whether the expectations in the file are rewritten to what happens.
    pub complete: bool,
    /// Whether every cell is compared character by character, and columns are counted.
    pub exact: bool,
    /// Whether a file is run to its end after a record failed.
    pub keep_going: bool,
    /// Number of dataflow workers.
    pub workers: usize,
}

impl Default for Mode {
    fn default() -> Mode {
        Mode { restart: false, complete: false, exact: false, keep_going: false, workers: 1 }
    }
}

/// Runs one file.
///
/// # Errors
/// The first record that did not do what it says, with its line.
pub fn run_file(path: &Path, mode: Mode) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(Runner::run(path, mode))
}

/// The test files at a path: itself, or all below a directory, in order.
///
/// # Errors
/// If there is nothing, or a directory cannot be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return match path.exists() {
            true => Ok(vec![path.to_owned()]),
            false => {
                let message = format!("no such file or directory: \"{}\"", path.display());
                Err(Error::new(SqlState::UndefinedFile, message))
            }
        };
    }
    let mut found = vec![];
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The files that a name or pattern means.
fn matching(path: &Path) -> Result<Vec<PathBuf>> {
    let text = path.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |error: glob::PatternError| Error::syntax(format!("{text}: {error}"));
    Ok(glob::glob(&text).map_err(wrong)?.filter_map(std::result::Result::ok).collect())
}

/// Runs the command.
pub(super) fn run(arguments: &TestArguments) -> Result<ExitCode> {
    let mode = Mode {
        restart: arguments.restart,
        complete: arguments.complete,
        exact: arguments.exact,
        keep_going: arguments.keep_going,
        workers: arguments.workers.max(1),
    };
    let (mut passed, mut failed) = (0, 0);
    let mut out = std::io::stdout();
    for path in &arguments.paths {
        for file in files(path)? {
            match run_file(&file, mode) {
                Ok(()) => {
                    passed += 1;
                    writeln!(out, "ok      {}", file.display())?;
                }
                Err(error) => {
                    failed += 1;
                    writeln!(out, "FAILED  {}\n{}\n", file.display(), super::report(&error))?;
                }
            }
        }
    }
    writeln!(out, "\n{passed} passed, {failed} failed")?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
