//! `"v$errors"`: the rows that a materialized view leaves out because an expression failed on them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::Object;
use crate::dataflow::operator::ErrorRow;
use crate::error::Result;
use crate::plan::{Body, Relation};
use crate::types::{Delta, ObjectId};

/// What is appended to a view's name.
pub(super) const SUFFIX: &str = "$errors";

/// The bit that makes a view's id that of its error relation.
const BIT: u32 = 1 << 31;
/// Ids from here on belong to other relations that are not in the catalog.
const END: u32 = 0xffff_0000;

/// The error relation of a materialized view; other relations have none.
pub(super) fn relation(view: &Object, name: &str) -> Option<Relation> {
    let Object::MaterializedView(view) = view else { return None };
    Some(Relation {
        id: ObjectId(view.id.0 | BIT),
        schema: view.name.schema.clone(),
        name: name.to_owned(),
        columns: schema(),
        primary_key: None,
        append_only: false,
        body: Body::Stored,
    })
}

/// The view whose error relation has this id.
pub(super) fn view_of(relation: ObjectId) -> Option<ObjectId> {
    (BIT..END).contains(&relation.0).then_some(ObjectId(relation.0 & !BIT))
}

/// The columns of the relation with this id, if it is an error relation.
pub(super) fn schema_of(relation: ObjectId) -> Option<SchemaRef> {
    view_of(relation).map(|_| schema())
}

fn schema() -> SchemaRef {
    let column = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        column("sqlstate", DataType::Utf8),
        column("message", DataType::Utf8),
        column("expression", DataType::Utf8),
        column("row", DataType::Utf8),
        column("count", DataType::Int64),
    ]))
}

/// The rows of an error relation: equal ones once, with their number in `count`.
pub(super) fn rows(errors: Vec<ErrorRow>) -> Result<Delta> {
    let errors: Vec<ErrorRow> = errors.into_iter().filter(|error| error.weight > 0).collect();
    let text = |value: &dyn Fn(&ErrorRow) -> String| -> ArrayRef {
        Arc::new(errors.iter().map(value).map(Some).collect::<StringArray>())
    };
    let counts = Int64Array::from_iter_values(errors.iter().map(|error| error.weight));
    let columns = vec![
        text(&|error| error.state.code().to_owned()),
        text(&|error| error.message.clone()),
        text(&|error| error.expression.clone()),
        text(&|error| error.row.clone()),
        Arc::new(counts),
    ];
    Ok(Delta::insert(RecordBatch::try_new(schema(), columns)?))
}
