//! Types by OID and by name.

use super::{Definition, scalar};
use crate::engine::system::layout::static_rows;
use crate::types::pg_type::{self, TEXT};

pub(super) const ALL: &[Definition] = &[scalar("format_type", TEXT, |_, arguments| {
    let modifier = arguments.number(1).and_then(|modifier| i32::try_from(modifier).ok());
    Ok(arguments.oid(0).map(|oid| format_type(oid, modifier.unwrap_or(-1))))
})];

/// A type as SQL spells it, with its modifier.
pub(in crate::engine::system) fn format_type(oid: u32, modifier: i32) -> String {
    if let Some(element) = pg_type::ALL.iter().find(|known| known.array_oid == oid && oid != 0) {
        return format!("{}[]", format_type(element.oid, modifier));
    }
    let Some(known) = pg_type::by_oid(oid) else { return other_type(oid) };
    let size = modifier - 4;
    match known {
        pg_type::VARCHAR | pg_type::BPCHAR if modifier >= 4 => {
            format!("{}({size})", known.sql_name)
        }
        pg_type::NUMERIC if modifier >= 4 => {
            format!("numeric({},{})", size >> 16 & 0xffff, size & 0x7ff)
        }
        pg_type::TIMESTAMP | pg_type::TIMESTAMPTZ | pg_type::TIME if modifier >= 0 => {
            let (word, rest) = known.sql_name.split_once(' ').expect("these names have words");
            format!("{word}({modifier}) {rest}")
        }
        _ => known.sql_name.to_owned(),
    }
}

/// Types that only the system's own relations and functions have.
fn other_type(oid: u32) -> String {
    let types = static_rows("pg_type");
    let text = oid.to_string();
    let row = (0..types.rows.len()).find(|row| types.get(*row, "oid") == Some(text.as_str()));
    match row.and_then(|row| types.get(row, "typname")) {
        Some("char") => "\"char\"".to_owned(),
        Some(name) => match name.strip_prefix('_') {
            Some(element) => format!("{element}[]"),
            None => name.to_owned(),
        },
        None if oid == 0 => "-".to_owned(),
        None => "???".to_owned(),
    }
}

/// OID of a type by either of its names, modifiers left aside.
pub(super) fn oid(name: &str) -> Option<u32> {
    let name = name.trim().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    if let Some(element) = name.strip_suffix("[]") {
        let oid = oid(element)?;
        return pg_type::by_oid(oid).map(|known| known.array_oid);
    }
    let name = name.split('(').next().unwrap_or(name).trim();
    let known = |known: &&pg_type::PgType| known.name == name || known.sql_name == name;
    if let Some(known) = pg_type::ALL.iter().find(known) {
        return Some(known.oid);
    }
    match name {
        "int" => return Some(pg_type::INT4.oid),
        "timestamp" => return Some(pg_type::TIMESTAMP.oid),
        "time" => return Some(pg_type::TIME.oid),
        "decimal" => return Some(pg_type::NUMERIC.oid),
        "char" => return Some(pg_type::BPCHAR.oid),
        "float" => return Some(pg_type::FLOAT8.oid),
        _ => {}
    }
    let types = static_rows("pg_type");
    let row = (0..types.rows.len()).find(|row| types.get(*row, "typname") == Some(name))?;
    types.get(row, "oid")?.parse().ok()
}
