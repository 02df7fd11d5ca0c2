//! A session's settings: `SET`, `SHOW`, `RESET`, with PostgreSQL's names, units and errors.
//!
//! Harmless settings that drivers and tools send are known and kept, so that `SHOW` answers what was
//! set; unknown names are refused with 42704 and the nearest known one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{Error, Result, SqlState, nearest};

mod parameter;

pub use parameter::{PARAMETERS, Parameter, SERVER_VERSION, SERVER_VERSION_NUM};

/// The settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Values that differ from the defaults, by canonical name.
    values: BTreeMap<&'static str, String>,
    /// Values given by the client at start, which `RESET` goes back to.
    start: BTreeMap<&'static str, String>,
    /// Settings with a dot in their name (`myapp.user`), which anybody may invent.
    custom: BTreeMap<String, String>,
    /// What to put back at the end of the transaction block.
    block: Option<Saved>,
    /// Reported settings that have changed since [`Settings::take_reports`].
    changed: BTreeSet<&'static str>,
}

/// Values to go back to.
#[derive(Clone, Debug)]
struct Saved {
    /// All values as they were at `BEGIN`, for `ROLLBACK`.
    values: BTreeMap<&'static str, String>,
    custom: BTreeMap<String, String>,
    /// Values as they are to be after `COMMIT`: what `SET` without `LOCAL` has said.
    committed: BTreeMap<&'static str, String>,
    committed_custom: BTreeMap<String, String>,
}

impl Settings {
    /// Settings of a session that starts with `start` (from the start-up message or a URL).
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn new(start: &[(String, String)]) -> Result<Settings> {
        let mut settings = Settings {
            values: BTreeMap::new(),
            start: BTreeMap::new(),
            custom: BTreeMap::new(),
            block: None,
            changed: PARAMETERS.iter().filter(|known| known.reported).map(|p| p.name).collect(),
        };
        for (name, value) in start {
            settings.set(name, std::slice::from_ref(value), false)?;
        }
        settings.start = settings.values.clone();
        Ok(settings)
    }

    /// The session's user, as `SHOW session_authorization` tells it.
    pub(super) fn set_user(&mut self, user: &str) {
        self.values.insert("session_authorization", user.to_owned());
        self.start.insert("session_authorization", user.to_owned());
    }

    /// The value of a setting, as `SHOW` prints it.
    ///
    /// # Errors
    /// 42704 if there is no such setting.
    pub fn get(&self, name: &str) -> Result<String> {
        match lookup(name) {
            Ok(known) => Ok(self.value(known).to_owned()),
            Err(unknown) => self.custom.get(&name.to_lowercase()).cloned().ok_or(unknown),
        }
    }

    /// All settings: name, value, description.
    #[must_use]
    pub fn all(&self) -> Vec<(String, String, &'static str)> {
        let known = PARAMETERS
            .iter()
            .map(|known| (known.name.to_owned(), self.value(known).to_owned(), known.about));
        let custom = self.custom.iter().map(|(name, value)| (name.clone(), value.clone(), ""));
        let mut all: Vec<_> = known.chain(custom).collect();
        all.sort_by_key(|(name, _, _)| name.to_lowercase());
        all
    }

    /// Changes a setting; several values are a list (`search_path`). `local`: until the end of the
    /// transaction block only.
    ///
    /// # Errors
    /// 42704 for an unknown name, 55P02 for one that cannot be changed, 22023 for a bad value.
    pub fn set(&mut self, name: &str, values: &[String], local: bool) -> Result<()> {
        let known = match lookup(name) {
            Ok(known) => known,
            Err(_) if name.contains('.') => {
                self.set_custom(name.to_lowercase(), values.join(", "), local);
                return Ok(());
            }
            Err(unknown) => return Err(unknown),
        };
        let value = known.parse(values)?;
        self.put(known, Some(value), local);
        Ok(())
    }

    /// Puts a setting back to what it was when the session began.
    ///
    /// # Errors
    /// 42704 for an unknown name, 55P02 for one that cannot be changed.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        let known = match lookup(name) {
            Ok(known) => known,
            Err(unknown) => {
                return self.custom.remove(&name.to_lowercase()).map(|_| ()).ok_or(unknown);
            }
        };
        known.changeable()?;
        let start = self.start.get(known.name).cloned();
        self.put(known, start, false);
        Ok(())
    }

    /// Puts every setting back.
    pub fn reset_all(&mut self) {
        for known in PARAMETERS.iter().filter(|known| known.changeable().is_ok()) {
            let start = self.start.get(known.name).cloned();
            if self.values.get(known.name) != start.as_ref() {
                self.put(known, start, false);
            }
        }
        self.custom.clear();
    }

    fn value(&self, known: &Parameter) -> &str {
        // Outside of a block the next one would have the defaults.
        if self.block.is_none()
            && known.name.starts_with("transaction_")
            && let Ok(default) = lookup(&format!("default_{}", known.name))
        {
            return self.value(default);
        }
        self.values.get(known.name).map_or(known.default, String::as_str)
    }

    fn put(&mut self, known: &'static Parameter, value: Option<String>, local: bool) {
        let before = self.value(known).to_owned();
        let apply = |values: &mut BTreeMap<&'static str, String>| match &value {
            Some(value) => drop(values.insert(known.name, value.clone())),
            None => drop(values.remove(known.name)),
        };
        apply(&mut self.values);
        if let Some(block) = &mut self.block
            && !local
        {
            apply(&mut block.committed);
        }
        if known.reported && self.value(known) != before {
            self.changed.insert(known.name);
        }
    }

    fn set_custom(&mut self, name: String, value: String, local: bool) {
        if let Some(block) = &mut self.block
            && !local
        {
            block.committed_custom.insert(name.clone(), value.clone());
        }
        self.custom.insert(name, value);
    }

    /// A transaction block begins.
    pub(crate) fn begin(&mut self) {
        self.block = Some(Saved {
            values: self.values.clone(),
            custom: self.custom.clone(),
            committed: self.values.clone(),
            committed_custom: self.custom.clone(),
        });
    }

    /// The block ends: `SET LOCAL` is forgotten, and after a rollback every `SET` in it.
    pub(crate) fn end(&mut self, committed: bool) {
        let Some(block) = self.block.take() else { return };
        let (values, custom) = if committed {
            (block.committed, block.committed_custom)
        } else {
            (block.values, block.custom)
        };
        let before = std::mem::replace(&mut self.values, values);
        self.custom = custom;
        for known in PARAMETERS.iter().filter(|known| known.reported) {
            if before.get(known.name) != self.values.get(known.name) {
                self.changed.insert(known.name);
            }
        }
    }

    /// Settings to report to the client (`ParameterStatus`): all at first, then those changed since.
    pub fn take_reports(&mut self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|name| self.get(name).ok().map(|value| (name, value)))
            .collect()
    }

    fn known(&self, name: &str) -> &str {
        lookup(name).map_or("", |known| self.value(known))
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        let ms = parameter::parse_duration_ms(self.known(name))?;
        (ms > 0).then(|| Duration::from_millis(ms.unsigned_abs()))
    }

    /// The schemas searched for unqualified names, in order; `"$user"` is left out.
    #[must_use]
    pub fn search_path(&self) -> Vec<String> {
        parameter::split_list(self.known("search_path"))
            .into_iter()
            .filter(|schema| schema != "$user" && !schema.is_empty())
            .collect()
    }

    /// The session's time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        self.known("timezone")
    }

    /// Longest time that a statement may run.
    #[must_use]
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.duration("statement_timeout")
    }

    /// Whether new transaction blocks are read-only.
    #[must_use]
    pub fn default_read_only(&self) -> bool {
        self.known("default_transaction_read_only") == "on"
    }

    /// Whether a NOTICE is to be sent to the client.
    #[must_use]
    pub fn wants_notices(&self) -> bool {
        !matches!(self.known("client_min_messages"), "warning" | "error")
    }

    /// Whether a WARNING is to be sent to the client.
    #[must_use]
    pub fn wants_warnings(&self) -> bool {
        self.known("client_min_messages") != "error"
    }
}

/// The parameter with this name, in any case.
fn lookup(name: &str) -> Result<&'static Parameter> {
    PARAMETERS.iter().find(|known| known.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let unknown = Error::new(
            SqlState::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        );
        match nearest(&name.to_lowercase(), PARAMETERS.iter().map(|known| known.name)) {
            Some(near) => unknown.hint(format!("Perhaps you meant \"{near}\".")),
            None => unknown,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn settings() -> Settings {
        Settings::new(&[]).expect("defaults are valid")
    }

    fn set(settings: &mut Settings, name: &str, value: &str) -> String {
        match settings.set(name, &[value.to_owned()], false) {
            Ok(()) => settings.get(name).expect("was set"),
            Err(error) => format!("{}: {error}", error.state().code()),
        }
    }

    #[test]
    fn values_are_checked_and_printed_as_postgres_does() {
        let cases = [
            ("statement_timeout", "5000", "5s"),
            ("statement_timeout", "1500ms", "1500ms"),
            ("statement_timeout", "0", "0"),
            ("work_mem", "8192", "8MB"),
            ("TimeZone", "europe/berlin", "Europe/Berlin"),
            ("timezone", "utc", "UTC"),
            (
                "timezone",
                "Mars/Base",
                "22023: invalid value for parameter \"TimeZone\": \"Mars/Base\"",
            ),
            ("standard_conforming_strings", "true", "on"),
            ("client_min_messages", "WARNING", "warning"),
            ("datestyle", "ISO", "ISO, MDY"),
            ("server_version", "9", "55P02: parameter \"server_version\" cannot be changed"),
            ("serch_path", "a", "42704: unrecognized configuration parameter \"serch_path\""),
            ("myapp.user", "7", "7"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(set(&mut settings(), name, value), expected, "SET {name} = {value}");
        }
    }

    #[test]
    fn a_block_forgets_local_values_and_a_rollback_all() {
        let mut settings = settings();
        settings.begin();
        settings.set("application_name", &["a".into()], false).expect("valid");
        settings.set("search_path", &["x".into()], true).expect("valid");
        assert_eq!(settings.search_path(), ["x"]);
        settings.end(true);
        assert_eq!(settings.search_path(), ["public"]);
        assert_eq!(settings.get("application_name").expect("known"), "a");
        settings.begin();
        settings.set("application_name", &["b".into()], false).expect("valid");
        settings.end(false);
        assert_eq!(settings.get("application_name").expect("known"), "a");
    }
}
