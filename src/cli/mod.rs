//! The command line: `serve`, `sql`, `test`. Flags, environment and configuration file become an engine
//! and what runs on it; everything is written to standard output or error here and nowhere else.

mod arguments;
mod log;
mod message;
mod report;
mod serve;
mod settings;
mod shell;
mod table;
pub mod test;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::engine::STACK_BYTES;
use crate::error::Result;
use arguments::{Arguments, Command};
use report::report;
use settings::Settings;

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            let _closed = writeln!(stderr, "{}", report(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    settings::check_environment(std::env::vars().map(|(name, _)| name))?;
    let file = settings::file(arguments.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    match arguments.command {
        Command::Serve(given) => {
            let settings = given.or(file);
            log::start(&settings, "info")?;
            let served = runtime.block_on(serve::serve(&settings));
            // The engine is closed. A query that still computes is nobody's any more.
            runtime.shutdown_background();
            served.map(|()| ExitCode::SUCCESS)
        }
        Command::Sql(given) => {
            let settings = Settings::of_engine(given.engine.clone()).or(file);
            log::start(&settings, "warn")?;
            shell::run(&runtime, &settings, &given)
        }
        Command::Test(given) => {
            log::start(&file, "error")?;
            test::run(&given)
        }
    }
}
