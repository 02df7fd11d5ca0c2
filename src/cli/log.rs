//! Logs: to standard error, for people or as JSON.

use tracing_subscriber::EnvFilter;

use super::settings::Settings;
use crate::error::{Error, Result};

/// Starts logging; `default` is the level if nothing is said.
pub(super) fn start(settings: &Settings, default: &str) -> Result<()> {
    let wanted = settings.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        Error::invalid_parameter(format!("invalid log filter \"{wanted}\": {error}"))
            .hint("Write a level such as info, or millstream=debug.")
    })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format.as_deref() {
        Some("json") => logs.json().try_init(),
        _ => logs.with_target(false).try_init(),
    };
    // Only a second call in one process can fail, and then logs go where the first one said.
    drop(started);
    Ok(())
}
