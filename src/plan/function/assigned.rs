//! Marks the values of a list that are to be assigned, until each is converted to its target.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::simple::simple;
use crate::error::Error;

/// Name of the function; a user has no way to write it.
pub(crate) const ASSIGNED: &str = "assigned value";

/// The function. All its calls have one type, so that the rows of a list always have a common one.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![simple(
        ASSIGNED,
        |types| Some(types.to_vec()),
        |_, _| Ok(Some(DataType::Utf8)),
        |_, _| Err(Error::internal("a value was not assigned")),
    )]
}
