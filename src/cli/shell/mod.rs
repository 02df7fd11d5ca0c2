//! `sql`: a shell on a data directory without a server. Statements end with a semicolon, commands begin
//! with a backslash, as in psql.

mod command;
mod input;
mod statement;

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use super::arguments::SqlArguments;
use super::report::described;
use super::settings::{self, Settings};
use crate::engine::{Engine, Session, SessionOptions};
use crate::error::{Error, Result, SqlState};
use input::{Buffer, Piece};

/// Deepest `\i` within `\i`.
const INCLUDE_DEPTH_MAX: usize = 16;

/// A shell: a session, and how results are shown.
struct Shell<'a> {
    runtime: &'a Runtime,
    session: Session,
    /// `\x`: one line per column.
    expanded: bool,
    /// `\timing`
    timing: bool,
    /// Whether the first error ends the run: always, but at a prompt.
    stop_at_error: bool,
    depth: usize,
}

/// Whether the shell goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    Quit,
}

/// Runs the shell; the exit code is 1 if a statement failed outside of a prompt.
pub(super) fn run(
    runtime: &Runtime,
    settings: &Settings,
    arguments: &SqlArguments,
) -> Result<ExitCode> {
    let config = settings.config()?;
    let engine = runtime.block_on(Engine::open(config))?;
    let session = engine.session(SessionOptions::default())?;
    let mut shell =
        Shell { runtime, session, expanded: false, timing: false, stop_at_error: true, depth: 0 };
    let done = shell.read(arguments);
    drop(shell);
    runtime.block_on(engine.shutdown())?;
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Already shown where it happened.
        Err(Stop::Shown) => Ok(ExitCode::FAILURE),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Why a run ends early.
enum Stop {
    /// A statement failed and its error has been shown.
    Shown,
    /// Anything else.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::Error(error.into())
    }
}

impl Shell<'_> {
    fn read(&mut self, arguments: &SqlArguments) -> Result<(), Stop> {
        if !arguments.command.is_empty() {
            for text in &arguments.command {
                if self.text(text)? == Next::Quit {
                    break;
                }
            }
            return Ok(());
        }
        match arguments.file.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => self.text(&settings::read(path)?).map(drop),
            None if std::io::stdin().is_terminal() => self.prompt(),
            None => self.lines(std::io::stdin().lock()),
        }
    }

    /// Runs everything in `text`.
    fn text(&mut self, text: &str) -> Result<Next, Stop> {
        let mut buffer = Buffer::default();
        for line in text.lines() {
            if self.line(&mut buffer, line)? == Next::Quit {
                return Ok(Next::Quit);
            }
        }
        match buffer.finish() {
            Some(rest) => self.statement(&rest).map(|()| Next::Continue),
            None => Ok(Next::Continue),
        }
    }

    fn lines(&mut self, input: impl BufRead) -> Result<(), Stop> {
        let mut buffer = Buffer::default();
        for line in input.lines() {
            if self.line(&mut buffer, &line?)? == Next::Quit {
                return Ok(());
            }
        }
        match buffer.finish() {
            Some(rest) => self.statement(&rest),
            None => Ok(()),
        }
    }

    /// Takes a line and runs what it completes.
    fn line(&mut self, buffer: &mut Buffer, line: &str) -> Result<Next, Stop> {
        let copying = self.session.copying();
        for piece in buffer.push(line, copying) {
            match piece {
                Piece::Statement(text) => self.statement(&text)?,
                Piece::Command(text) => {
                    if self.command(&text)? == Next::Quit {
                        return Ok(Next::Quit);
                    }
                }
                Piece::Data(data) => self.copy_data(data)?,
                Piece::EndOfData => self.copy_end()?,
            }
        }
        Ok(Next::Continue)
    }

    /// Reads from a person.
    fn prompt(&mut self) -> Result<(), Stop> {
        self.stop_at_error = false;
        let mut out = std::io::stdout();
        writeln!(out, "millstream {}: \\? for help, \\q to leave", env!("CARGO_PKG_VERSION"))?;
        let broken = |error: ReadlineError| {
            Error::new(SqlState::IoError, format!("cannot read from the terminal: {error}"))
        };
        let mut editor = rustyline::DefaultEditor::new().map_err(broken)?;
        let history = std::env::home_dir().map(|home| home.join(".millstream_history"));
        if let Some(path) = &history {
            // A first run has none.
            let _none = editor.load_history(path);
        }
        let mut buffer = Buffer::default();
        loop {
            let prompt = if buffer.is_empty() { "millstream=> " } else { "millstream-> " };
            match editor.readline(prompt) {
                Ok(line) => {
                    if !line.trim().is_empty() {
                        let _full = editor.add_history_entry(&line);
                    }
                    if self.line(&mut buffer, &line)? == Next::Quit {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => buffer = Buffer::default(),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(broken(error).into()),
            }
        }
        if let Some(path) = &history {
            let _unwritable = editor.save_history(path);
        }
        Ok(())
    }

    /// `\i file`
    fn include(&mut self, path: &Path) -> Result<Next, Stop> {
        if self.depth == INCLUDE_DEPTH_MAX {
            let error = Error::new(SqlState::ProgramLimitExceeded, "\\i is nested too deeply");
            return self.failed(&error, None).map(|()| Next::Continue);
        }
        match settings::read(path) {
            Ok(text) => {
                self.depth += 1;
                let done = self.text(&text);
                self.depth -= 1;
                done
            }
            Err(error) => self.failed(&error, None).map(|()| Next::Continue),
        }
    }

    /// Shows an error; a script ends there.
    fn failed(&mut self, error: &Error, text: Option<&str>) -> Result<(), Stop> {
        std::io::stdout().flush()?;
        write!(std::io::stderr(), "{}", described("ERROR", error, text))?;
        if self.stop_at_error { Err(Stop::Shown) } else { Ok(()) }
    }
}
