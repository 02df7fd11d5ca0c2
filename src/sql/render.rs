//! The canonical text of definitions: what `SHOW CREATE` prints. The parser reads it back as the same
//! definition.

use std::fmt::Write;

use crate::types::QualifiedName;
use crate::types::definition::{
    Column, ConflictPolicy, ObjectKind, OnError, Options, Retain, Sequence, SourceDefinition,
    TableDefinition, ViewDefinition, Watermark,
};
use crate::types::name::{quote, quote_literal};

/// `CREATE TABLE …`
#[must_use]
pub fn table(name: &QualifiedName, table: &TableDefinition) -> String {
    let numbered = |(index, of): (usize, &Column)| match table.sequence(index) {
        Some(sequence) => identity(of, sequence),
        None => column(of),
    };
    let mut elements: Vec<String> = table.columns.iter().enumerate().map(numbered).collect();
    if !table.primary_key.is_empty() {
        let key: Vec<_> =
            table.primary_key.iter().map(|index| quote(&table.columns[*index].name)).collect();
        let constraint = table.primary_key_name.as_deref().map_or_else(String::new, constraint);
        elements.push(format!("{constraint}PRIMARY KEY ({})", key.join(", ")));
    }
    let checks = table.checks.iter();
    elements.extend(checks.map(|c| format!("{}CHECK ({})", constraint(&c.name), c.expr)));
    elements.extend(watermark(&table.columns, table.watermark.as_ref()));
    let mut text = format!("CREATE TABLE {name} {}", parenthesis(&elements));
    let policy = match table.conflict {
        ConflictPolicy::Error => "",
        ConflictPolicy::Ignore => "DO NOTHING",
        ConflictPolicy::Overwrite => "OVERWRITE",
        ConflictPolicy::UpdateNonNull => "DO UPDATE IF NOT NULL",
    };
    if !policy.is_empty() {
        clause(&mut text, &format!("ON CONFLICT {policy}"));
    }
    if let Some(index) = table.version_column {
        clause(&mut text, &format!("WITH VERSION COLUMN ({})", quote(&table.columns[index].name)));
    }
    if table.append_only {
        clause(&mut text, "APPEND ONLY");
    }
    match table.retain {
        Some(Retain::Duration(us)) => {
            clause(&mut text, &format!("RETAIN LOG FOR {}", interval(us)))
        }
        Some(Retain::Size(bytes)) => clause(&mut text, &format!("RETAIN LOG FOR SIZE '{bytes} B'")),
        None => {}
    }
    text
}

/// `CREATE SOURCE …`
#[must_use]
pub fn source(name: &QualifiedName, source: &SourceDefinition) -> String {
    let included =
        |column: &&Column| source.include.iter().any(|include| include.column == column.name);
    let declared = source.columns.iter().filter(|column| !included(column));
    let mut elements: Vec<String> = declared.map(column).collect();
    elements.extend(watermark(&source.columns, source.watermark.as_ref()));
    let mut text = format!("CREATE SOURCE {name}");
    if !elements.is_empty() {
        let _ = write!(text, " {}", parenthesis(&elements));
    }
    for include in &source.include {
        let (metadata, column) = (quote(&include.metadata), quote(&include.column));
        clause(&mut text, &format!("INCLUDE {metadata} AS {column}"));
    }
    clause(&mut text, &format!("WITH {}", options(&source.options)));
    if let Some(format) = &source.format {
        let (kind, encode) = (format.format.to_uppercase(), format.encode.to_uppercase());
        clause(&mut text, &format!("FORMAT {kind} ENCODE {encode}"));
        if !format.options.is_empty() {
            let _ = write!(text, " {}", options(&format.options));
        }
    }
    match &source.on_error {
        OnError::Fail => {}
        OnError::Skip => clause(&mut text, "ON ERROR SKIP"),
        OnError::DeadLetter { schema, table } => {
            let schema = schema.as_ref().map_or_else(String::new, |s| format!("{}.", quote(s)));
            clause(&mut text, &format!("ON ERROR DEAD LETTER INTO {schema}{}", quote(table)));
        }
    }
    text
}

/// `CREATE VIEW …` or `CREATE MATERIALIZED VIEW …`, by `kind`.
#[must_use]
pub fn view(kind: ObjectKind, name: &QualifiedName, view: &ViewDefinition) -> String {
    let columns: Vec<_> = view.columns.iter().map(|column| quote(&column.name)).collect();
    format!("CREATE {} {name} ({}) AS\n{}", kind.sql(), columns.join(", "), view.query)
}

fn column(column: &Column) -> String {
    let mut text = format!("{} {}", quote(&column.name), column.sql_type);
    if let Some(expr) = &column.default {
        let _ = write!(text, " DEFAULT {expr}");
    }
    if let Some(expr) = &column.generated {
        let _ = write!(text, " GENERATED ALWAYS AS ({expr}) STORED");
    }
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    text
}

/// An identity column; its default is made of it.
fn identity(of: &Column, sequence: &Sequence) -> String {
    let mut text = column(&Column { default: None, not_null: false, ..of.clone() });
    let when = if sequence.always { "ALWAYS" } else { "BY DEFAULT" };
    let _ = write!(text, " GENERATED {when} AS IDENTITY");
    if (sequence.start, sequence.step) != (1, 1) {
        let _ = write!(text, " (START WITH {} INCREMENT BY {})", sequence.start, sequence.step);
    }
    text
}

fn constraint(name: &str) -> String {
    format!("CONSTRAINT {} ", quote(name))
}

fn watermark(columns: &[Column], watermark: Option<&Watermark>) -> Option<String> {
    let watermark = watermark?;
    let column = quote(&columns[watermark.column].name);
    let idle = watermark
        .idle_timeout_us
        .map_or_else(String::new, |us| format!(" IDLE TIMEOUT {}", interval(us)));
    Some(format!("WATERMARK FOR {column} AS {}{idle}", watermark.expr))
}

fn options(options: &Options) -> String {
    let key = |key: &str| match key.split('.').all(|part| quote(part) == part) {
        true => key.to_owned(),
        false => quote_literal(key),
    };
    let option =
        |(name, value): &(String, String)| format!("{} = {}", key(name), quote_literal(value));
    format!("({})", options.iter().map(option).collect::<Vec<_>>().join(", "))
}

fn parenthesis(elements: &[String]) -> String {
    format!("(\n    {}\n)", elements.join(",\n    "))
}

fn clause(text: &mut String, clause: &str) {
    let _ = write!(text, "\n{clause}");
}

/// An interval in the largest unit that divides it.
fn interval(us: i64) -> String {
    let units = [
        (86_400_000_000, "days"),
        (3_600_000_000, "hours"),
        (60_000_000, "minutes"),
        (1_000_000, "seconds"),
        (1_000, "milliseconds"),
    ];
    let (size, unit) =
        units.into_iter().find(|(size, _)| us % size == 0).unwrap_or((1, "microseconds"));
    format!("INTERVAL '{} {unit}'", us / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Statement, parse};

    /// The canonical text of a statement, and of its canonical text.
    fn twice(text: &str) -> (String, String) {
        let once = |text: &str| {
            let mut parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let name = QualifiedName::new("s", "The Name");
            match parsed.pop().unwrap().statement {
                Statement::CreateTable(create) => table(&name, &create.definition),
                Statement::CreateSource(create) => source(&name, &create.definition),
                other => panic!("{other:?}"),
            }
        };
        let first = once(text);
        let second = once(&first);
        (first, second)
    }

    #[test]
    fn canonical_text_reads_back() {
        for text in [
            "create table t (a int, b text)",
            "create table t (a int primary key, \"B c\" varchar(3) default 'it''s' not null, c numeric(5,2)[],
               d struct<x int, y text[]>, e timestamp(3), f double precision, check (a > 0), ts timestamptz,
               g bigint generated always as (a * 2) stored, watermark for ts as ts - interval '1 s' idle timeout '90 s')
             on conflict overwrite with version column (ts) retain log for size '3 MB'",
            "create table t (a int, b int, constraint k primary key (b, a)) on conflict do nothing retain log for '36 hours'",
            "create source x (a int, \"order\" char(3), ts timestamp, watermark for ts as ts) include offset include timestamp as \"T\"
             with (connector = 'file', 'a.B-c' = 'x', a.b = '1') format plain encode csv (header = true) on error dead letter into bad",
            "create source x with (connector = nexmark) on error skip",
        ] {
            let (first, second) = twice(text);
            assert_eq!(first, second, "{text}");
        }
        assert_eq!(
            twice("create table t (a int primary key check (a > 0)) retain log for interval '36 hours'").0,
            "CREATE TABLE s.\"The Name\" (\n    a integer NOT NULL,\n    CONSTRAINT t_pkey PRIMARY KEY (a),\n    \
             CONSTRAINT t_a_check CHECK (a > 0)\n)\nRETAIN LOG FOR INTERVAL '36 hours'"
        );
    }
}
