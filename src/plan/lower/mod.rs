//! DataFusion's optimized logical plan → [`Node`] tree.
//!
//! Every node lowered from a plan has the plan's columns in the plan's order, so that an expression
//! over the plan's schema can be made physical as it is. What nodes want as plain columns (keys,
//! aggregate arguments, sort columns) is projected below them. What cannot be maintained is refused.

mod aggregate;
mod constant;
mod expr;
mod join;
mod ordered_call;
mod top_n;
mod window;

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::NullHandling;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::{
    Distinct, Expr, Extension, LogicalPlan, Projection, TableScan, Union, Unnest,
};

use super::node::{Node, NodeKind};
use super::relation::RelationSource;
use super::set_operation::Repeat;
use super::window::Hop;
use crate::error::{Error, Result};

/// Lowers one view's plan.
pub(crate) struct Lowering<'a> {
    props: &'a ExecutionProps,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(props: &'a ExecutionProps) -> Lowering<'a> {
        Lowering { props }
    }

    /// The node that computes `plan`.
    pub(crate) fn lower(&self, plan: &LogicalPlan) -> Result<Node> {
        let node = match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan)?,
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input)?,
            LogicalPlan::Projection(projection) => self.projection(projection)?,
            LogicalPlan::Filter(filter) => self.filter(&filter.predicate, &filter.input)?,
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate)?,
            LogicalPlan::Distinct(Distinct::All(input)) => self.lower(input)?.distinct(),
            LogicalPlan::Join(join) => self.join(join)?,
            LogicalPlan::Union(union) => self.union(union)?,
            LogicalPlan::Window(window) => self.window(window)?,
            LogicalPlan::Limit(limit) => self.limit(limit)?,
            // A relation has no order: without a LIMIT, ORDER BY decides nothing that is kept.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.lower(&sort.input)?,
            LogicalPlan::Sort(sort) => self.sorted(sort, 0, sort.fetch)?,
            LogicalPlan::Values(values) => self.values(values)?,
            LogicalPlan::EmptyRelation(empty) => Self::empty(empty)?,
            LogicalPlan::Unnest(unnest) => self.unnest(unnest)?,
            LogicalPlan::Extension(extension) => self.extension(extension)?,
            other => return Err(refused(other)),
        };
        debug_assert_eq!(
            node.width(),
            plan.schema().fields().len(),
            "a node has its plan's columns: {}",
            plan.display()
        );
        Ok(node)
    }

    fn scan(&self, scan: &TableScan) -> Result<Node> {
        let Some(source) = scan.source.downcast_ref::<RelationSource>() else {
            return Err(Error::unsupported(format!(
                "a materialized view over system relation \"{}\"",
                scan.table_name.table()
            )));
        };
        debug_assert!(scan.filters.is_empty() && scan.fetch.is_none(), "nothing is pushed there");
        let all = || (0..source.relation.columns.fields().len()).collect();
        let columns = scan.projection.clone().unwrap_or_else(all);
        Ok(Node::scan(&source.relation, columns))
    }

    fn projection(&self, projection: &Projection) -> Result<Node> {
        let input = self.lower(&projection.input)?;
        let exprs = self.physical_all(&projection.expr, projection.input.schema())?;
        let schema = Arc::clone(projection.schema.inner());
        Ok(constant::fold(input.project(exprs, schema)))
    }

    fn filter(&self, predicate: &Expr, input: &LogicalPlan) -> Result<Node> {
        if let LogicalPlan::Window(window) = input {
            return self.filtered_window(predicate, window);
        }
        let predicate = self.condition(predicate, input.schema())?;
        Ok(self.lower(input)?.filter(predicate))
    }

    fn union(&self, union: &Union) -> Result<Node> {
        let schema = union.schema.inner();
        let inputs = union.inputs.iter().map(|input| Ok(self.lower(input)?.named(schema)));
        let inputs = inputs.collect::<Result<_>>()?;
        Ok(Node::new(NodeKind::Union { inputs }, Arc::clone(schema)))
    }

    fn extension(&self, extension: &Extension) -> Result<Node> {
        if let Some(repeat) = extension.node.as_any().downcast_ref::<Repeat>() {
            return Ok(self.lower(&repeat.input)?.repeat());
        }
        let Some(hop) = extension.node.as_any().downcast_ref::<Hop>() else {
            return Err(Error::unsupported(format!("{} in a view", extension.node.name())));
        };
        let schema: SchemaRef = Arc::clone(hop.schema.inner());
        let input = Box::new(self.lower(&hop.input)?);
        let kind = NodeKind::Hop {
            time: hop.input.schema().index_of_column(&hop.time)?,
            slide_us: hop.size.slide_us,
            size_us: hop.size.size_us,
            offset_us: hop.size.offset_us,
            input,
        };
        Ok(Node::new(kind, schema))
    }
}

/// Arrays as rows: null and empty ones have none.
impl Lowering<'_> {
    fn unnest(&self, unnest: &Unnest) -> Result<Node> {
        let flat = unnest.list_type_columns.iter().all(|(_, list)| list.depth == 1);
        let drops = unnest.options.null_handling == NullHandling::Drop;
        if !unnest.struct_type_columns.is_empty() || !flat || !drops {
            return Err(Error::unsupported("unnest of this type in a materialized view")
                .hint("One-dimensional arrays can be unnested."));
        }
        let input = self.lower(&unnest.input)?;
        let lists: Vec<usize> = unnest.list_type_columns.iter().map(|(index, _)| *index).collect();
        let mut fields: Vec<_> = input.schema.fields().iter().map(Arc::clone).collect();
        for &index in &lists {
            let DataType::List(element) = fields[index].data_type() else {
                return Err(Error::unsupported("unnest of this type in a materialized view"));
            };
            let element = element.as_ref().clone().with_name(fields[index].name());
            fields[index] = Arc::new(element.with_nullable(true));
        }
        let schema = Arc::new(Schema::new(fields));
        let node = Node::new(NodeKind::Unnest { lists, input: Box::new(input) }, schema);
        Ok(node.columns(&unnest.dependency_indices).named(unnest.schema.inner()))
    }
}

/// The refusal of a plan that has no incremental form.
fn refused(plan: &LogicalPlan) -> Error {
    match plan {
        LogicalPlan::RecursiveQuery(_) => {
            Error::unsupported("WITH RECURSIVE in a materialized view")
                .hint("Run the recursive query as a plain SELECT.")
        }
        LogicalPlan::Subquery(_) => {
            Error::unsupported("a correlated subquery in FROM of a materialized view")
                .hint("Write it as a join.")
        }
        other => {
            let name = other.display().to_string();
            let name = name.split([':', ' ']).next().unwrap_or_default().to_owned();
            Error::unsupported(format!("{name} in a materialized view"))
        }
    }
}

/// Whether `expr` holds a subquery that could not be turned into a join.
pub(crate) fn holds_subquery(expr: &Expr) -> bool {
    expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(_, _)
        ))
    })
    .unwrap_or(false)
}
