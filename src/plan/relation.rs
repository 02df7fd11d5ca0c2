//! What the planner knows of a relation, and how it asks for one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Constraint, Constraints};
use datafusion::logical_expr::{LogicalPlan, ScalarUDF, TableSource};
use datafusion::sql::sqlparser::ast::Query;

use crate::types::ObjectId;

/// A relation that a query may name.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its object in the catalog; of a [`Body::Provided`] one, any.
    pub id: ObjectId,
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns. Of a plain view, the names decide and the types are those of its query.
    pub columns: SchemaRef,
    /// Columns of its primary (or upsert) key.
    pub primary_key: Option<Vec<usize>>,
    /// Whether rows are only ever added.
    pub append_only: bool,
    /// Where its rows come from.
    pub body: Body,
}

/// Where a relation's rows come from.
#[derive(Clone)]
pub enum Body {
    /// A table, source or materialized view: its rows at an epoch, its changes in ticks.
    Stored,
    /// A plain view: replaced by its query.
    View {
        /// The query, with names already as in the catalog's search path of its creation.
        query: Arc<Query>,
        /// Text that the query's spans refer to.
        text: String,
    },
    /// Rows from elsewhere (system relations); can be selected from but not maintained over.
    Provided(Arc<dyn TableProvider>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Stored => f.write_str("Stored"),
            Body::View { query, .. } => write!(f, "View({query})"),
            Body::Provided(_) => f.write_str("Provided"),
        }
    }
}

/// A catalog as one statement sees it.
pub trait Relations: Send + Sync {
    /// The relation with this name; without a schema, along the session's search path.
    fn find(&self, schema: Option<&str>, name: &str) -> Option<Relation>;

    /// All names a user might have meant, for "did you mean".
    fn names(&self) -> Vec<String>;

    /// Further functions, such as those of `pg_catalog`; they win over ours of the same name.
    fn functions(&self) -> Vec<Arc<ScalarUDF>> {
        vec![]
    }
}

/// A relation as DataFusion's planner sees it.
pub(crate) struct RelationSource {
    pub(crate) relation: Relation,
    constraints: Option<Constraints>,
    /// The plan of a plain view.
    view: Option<LogicalPlan>,
}

impl RelationSource {
    pub(crate) fn new(relation: Relation, view: Option<LogicalPlan>) -> RelationSource {
        let key = relation.primary_key.clone().filter(|key| !key.is_empty());
        let constraints =
            key.map(|key| Constraints::new_unverified(vec![Constraint::PrimaryKey(key)]));
        RelationSource { relation, constraints, view }
    }

    /// Columns under a name, for planning expressions over them.
    pub(crate) fn columns(name: &str, columns: &SchemaRef) -> RelationSource {
        let relation = Relation {
            id: ObjectId(0),
            schema: String::new(),
            name: name.to_owned(),
            columns: Arc::clone(columns),
            primary_key: None,
            append_only: false,
            body: Body::Stored,
        };
        RelationSource::new(relation, None)
    }
}

impl TableSource for RelationSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.relation.columns)
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.constraints.as_ref()
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.view.as_ref().map(Cow::Borrowed)
    }
}
