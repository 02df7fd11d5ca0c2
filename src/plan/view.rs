//! The plan of a maintained view.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;

use super::node::Node;
use super::syntax;
use crate::error::{Error, Result, SqlState};
use crate::types::ObjectId;

/// The plan of a maintained view.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// What is maintained; `node.schema` are the view's columns.
    pub node: Node,
    /// DataFusion's logical plan it was lowered from, as text, for EXPLAIN.
    pub logical: String,
    /// Relations read.
    pub relations: Vec<ObjectId>,
    /// Their names, for EXPLAIN.
    pub names: BTreeMap<ObjectId, String>,
}

impl ViewPlan {
    /// The view's columns.
    #[must_use]
    pub fn columns(&self) -> &SchemaRef {
        &self.node.schema
    }

    /// Columns by which the view's rows are unique, if known.
    #[must_use]
    pub fn key(&self) -> Option<&[usize]> {
        self.node.upsert_key.as_deref()
    }
}

/// `42701` if two columns of a view would have one name.
pub(super) fn unique_columns(plan: &LogicalPlan) -> Result<()> {
    let mut names = BTreeSet::new();
    for field in plan.schema().fields() {
        let name = syntax::visible(field.name());
        if !names.insert(name) {
            return Err(Error::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            )
            .hint("Give each column of the view its own name with AS."));
        }
    }
    Ok(())
}
