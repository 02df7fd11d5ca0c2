//! Joins: equal columns extracted, the rest as residual; NOT IN with its nulls.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, Operator};
use datafusion::physical_expr::expressions::{is_null, lit};

use super::Lowering;
use crate::error::{Error, Result};
use crate::plan::node::{Expr as PhysicalExpr, JoinKind, Node};

/// A join's inputs with its keys as columns.
struct Sides {
    left: Node,
    right: Node,
    on: Vec<(usize, usize)>,
    residual: Option<PhysicalExpr>,
}

impl Lowering<'_> {
    pub(super) fn join(&self, join: &Join) -> Result<Node> {
        let (kind, swapped) = match join.join_type {
            JoinType::Inner => (JoinKind::Inner, false),
            JoinType::Left => (JoinKind::Left, false),
            JoinType::Right => (JoinKind::Right, false),
            JoinType::Full => (JoinKind::Full, false),
            JoinType::LeftSemi => (JoinKind::Semi, false),
            JoinType::LeftAnti => (JoinKind::Anti, false),
            JoinType::LeftMark => (JoinKind::Mark, false),
            JoinType::RightSemi => (JoinKind::Semi, true),
            JoinType::RightAnti => (JoinKind::Anti, true),
            JoinType::RightMark => (JoinKind::Mark, true),
        };
        let (left, right) = match swapped {
            true => (&join.right, &join.left),
            false => (&join.left, &join.right),
        };
        let (on, rest) = equal_pairs(join, left, right, swapped)?;
        let sides = self.sides(left, right, &on, rest)?;
        if join.null_aware {
            return not_in(sides, left.schema().fields().len());
        }
        let nulls = join.null_equality == NullEquality::NullEqualsNull;
        let (own_left, own_right) = (left.schema().fields().len(), right.schema().fields().len());
        let width = sides.left.width();
        let Sides { left, right, on, residual } = sides;
        let node = Node::join(kind, on, nulls, residual, left, right);
        // Key columns that were projected below are not columns of the plan.
        let kept: Vec<usize> = match kind {
            JoinKind::Semi | JoinKind::Anti => (0..own_left).collect(),
            JoinKind::Mark => (0..own_left).chain([width]).collect(),
            _ => (0..own_left).chain(width..width + own_right).collect(),
        };
        Ok(if kept.len() == node.width() { node } else { node.columns(&kept) })
    }

    /// Lowers both inputs; `on` are pairs over left and right, `rest` is over both.
    fn sides(
        &self,
        left: &LogicalPlan,
        right: &LogicalPlan,
        on: &[(Expr, Expr)],
        rest: Option<Expr>,
    ) -> Result<Sides> {
        let left_keys: Vec<Expr> = on.iter().map(|pair| pair.0.clone()).collect();
        let right_keys: Vec<Expr> = on.iter().map(|pair| pair.1.clone()).collect();
        let (left_node, left_on) =
            self.with_columns(self.lower(left)?, &left_keys, left.schema())?;
        let (right_node, right_on) =
            self.with_columns(self.lower(right)?, &right_keys, right.schema())?;
        let residual = match rest {
            Some(rest) => {
                let both = left.schema().join(right.schema())?;
                let expr = self.condition(&rest, &both)?;
                // The columns of the right side start after the keys projected on the left.
                let (from, to) = (left.schema().fields().len(), left_node.width());
                let shift = |index| if index < from { index } else { index - from + to };
                Some(crate::plan::prune::remap(&expr, &shift)?)
            }
            None => None,
        };
        let on = itertools::zip_eq(left_on, right_on).collect();
        Ok(Sides { left: left_node, right: right_node, on, residual })
    }
}

/// The equalities between the sides, each with left and right of one type, and the other conditions.
fn equal_pairs(
    join: &Join,
    left: &LogicalPlan,
    right: &LogicalPlan,
    swapped: bool,
) -> Result<(Vec<(Expr, Expr)>, Option<Expr>)> {
    let given = join.on.iter().map(|(one, other)| match swapped {
        true => (other.clone(), one.clone()),
        false => (one.clone(), other.clone()),
    });
    let mut on = given.collect::<Vec<_>>();
    let mut rest = vec![];
    // Nulls are compared as the pairs given are; a plain equality may join them only if that is SQL's.
    let plain = join.null_equality == NullEquality::NullEqualsNothing;
    for condition in join.filter.iter().flat_map(split_conjunction) {
        match equality(condition, left.schema(), right.schema())? {
            Some(pair) if plain => on.push(pair),
            _ => rest.push(condition.clone()),
        }
    }
    for (one, other) in &mut on {
        let (left_type, right_type) =
            (one.get_type(left.schema())?, other.get_type(right.schema())?);
        if left_type != right_type {
            let common = datafusion::logical_expr::type_coercion::binary::comparison_coercion(
                &left_type,
                &right_type,
            )
            .ok_or_else(|| Error::internal(format!("{left_type} = {right_type} in a join")))?;
            *one = one.clone().cast_to(&common, left.schema())?;
            *other = other.clone().cast_to(&common, right.schema())?;
        }
    }
    Ok((on, conjunction(rest)))
}

/// `condition` as an equality of an expression over `left` and one over `right`.
fn equality(condition: &Expr, left: &DFSchema, right: &DFSchema) -> Result<Option<(Expr, Expr)>> {
    let Expr::BinaryExpr(binary) = condition else { return Ok(None) };
    if binary.op != Operator::Eq {
        return Ok(None);
    }
    let over = |expr: &Expr, schema: &DFSchema| {
        let columns = expr.column_refs();
        !columns.is_empty() && columns.iter().all(|column| schema.has_column(column))
    };
    let (one, other) = (&binary.left, &binary.right);
    Ok(match () {
        () if over(one, left) && over(other, right) => {
            Some((one.as_ref().clone(), other.as_ref().clone()))
        }
        () if over(other, left) && over(one, right) => {
            Some((other.as_ref().clone(), one.as_ref().clone()))
        }
        () => None,
    })
}

/// `x NOT IN (SELECT y …)`, `x` and `y` being the first pair of keys, where either may be null. A row
/// stays if nothing equals it, and nothing could for all that is known: no `y` is null, and if `x` is
/// null the set is empty. The set of a row are the rows that satisfy the other keys and the residual.
///
/// ```text
/// anti(x is null = true, other keys) ─┬─ anti(other keys) ─┬─ anti(x = y, other keys) ─┬─ left
///                                     │                    └─ right where y is null    └─ right
///                                     └─ distinct(true, other keys) ── right
/// ```
fn not_in(sides: Sides, width: usize) -> Result<Node> {
    let Sides { left, right, on, residual } = sides;
    let Some((&(x, y), others)) = on.split_first() else {
        return Err(Error::unsupported("this form of NOT IN in a materialized view")
            .hint("Write it with NOT EXISTS."));
    };
    let x_nullable = left.schema.field(x).is_nullable();
    let y_nullable = right.schema.field(y).is_nullable();
    let anti = |left: Node, on: &[(usize, usize)], right: Node| {
        Node::join(JoinKind::Anti, on.to_vec(), false, residual.clone(), left, right)
    };
    let mut node = anti(left, &on, right.clone());
    if y_nullable {
        let nulls = is_null(right.column(y))?;
        node = anti(node, others, right.clone().filter(nulls));
    }
    if x_nullable {
        node = not_in_empty_set(node, x, right, others, residual.as_ref())?;
    }
    let kept: Vec<usize> = (0..width).collect();
    Ok(if node.width() == width { node } else { node.columns(&kept) })
}

/// `left` without the rows whose `x` is null and for which the set on the right is not empty: an anti
/// join on `x IS NULL` = true and the other keys.
fn not_in_empty_set(
    left: Node,
    x: usize,
    right: Node,
    others: &[(usize, usize)],
    residual: Option<&PhysicalExpr>,
) -> Result<Node> {
    let (width, unknown) = (left.width(), is_null(left.column(x))?);
    let left = with_flag(left, (0..width).collect(), unknown);
    // Whether the set is empty does not need all its rows, unless a condition looks at them.
    let columns: Vec<usize> = match residual {
        None => others.iter().map(|pair| pair.1).collect(),
        Some(_) => (0..right.width()).collect(),
    };
    let flag = columns.len();
    let key = |pair: &(usize, usize)| {
        let right = columns.iter().position(|&column| column == pair.1);
        (pair.0, right.expect("key columns are kept"))
    };
    let on = std::iter::once((width, flag)).chain(others.iter().map(key)).collect();
    let set = with_flag(right, columns.clone(), lit(true));
    let set = if residual.is_none() { set.distinct() } else { set };
    // The flag stands between the columns of left and right.
    let shift = |index: usize| if index < width { index } else { index + 1 };
    let residual = residual.map(|expr| crate::plan::prune::remap(expr, &shift)).transpose()?;
    Ok(Node::join(JoinKind::Anti, on, false, residual, left, set))
}

/// The columns at `indexes` of `node`, then the boolean `flag`.
fn with_flag(node: Node, indexes: Vec<usize>, flag: PhysicalExpr) -> Node {
    let mut exprs: Vec<PhysicalExpr> = indexes.iter().map(|&index| node.column(index)).collect();
    let mut fields: Vec<FieldRef> =
        indexes.iter().map(|&index| Arc::clone(&node.schema.fields()[index])).collect();
    exprs.push(flag);
    fields.push(Arc::new(Field::new("flag", DataType::Boolean, false)));
    node.project(exprs, Arc::new(Schema::new(fields)))
}
