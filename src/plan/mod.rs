//! SQL queries → plans, by way of DataFusion: names, types, decorrelation, Postgres' semantics.
//!
//! ```text
//! ast::Query ─ analyze: rewrite ─ DataFusion SqlToRel ─ analyzer + our rules ─┬─ Select: run by DataFusion over one epoch
//!                                                                            └─ lower ─ ViewPlan: node::Node, run by dataflow
//! ```
//!
//! # For the engine
//! - [`Planner::new`] with a [`Relations`] (names → [`Relation`], over one catalog snapshot) and the
//!   [`Session`]'s values; make one per statement, it is cheap.
//! - [`Planner::query`] → [`Select`]: `relations` says what to snapshot, `parameters` the types of
//!   `$1…`, `schema` the columns; [`Select::bind`] parameter values, then [`Select::execute`] with a
//!   `TableProvider` per relation.
//! - [`Planner::query_into`]: the same with every output column converted to a target column as an
//!   assignment is (INSERT … SELECT/VALUES, and UPDATE written as `SELECT old…, new… FROM t WHERE …`).
//! - [`Planner::view`] → [`ViewPlan`]: the node tree of a maintained view, its columns, what it reads.
//! - [`Planner::scalar`] → [`Scalar`]: an expression over one relation's columns (CHECK, DEFAULT,
//!   generated columns), evaluated batch by batch.
//! - [`explain`]: the text of EXPLAIN.

mod aggregate_check;
mod analyze;
mod assign;
mod blank_padded;
mod build;
mod by_key;
pub mod changelog;
pub mod check;
mod conversion;
mod decorrelate;
mod error;
pub mod explain;
mod expression;
mod field;
mod from;
pub(crate) mod function;
mod grouping_set;
mod growth;
mod guarded_rule;
mod json_operator;
mod key;
mod logical;
mod lower;
pub mod node;
mod operator;
mod origin;
mod partition_call;
pub mod planner;
mod prune;
mod recursion;
pub mod relation;
pub mod scalar;
pub mod select;
mod set_operation;
mod short_circuit;
pub mod stop;
mod subquery;
mod syntax;
mod type_name;
mod typing;
pub(crate) mod undefined;
mod union_types;
pub mod view;
mod window;
mod window_end;
mod with_ties;
pub mod write;
mod zone;

pub(crate) use expression::expression;
pub(crate) use planner::parameter_types;
pub use planner::{Planner, Session};
pub use relation::{Body, Relation, Relations};
pub use scalar::Scalar;
pub use select::Select;
pub use view::ViewPlan;

#[cfg(test)]
mod tests;
