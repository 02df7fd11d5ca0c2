//! Backslash commands.

use std::io::Write;
use std::path::Path;

use super::{Next, Shell, Stop};
use crate::error::{Error, Result};
use crate::types::name::quote;

const HELP: &str = "\
  \\d            tables, sources and views     \\x [on|off]   a line per column
  \\d NAME       columns and definition        \\timing       how long statements take
  \\dt \\ds       tables; sources               \\i FILE       run a file
  \\dv \\dm       views; materialized views     \\echo TEXT    print a text
  \\dn           schemas                       \\q            leave
Statements end with a semicolon. EXPLAIN CREATE MATERIALIZED VIEW shows how a view is maintained.
";

impl Shell<'_> {
    /// Runs a command, given without its backslash.
    pub(super) fn command(&mut self, text: &str) -> Result<Next, Stop> {
        let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let argument = argument.trim().trim_end_matches(';').trim_end();
        match name {
            "q" | "quit" => return Ok(Next::Quit),
            "?" | "h" | "help" => write!(std::io::stdout(), "{HELP}")?,
            "x" => self.expanded = self.switch("Expanded display", self.expanded, argument)?,
            "timing" => self.timing = self.switch("Timing", self.timing, argument)?,
            "i" | "include" => return self.include(Path::new(argument)),
            "echo" => writeln!(std::io::stdout(), "{argument}")?,
            "d" | "d+" if !argument.is_empty() => self.describe(argument)?,
            "d" | "d+" => self.list(&["TABLES", "SOURCES", "VIEWS", "MATERIALIZED VIEWS"])?,
            "dt" => self.list(&["TABLES"])?,
            "ds" => self.list(&["SOURCES"])?,
            "dv" => self.list(&["VIEWS"])?,
            "dm" => self.list(&["MATERIALIZED VIEWS"])?,
            "dn" => self.list(&["SCHEMAS"])?,
            _ => {
                let names = ["q", "x", "timing", "i", "d", "dt", "ds", "dv", "dm", "dn", "echo"];
                let error = Error::syntax(format!("invalid command \\{name}"))
                    .did_you_mean(name, names)
                    .hint("Try \\? for help.");
                self.failed(&error, None)?;
            }
        }
        Ok(Next::Continue)
    }

    /// The new value of a switch, which is shown.
    fn switch(&self, what: &str, current: bool, argument: &str) -> Result<bool, Stop> {
        let on = match argument {
            "on" => true,
            "off" => false,
            _ => !current,
        };
        writeln!(std::io::stdout(), "{what} is {}.", if on { "on" } else { "off" })?;
        Ok(on)
    }

    /// Lists objects of these kinds.
    fn list(&mut self, kinds: &[&str]) -> Result<(), Stop> {
        for kind in kinds {
            if kinds.len() > 1 {
                writeln!(std::io::stdout(), "{kind}")?;
            }
            self.statement(&format!("SHOW {kind}"))?;
        }
        Ok(())
    }

    /// Columns of a relation.
    fn describe(&mut self, name: &str) -> Result<(), Stop> {
        let parts: Vec<String> = name
            .split('.')
            .map(|part| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
                Some(quoted) => format!("\"{quoted}\""),
                None => quote(&part.to_lowercase()).into_owned(),
            })
            .collect();
        self.statement(&format!("SHOW COLUMNS FROM {}", parts.join(".")))
    }
}
