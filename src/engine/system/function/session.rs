//! What a session is told of itself and of the server.

use arrow::datatypes::DataType;

use super::{Arguments, Definition, OWNER, array, boolean, elements, numbered, scalar};
use crate::engine::activity::Activity;
use crate::engine::channel::Action;
use crate::engine::system::context::Context;
use crate::engine::system::objects;
use crate::error::{Error, Result, SqlState};
use crate::types::name::quote;
use crate::types::pg_type::{BOOL, INT4, INT8, NAME, TEXT, VOID};

pub(super) const ALL: &[Definition] = &[
    scalar("version", TEXT, |context, _| {
        let version = context.setting("server_version").unwrap_or_default();
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        Ok(Some(format!("PostgreSQL {version} on {arch}-{os}")))
    }),
    scalar("current_database", NAME, database),
    scalar("current_catalog", NAME, database),
    scalar("current_schema", NAME, |context, _| {
        let exists = |name: &&String| objects::schema_oid(&context.catalog, name).is_some();
        Ok(context.search_path.iter().find(exists).cloned())
    }),
    array("current_schemas", NAME, |context, arguments| {
        let mut path: Vec<&str> = context.search_path.iter().map(String::as_str).collect();
        path.retain(|name| objects::schema_oid(&context.catalog, name).is_some());
        if arguments.text(0) == Some("t") && !path.contains(&"pg_catalog") {
            path.insert(0, "pg_catalog");
        }
        let path: Vec<String> = path.into_iter().map(|name| quote(name).into_owned()).collect();
        Ok(Some(format!("{{{}}}", path.join(","))))
    }),
    scalar("current_user", NAME, user),
    scalar("session_user", NAME, user),
    scalar("user", NAME, user),
    scalar("current_role", NAME, user),
    scalar("getpgusername", NAME, user),
    scalar("pg_backend_pid", INT4, |context, _| Ok(Some(context.session.to_string()))),
    scalar("current_setting", TEXT, current_setting),
    scalar("set_config", TEXT, set_config),
    scalar("pg_notify", VOID, |context, arguments| {
        let (channel, payload) = (arguments.text(0), arguments.text(1));
        let action = Action::notify(channel.unwrap_or_default(), payload.unwrap_or_default())?;
        context.announcements.lock().push(action);
        Ok(Some(String::new()))
    }),
    scalar("pg_cancel_backend", BOOL, |context, arguments| {
        on_session(context, arguments, |sessions, id| sessions.cancel(id))
    }),
    scalar("pg_terminate_backend", BOOL, |context, arguments| {
        on_session(context, arguments, |sessions, id| sessions.terminate(id))
    }),
    scalar("pg_is_in_recovery", BOOL, |_, _| Ok(boolean(false))),
    scalar("pg_is_wal_replay_paused", BOOL, |_, _| Ok(boolean(false))),
    scalar("txid_current", INT8, |_, _| Ok(Some("1".to_owned()))),
    scalar("pg_get_userbyid", NAME, |_, _| Ok(Some(OWNER.to_owned()))),
    scalar("inet_server_addr", TEXT, |_, _| Ok(None)),
    scalar("inet_server_port", INT4, |_, _| Ok(None)),
    scalar("inet_client_addr", TEXT, |_, _| Ok(None)),
    scalar("inet_client_port", INT4, |_, _| Ok(None)),
    scalar("pg_encoding_to_char", NAME, |_, arguments| {
        Ok(arguments.number(0).map(|code| if code == 6 { "UTF8" } else { "" }.to_owned()))
    }),
    scalar("pg_char_to_encoding", INT4, |_, arguments| {
        let utf8 = |name: &str| matches!(name.to_lowercase().as_str(), "utf8" | "utf-8");
        Ok(arguments.text(0).map(|name| if utf8(name) { "6" } else { "-1" }.to_owned()))
    }),
    scalar("getdatabaseencoding", NAME, |_, _| Ok(Some("UTF8".to_owned()))),
    scalar("pg_client_encoding", NAME, |_, _| Ok(Some("UTF8".to_owned()))),
    array("parse_ident", TEXT, |_, arguments| {
        Ok(arguments.text(0).map(|text| {
            let parts = super::name::split(text);
            let parts: Vec<String> = parts.iter().map(|part| quote(part).into_owned()).collect();
            format!("{{{}}}", parts.join(","))
        }))
    }),
    scalar("pg_size_pretty", TEXT, |_, arguments| Ok(arguments.number(0).map(size_pretty))),
    scalar("__text", TEXT, |_, arguments| {
        Ok(match (arguments.text(0), arguments.data_type(0)) {
            (Some(text), DataType::Boolean) => {
                Some(if text == "t" { "true" } else { "false" }.to_owned())
            }
            (text, _) => text.map(str::to_owned),
        })
    }),
    array("__subscripts", INT4, |_, arguments| {
        let (Some(array), Some(first)) = (arguments.text(0), arguments.number(1)) else {
            return Ok(None);
        };
        let count = i64::try_from(elements(array)?.len()).unwrap_or(0);
        let subscripts: Vec<String> =
            (first..first + count).map(|subscript| subscript.to_string()).collect();
        Ok(Some(format!("{{{}}}", subscripts.join(","))))
    }),
    numbered("__expandarray", INT8, |_, arguments| {
        let Some(array) = arguments.text(0) else { return Ok(None) };
        let record = |(index, value): (usize, Option<String>)| {
            format!("\"({},{})\"", value.unwrap_or_default(), index + 1)
        };
        let records: Vec<String> = elements(array)?.into_iter().enumerate().map(record).collect();
        Ok(Some(format!("{{{}}}", records.join(","))))
    }),
];

/// Functions that other queries have in another form: numbers in queries of the catalogs are all `bigint`.
pub(super) const SHARED: &[Definition] = &[
    scalar("array_upper", INT4, |_, arguments| bound(arguments, true)),
    scalar("array_lower", INT4, |_, arguments| bound(arguments, false)),
];

fn database(context: &Context, _: &Arguments<'_>) -> Result<Option<String>> {
    Ok(Some(context.database.clone()))
}

fn user(context: &Context, _: &Arguments<'_>) -> Result<Option<String>> {
    Ok(Some(context.user.clone()))
}

fn current_setting(context: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let Some(name) = arguments.text(0) else { return Ok(None) };
    match context.setting(name) {
        Some(value) => Ok(Some(value.to_owned())),
        None if arguments.text(1) == Some("t") => Ok(None),
        None => Err(Error::new(
            SqlState::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )),
    }
}

/// Noted; the session takes it over when the statement has run.
fn set_config(context: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let Some(name) = arguments.text(0) else {
        return Err(Error::new(SqlState::NullValueNotAllowed, "SET requires parameter name"));
    };
    let (value, local) = (arguments.text(1).unwrap_or_default(), arguments.text(2) == Some("t"));
    context.changes.lock().push((name.to_owned(), value.to_owned(), local));
    Ok(Some(value.to_owned()))
}

/// Does something to the session whose process id is the first argument.
fn on_session(
    context: &Context,
    arguments: &Arguments<'_>,
    act: fn(&Activity, u32) -> bool,
) -> Result<Option<String>> {
    let Some(id) = arguments.number(0) else { return Ok(None) };
    let done = u32::try_from(id).is_ok_and(|id| act(&context.sessions, id));
    Ok(boolean(done))
}

/// As PostgreSQL rounds: the next unit from 10 of the one above on.
fn size_pretty(size: i64) -> String {
    let limit = 10 * 1024;
    if size.abs() < limit {
        return format!("{size} bytes");
    }
    // One bit more than the unit needs is kept, to round halves away from zero.
    let mut twice = size >> 9;
    for unit in ["kB", "MB", "GB", "TB"] {
        let rounded = (twice + twice.signum()) / 2;
        if rounded.abs() < limit || unit == "TB" {
            return format!("{rounded} {unit}");
        }
        twice >>= 10;
    }
    format!("{size} bytes")
}

fn bound(arguments: &Arguments<'_>, upper: bool) -> Result<Option<String>> {
    let Some(array) = arguments.text(0) else { return Ok(None) };
    let count = elements(array)?.len();
    let known = count > 0 && arguments.number(1) == Some(1);
    Ok(known.then(|| if upper { count.to_string() } else { "1".to_owned() }))
}
