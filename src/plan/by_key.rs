//! Which rows of a relation a query can want, where its WHERE says so by key: then those are looked up,
//! and what the query costs does not grow with the relation.

use arrow::array::{ArrayRef, RecordBatch, new_empty_array};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, TableScan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use std::sync::Arc;

use super::relation::RelationSource;
use super::select::Select;
use crate::types::ObjectId;

/// More keys than this are not looked up one by one.
const KEYS_MAX: usize = 1000;

impl Select {
    /// The values that columns `key` of a relation have in all rows that the query looks at, a row per
    /// combination: a superset, for the filter still has to be applied. `None` where that is not known.
    #[must_use]
    pub fn keys(&self, relation: ObjectId, key: &[usize]) -> Option<RecordBatch> {
        let (mut scans, mut filters) = (0, vec![]);
        let walked = self.plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::TableScan(scan) if reads(scan, relation) => scans += 1,
                LogicalPlan::Filter(filter) if stands_on(&filter.input, relation) => {
                    filters.push((filter.predicate.clone(), Arc::clone(filter.input.schema())));
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        let (1, [(predicate, schema)], Ok(_)) = (scans, filters.as_slice(), walked) else {
            return None;
        };
        let context = SimplifyContext::builder().with_schema(Arc::clone(schema)).build();
        let predicate = ExprSimplifier::new(context).simplify(predicate.clone()).ok()?;
        combinations(&predicate, schema, key)
    }
}

fn reads(scan: &TableScan, relation: ObjectId) -> bool {
    let source = scan.source.downcast_ref::<RelationSource>();
    source.is_some_and(|source| source.relation.id == relation)
}

/// Whether a plan gives the relation's rows as they are.
fn stands_on(plan: &LogicalPlan, relation: ObjectId) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => stands_on(&alias.input, relation),
        LogicalPlan::TableScan(scan) => scan.projection.is_none() && reads(scan, relation),
        _ => false,
    }
}

/// Every combination of the values that `predicate` leaves the columns `key`.
fn combinations(predicate: &Expr, schema: &DFSchemaRef, key: &[usize]) -> Option<RecordBatch> {
    let mut rows: Vec<Vec<ScalarValue>> = vec![vec![]];
    for &column in key {
        let mut values = values(predicate, schema, column)?;
        values.retain(|value| !value.is_null());
        if rows.len() * values.len() > KEYS_MAX {
            return None;
        }
        let extended = rows.iter().flat_map(|row| {
            values.iter().map(|value| row.iter().chain([value]).cloned().collect())
        });
        rows = extended.collect();
    }
    let fields = key.iter().map(|&column| Arc::clone(&schema.fields()[column]));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        if rows.is_empty() {
            return Some(new_empty_array(field.data_type()));
        }
        let values = rows.iter().map(|row| row[index].clone());
        ScalarValue::iter_to_array(values).ok()
    });
    let columns: Vec<ArrayRef> = columns.collect::<Option<_>>()?;
    RecordBatch::try_new(schema, columns).ok()
}

/// The only values of a column with which `predicate` can be true.
fn values(predicate: &Expr, schema: &DFSchemaRef, column: usize) -> Option<Vec<ScalarValue>> {
    let is_column = |expr: &Expr| match expr {
        Expr::Column(named) => schema.maybe_index_of_column(named) == Some(column),
        _ => false,
    };
    let wanted = schema.fields()[column].data_type();
    let constant = |expr: &Expr| match expr {
        Expr::Literal(value, _) if value.data_type() == *wanted || value.is_null() => {
            Some(value.clone())
        }
        _ => None,
    };
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            values(left, schema, column).or_else(|| values(right, schema, column))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let left = values(left, schema, column)?;
            Some([left, values(right, schema, column)?].concat())
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if is_column(left) => {
            Some(vec![constant(right)?])
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if is_column(right) => {
            Some(vec![constant(left)?])
        }
        Expr::InList(InList { expr, list, negated: false }) if is_column(expr) => {
            list.iter().map(constant).collect()
        }
        _ => None,
    }
}
