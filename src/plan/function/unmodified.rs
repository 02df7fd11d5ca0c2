//! Takes the length or precision off the type of a value, where a column holds values of several.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::simple::polymorphic;

/// Name of the function; a user has no way to write it.
pub(crate) const UNMODIFIED: &str = "value of any length";

/// The function: the same value, of the type that its Arrow type implies.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![polymorphic(
        UNMODIFIED,
        |types| Some(types.to_vec()),
        |types, _| Ok(types.first().cloned()),
        |values, _| Ok(Arc::clone(&values[0])),
    )]
}
