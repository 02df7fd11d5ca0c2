//! A scalar expression over one relation's columns: CHECK, DEFAULT, generated columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::FieldRef;
use datafusion::physical_expr::PhysicalExpr;

use crate::error::Result;

/// A planned expression.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The expression; columns by their index in the relation.
    pub expr: Arc<dyn PhysicalExpr>,
    /// Type and nullability of its value.
    pub field: FieldRef,
}

impl Scalar {
    /// Its value for every row of `batch`.
    ///
    /// # Errors
    /// What the expression fails with on any row: division by zero, overflow, a bad cast.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        Ok(self.expr.evaluate(batch)?.into_array(batch.num_rows())?)
    }
}
