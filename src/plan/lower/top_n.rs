//! Order that decides which rows there are: ORDER BY … LIMIT, and the ranking window functions.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, FetchType, Limit, LogicalPlan, Operator, SkipType, Sort, Window, WindowFunctionDefinition,
};

use super::Lowering;
use crate::error::{Error, Result, SqlState};
use crate::plan::node::{Node, NodeKind, RankKind, SortColumn};

impl Lowering<'_> {
    pub(super) fn limit(&self, limit: &Limit) -> Result<Node> {
        let skip = match limit.get_skip_type()? {
            SkipType::Literal(skip) => skip,
            SkipType::UnsupportedExpr => return Err(not_constant("OFFSET")),
        };
        let fetch = match limit.get_fetch_type()? {
            FetchType::Literal(fetch) => fetch,
            FetchType::UnsupportedExpr => return Err(not_constant("LIMIT")),
        };
        self.limited(&limit.input, skip, fetch)
    }

    /// Rows `skip..skip + fetch` of `plan`, which may have its order below projections.
    fn limited(&self, plan: &LogicalPlan, skip: usize, fetch: Option<usize>) -> Result<Node> {
        match plan {
            LogicalPlan::Sort(sort) => self.sorted(sort, skip, fetch),
            LogicalPlan::SubqueryAlias(alias) => self.limited(&alias.input, skip, fetch),
            LogicalPlan::Projection(projection) => {
                let input = self.limited(&projection.input, skip, fetch)?;
                let exprs = self.physical_all(&projection.expr, projection.input.schema())?;
                Ok(input.project(exprs, Arc::clone(projection.schema.inner())))
            }
            other => Ok(top_n(self.lower(other)?, vec![], vec![], skip, fetch)),
        }
    }

    pub(super) fn sorted(&self, sort: &Sort, skip: usize, fetch: Option<usize>) -> Result<Node> {
        let limit = [fetch, sort.fetch.map(|rows| rows.saturating_sub(skip))];
        let limit = limit.into_iter().flatten().min();
        let input = self.lower(&sort.input)?;
        let width = input.width();
        let (input, order) = self.order(input, &sort.expr, &sort.input)?;
        let node = top_n(input, vec![], order, skip, limit);
        let kept: Vec<usize> = (0..width).collect();
        Ok(if node.width() == width { node } else { node.columns(&kept) })
    }

    fn order(
        &self,
        input: Node,
        sort: &[SortExpr],
        plan: &LogicalPlan,
    ) -> Result<(Node, Vec<SortColumn>)> {
        let exprs: Vec<Expr> = sort.iter().map(|sort| sort.expr.clone()).collect();
        let (input, columns) = self.with_columns(input, &exprs, plan.schema())?;
        let order = itertools::zip_eq(columns, sort).map(|(column, sort)| SortColumn {
            column,
            options: SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first },
        });
        Ok((input, order.collect()))
    }

    /// The window's functions, one node above the other, each appending its column.
    pub(super) fn window(&self, window: &Window) -> Result<Node> {
        self.ranked(window, None)
    }

    /// A filter over a window: a bound on the outermost rank becomes its limit.
    pub(super) fn filtered_window(&self, predicate: &Expr, window: &Window) -> Result<Node> {
        let rank = window.schema.fields().len() - 1;
        let name = window.schema.columns().swap_remove(rank);
        let mut bound = None;
        let mut rest = vec![];
        for condition in split_conjunction(predicate) {
            match upper_bound(condition, &Expr::Column(name.clone())) {
                Some(limit) => bound = Some(bound.map_or(limit, |other: usize| other.min(limit))),
                None => rest.push(condition.clone()),
            }
        }
        let node = self.ranked(window, bound)?;
        match conjunction(rest) {
            Some(rest) => Ok(node.filter(self.physical(&rest, &window.schema)?)),
            None => Ok(node),
        }
    }

    fn ranked(&self, window: &Window, limit: Option<usize>) -> Result<Node> {
        let plan = &window.input;
        let own = plan.schema().fields().len();
        let mut node = self.lower(plan)?;
        let last = window.window_expr.len() - 1;
        for (index, expr) in window.window_expr.iter().enumerate() {
            let (rank, call) = rank_of(expr)?;
            let params = &call.params;
            // The columns of the functions before stand between the input's and the projected ones.
            let before = node.width();
            let input_schema = Arc::clone(&node.schema);
            let mut exprs = params.partition_by.clone();
            exprs.extend(params.order_by.iter().map(|sort| sort.expr.clone()));
            let (input, columns) = self.with_columns(node, &exprs, plan.schema())?;
            let (partition, sort) = columns.split_at(params.partition_by.len());
            // Within a partition, its columns order nothing.
            let order = itertools::zip_eq(sort, &params.order_by);
            let order = order.filter(|(column, _)| !partition.contains(column));
            let order = order.map(|(&column, sort)| {
                let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
                SortColumn { column, options }
            });
            let width = input.width();
            let field = window.schema.field(own + index);
            let kind = NodeKind::TopN {
                partition: partition.to_vec(),
                order: order.collect(),
                offset: 0,
                limit: limit.filter(|_| index == last),
                rank: Some(rank),
                input: Box::new(input),
            };
            node = with_rank(kind, &field.as_ref().clone().with_name(rank.name()));
            if width > before {
                let kept: Vec<usize> = (0..before).chain([width]).collect();
                node = node.columns(&kept);
            }
            debug_assert_eq!(node.width(), input_schema.fields().len() + 1, "one column more");
        }
        Ok(node)
    }
}

/// A node of `kind`, a [`NodeKind::TopN`] that appends column `field`.
fn with_rank(kind: NodeKind, field: &Field) -> Node {
    let mut fields: Vec<_> = kind.inputs()[0].schema.fields().iter().map(Arc::clone).collect();
    fields.push(Arc::new(field.clone()));
    Node::new(kind, Arc::new(Schema::new(fields)))
}

fn top_n(
    input: Node,
    partition: Vec<usize>,
    order: Vec<SortColumn>,
    offset: usize,
    limit: Option<usize>,
) -> Node {
    let schema = Arc::clone(&input.schema);
    let input = Box::new(input);
    Node::new(NodeKind::TopN { partition, order, offset, limit, rank: None, input }, schema)
}

fn not_constant(clause: &str) -> Error {
    Error::unsupported(format!("a {clause} that is not a constant in a materialized view"))
}

fn rank_of(expr: &Expr) -> Result<(RankKind, &WindowFunction)> {
    let call = match expr {
        Expr::WindowFunction(call) => call.as_ref(),
        Expr::Alias(alias) => return rank_of(&alias.expr),
        other => return Err(Error::internal(format!("{other} among window functions"))),
    };
    let name = match &call.fun {
        WindowFunctionDefinition::WindowUDF(function) => function.name(),
        WindowFunctionDefinition::AggregateUDF(function) => function.name(),
    };
    let kind = match name {
        "row_number" => RankKind::RowNumber,
        "rank" => RankKind::Rank,
        "dense_rank" => RankKind::DenseRank,
        other => {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                format!("window function {other} in a materialized view is not supported"),
            )
            .hint(
                "Maintained window functions are row_number(), rank() and dense_rank(); a plain \
                 SELECT over a materialized view may use any.",
            ));
        }
    };
    Ok((kind, call))
}

/// `n` if `condition` says that `rank` is at most `n` and nothing more.
fn upper_bound(condition: &Expr, rank: &Expr) -> Option<usize> {
    let Expr::BinaryExpr(binary) = condition else { return None };
    let (op, value) = match (binary.left.as_ref(), binary.right.as_ref()) {
        (left, Expr::Literal(value, _)) if left == rank => (binary.op, value),
        (Expr::Literal(value, _), right) if right == rank => (binary.op.swap()?, value),
        _ => return None,
    };
    let ScalarValue::Int64(Some(n)) = value.cast_to(&arrow::datatypes::DataType::Int64).ok()?
    else {
        return None;
    };
    let limit = match op {
        Operator::LtEq => n,
        Operator::Lt => n - 1,
        // No rank is less than 1, so that `= 1` is `<= 1`.
        Operator::Eq if n == 1 => 1,
        _ => return None,
    };
    Some(usize::try_from(limit).unwrap_or(0))
}
