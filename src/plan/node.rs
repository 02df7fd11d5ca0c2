//! The plan of a maintained view: an enum of data, built by `lower`, run by `dataflow`.
//!
//! Keys are always plain columns: lowering puts a [`NodeKind::Project`] below an operator whose keys are
//! expressions. Column indexes are positions in the input's schema.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{AggregateUDF, WindowFrame, WindowFunctionDefinition};
use datafusion::physical_expr::PhysicalExpr;

use crate::types::{Delta, ObjectId};

/// A plan node and what is known about its output.
///
/// # Invariants
/// 1. Column indexes in `kind` are valid in the schemas of its inputs (checked by `plan::check`).
/// 2. `upsert_key`, if any, holds at every epoch: no two rows of the collection agree on it.
/// 3. `append_only` is proven, not hoped: its deltas never carry a weight other than positive.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub kind: NodeKind,
    /// Columns of its output.
    pub schema: SchemaRef,
    /// Columns by which rows of the output are unique, if known. Empty means at most one row.
    pub upsert_key: Option<Vec<usize>>,
    /// Whether the output only ever grows.
    pub append_only: bool,
    /// How its state grows.
    pub growth: Growth,
}

/// How the state of a node grows with its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Growth {
    /// Keeps nothing.
    None,
    /// Bounded by a constant (a global aggregate, a LIMIT).
    Constant,
    /// One entry per distinct key.
    Keys,
    /// One entry per row of the input.
    Rows,
}

/// An expression over the columns of the input.
pub type Expr = Arc<dyn PhysicalExpr>;

/// What a node computes.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// The changes of a table, source or materialized view, restricted to `columns` in that order.
    Scan {
        /// The relation.
        relation: ObjectId,
        /// Its columns to read, by index in the relation's own schema.
        columns: Vec<usize>,
    },
    /// Fixed rows, present from the first epoch.
    Constant {
        /// The rows; all weights positive.
        rows: Delta,
    },
    /// Rows for which `predicate` is true (not false, not null).
    Filter {
        /// Boolean expression.
        predicate: Expr,
        /// The rows.
        input: Box<Node>,
    },
    /// One output column per expression.
    Project {
        /// Expressions, named by the node's schema.
        exprs: Vec<Expr>,
        /// The rows.
        input: Box<Node>,
    },
    /// Each row once per window it falls into: the input's columns plus `window_start`, `window_end`
    /// (both of the time column's type). A row whose time is null falls into no window.
    Hop {
        /// Index of the time column: timestamp with or without zone, microseconds.
        time: usize,
        /// Distance of window starts in microseconds; equals `size_us` for TUMBLE.
        slide_us: i64,
        /// Length of a window in microseconds.
        size_us: i64,
        /// Shift of all window starts in microseconds, in `0..slide_us`.
        offset_us: i64,
        /// The rows.
        input: Box<Node>,
    },
    /// Each row as many times as its last column (`int8`, null and negative as zero) says; the output
    /// is the other columns.
    Repeat {
        /// The rows.
        input: Box<Node>,
    },
    /// Each row once per element of its arrays, the columns at `lists`, which are replaced by their
    /// elements: as many rows as the longest array has elements, shorter ones padded with nulls.
    Unnest {
        /// Array columns, at least one.
        lists: Vec<usize>,
        /// The rows.
        input: Box<Node>,
    },
    /// Equi join with an optional residual condition. `on` may be empty (cross and theta joins).
    Join {
        /// Which rows come out.
        kind: JoinKind,
        /// Pairs of equal columns: index on the left, index on the right; types are equal.
        on: Vec<(usize, usize)>,
        /// Whether a null key equals a null key (set operations) or nothing (SQL's `=`).
        null_equals_null: bool,
        /// Further condition over left columns followed by right columns. For semi and anti joins
        /// too it sees both sides.
        residual: Option<Expr>,
        /// Left input.
        left: Box<Node>,
        /// Right input.
        right: Box<Node>,
    },
    /// Groups with aggregates: output is the group columns, then one column per call.
    /// Without group columns there is always exactly one output row, from the first epoch on.
    Aggregate {
        /// Group columns of the input. Nulls form one group.
        group: Vec<usize>,
        /// The aggregate calls.
        calls: Vec<AggregateCall>,
        /// The rows.
        input: Box<Node>,
    },
    /// Each distinct row once. (Aggregate over all columns with no calls.)
    Distinct {
        /// The rows.
        input: Box<Node>,
    },
    /// All rows of all inputs, whose schemas agree in types.
    Union {
        /// The inputs.
        inputs: Vec<Node>,
    },
    /// The rows at positions `offset..offset + limit` of each partition in `order`; ties are broken
    /// by the whole row, so that the result is a function of the collection.
    TopN {
        /// Partition columns; empty for the whole collection.
        partition: Vec<usize>,
        /// Sort columns.
        order: Vec<SortColumn>,
        /// Rows skipped.
        offset: usize,
        /// Rows kept; `None` for all.
        limit: Option<usize>,
        /// What rank column (`int8`, 1-based, counted from the partition's first row), if any, is
        /// appended to the input's columns.
        rank: Option<RankKind>,
        /// The rows.
        input: Box<Node>,
    },
    /// Functions of whole partitions, computed anew where a partition changes. The rows of a
    /// partition stand in `order`, ties broken by the whole row.
    Recompute {
        /// Partition columns; empty for the whole collection.
        partition: Vec<usize>,
        /// Sort columns.
        order: Vec<SortColumn>,
        /// What is computed, and with it the output's columns.
        calls: PartitionCalls,
        /// The rows.
        input: Box<Node>,
    },
    /// An error unless the input has at most one row per partition (scalar subqueries, `21000`):
    /// passes the rows through and reports partitions with more than one.
    AtMostOne {
        /// Columns that must be unique; empty: the whole collection has at most one row.
        key: Vec<usize>,
        /// The rows.
        input: Box<Node>,
    },
}

/// What a [`NodeKind::Recompute`] computes.
#[derive(Clone, Debug)]
pub enum PartitionCalls {
    /// Window functions: every row, with a column more per call.
    Windows(Vec<WindowCall>),
    /// Aggregates: one row per partition that has rows, and without partition columns always: the
    /// partition columns, then one column per call.
    Aggregates(Vec<OrderedCall>),
}

/// One window function over the partition in its order.
#[derive(Clone, Debug)]
pub struct WindowCall {
    /// Which function.
    pub function: WindowFunctionDefinition,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// Condition on the rows that count (`FILTER`), if any.
    pub filter: Option<Expr>,
    /// The rows around the current one that it sees.
    pub frame: Arc<WindowFrame>,
    /// Whether null arguments are skipped.
    pub ignore_nulls: bool,
}

/// One aggregate call whose value is a function of all rows, in an order of its own.
#[derive(Clone, Debug)]
pub struct OrderedCall {
    /// Which function.
    pub function: Arc<AggregateUDF>,
    /// Its arguments: columns and constants.
    pub arguments: Vec<Expr>,
    /// Whether only distinct arguments count, the first of each.
    pub distinct: bool,
    /// Sort columns.
    pub order: Vec<SortColumn>,
    /// Boolean column that must be true for a row to count (`FILTER`), if any.
    pub filter: Option<usize>,
}

/// Which rank function a [`NodeKind::TopN`] appends. For `Rank` and `DenseRank` the limit is on the
/// rank's value, not on the number of rows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RankKind {
    /// `row_number()`.
    RowNumber,
    /// `rank()`.
    Rank,
    /// `dense_rank()`.
    DenseRank,
}

/// A sort column of a [`NodeKind::TopN`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SortColumn {
    /// Index in the input.
    pub column: usize,
    /// Direction and place of nulls.
    pub options: SortOptions,
}

/// Which rows a join puts out. Output columns: left then right; of semi and anti joins, left only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JoinKind {
    /// Matching pairs.
    Inner,
    /// Pairs, and left rows without a match padded with nulls.
    Left,
    /// Pairs, and right rows without a match padded with nulls.
    Right,
    /// Pairs, and rows of either side without a match.
    Full,
    /// Left rows that have a match, once each.
    Semi,
    /// Left rows that have no match (`NOT EXISTS`).
    Anti,
    /// Left rows with a trailing boolean column that says whether they have a match.
    Mark,
}

/// One aggregate call over columns of the input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateCall {
    /// Which function.
    pub function: AggregateFunction,
    /// Argument column; `None` for `count(*)`.
    pub argument: Option<usize>,
    /// Whether only distinct argument values count.
    pub distinct: bool,
    /// Boolean column that must be true for a row to count (`FILTER`), if any.
    pub filter: Option<usize>,
}

/// The aggregate functions that are maintained. Argument and result types are in the schemas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AggregateFunction {
    /// `count(*)` or `count(x)`: int8.
    Count,
    /// `sum(x)`: int8 for int2/int4, numeric(38,0) for int8, numeric(38,s) for numeric(p,s), float4/8
    /// for float4/8, interval for interval. Overflow is 22003.
    Sum,
    /// `avg(x)`: numeric(38, max(16, s)) for integers and numeric(p,s), float8 for floats, interval.
    Avg,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
    /// `bool_and(x)` = `every(x)`.
    BoolAnd,
    /// `bool_or(x)`.
    BoolOr,
    /// Sample variance `var_samp` = `variance`: float8.
    VarSamp,
    /// Population variance: float8.
    VarPop,
    /// Sample standard deviation `stddev_samp` = `stddev`: float8.
    StddevSamp,
    /// Population standard deviation: float8.
    StddevPop,
}

/// The inputs of a node's kind, left to right, as a vector of references of its own kind.
macro_rules! inputs_of {
    ($kind:expr, $iter:ident) => {
        match $kind {
            NodeKind::Scan { .. } | NodeKind::Constant { .. } => vec![],
            NodeKind::Filter { input, .. }
            | NodeKind::Project { input, .. }
            | NodeKind::Hop { input, .. }
            | NodeKind::Repeat { input }
            | NodeKind::Unnest { input, .. }
            | NodeKind::Aggregate { input, .. }
            | NodeKind::Distinct { input }
            | NodeKind::TopN { input, .. }
            | NodeKind::Recompute { input, .. }
            | NodeKind::AtMostOne { input, .. } => vec![input],
            NodeKind::Join { left, right, .. } => vec![left, right],
            NodeKind::Union { inputs } => inputs.$iter().collect(),
        }
    };
}

impl NodeKind {
    /// The inputs, left to right.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Node> {
        inputs_of!(self, iter)
    }

    /// The same over other inputs, which have the same columns.
    #[must_use]
    pub(crate) fn map_inputs(mut self, mut map: impl FnMut(Node) -> Node) -> NodeKind {
        let inputs: Vec<&mut Node> = inputs_of!(&mut self, iter_mut);
        for input in inputs {
            let nothing = NodeKind::Union { inputs: vec![] };
            let empty = Node::new(nothing, Arc::clone(&input.schema));
            *input = map(std::mem::replace(input, empty));
        }
        self
    }
}

impl RankKind {
    /// The function's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RankKind::RowNumber => "row_number",
            RankKind::Rank => "rank",
            RankKind::DenseRank => "dense_rank",
        }
    }
}

impl fmt::Display for JoinKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Right => "right",
            JoinKind::Full => "full",
            JoinKind::Semi => "semi",
            JoinKind::Anti => "anti",
            JoinKind::Mark => "mark",
        })
    }
}

impl fmt::Display for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AggregateFunction::Count => "count",
            AggregateFunction::Sum => "sum",
            AggregateFunction::Avg => "avg",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
            AggregateFunction::BoolAnd => "bool_and",
            AggregateFunction::BoolOr => "bool_or",
            AggregateFunction::VarSamp => "var_samp",
            AggregateFunction::VarPop => "var_pop",
            AggregateFunction::StddevSamp => "stddev_samp",
            AggregateFunction::StddevPop => "stddev_pop",
        })
    }
}
