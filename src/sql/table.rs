//! `CREATE TABLE`: columns, constraints, and the clauses behind them.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{Expr, ObjectNamePart, Query, SelectInto, Spanned};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::{Create, CreateTableAs, Name, Statement};
use super::visit;
use super::{identity, maintain, refuse, types};
use crate::error::{Error, Result, SqlState};
use crate::types::definition::{
    Check, Column, ConflictPolicy, Retain, Sequence, TableDefinition, Watermark,
};

/// Reads what follows `TABLE`.
pub(super) fn create_table(r: &mut Reader<'_>) -> Result<Statement> {
    let if_not_exists = r.if_not_exists();
    let name = r.name()?;
    let at = r.position();
    if r.at(&["as"]) || names_only(r) {
        return create_table_as(r, name, if_not_exists);
    }
    let elements = Elements::read(r, &name.name)?;
    let mut definition = elements.into_table(&name.name)?;
    if definition.columns.is_empty() {
        return Err(r.unsupported("a table without columns", at, ""));
    }
    clauses(r, &mut definition)?;
    Ok(Statement::CreateTable(Box::new(Create { name, if_not_exists, definition })))
}

/// Whether a list of names without types comes next.
fn names_only(r: &Reader<'_>) -> bool {
    *r.peek() == Token::LParen
        && matches!(r.peek_nth(1), Token::Word(_))
        && matches!(r.peek_nth(2), Token::Comma | Token::RParen)
}

/// Reads `[(columns)] AS query [WITH [NO] DATA]`.
fn create_table_as(r: &mut Reader<'_>, name: Name, if_not_exists: bool) -> Result<Statement> {
    let columns = if r.at(&["as"]) { vec![] } else { r.parenthesized(Reader::identifier)? };
    r.expect(&["as"])?;
    let at = r.position();
    if r.at(&["execute"]) {
        return Err(r.unsupported("CREATE TABLE AS EXECUTE", at, "Write the query."));
    }
    if !r.at_query() {
        return Err(r.syntax_error());
    }
    let query = r.query()?;
    refuse::query(r, &query)?;
    let with_data = !r.take(&["with", "no", "data"]);
    r.take(&["with", "data"]);
    let create = CreateTableAs { name, if_not_exists, columns, query, with_data };
    Ok(Statement::CreateTableAs(Box::new(create)))
}

/// `SELECT … INTO table`, its query without the clause.
pub(super) fn select_into(
    r: &Reader<'_>,
    into: &SelectInto,
    query: Box<Query>,
) -> Result<Statement> {
    let at = r.positions().of_span(into.name.span()).unwrap_or_else(|| r.start());
    if into.temporary {
        let hint = "Leave out TEMPORARY, and drop it when you are done.";
        return Err(r.unsupported("a temporary table or view", at, hint));
    }
    let part = |part: &ObjectNamePart| part.as_ident().map(visit::folded);
    let mut parts = into.name.0.iter().map(part).collect::<Option<Vec<_>>>().unwrap_or_default();
    let name = parts.pop().unwrap_or_default();
    let name = Name { schema: parts.pop(), name, position: at };
    let create =
        CreateTableAs { name, if_not_exists: false, columns: vec![], query, with_data: true };
    Ok(Statement::CreateTableAs(Box::new(create)))
}

/// The clauses after the columns, in any order.
fn clauses(r: &mut Reader<'_>, table: &mut TableDefinition) -> Result<()> {
    let mut conflict_at = None;
    loop {
        let at = r.position();
        if r.take(&["append", "only"]) {
            table.append_only = true;
        } else if r.take(&["on", "conflict"]) {
            if table.primary_key.is_empty() {
                return Err(Error::new(
                    SqlState::InvalidTableDefinition,
                    "ON CONFLICT needs a primary key",
                )
                .at(at));
            }
            conflict(r, table)?;
            conflict_at = Some(at);
        } else if r.take(&["retain"]) {
            table.retain = Some(retain(r)?);
        } else if r.at(&["with"]) {
            maintain::storage_parameters(r)?;
        } else if let Some(clause) = r.take_any(&["inherits", "partition", "tablespace", "using"]) {
            return Err(r.unsupported(&clause.to_uppercase(), at, ""));
        } else {
            break;
        }
    }
    match conflict_at {
        Some(at) if table.append_only && table.conflict != ConflictPolicy::Ignore => {
            let message = "a row of an APPEND ONLY table cannot be overwritten";
            let error = Error::new(SqlState::InvalidTableDefinition, message).at(at);
            Err(error.hint("Use ON CONFLICT DO NOTHING, or leave APPEND ONLY out."))
        }
        _ => Ok(()),
    }
}

fn conflict(r: &mut Reader<'_>, table: &mut TableDefinition) -> Result<()> {
    r.take(&["do"]);
    table.conflict = match r.expect_any(&["nothing", "overwrite", "update"])? {
        "nothing" => ConflictPolicy::Ignore,
        "overwrite" => ConflictPolicy::Overwrite,
        _ => {
            r.take(&["full"]);
            if r.take(&["if", "not", "null"]) {
                ConflictPolicy::UpdateNonNull
            } else {
                ConflictPolicy::Overwrite
            }
        }
    };
    let at = r.position();
    if r.take(&["with", "version", "column"]) {
        let columns = r.parenthesized(Reader::identifier_at)?;
        let [(name, at)] = columns.as_slice() else {
            return Err(r.unsupported("more than one version column", at, ""));
        };
        if table.conflict != ConflictPolicy::Overwrite {
            let hint = "Use ON CONFLICT OVERWRITE WITH VERSION COLUMN.";
            return Err(r.unsupported("a version column with this policy", *at, hint));
        }
        table.version_column = Some(column_index(&table.columns, name, *at)?);
    }
    Ok(())
}

fn retain(r: &mut Reader<'_>) -> Result<Retain> {
    r.expect(&["log"])?;
    r.expect(&["for"])?;
    if !r.take(&["size"]) {
        return Ok(Retain::Duration(r.duration_us()?));
    }
    let at = r.position();
    let text = r.string()?;
    size(&text).map(Retain::Size).ok_or_else(|| {
        Error::invalid_parameter(format!("invalid size \"{text}\""))
            .at(at)
            .hint("Write a number and kB, MB, GB or TB, such as '10 GB'.")
    })
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_start().len()
        - text.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.trim_start().split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        "tb" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// What stands in the parentheses of `CREATE TABLE` and `CREATE SOURCE`.
#[derive(Default)]
pub(super) struct Elements {
    /// The columns.
    pub(super) columns: Vec<Column>,
    /// Columns of the primary key by name with their positions, and its name if given.
    key: Option<(Vec<(String, usize)>, Option<String>)>,
    /// Where the primary key stands.
    pub(super) key_position: Option<usize>,
    /// Checks: given name, made-up name, expression.
    checks: Vec<(Option<String>, String, String)>,
    /// The numbers of identity columns.
    sequences: Vec<Sequence>,
    /// The watermark: column, its position, expression, idle timeout.
    watermark: Option<(String, usize, String, Option<i64>)>,
}

impl Elements {
    /// Reads the parenthesis of a relation called `table`.
    pub(super) fn read(r: &mut Reader<'_>, table: &str) -> Result<Elements> {
        let mut elements = Elements::default();
        r.expect_symbol(&Token::LParen)?;
        if r.take_symbol(&Token::RParen) {
            return Ok(elements);
        }
        r.list(|r| elements.element(r, table))?;
        r.expect_symbol(&Token::RParen)?;
        Ok(elements)
    }

    fn element(&mut self, r: &mut Reader<'_>, table: &str) -> Result<()> {
        let at = r.position();
        let named = r.take(&["constraint"]);
        let name = if named { Some(r.identifier()?) } else { None };
        if r.take(&["primary", "key"]) {
            let columns = r.parenthesized(Reader::identifier_at)?;
            if r.take(&["not", "enforced"]) {
                let hint = "Leave out NOT ENFORCED: keys are enforced here.";
                return Err(r.unsupported("NOT ENFORCED", at, hint));
            }
            return self.primary_key(columns, name, at, table);
        }
        if r.take(&["check"]) {
            return self.check(r, name, table);
        }
        if r.at_any(&["unique", "foreign", "exclude", "like"]) {
            return Err(refuse::constraint(r));
        }
        if named {
            return Err(r.syntax_error());
        }
        if r.at(&["watermark", "for"]) {
            return self.watermark(r);
        }
        self.column(r, table)
    }

    fn primary_key(
        &mut self,
        columns: Vec<(String, usize)>,
        name: Option<String>,
        at: usize,
        table: &str,
    ) -> Result<()> {
        if self.key.is_some() {
            let message = format!("multiple primary keys for table \"{table}\" are not allowed");
            return Err(Error::new(SqlState::InvalidTableDefinition, message).at(at));
        }
        let mut seen = BTreeSet::new();
        for (column, at) in &columns {
            if !seen.insert(column) {
                return Err(repeated_in_key(column).at(*at));
            }
        }
        self.key = Some((columns, name));
        self.key_position = Some(at);
        Ok(())
    }

    fn check(&mut self, r: &mut Reader<'_>, name: Option<String>, table: &str) -> Result<()> {
        r.expect_symbol(&Token::LParen)?;
        let from = r.index();
        let expr = r.expr()?;
        let text = r.slice(from);
        r.expect_symbol(&Token::RParen)?;
        let made_up = match only_column(&expr) {
            Some(column) => format!("{table}_{column}_check"),
            None => format!("{table}_check"),
        };
        self.checks.push((name, made_up, text));
        Ok(())
    }

    fn watermark(&mut self, r: &mut Reader<'_>) -> Result<()> {
        let at = r.position();
        r.expect(&["watermark", "for"])?;
        let (column, position) = r.identifier_at()?;
        r.expect(&["as"])?;
        let expr = r.expr_text()?;
        let idle = if r.take(&["idle", "timeout"]) { Some(r.duration_us()?) } else { None };
        let clause = r.position();
        if r.at(&["advance"]) || r.at(&["max", "future"]) {
            return Err(r.unsupported("this watermark clause", clause, ""));
        }
        if self.watermark.is_some() {
            let message = "more than one watermark";
            return Err(Error::new(SqlState::InvalidTableDefinition, message).at(at));
        }
        self.watermark = Some((column, position, expr, idle));
        Ok(())
    }

    fn column(&mut self, r: &mut Reader<'_>, table: &str) -> Result<()> {
        let (name, at) = r.identifier_at()?;
        if self.columns.iter().any(|column| column.name == name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DuplicateColumn, message).at(at));
        }
        if r.at(&["as"]) {
            let hint = "Write: name type GENERATED ALWAYS AS (expression) STORED.";
            return Err(r.unsupported("a computed column without a type", r.position(), hint));
        }
        let serial = identity::serial(r);
        let numbered = serial.is_some();
        let sql_type = serial.map_or_else(|| types::data_type(r), Ok)?;
        if numbered {
            self.sequences.push(identity::sequence(self.columns.len()));
        }
        self.columns.push(Column { not_null: numbered, ..Column::new(name, sql_type) });
        let mut declared = None;
        while self.column_constraint(r, table, &mut declared)? {}
        let column = self.columns.last().expect("just pushed");
        let numbers = self.sequences.iter().filter(|s| s.column + 1 == self.columns.len()).count();
        if numbers + usize::from(column.default.is_some()) > 1 {
            let name = &column.name;
            let message = format!(
                "both default and identity specified for column \"{name}\" of table \"{table}\""
            );
            return Err(Error::syntax(message).at(at));
        }
        if column.default.is_some() && column.generated.is_some() {
            return Err(Error::syntax(format!(
                "both default and generation expression specified for column \"{}\" of table \"{table}\"",
                column.name
            ))
            .at(at));
        }
        Ok(())
    }

    /// Reads one constraint of the last column, if one follows.
    /// `declared` is what those before it say about nulls.
    fn column_constraint(
        &mut self,
        r: &mut Reader<'_>,
        table: &str,
        declared: &mut Option<bool>,
    ) -> Result<bool> {
        let at = r.position();
        let named = r.take(&["constraint"]);
        let constraint = if named { Some(r.identifier()?) } else { None };
        let last = self.columns.len().saturating_sub(1);
        let sequence = identity::identity(r, last)?;
        let column = self.columns.last_mut().expect("constraints follow their column");
        if let Some(nullable) = nullability(r) {
            if declared.is_some_and(|declared| declared != nullable) {
                let name = &column.name;
                return Err(Error::syntax(format!(
                    "conflicting NULL/NOT NULL declarations for column \"{name}\" of table \"{table}\""
                ))
                .at(at));
            }
            *declared = Some(nullable);
            column.not_null = !nullable;
        } else if r.take(&["default"]) {
            column.default = Some(r.expr_text()?);
        } else if let Some(sequence) = sequence {
            column.not_null = true;
            self.sequences.push(sequence);
        } else if r.take(&["generated"]) {
            column.generated = Some(generated(r)?);
        } else if r.take(&["primary", "key"]) {
            let key = vec![(column.name.clone(), at)];
            self.primary_key(key, constraint, at, table)?;
        } else if r.take(&["check"]) {
            self.check(r, constraint, table)?;
        } else if r.at_any(&["unique", "references"]) {
            return Err(refuse::constraint(r));
        } else if let Some(word) = r.take_any(&["collate", "metadata", "lateness"]) {
            let hint = match word {
                "metadata" => "Write INCLUDE offset AS name after the columns of a source.",
                "lateness" => "Write WATERMARK FOR column AS column - INTERVAL '…'.",
                _ => "Text is compared byte by byte, as COLLATE \"C\" does.",
            };
            return Err(r.unsupported(&word.to_uppercase(), at, hint));
        } else if named {
            return Err(r.syntax_error());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The watermark with its column resolved.
    pub(super) fn take_watermark(&mut self) -> Result<Option<Watermark>> {
        let Some((name, at, expr, idle_timeout_us)) = self.watermark.take() else {
            return Ok(None);
        };
        let column = column_index(&self.columns, &name, at)?;
        Ok(Some(Watermark { column, expr, idle_timeout_us }))
    }

    fn into_table(mut self, table: &str) -> Result<TableDefinition> {
        let watermark = self.take_watermark()?;
        let (mut primary_key, mut primary_key_name) = (vec![], None);
        if let Some((columns, name)) = self.key {
            for (column, at) in columns {
                let index =
                    self.columns.iter().position(|c| c.name == column).ok_or_else(|| {
                        let message = format!("column \"{column}\" named in key does not exist");
                        Error::new(SqlState::UndefinedColumn, message).at(at)
                    })?;
                self.columns[index].not_null = true;
                primary_key.push(index);
            }
            primary_key_name = Some(name.unwrap_or_else(|| format!("{table}_pkey")));
        }
        let checks = named_checks(self.checks, primary_key_name.as_deref())?;
        Ok(TableDefinition {
            columns: self.columns,
            primary_key,
            primary_key_name,
            checks,
            watermark,
            sequences: self.sequences,
            ..TableDefinition::default()
        })
    }

    /// Whether there is anything but columns and a watermark.
    pub(super) fn constrained(&self) -> bool {
        self.key.is_some()
            || !self.checks.is_empty()
            || !self.sequences.is_empty()
            || self.columns.iter().any(|column| column.default.is_some())
    }
}

/// `42701` for a column that a primary key names again.
pub(super) fn repeated_in_key(column: &str) -> Error {
    let message = format!("column \"{column}\" appears twice in primary key constraint");
    Error::new(SqlState::DuplicateColumn, message)
}

/// Gives every check a name of its own, as Postgres does.
fn named_checks(
    checks: Vec<(Option<String>, String, String)>,
    primary_key: Option<&str>,
) -> Result<Vec<Check>> {
    let mut taken: BTreeSet<String> = primary_key.map(str::to_owned).into_iter().collect();
    for name in checks.iter().filter_map(|(given, ..)| given.as_ref()) {
        if !taken.insert(name.clone()) {
            let message = format!("constraint \"{name}\" already exists");
            return Err(Error::new(SqlState::DuplicateObject, message));
        }
    }
    let name_of = |(given, made_up, expr): (Option<String>, String, String)| {
        let name = given.unwrap_or_else(|| {
            let numbered = (1..).map(|n| format!("{made_up}{n}"));
            let free =
                std::iter::once(made_up.clone()).chain(numbered).find(|n| !taken.contains(n));
            let name = free.unwrap_or(made_up);
            taken.insert(name.clone());
            name
        });
        Check { name, expr }
    };
    Ok(checks.into_iter().map(name_of).collect())
}

/// Reads `[NOT] NULL`: whether nulls are allowed.
fn nullability(r: &mut Reader<'_>) -> Option<bool> {
    if r.take(&["not", "null"]) { Some(false) } else { r.take(&["null"]).then_some(true) }
}

/// `ALWAYS AS (expr) STORED`.
fn generated(r: &mut Reader<'_>) -> Result<String> {
    r.expect(&["always", "as"])?;
    r.expect_symbol(&Token::LParen)?;
    let expr = r.expr_text()?;
    r.expect_symbol(&Token::RParen)?;
    let at = r.position();
    if r.at(&["virtual"]) || !r.at(&["stored"]) {
        return Err(r.unsupported("a virtual generated column", at, "Write STORED after it."));
    }
    r.expect(&["stored"])?;
    Ok(expr)
}

/// The column that an expression names, if it names exactly one.
fn only_column(expr: &Expr) -> Option<String> {
    let mut names = BTreeSet::new();
    visit::contains(expr, |expr| {
        if let Expr::Identifier(ident) = expr {
            let quoted = ident.quote_style.is_some();
            names.insert(if quoted { ident.value.clone() } else { ident.value.to_lowercase() });
        }
        false
    });
    if names.len() == 1 { names.pop_first() } else { None }
}

fn column_index(columns: &[Column], name: &str, at: usize) -> Result<usize> {
    columns.iter().position(|column| column.name == name).ok_or_else(|| {
        Error::undefined_column(name)
            .at(at)
            .did_you_mean(name, columns.iter().map(|column| column.name.as_str()))
    })
}
