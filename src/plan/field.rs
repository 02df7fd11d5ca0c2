//! `a.b` where `a` is a column without fields: Postgres looks for a relation `a`, and so do we.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, Result, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};

/// Stands before the planner of DataFusion's that reads fields.
#[derive(Debug)]
pub(crate) struct FieldPlanner;

impl ExprPlanner for FieldPlanner {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        _qualifier: Option<&TableReference>,
        nested: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        match nested {
            // An error here would be passed over; that there is no such relation is told later.
            [name] if !matches!(field.data_type(), DataType::Struct(_)) => {
                let relation = TableReference::bare(field.name().as_str());
                Ok(PlannerResult::Planned(Expr::Column(Column::new(Some(relation), name))))
            }
            _ => Ok(PlannerResult::Original(vec![])),
        }
    }
}
