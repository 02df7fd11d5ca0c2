//! What we know and do not do: refused with its position and the nearest thing that works.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, Select, SetExpr, Spanned, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use super::reader::{self, Reader};
use super::visit::Walk;
use crate::error::{Error, Result, SqlState};

/// Statements by their first word, with the nearest thing that works.
const STATEMENTS: &[(&str, &str)] = &[
    ("call", "There are no procedures."),
    ("checkpoint", "Acknowledged writes are durable at once."),
    ("cluster", ""),
    ("comment", ""),
    ("do", "Run the statements one by one."),
    ("grant", "Who may connect is set by the server's configuration."),
    ("import", ""),
    ("load", ""),
    ("lock", "A transaction is one epoch; conflicting ones fail with 40001."),
    ("merge", "Use INSERT … ON CONFLICT, UPDATE and DELETE."),
    ("pause", ""),
    ("reassign", ""),
    ("refresh", "A materialized view is always up to date."),
    ("reindex", ""),
    ("resume", ""),
    ("revoke", "Who may connect is set by the server's configuration."),
    ("security", ""),
];

/// A statement that begins with an unknown word.
pub(super) fn unknown(r: &Reader<'_>) -> Error {
    let known = STATEMENTS.iter().find(|(word, _)| r.at(&[word]));
    if let Some((word, hint)) = known {
        return r.unsupported(&word.to_uppercase(), r.position(), hint);
    }
    let Token::Word(word) = r.peek() else { return r.syntax_error() };
    let near = word.value.to_lowercase();
    let verbs = [
        "select", "insert", "update", "delete", "create", "drop", "alter", "explain", "show",
        "describe", "copy", "truncate", "begin", "commit", "rollback", "flush", "wait", "values",
    ];
    r.syntax_error().did_you_mean(&near, verbs)
}

/// `CREATE` of a kind that we do not have; `start` is where the statement begins.
pub(super) fn create(r: &Reader<'_>, start: usize) -> Error {
    let hints = [
        ("aggregate", ""),
        ("cast", ""),
        ("connection", "Put the options into CREATE SOURCE … WITH (…)."),
        ("database", "There is one database; use CREATE SCHEMA."),
        ("domain", "Use a CHECK constraint."),
        ("extension", ""),
        ("foreign", "Use CREATE SOURCE."),
        ("function", "Repeat the expression, or use a view."),
        (
            "index",
            "Use CREATE MATERIALIZED VIEW: its key is its index, and so is a table's primary key.",
        ),
        ("policy", ""),
        ("procedure", ""),
        ("publication", ""),
        ("recursive", "Write CREATE VIEW … AS WITH RECURSIVE …."),
        ("role", "Who may connect is set by the server's configuration."),
        ("rule", ""),
        ("secret", "Put the options into CREATE SOURCE … WITH (…)."),
        ("sequence", "Use uuid DEFAULT gen_random_uuid()."),
        ("server", "Use CREATE SOURCE."),
        ("sink", "Read the view, or subscribe to it from a program."),
        ("stream", "Use CREATE SOURCE, or CREATE TABLE … APPEND ONLY."),
        ("subscription", "Read the view, or subscribe to it from a program."),
        ("trigger", "Use a materialized view."),
        ("type", "Use STRUCT<name type, …>, or text with a CHECK constraint."),
        ("unique", "Declare a PRIMARY KEY."),
        ("user", "Who may connect is set by the server's configuration."),
    ];
    kind(r, "CREATE", start, &hints)
}

/// `DROP` of a kind that we do not have.
pub(super) fn drop(r: &Reader<'_>, start: usize) -> Error {
    let kinds = [
        "aggregate",
        "cast",
        "connection",
        "database",
        "domain",
        "extension",
        "foreign",
        "function",
        "index",
        "owned",
        "policy",
        "procedure",
        "publication",
        "role",
        "rule",
        "secret",
        "sequence",
        "server",
        "sink",
        "subscription",
        "trigger",
        "type",
        "user",
    ];
    kind(r, "DROP", start, &kinds.map(|word| (word, "There is none.")))
}

/// An `ALTER` that we do not have.
pub(super) fn alter(r: &Reader<'_>, start: usize) -> Error {
    let recreate = "Create it anew, and INSERT INTO … SELECT.";
    let hints = [
        ("add", recreate),
        ("alter", recreate),
        ("as", recreate),
        ("attach", ""),
        ("database", ""),
        ("default", ""),
        ("detach", ""),
        ("disable", ""),
        ("drop", recreate),
        ("enable", ""),
        ("function", ""),
        ("index", ""),
        ("no", ""),
        ("owner", "Objects have no owners."),
        ("pause", ""),
        ("reset", ""),
        ("resume", ""),
        ("role", "Who may connect is set by the server's configuration."),
        ("seek", recreate),
        ("sequence", ""),
        ("set", ""),
        ("swap", "Use RENAME TO."),
        ("system", "Settings come from flags, environment and configuration file."),
        ("type", ""),
        ("user", "Who may connect is set by the server's configuration."),
        ("validate", ""),
    ];
    kind(r, "ALTER …", start, &hints)
}

fn kind(r: &Reader<'_>, verb: &str, start: usize, hints: &[(&str, &str)]) -> Error {
    match hints.iter().find(|(word, _)| r.at(&[word])) {
        Some((word, hint)) => {
            r.unsupported(&format!("{verb} {}", word.to_uppercase()), start, hint)
        }
        None => r.syntax_error(),
    }
}

/// A constraint that we do not enforce.
pub(super) fn constraint(r: &Reader<'_>) -> Error {
    let position = r.position();
    if r.at(&["unique"]) {
        return r.unsupported("a UNIQUE constraint", position, "Declare a PRIMARY KEY.");
    }
    if r.at(&["like"]) {
        return r.unsupported("LIKE in CREATE TABLE", position, "List the columns.");
    }
    if r.at(&["exclude"]) {
        return r.unsupported("an EXCLUDE constraint", position, "");
    }
    r.unsupported("a FOREIGN KEY constraint", position, "Leave it out, or check with a view.")
}

/// `WITH (…)` where there are no options.
pub(super) fn options(r: &mut Reader<'_>, of: &str) -> Error {
    let position = r.position();
    if super::dialect::is(r.peek_nth(2), &["connector"])
        || matches!(r.peek_nth(2), Token::SingleQuotedString(_))
    {
        let hint = "Use CREATE SOURCE … WITH (connector = '…').";
        return r.unsupported(&format!("a connector of {of}"), position, hint);
    }
    match r.peek_nth(2) {
        Token::Word(word) => {
            let name = word.value.to_lowercase();
            Error::invalid_parameter(format!("unrecognized parameter \"{name}\""))
                .detail(format!("{of} has no parameters.").replacen('a', "A", 1))
                .at(position)
        }
        _ => r.syntax_error(),
    }
}

/// A clause that says when a view emits or what becomes of late rows.
pub(super) fn emit(r: &Reader<'_>) -> Result<()> {
    let hint = "Leave it out: a view shows every change at once.";
    let clauses: [(&[&str], &str); 6] = [
        (&["emit"], "EMIT"),
        (&["allowed", "lateness"], "ALLOWED LATENESS"),
        (&["allow", "lateness"], "ALLOW LATENESS"),
        (&["late", "rows"], "LATE ROWS"),
        (&["late", "data"], "LATE DATA"),
        (&["retain"], "RETAIN"),
    ];
    match clauses.iter().find(|(words, _)| r.at(words)) {
        Some((_, clause)) => Err(r.unsupported(&format!("{clause} here"), r.position(), hint)),
        None => Ok(()),
    }
}

/// Parts of queries that the planner would pass over or that no planner of ours knows.
pub(super) fn query(r: &Reader<'_>, query: &Query) -> Result<()> {
    match query.visit(&mut Walk(&mut Refuse)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refused) => {
            let (error, span) = *refused;
            Err(error.or_at(r.positions().of_span(span)).or_at(Some(r.start())))
        }
    }
}

/// What is wrong and where.
type Refused = Box<(Error, Span)>;

struct Refuse;

impl Visitor for Refuse {
    type Break = Refused;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refused> {
        if !query.locks.is_empty() {
            let hint = "Every statement reads one epoch; conflicting writes fail with 40001.";
            return refused("FOR UPDATE or FOR SHARE", hint, query.body.span());
        }
        let write = matches!(
            *query.body,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        );
        if write {
            let hint = "Run the write as a statement of its own.";
            return refused("a write within a query", hint, query.body.span());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refused> {
        if let Some(into) = &select.into {
            let hint = "CREATE TABLE, then INSERT INTO … SELECT.";
            return refused("SELECT INTO", hint, into.name.span());
        }
        if select.top.is_some() {
            return refused("TOP", "Use LIMIT.", select.span());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refused> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } => {
                refused("TABLESAMPLE", "Filter with random().", factor.span())
            }
            TableFactor::Table { version: Some(_), .. } => {
                refused("AS OF", "Queries read the present.", factor.span())
            }
            TableFactor::MatchRecognize { .. } => {
                refused("MATCH_RECOGNIZE", "Use joins or window functions.", factor.span())
            }
            TableFactor::Table { name, args: None, .. } => relation(name),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// A relation's name: the parser would take any word and any number of parts.
fn relation(name: &ObjectName) -> ControlFlow<Refused> {
    let reserved = name
        .0
        .first()
        .and_then(|part| part.as_ident())
        .filter(|ident| ident.quote_style.is_none() && reader::reserved(&ident.value));
    if let Some(word) = reserved {
        let error = Error::syntax(format!("syntax error at or near \"{}\"", word.value));
        return ControlFlow::Break(Box::new((error, word.span)));
    }
    if name.0.len() > 2 {
        let message = format!("cross-database references are not implemented: \"{name}\"");
        let error = Error::new(SqlState::FeatureNotSupported, message);
        return ControlFlow::Break(Box::new((error, name.span())));
    }
    ControlFlow::Continue(())
}

fn refused(feature: &str, hint: &str, span: Span) -> ControlFlow<Refused> {
    ControlFlow::Break(Box::new((Error::unsupported(feature).hint(hint), span)))
}
