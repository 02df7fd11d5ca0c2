//! What may stand on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::settings::{EngineSettings, Settings};

/// SQL over streams: materialized views kept up to date as events arrive, served as Postgres.
#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES, subcommand_required = true)]
pub(super) struct Arguments {
    /// File of settings (TOML). A flag goes before the environment, the environment before the file.
    #[arg(long, global = true, env = "MILLSTREAM_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  millstream serve                                  data in ./millstream-data, psql on port 6875
  millstream serve --memory --init views.sql        scratch server that begins with a script
  millstream sql                                    a shell on ./millstream-data, without a server
  millstream sql --memory -c 'select 1 + 1'         one statement
  millstream test tests/*.slt                       run sqllogictest files
  psql -h 127.0.0.1 -p 6875 -U millstream           a client of a running server

Every setting may also stand in the environment (MILLSTREAM_LISTEN=…) or in the file of --config
(listen = \"…\").";

/// The commands.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Serve a data directory to Postgres clients.
    #[command(after_help = "\
Examples:
  millstream serve --init examples/flights.sql
  millstream serve --data /var/lib/millstream --listen 0.0.0.0:6875 --password-file secret
  MILLSTREAM_WORKERS=4 millstream serve --log-format json")]
    Serve(Settings),
    /// A shell on a data directory, without a server.
    #[command(after_help = "\
Examples:
  millstream sql                       interactive: \\? for help, \\q to leave
  millstream sql -c '\\d' -c 'select * from v'
  millstream sql script.sql            run a file and stop at the first error
  echo 'select 1' | millstream sql --memory")]
    Sql(SqlArguments),
    /// Run sqllogictest files, with directives for streams, time and crashes.
    #[command(after_help = "\
Examples:
  millstream test sql-tests                    every .slt file below a directory
  millstream test --restart views.slt          restart the engine between statements
  millstream test --complete views.slt         write what happens into the file as expectation")]
    Test(TestArguments),
}

/// Arguments of `sql`.
#[derive(Args)]
pub(super) struct SqlArguments {
    /// Run this and leave; may be given several times.
    #[arg(short, long, value_name = "SQL")]
    pub(super) command: Vec<String>,
    /// Run this file and leave; `-` is standard input.
    #[arg(value_name = "FILE", conflicts_with = "command")]
    pub(super) file: Option<PathBuf>,
    /// Settings of the engine.
    #[command(flatten)]
    pub(super) engine: EngineSettings,
}

/// Arguments of `test`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct TestArguments {
    /// Files, or directories to search for `.slt` files.
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Restart the engine between statements.
    #[arg(long)]
    pub(super) restart: bool,
    /// Rewrite the expectations in the files to what happens.
    #[arg(long)]
    pub(super) complete: bool,
    /// Compare every cell character by character: no `true` for `t`, no `2.5` for `2.50`.
    #[arg(long)]
    pub(super) exact: bool,
    /// Go on after a record that failed, and tell all of them.
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Number of dataflow workers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) workers: usize,
}
