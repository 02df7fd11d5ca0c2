//! The relations of PostgreSQL 15's `pg_catalog` and `information_schema`: names, OIDs, columns, and
//! the rows that are the same in every database. Read once per process from two exported files.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::types::pg_type::{self, PG_TYPE, PgType};

pub(super) const PG_CATALOG: &str = "pg_catalog";
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// Lines of `schema relation oid kind column type[!],…`; `!` stands for NOT NULL, `_` before a type's
/// name for an array of it.
const COLUMNS: &str = include_str!("data/columns.txt");
/// Sections that begin with `== relation`, then a header, then rows as `COPY` writes them.
const ROWS: &str = include_str!("data/rows.txt");

/// A system relation.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) oid: u32,
    /// `relkind`: `r` or `v`; `f` for the rows of a function, which is no relation to list.
    pub(super) kind: &'static str,
    pub(super) columns: Vec<LayoutColumn>,
    pub(super) arrow: SchemaRef,
}

/// A column of a system relation.
#[derive(Debug)]
pub(super) struct LayoutColumn {
    pub(super) name: &'static str,
    pub(super) pg_type: PgType,
    pub(super) array: bool,
    pub(super) not_null: bool,
}

impl LayoutColumn {
    fn parse(text: &'static str) -> LayoutColumn {
        let (name, kind) = text.split_once(' ').expect("a column has a type");
        let (kind, not_null) = match kind.strip_suffix('!') {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        let (kind, array) = match kind.strip_prefix('_') {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        let pg_type = pg_type::by_name(kind).expect("exported types are known");
        LayoutColumn { name, pg_type, array, not_null }
    }

    fn field(&self) -> Field {
        let scalar = pg_type::arrow_type(self.pg_type);
        let data_type = match self.array {
            true => DataType::new_list(scalar, true),
            false => scalar,
        };
        let metadata = [(PG_TYPE.to_owned(), self.pg_type.name.to_owned())].into();
        Field::new(self.name, data_type, true).with_metadata(metadata)
    }

    /// OID of its type.
    pub(super) fn type_oid(&self) -> u32 {
        if self.array { self.pg_type.array_oid } else { self.pg_type.oid }
    }
}

/// All system relations, by `schema.name`.
pub(super) fn all() -> &'static BTreeMap<String, Layout> {
    static ALL: OnceLock<BTreeMap<String, Layout>> = OnceLock::new();
    ALL.get_or_init(|| {
        let layouts = COLUMNS.lines().map(parse);
        layouts.map(|layout| (format!("{}.{}", layout.schema, layout.name), layout)).collect()
    })
}

/// The system relations that are listed.
pub(super) fn relations() -> impl Iterator<Item = &'static Layout> {
    all().values().filter(|layout| layout.kind != "f")
}

/// The system relation of this name.
pub(super) fn find(schema: &str, name: &str) -> Option<&'static Layout> {
    all().get(&format!("{schema}.{name}"))
}

fn parse(line: &'static str) -> Layout {
    let mut words = line.splitn(5, ' ');
    let mut word = || words.next().expect("a line has five parts");
    let (schema, name, oid, kind) = (word(), word(), word(), word());
    let columns: Vec<LayoutColumn> = word().split(',').map(LayoutColumn::parse).collect();
    let fields: Vec<Field> = columns.iter().map(LayoutColumn::field).collect();
    let oid = oid.parse().expect("an OID is a number");
    Layout { schema, name, oid, kind, columns, arrow: Arc::new(Schema::new(fields)) }
}

/// Rows that are the same in every database.
#[derive(Debug, Default)]
pub(super) struct StaticRows {
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Option<&'static str>>>,
}

impl StaticRows {
    /// The value of a column in a row.
    pub(super) fn get(&self, row: usize, column: &str) -> Option<&'static str> {
        let index = self.header.iter().position(|name| *name == column)?;
        self.rows[row][index]
    }
}

/// The fixed rows of a relation of `pg_catalog`; none if it has none.
pub(super) fn static_rows(name: &str) -> &'static StaticRows {
    static ALL: OnceLock<BTreeMap<&str, StaticRows>> = OnceLock::new();
    static NONE: StaticRows = StaticRows { header: vec![], rows: vec![] };
    let all = ALL.get_or_init(|| {
        let sections = ROWS.split("== ").filter(|section| !section.is_empty());
        sections.map(parse_section).collect()
    });
    all.get(name).unwrap_or(&NONE)
}

fn parse_section(text: &'static str) -> (&'static str, StaticRows) {
    let mut lines = text.lines();
    let name = lines.next().expect("a section has a name");
    let header = lines.next().expect("a section has a header").split('\t').collect();
    let cell = |cell: &'static str| (cell != "\\N").then_some(cell);
    let rows = lines.map(|line| line.split('\t').map(cell).collect()).collect();
    (name, StaticRows { header, rows })
}
