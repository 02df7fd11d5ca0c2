//! Settings from flags, environment and file, in that order. One struct carries all three: flags and
//! environment are read by clap, the file by serde; what is absent in one is taken from the next.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Command};
use serde::Deserialize;

use crate::config::{Config, Storage};
use crate::error::{Error, Result, SqlState};
use crate::server::ServerConfig;

/// Prefix of settings in the environment.
const PREFIX: &str = "MILLSTREAM_";
/// Where data are kept if nothing says otherwise.
const DATA: &str = "millstream-data";

/// Settings of the engine.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub(super) struct EngineSettings {
    /// Data directory, created if missing [default: ./millstream-data].
    #[arg(long, env = "MILLSTREAM_DATA", value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep everything in memory: nothing survives the process.
    #[arg(long, env = "MILLSTREAM_MEMORY", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    memory: Option<bool>,
    /// Number of dataflow workers [default: all cores].
    #[arg(long, env = "MILLSTREAM_WORKERS", value_name = "N")]
    workers: Option<usize>,
    /// Shortest time between two ticks under load, in milliseconds [default: 10].
    #[arg(long, env = "MILLSTREAM_TICK_INTERVAL_MS", value_name = "MS")]
    tick_interval_ms: Option<u64>,
    /// Most rows of input in one tick [default: 100000].
    #[arg(long, env = "MILLSTREAM_TICK_ROWS_MAX", value_name = "ROWS")]
    tick_rows_max: Option<usize>,
    /// Rows of existing data fed to a view being filled, per tick [default: 100000].
    #[arg(long, env = "MILLSTREAM_BACKFILL_ROWS_PER_TICK", value_name = "ROWS")]
    backfill_rows_per_tick: Option<usize>,
    /// Size of a log segment in bytes after which a new one is begun [default: 67108864].
    #[arg(long, env = "MILLSTREAM_SEGMENT_SIZE_MAX", value_name = "BYTES")]
    segment_size_max: Option<u64>,
}

/// All settings.
#[derive(Args, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub(super) struct Settings {
    /// Settings of the engine.
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) engine: EngineSettings,
    /// Where Postgres clients connect [default: 127.0.0.1:6875].
    #[arg(long, env = "MILLSTREAM_LISTEN", value_name = "HOST:PORT")]
    listen: Option<Address>,
    /// Where health and metrics are [default: 127.0.0.1:6876]; `none` for nowhere.
    #[arg(long, env = "MILLSTREAM_HTTP", value_name = "HOST:PORT")]
    http: Option<Address>,
    /// SQL file to run when the server starts.
    #[arg(long, env = "MILLSTREAM_INIT", value_name = "FILE.sql")]
    pub(super) init: Option<PathBuf>,
    /// File with the password of the role millstream; needed to listen beyond this machine.
    #[arg(long, env = "MILLSTREAM_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Most sessions open at once [default: 1000].
    #[arg(long, env = "MILLSTREAM_CONNECTIONS_MAX", value_name = "N")]
    connections_max: Option<usize>,
    /// What is logged, such as `warn` or `millstream=debug` [default: info].
    #[arg(long, env = "MILLSTREAM_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// How it is logged: `human` or `json` [default: human].
    #[arg(long, env = "MILLSTREAM_LOG_FORMAT", value_name = "FORMAT", value_parser = ["human", "json"])]
    pub(super) log_format: Option<String>,
}

/// `HOST:PORT`, or `none`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Address(Option<SocketAddr>);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if text == "none" {
            return Ok(Address(None));
        }
        let mut found = text
            .to_socket_addrs()
            .map_err(|error| format!("{error}; write HOST:PORT, such as 127.0.0.1:6875"))?;
        found.next().map(|address| Address(Some(address))).ok_or_else(|| "no such host".to_owned())
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        text.parse()
    }
}

impl Settings {
    /// Settings that say nothing but these.
    pub(super) fn of_engine(engine: EngineSettings) -> Settings {
        Settings { engine, ..Settings::default() }
    }

    /// These settings, and `other`'s where they say nothing.
    pub(super) fn or(self, other: Settings) -> Settings {
        let (engine, rest) = (self.engine, other.engine);
        // Either of --data and --memory overrules both of the file.
        let placed = engine.data.is_some() || engine.memory.is_some();
        let (data, memory) = if placed { (None, None) } else { (rest.data, rest.memory) };
        Settings {
            engine: EngineSettings {
                data: engine.data.or(data),
                memory: engine.memory.or(memory),
                workers: engine.workers.or(rest.workers),
                tick_interval_ms: engine.tick_interval_ms.or(rest.tick_interval_ms),
                tick_rows_max: engine.tick_rows_max.or(rest.tick_rows_max),
                backfill_rows_per_tick: engine
                    .backfill_rows_per_tick
                    .or(rest.backfill_rows_per_tick),
                segment_size_max: engine.segment_size_max.or(rest.segment_size_max),
            },
            listen: self.listen.or(other.listen),
            http: self.http.or(other.http),
            init: self.init.or(other.init),
            password_file: self.password_file.or(other.password_file),
            connections_max: self.connections_max.or(other.connections_max),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
        }
    }

    /// The engine's configuration.
    pub(super) fn config(&self) -> Result<Config> {
        let given = &self.engine;
        let default = Config::default();
        let storage = match (given.memory, &given.data) {
            (Some(true), _) => Storage::Memory,
            (_, Some(directory)) => Storage::Directory(directory.clone()),
            _ => Storage::Directory(PathBuf::from(DATA)),
        };
        let workers = given.workers.unwrap_or(default.workers);
        if workers == 0 {
            return Err(invalid("workers must be at least 1"));
        }
        Ok(Config {
            storage,
            workers,
            tick_interval_ms: given.tick_interval_ms.unwrap_or(default.tick_interval_ms),
            tick_rows_max: given.tick_rows_max.unwrap_or(default.tick_rows_max).max(1),
            backfill_rows_per_tick: given
                .backfill_rows_per_tick
                .unwrap_or(default.backfill_rows_per_tick)
                .max(1),
            segment_size_max: given.segment_size_max.unwrap_or(default.segment_size_max),
            ..default
        })
    }

    /// The server's configuration.
    pub(super) fn server(&self) -> Result<ServerConfig> {
        let default = ServerConfig::default();
        let listen = match &self.listen {
            None => default.listen,
            Some(Address(Some(address))) => *address,
            Some(Address(None)) => return Err(invalid("listen cannot be \"none\"")),
        };
        let password = match &self.password_file {
            Some(path) => Some(read(path)?.trim_end_matches(['\n', '\r']).to_owned()),
            None => None,
        };
        Ok(ServerConfig {
            listen,
            http: self.http.as_ref().map_or(default.http, |Address(address)| *address),
            password,
            connections_max: self.connections_max.unwrap_or(default.connections_max),
        })
    }
}

/// The settings in a file; none for no file.
pub(super) fn file(path: Option<&Path>) -> Result<Settings> {
    let Some(path) = path else { return Ok(Settings::default()) };
    from_toml(&read(path)?).map_err(|error| error.detail(format!("In {}.", path.display())))
}

fn from_toml(text: &str) -> Result<Settings> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| invalid(error.to_string().trim_end()))?;
    let known = names();
    if let Some(key) = table.keys().find(|key| !known.contains(key)) {
        return Err(invalid(format!("unknown setting \"{key}\""))
            .did_you_mean(key, known.iter().map(String::as_str)));
    }
    table.try_into().map_err(|error: toml::de::Error| invalid(error.to_string().trim_end()))
}

/// Refuses variables that look like settings and are none.
pub(super) fn check_environment(variables: impl Iterator<Item = String>) -> Result<()> {
    let known: Vec<String> =
        names().into_iter().chain(["config".to_owned()]).map(|name| variable(&name)).collect();
    for name in variables.filter(|name| name.starts_with(PREFIX)) {
        if !known.contains(&name) {
            return Err(invalid(format!("unknown setting \"{name}\" in the environment"))
                .did_you_mean(&name, known.iter().map(String::as_str)));
        }
    }
    Ok(())
}

fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase())
}

/// Names of all settings, as the file spells them.
fn names() -> Vec<String> {
    let command = Settings::augment_args(Command::new("settings"));
    command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
}

/// Reads a text file; the message names it.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let state = Error::from(std::io::Error::from(error.kind())).state();
        Error::new(state, format!("cannot read \"{}\": {error}", path.display()))
    })
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(SqlState::ConfigFileError, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_settings_win() {
        let file = from_toml("workers = 3\nlisten = \"127.0.0.1:1\"\nmemory = true").unwrap();
        let mut flags = Settings::default();
        flags.engine.workers = Some(2);
        flags.engine.data = Some("x".into());
        let settings = flags.or(file);
        let config = settings.config().unwrap();
        assert_eq!(config.workers, 2);
        assert_eq!(config.storage, Storage::Directory("x".into()));
        assert_eq!(settings.server().unwrap().listen.port(), 1);
    }

    #[test]
    fn unknown_settings_are_errors() {
        let error = from_toml("wokers = 3").unwrap_err();
        assert_eq!(error.message(), "unknown setting \"wokers\"");
        assert_eq!(error.hint_text(), Some("Perhaps you meant \"workers\"."));
        assert!(from_toml("workers = \"many\"").is_err());
        assert!(from_toml("listen = \"nowhere\"").is_err());
        let environment = ["MILLSTREAM_LISTN".to_owned(), "PATH".to_owned()];
        let error = check_environment(environment.into_iter()).unwrap_err();
        assert_eq!(error.hint_text(), Some("Perhaps you meant \"MILLSTREAM_LISTEN\"."));
        assert!(check_environment(["MILLSTREAM_DATA".to_owned()].into_iter()).is_ok());
    }
}
