//! Statements that psql 15 sends (`data/psql.sql`, as `psql -E` prints them) and what other tools ask,
//! over a catalog made by hand.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use futures::TryStreamExt;

use super::{Context, owns, plan};
use crate::catalog::{Catalog, Change, Object, Source, Table, View};
use crate::error::Result;
use crate::plan::stop::Stop;
use crate::types::definition::{Check, Column, SourceDefinition, TableDefinition, ViewDefinition};
use crate::types::text::{Style, encode};
use crate::types::{ObjectId, QualifiedName, SqlType};

fn name(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

fn catalog() -> Catalog {
    let mut id = Column::new("id", SqlType::Int4);
    id.not_null = true;
    let mut text = Column::new("name", SqlType::Text);
    text.default = Some("'x'".to_owned());
    let columns = vec![
        id,
        text,
        Column::new("price", SqlType::Numeric(Some((10, 2)))),
        Column::new("tags", SqlType::Array(Box::new(SqlType::Text))),
    ];
    let table = TableDefinition {
        columns: columns.clone(),
        primary_key: vec![0],
        primary_key_name: Some("t_pkey".to_owned()),
        checks: vec![Check { name: "t_id_check".to_owned(), expr: "id > 0".to_owned() }],
        ..TableDefinition::default()
    };
    let view =
        |query: &str| ViewDefinition { columns: columns[..2].to_vec(), query: query.to_owned() };
    let source = SourceDefinition { columns: columns.clone(), ..SourceDefinition::default() };
    let mut catalog = Catalog::new();
    for object in [
        Object::Table(Table { id: ObjectId(16388), name: name("t"), definition: table }),
        Object::View(View {
            id: ObjectId(16398),
            name: name("v"),
            definition: view("SELECT id, name FROM public.t"),
            dependencies: vec![ObjectId(16388)],
        }),
        Object::MaterializedView(View {
            id: ObjectId(16402),
            name: name("m"),
            definition: view("SELECT max(id) AS id, name FROM public.t GROUP BY name"),
            dependencies: vec![ObjectId(16388)],
        }),
        Object::Source(Source {
            id: ObjectId(16403),
            name: name("s"),
            definition: source,
            dependencies: vec![],
        }),
    ] {
        catalog.apply(&Change::Create(object));
    }
    catalog
}

fn context() -> Arc<Context> {
    Arc::new(Context {
        sequences: Arc::default(),
        catalog: Arc::new(catalog()),
        user: "ann".to_owned(),
        database: "millstream".to_owned(),
        session: 7,
        search_path: vec!["public".to_owned()],
        settings: [("server_version", "15.0"), ("default_table_access_method", "heap")]
            .map(|(name, value)| (name.to_owned(), value.to_owned(), ""))
            .to_vec(),
        statements: crate::engine::statements::Statements::default(),
        cursors: vec![],
        activity: vec![],
        sessions: Arc::default(),
        locks: Arc::default(),
        announcements: Arc::default(),
        changes: Arc::default(),
    })
}

fn parse(sql: &str) -> Query {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
    match statements.pop().unwrap() {
        Statement::Query(query) => *query,
        other => panic!("{other} is no query"),
    }
}

/// Column names, then the rows, as psql prints them unaligned.
fn run(sql: &str) -> Result<Vec<String>> {
    let query = parse(sql);
    assert!(owns(&query), "is a system query: {sql}");
    let select = plan(&context(), &query, &[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(async {
        let stream = select.execute(&HashMap::new(), &Stop::default()).await?;
        Ok::<_, crate::error::Error>(stream.try_collect::<Vec<_>>().await?)
    })?;
    let fields = select.schema.fields();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let mut lines = vec![names.join("|")];
    for batch in batches {
        let cells: Vec<_> = itertools::zip_eq(batch.columns(), fields)
            .map(|(column, field)| encode(column, field, &Style::default()).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let row: Vec<&str> = cells.iter().map(|cell| cell.text(row).unwrap_or("")).collect();
            lines.push(row.join("|"));
        }
    }
    Ok(lines)
}

/// What psql, and what drivers and ORMs ask.
const STATEMENTS: &str = concat!(include_str!("data/psql.sql"), include_str!("data/tools.sql"));

#[test]
fn every_statement_of_tools_runs() {
    let mut failures = vec![];
    for sql in STATEMENTS.split(";\n").filter(|sql| !sql.trim().is_empty()) {
        if let Err(error) = run(sql) {
            failures.push(format!("{}: {error}\n{sql}\n", error.state().code()));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Statements with the header and the rows that PostgreSQL gives.
const ANSWERS: &[(&str, &[&str])] = &[
    (
        "SELECT current_database(), current_user, pg_backend_pid()",
        &["current_database|current_user|pg_backend_pid", "millstream|ann|7"],
    ),
    (
        "SELECT current_schema(), current_schemas(true)",
        &["current_schema|current_schemas", "public|{pg_catalog,public}"],
    ),
    (
        "SELECT 't'::regclass::oid, 16402::regclass, 'public.t'::regclass",
        &["oid|regclass|regclass", "16388|m|t"],
    ),
    (
        "SELECT relname, relkind FROM pg_class WHERE relnamespace = 2200 ORDER BY relname",
        &["relname|relkind", "m|m", "s|f", "t|r", "t_pkey|i", "v|v"],
    ),
    (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum",
        &["attname|format_type", "id|integer", "name|text", "price|numeric(10,2)", "tags|text[]"],
    ),
    (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1",
        &["conname|pg_get_constraintdef", "t_id_check|CHECK (id > 0)", "t_pkey|PRIMARY KEY (id)"],
    ),
    (
        "SELECT pg_get_viewdef('v'::regclass)",
        &["pg_get_viewdef", " SELECT id, name FROM public.t;"],
    ),
    (
        "SELECT pg_size_pretty(10239), pg_size_pretty(10240), pg_size_pretty(5 * 1024 * 1024 * 1024)",
        &["pg_size_pretty|pg_size_pretty|pg_size_pretty", "10239 bytes|10 kB|5120 MB"],
    ),
    (
        "SELECT table_name, table_type FROM information_schema.tables ORDER BY 1",
        &["table_name|table_type", "s|FOREIGN", "t|BASE TABLE", "v|VIEW"],
    ),
    (
        "SELECT column_name, data_type, numeric_precision, is_nullable \
             FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position",
        &[
            "column_name|data_type|numeric_precision|is_nullable",
            "id|integer|32|NO",
            "name|text||YES",
            "price|numeric|10|YES",
            "tags|ARRAY||YES",
        ],
    ),
    (
        "SELECT c.relname, ARRAY(SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid \
             AND a.attnum > 0 ORDER BY attnum) FROM pg_class c WHERE c.oid = 16398",
        &["relname|array", "v|{id,name}"],
    ),
    (
        "SELECT n.nspname FROM pg_namespace n WHERE EXISTS (SELECT 1 FROM pg_class c \
             WHERE c.relnamespace = n.oid AND c.relkind = 'm') AND n.nspname = ANY('{public,x}')",
        &["nspname", "public"],
    ),
    (
        "SELECT (information_schema._pg_expandarray(i.indkey)).n, a.keys FROM pg_index i, \
             (SELECT conname, unnest(conkey) AS keys FROM pg_constraint WHERE contype = 'p') a",
        &["n|keys", "1|1"],
    ),
    (
        "SELECT i.indkey[0] AS first, generate_subscripts(i.indkey, 1) FROM pg_index i",
        &["first|generate_subscripts", "1|0"],
    ),
    (
        "SELECT json_build_object('a', 1, 'b', relname, 'c', NULL, 'd', relkind = 'r') \
             FROM pg_class WHERE relname = 't'",
        &["json_build_object", "{\"a\" : 1, \"b\" : \"t\", \"c\" : null, \"d\" : true}"],
    ),
    (
        "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg/_' || '%' ESCAPE '/' ORDER BY 1",
        &["nspname", "information_schema", "public"],
    ),
    (
        "SELECT attrelid::regclass::text, attnotnull::text, ARRAY[1, NULL]::text \
             FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum = 1",
        &["attrelid|attnotnull|array", "t|true|{1,NULL}"],
    ),
    (
        "SELECT word, catcode FROM pg_get_keywords() WHERE word LIKE 'sele%'",
        &["word|catcode", "select|R"],
    ),
];

#[test]
fn answers_are_postgres() {
    for (sql, expected) in ANSWERS {
        assert_eq!(&run(sql).unwrap(), expected, "{sql}");
    }
}

#[test]
fn unknown_names_are_errors() {
    for (sql, state) in
        [("SELECT 'nope'::regclass", "42P01"), ("SELECT current_setting('nope')", "42704")]
    {
        assert_eq!(run(sql).unwrap_err().state().code(), state, "{sql}");
    }
}

#[test]
fn queries_of_users_are_left_alone() {
    for sql in ["SELECT 1", "SELECT * FROM t", "SELECT * FROM t, pg_class", "SELECT now()"] {
        assert!(!owns(&parse(sql)), "{sql}");
    }
}

#[test]
fn a_wide_catalog_query_is_planned_quickly() {
    let sql = include_str!("data/psql.sql").split(";\n").max_by_key(|sql| sql.len()).unwrap();
    let query = parse(sql);
    let context = context();
    plan(&context, &query, &[]).unwrap();
    let before = crate::clock::monotonic();
    plan(&context, &query, &[]).unwrap();
    let took = crate::clock::monotonic() - before;
    // Unoptimized builds are several times slower than what users run.
    assert!(took.as_millis() < 500, "planning took {took:?}");
}
