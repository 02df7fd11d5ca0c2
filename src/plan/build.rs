//! Makes plan nodes: the schema and the properties that follow from a node's kind.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::node::{Expr, JoinKind, Node, NodeKind};
use super::relation::Relation;
use super::{changelog, growth, key};

/// Names of the columns that windows add.
pub(crate) const WINDOW_COLUMNS: [&str; 2] = ["window_start", "window_end"];

impl Node {
    /// A node of `kind` with output columns `schema`; its other properties follow from the kind.
    #[must_use]
    pub fn new(kind: NodeKind, schema: SchemaRef) -> Node {
        Node {
            upsert_key: key::upsert_key(&kind),
            append_only: changelog::append_only(&kind),
            growth: growth::growth(&kind),
            kind,
            schema,
        }
    }

    /// A scan of `columns` of a relation.
    pub(crate) fn scan(relation: &Relation, columns: Vec<usize>) -> Node {
        let fields: Vec<FieldRef> =
            columns.iter().map(|&index| Arc::clone(&relation.columns.fields()[index])).collect();
        let key = relation.primary_key.as_ref().and_then(|key| {
            let position = |index: &usize| columns.iter().position(|column| column == index);
            key.iter().map(position).collect()
        });
        let kind = NodeKind::Scan { relation: relation.id, columns };
        let node = Node::new(kind, Arc::new(Schema::new(fields)));
        Node { upsert_key: key, append_only: relation.append_only, ..node }
    }

    /// The same scan restricted to the columns at `kept` of its output.
    pub(crate) fn narrowed_scan(&self, kept: &[usize]) -> Node {
        let NodeKind::Scan { relation, columns } = &self.kind else {
            unreachable!("only scans are narrowed")
        };
        let kind = NodeKind::Scan {
            relation: *relation,
            columns: kept.iter().map(|&index| columns[index]).collect(),
        };
        let key = self.upsert_key.as_ref().and_then(|key| {
            key.iter().map(|index| kept.iter().position(|column| column == index)).collect()
        });
        let node = Node::new(kind, Arc::new(project_schema(&self.schema, kept)));
        Node { upsert_key: key, append_only: self.append_only, ..node }
    }

    /// The rows of `self` for which `predicate` is true.
    pub(crate) fn filter(self, predicate: Expr) -> Node {
        let schema = Arc::clone(&self.schema);
        Node::new(NodeKind::Filter { predicate, input: Box::new(self) }, schema)
    }

    /// A projection with output columns `schema`; of all columns as they are, nothing.
    pub(crate) fn project(self, exprs: Vec<Expr>, schema: SchemaRef) -> Node {
        let same = |(index, expr): (usize, &Expr)| plain_column(expr.as_ref()) == Some(index);
        if self.schema == schema && exprs.iter().enumerate().all(same) {
            return self;
        }
        Node::new(NodeKind::Project { exprs, input: Box::new(self) }, schema)
    }

    /// The columns at `indexes`, in that order.
    pub(crate) fn columns(self, indexes: &[usize]) -> Node {
        let exprs = indexes.iter().map(|&index| self.column(index)).collect();
        let schema = Arc::new(project_schema(&self.schema, indexes));
        self.project(exprs, schema)
    }

    /// An expression for column `index` of this node's output.
    pub(crate) fn column(&self, index: usize) -> Expr {
        Arc::new(Column::new(self.schema.field(index).name(), index))
    }

    /// Number of output columns.
    pub(crate) fn width(&self) -> usize {
        self.schema.fields().len()
    }

    /// Each row once.
    pub(crate) fn distinct(self) -> Node {
        let schema = Arc::clone(&self.schema);
        Node::new(NodeKind::Distinct { input: Box::new(self) }, schema)
    }

    /// Each row as many times as its last column says, without that column.
    pub(crate) fn repeat(self) -> Node {
        let columns: Vec<usize> = (0..self.width() - 1).collect();
        let schema = Arc::new(project_schema(&self.schema, &columns));
        Node::new(NodeKind::Repeat { input: Box::new(self) }, schema)
    }

    /// A join; the schema follows from the kind.
    pub(crate) fn join(
        kind: JoinKind,
        on: Vec<(usize, usize)>,
        null_equals_null: bool,
        residual: Option<Expr>,
        left: Node,
        right: Node,
    ) -> Node {
        let schema = Arc::new(join_schema(kind, &left.schema, &right.schema));
        let (left, right) = (Box::new(left), Box::new(right));
        Node::new(NodeKind::Join { kind, on, null_equals_null, residual, left, right }, schema)
    }

    /// Names and nullability of `schema` for this node's output, whose types must agree with it.
    pub(crate) fn named(self, schema: &SchemaRef) -> Node {
        if self.schema == *schema {
            return self;
        }
        match self.kind {
            NodeKind::Project { .. } => Node { schema: Arc::clone(schema), ..self },
            _ => {
                let exprs = (0..self.width()).map(|index| self.column(index)).collect();
                self.project(exprs, Arc::clone(schema))
            }
        }
    }
}

fn project_schema(schema: &Schema, indexes: &[usize]) -> Schema {
    Schema::new(
        indexes.iter().map(|&index| Arc::clone(&schema.fields()[index])).collect::<Vec<_>>(),
    )
}

/// Columns of a join's output.
pub(crate) fn join_schema(kind: JoinKind, left: &Schema, right: &Schema) -> Schema {
    let padded = |schema: &Schema, pad: bool| -> Vec<FieldRef> {
        let field = |field: &FieldRef| match pad {
            true => Arc::new(field.as_ref().clone().with_nullable(true)),
            false => Arc::clone(field),
        };
        schema.fields().iter().map(field).collect()
    };
    let pads_left = matches!(kind, JoinKind::Right | JoinKind::Full);
    let pads_right = matches!(kind, JoinKind::Left | JoinKind::Full);
    let mut fields = padded(left, pads_left);
    match kind {
        JoinKind::Semi | JoinKind::Anti => {}
        JoinKind::Mark => fields.push(Arc::new(Field::new("mark", DataType::Boolean, false))),
        _ => fields.extend(padded(right, pads_right)),
    }
    Schema::new(fields)
}

/// `expr`'s column index if it is nothing but a column.
pub(crate) fn plain_column(expr: &dyn PhysicalExpr) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}
