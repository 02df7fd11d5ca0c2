//! Fixed rows: VALUES, SELECT without FROM, relations that are known to be empty.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{EmptyRelation, Values};
use itertools::izip;

use super::Lowering;
use crate::error::{Error, Result};
use crate::plan::node::{Node, NodeKind};
use crate::types::Delta;

impl Lowering<'_> {
    pub(super) fn values(&self, values: &Values) -> Result<Node> {
        let one_row = one_row();
        let schema = values.schema.inner();
        let mut columns = vec![vec![]; schema.fields().len()];
        for row in &values.values {
            for (column, expr) in izip!(&mut columns, row) {
                let value = self.physical(expr, &DFSchema::empty())?.evaluate(&one_row)?;
                column.push(value.into_array(1)?);
            }
        }
        let concatenated = columns.iter().map(|values| {
            let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
            Ok(concat(&values)?)
        });
        let arrays = concatenated.collect::<Result<Vec<_>>>()?;
        let cast = izip!(&arrays, schema.fields())
            .map(|(array, field)| Ok(arrow::compute::cast(array, field.data_type())?));
        let batch = RecordBatch::try_new(Arc::clone(schema), cast.collect::<Result<_>>()?)?;
        Ok(constant(batch))
    }

    pub(super) fn empty(empty: &EmptyRelation) -> Result<Node> {
        let schema = empty.schema.inner();
        if !empty.produce_one_row {
            return Ok(constant(RecordBatch::new_empty(Arc::clone(schema))));
        }
        if !schema.fields().is_empty() {
            return Err(Error::internal("a row of unknown values"));
        }
        Ok(constant(one_row()))
    }
}

/// One row of no columns.
fn one_row() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)
        .expect("no columns fit the empty schema")
}

fn constant(rows: RecordBatch) -> Node {
    let schema: SchemaRef = rows.schema();
    Node::new(NodeKind::Constant { rows: Delta::insert(rows) }, schema)
}

/// A projection of fixed rows as fixed rows, unless an expression fails on them: then it fails where
/// it runs, as any row's would.
pub(super) fn fold(node: Node) -> Node {
    let NodeKind::Project { exprs, input } = &node.kind else { return node };
    let NodeKind::Constant { rows } = &input.kind else { return node };
    let evaluated = exprs.iter().map(|expr| {
        let value = expr.evaluate(&rows.batch).ok()?;
        value.into_array(rows.rows()).ok()
    });
    let Some(columns) = evaluated.collect::<Option<Vec<_>>>() else { return node };
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows()));
    let schema = Arc::clone(&node.schema);
    match RecordBatch::try_new_with_options(schema, columns, &options) {
        Ok(batch) => constant(batch),
        Err(_) => node,
    }
}
