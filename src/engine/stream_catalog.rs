//! `stream_catalog`: what the engine is doing, as relations that can be joined and graphed.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::plan::{Body, Relation};
use crate::runtime::request::Status;
use crate::types::{Delta, ObjectId};

/// The schema.
pub(super) const SCHEMA: &str = "stream_catalog";

/// Its relations, with the ids under which statements read them.
const RELATIONS: [(&str, ObjectId); 3] = [
    ("sources", ObjectId(u32::MAX - 3)),
    ("tables", ObjectId(u32::MAX - 2)),
    ("views", ObjectId(u32::MAX - 1)),
];

/// The relation of this name.
pub(super) fn relation(name: &str) -> Option<Relation> {
    let (name, id) = RELATIONS.into_iter().find(|(known, _)| *known == name)?;
    Some(Relation {
        id,
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        columns: schema(name),
        primary_key: None,
        append_only: false,
        body: Body::Stored,
    })
}

/// The name of the relation with this id.
pub(super) fn name_of(relation: ObjectId) -> Option<&'static str> {
    RELATIONS.into_iter().find(|(_, id)| *id == relation).map(|(name, _)| name)
}

/// The columns of the relation with this id, if it is one of these.
pub(super) fn schema_of(relation: ObjectId) -> Option<SchemaRef> {
    name_of(relation).map(schema)
}

fn schema(name: &str) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    let switch = |name: &str| Field::new(name, DataType::Boolean, false);
    let own = match name {
        "sources" => {
            vec![
                number("rows"),
                number("bad_rows"),
                text("position"),
                switch("done"),
                text("error"),
            ]
        }
        "views" => vec![
            switch("ready"),
            number("filled_rows"),
            number("state_rows"),
            number("state_bytes"),
            text("error"),
        ],
        _ => vec![number("rows"), number("bytes")],
    };
    let named = vec![number("id"), text("schema"), text("name")];
    Arc::new(Schema::new([named, own].concat()))
}

/// The rows of one of the relations.
pub(super) fn rows(name: &str, catalog: &Catalog, status: &Status) -> Result<Delta> {
    let (ids, columns): (Vec<ObjectId>, Vec<ArrayRef>) = match name {
        "sources" => {
            let all = &status.sources;
            let columns: Vec<ArrayRef> = vec![
                numbers(all.iter().map(|source| source.rows)),
                numbers(all.iter().map(|source| source.bad)),
                texts(all.iter().map(|source| Some(source.position.clone()))),
                switches(all.iter().map(|source| source.done)),
                texts(all.iter().map(|source| source.error.as_ref().map(Error::to_string))),
            ];
            (all.iter().map(|source| source.source).collect(), columns)
        }
        "views" => {
            let all = &status.views;
            let columns: Vec<ArrayRef> = vec![
                switches(all.iter().map(|view| view.ready)),
                numbers(all.iter().map(|view| view.filled_rows)),
                numbers(all.iter().map(|view| view.state_rows)),
                numbers(all.iter().map(|view| view.state_bytes)),
                texts(all.iter().map(|view| view.error.as_ref().map(Error::to_string))),
            ];
            (all.iter().map(|view| view.view).collect(), columns)
        }
        _ => {
            let all = &status.tables;
            let columns: Vec<ArrayRef> = vec![
                numbers(all.iter().map(|table| table.rows)),
                numbers(all.iter().map(|table| table.bytes)),
            ];
            (all.iter().map(|table| table.table).collect(), columns)
        }
    };
    let relation_name = |id: &ObjectId| catalog.get(*id)?.relation_name().cloned();
    let names: Vec<_> = ids.iter().map(relation_name).collect();
    let named: Vec<ArrayRef> = vec![
        numbers(ids.iter().map(|id| u64::from(id.0))),
        texts(names.iter().map(|name| name.as_ref().map(|name| name.schema.clone()))),
        texts(names.iter().map(|name| name.as_ref().map(|name| name.name.clone()))),
    ];
    Ok(Delta::insert(RecordBatch::try_new(schema(name), [named, columns].concat())?))
}

fn numbers(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(
        values.map(|value| i64::try_from(value).unwrap_or(i64::MAX)),
    ))
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn switches(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<BooleanArray>())
}
