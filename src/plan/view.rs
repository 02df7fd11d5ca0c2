//! The plan of a maintained view.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use super::node::Node;
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
