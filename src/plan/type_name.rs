//! Type names in expressions.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType;

use crate::sql::types::sql_type;

/// Plans `CAST(… AS type)` with our types.
#[derive(Debug)]
pub(crate) struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, parsed: &DataType) -> Result<Option<FieldRef>> {
        Ok(Some(Arc::new(sql_type(parsed)?.field("", true))))
    }
}
