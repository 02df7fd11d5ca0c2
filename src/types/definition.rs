//! What a `CREATE` statement defines, as plain data: made by the parser, kept in the catalog, printed
//! by `SHOW CREATE`. Expressions are SQL text; columns are referred to by index.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{QualifiedName, SqlType};

/// Kinds of catalog objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ObjectKind {
    /// A namespace of relations.
    Schema,
    /// A stored table.
    Table,
    /// A stream from outside.
    Source,
    /// A query by name.
    View,
    /// A query by name whose result is maintained.
    MaterializedView,
}

impl ObjectKind {
    /// As messages name it: `materialized view`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            ObjectKind::Schema => "schema",
            ObjectKind::Table => "table",
            ObjectKind::Source => "source",
            ObjectKind::View => "view",
            ObjectKind::MaterializedView => "materialized view",
        }
    }

    /// As statements and command tags name it: `MATERIALIZED VIEW`.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            ObjectKind::Schema => "SCHEMA",
            ObjectKind::Table => "TABLE",
            ObjectKind::Source => "SOURCE",
            ObjectKind::View => "VIEW",
            ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        }
    }
}

/// A column of a table or source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type.
    pub sql_type: SqlType,
    /// Whether null is refused; true for primary key columns too.
    pub not_null: bool,
    /// `DEFAULT` expression.
    pub default: Option<String>,
    /// `GENERATED ALWAYS AS (…) STORED` expression over the other columns.
    pub generated: Option<String>,
}

impl Column {
    /// A nullable column without a default.
    #[must_use]
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> Column {
        Column { name: name.into(), sql_type, not_null: false, default: None, generated: None }
    }
}

/// The Arrow schema of columns.
#[must_use]
pub fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| column.sql_type.field(&column.name, !column.not_null);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A `CHECK` constraint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Its name, given or made up as Postgres does (`t_a_check`).
    pub name: String,
    /// Boolean expression over the columns.
    pub expr: String,
}

/// The numbers of an identity column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sequence {
    /// Its name, made up as Postgres does (`t_id_seq`); empty until the table is created.
    pub name: QualifiedName,
    /// The column that it numbers.
    pub column: usize,
    /// `GENERATED ALWAYS`: the column takes no other numbers.
    pub always: bool,
    /// The first number.
    pub start: i64,
    /// From a number to the next one.
    pub step: i64,
    /// The last number that may have been handed out.
    pub reserved: Option<i64>,
}

/// What an insertion does where the primary key exists already, unless the `INSERT` says itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ConflictPolicy {
    /// Fails with 23505, as in Postgres.
    #[default]
    Error,
    /// `DO NOTHING`: the new row is left out.
    Ignore,
    /// `OVERWRITE`: the new row replaces the old one.
    Overwrite,
    /// `DO UPDATE IF NOT NULL`: the new row's non-null columns replace the old row's.
    UpdateNonNull,
}

/// How long the log behind a table keeps records that the table itself no longer needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Retain {
    /// `RETAIN LOG FOR INTERVAL …`, in microseconds.
    Duration(i64),
    /// `RETAIN LOG FOR SIZE …`, in bytes.
    Size(u64),
}

/// `WATERMARK FOR column AS expr`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Watermark {
    /// The event time column.
    pub column: usize,
    /// The watermark's expression over it.
    pub expr: String,
    /// `IDLE TIMEOUT`, in microseconds: a partition silent for so long is ignored for the minimum.
    pub idle_timeout_us: Option<i64>,
}

/// A `WITH` option: the key folded to lower case, the value as text.
pub type Options = Vec<(String, String)>;

/// What `CREATE TABLE` defines.
///
/// # Invariants
/// 1. Indexes in `primary_key`, `version_column`, `watermark` and `sequences` are valid in `columns`.
/// 2. `conflict` is `Error` and `version_column` is `None` if there is no primary key.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TableDefinition {
    /// The columns.
    pub columns: Vec<Column>,
    /// Columns of the primary key; empty for none.
    pub primary_key: Vec<usize>,
    /// Name of the primary key constraint, if there is a primary key.
    pub primary_key_name: Option<String>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// The table's policy for existing keys.
    pub conflict: ConflictPolicy,
    /// `WITH VERSION COLUMN (c)`: a new row with a smaller version is left out.
    pub version_column: Option<usize>,
    /// `APPEND ONLY`: UPDATE, DELETE and TRUNCATE are refused.
    pub append_only: bool,
    /// Event time.
    pub watermark: Option<Watermark>,
    /// Retention of the log.
    pub retain: Option<Retain>,
    /// The numbers of identity columns.
    #[serde(default)]
    pub sequences: Vec<Sequence>,
}

impl TableDefinition {
    /// The numbers of the column at `column`, if it is an identity column.
    #[must_use]
    pub fn sequence(&self, column: usize) -> Option<&Sequence> {
        self.sequences.iter().find(|sequence| sequence.column == column)
    }
}

/// One item of `INCLUDE`: a piece of metadata as a column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Include {
    /// Which metadata: `offset`, `partition`, `timestamp`, `file`, `key`, … (the connector decides).
    pub metadata: String,
    /// The name of its column.
    pub column: String,
}

/// `FORMAT f ENCODE e (options)`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Format {
    /// How records are changes: `plain`, `upsert`, `debezium`; lower case.
    pub format: String,
    /// How a record is encoded: `json`, `csv`, `parquet`, `arrow`, …; lower case.
    pub encode: String,
    /// Options in parentheses after it.
    pub options: Options,
}

/// What happens to a record that cannot be decoded.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum OnError {
    /// The source stops with the error.
    #[default]
    Fail,
    /// The record is counted and left out.
    Skip,
    /// The record is written to a table, as named by the user (resolved when the source starts).
    DeadLetter {
        /// Schema, if named.
        schema: Option<String>,
        /// Table.
        table: String,
    },
}

/// What `CREATE SOURCE` defines.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SourceDefinition {
    /// The declared columns; empty if the connector knows them. When the source is created, the
    /// engine fills in the connector's columns and appends those of `include`.
    pub columns: Vec<Column>,
    /// Metadata columns.
    pub include: Vec<Include>,
    /// Event time.
    pub watermark: Option<Watermark>,
    /// `WITH` options; `connector` is among them.
    pub options: Options,
    /// How records are encoded, if said.
    pub format: Option<Format>,
    /// What happens to undecodable records.
    pub on_error: OnError,
}

impl SourceDefinition {
    /// The value of a `WITH` option.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// What `CREATE VIEW` and `CREATE MATERIALIZED VIEW` define.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ViewDefinition {
    /// Columns of the result: names as listed or as the query has them, types as planned. Empty
    /// until planned.
    pub columns: Vec<Column>,
    /// The query in canonical text, every relation qualified with its schema.
    pub query: String,
}
