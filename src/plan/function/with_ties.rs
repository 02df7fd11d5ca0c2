//! Marks the number of rows of a `FETCH FIRST … WITH TIES` on its way through the planner.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::simple::simple;

/// Name of the mark; a user has no way to write it.
pub(crate) const WITH_TIES: &str = "with ties";

/// The function: its argument.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![simple(
        WITH_TIES,
        |arguments| (arguments.len() == 1).then(|| vec![DataType::Int64]),
        |_, _| Ok(Some(DataType::Int64)),
        |arguments, _| Ok(Arc::clone(&arguments[0])),
    )]
}
