//! A small catalog, and queries planned and run over it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::plan::{Body, Planner, Relation, Relations, Select, Session, ViewPlan, explain};
use crate::types::sql_type::SqlType;
use crate::types::{ObjectId, text};

pub(super) struct Catalog(HashMap<String, (Relation, Vec<RecordBatch>)>);

impl Relations for Catalog {
    fn find(&self, _schema: Option<&str>, name: &str) -> Option<Relation> {
        self.0.get(name).map(|(relation, _)| relation.clone())
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// A table's columns, key, and rows as texts.
fn table(
    id: u32,
    name: &str,
    columns: &[(&str, SqlType)],
    key: &[usize],
    rows: &[&[Option<&str>]],
) -> (String, (Relation, Vec<RecordBatch>)) {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(i, (name, kind))| kind.field(name, !key.contains(&i)))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let texts: Vec<Option<&str>> = rows.iter().map(|row| row[index]).collect();
            text::decode(&texts, field, &text::Style::default()).unwrap()
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let relation = Relation {
        id: ObjectId(id),
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: schema,
        primary_key: (!key.is_empty()).then(|| key.to_vec()),
        append_only: key.is_empty(),
        body: Body::Stored,
    };
    (name.to_owned(), (relation, vec![batch]))
}

pub(super) fn catalog() -> Catalog {
    let bid = [
        ("auction", SqlType::Int8),
        ("bidder", SqlType::Int8),
        ("price", SqlType::Int8),
        ("channel", SqlType::Text),
        ("ts", SqlType::Timestamp(None)),
    ];
    let person = [("id", SqlType::Int8), ("name", SqlType::Text), ("city", SqlType::Text)];
    let numbers = [
        ("i", SqlType::Int4),
        ("b", SqlType::Int8),
        ("f", SqlType::Float8),
        ("n", SqlType::Numeric(Some((10, 2)))),
        ("t", SqlType::Text),
        ("d", SqlType::Date),
    ];
    Catalog(HashMap::from([
        table(
            1,
            "bid",
            &bid,
            &[],
            &[
                &[Some("1"), Some("10"), Some("100"), Some("web"), Some("2024-01-01 00:00:01")],
                &[Some("1"), Some("11"), Some("250"), Some("app"), Some("2024-01-01 00:00:11")],
                &[Some("2"), Some("10"), Some("70"), Some("web"), Some("2024-01-01 00:00:12")],
                &[Some("2"), None, Some("90"), None, None],
            ],
        ),
        table(
            2,
            "person",
            &person,
            &[0],
            &[
                &[Some("10"), Some("ann"), Some("Oslo")],
                &[Some("11"), Some("bob"), None],
                &[Some("12"), Some("cat"), Some("Rome")],
            ],
        ),
        table(
            3,
            "numbers",
            &numbers,
            &[],
            &[
                &[
                    Some("1"),
                    Some("10"),
                    Some("0.5"),
                    Some("1.25"),
                    Some("one"),
                    Some("2024-01-31"),
                ],
                &[
                    Some("2"),
                    Some("20"),
                    Some("1.5"),
                    Some("2.50"),
                    Some("two"),
                    Some("2024-02-29"),
                ],
                &[Some("4"), None, Some("2.5"), None, None, None],
            ],
        ),
    ]))
}

pub(super) fn parse(sql: &str) -> Query {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
    match statements.pop() {
        Some(Statement::Query(query)) => *query,
        other => panic!("not a query: {other:?}"),
    }
}

pub(super) fn planner() -> Planner {
    let session = Session { now_us: 1_704_067_200_000_000, ..Session::default() };
    Planner::new(Arc::new(catalog()), session)
}

pub(super) fn view(sql: &str) -> Result<ViewPlan> {
    planner().view(&parse(sql), sql)
}

/// The incremental plan of a view over `sql`.
pub(super) fn plan(sql: &str) -> String {
    match view(sql) {
        Ok(view) => format!("\n{}\n", explain::view(&view, false)),
        Err(error) => format!("\n{}\n", describe(&error)),
    }
}

pub(super) fn describe(error: &Error) -> String {
    let mut text = format!("{} {}", error.state().code(), error.message());
    if let Some(hint) = error.hint_text() {
        text.push_str(&format!(" HINT: {hint}"));
    }
    if let Some(position) = error.position() {
        text.push_str(&format!(" AT {position}"));
    }
    text
}

/// The rows of `sql` as texts: columns by `|`, rows by newlines; or the error.
pub(super) fn run(sql: &str) -> String {
    match planner().query(&parse(sql), sql, &[]).and_then(|select| rows(&select)) {
        Ok(rows) => rows.join("\n"),
        Err(error) => describe(&error),
    }
}

pub(super) fn rows(select: &Select) -> Result<Vec<String>> {
    let tables = catalog().0.into_values().map(|(relation, batches)| {
        let table = MemTable::try_new(relation.columns, vec![batches]).unwrap();
        (relation.id, Arc::new(table) as Arc<dyn TableProvider>)
    });
    let tables = tables.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches: Vec<RecordBatch> = runtime.block_on(async {
        let stream = select.execute(&tables, &crate::plan::stop::Stop::default()).await?;
        Ok::<_, Error>(stream.try_collect().await?)
    })?;
    let mut lines = vec![];
    for batch in &batches {
        let batch = select.rename(batch)?;
        let cells: Vec<text::Cells> = (0..batch.num_columns())
            .map(|index| {
                text::encode(
                    batch.column(index),
                    batch.schema().field(index),
                    &text::Style::default(),
                )
            })
            .collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            let row: Vec<&str> = cells.iter().map(|cells| cells.text(row).unwrap_or("∅")).collect();
            lines.push(row.join("|"));
        }
    }
    Ok(lines)
}

/// Names and types of a query's columns.
pub(super) fn columns(sql: &str) -> String {
    let select = match planner().query(&parse(sql), sql, &[]) {
        Ok(select) => select,
        Err(error) => return describe(&error),
    };
    let column = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            DataType::Decimal128(p, s) => format!("numeric({p},{s})"),
            other => SqlType::of_field(&Field::new("", other.clone(), true))
                .map_or_else(|| format!("{other:?}"), |kind| kind.to_string()),
        };
        format!("{} {kind}", field.name())
    };
    select.schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}
