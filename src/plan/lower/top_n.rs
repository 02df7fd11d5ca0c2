//! Order that decides which rows there are: ORDER BY … LIMIT.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{Expr, FetchType, Limit, LogicalPlan, SkipType, Sort};

use super::Lowering;
use crate::error::{Error, Result};
use crate::plan::node::{Node, NodeKind, SortColumn};

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
