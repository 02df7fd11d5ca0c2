//! Grouping: group expressions and arguments as columns below, calls by index.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::AggregateFunction as LogicalCall;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable};

use itertools::{Itertools, izip};

use super::Lowering;
use super::ordered_call::{OrderedSlots, ordered_aggregate};
use crate::error::{Error, Result};
use crate::plan::function::SINGLE_VALUE;
use crate::plan::node::{AggregateCall, AggregateFunction, JoinKind, Node, NodeKind};

impl Lowering<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate) -> Result<Node> {
        let schema = aggregate.input.schema();
        let input = self.lower(&aggregate.input)?;
        let output = aggregate.schema.inner();
        let calls: Vec<&LogicalCall> =
            aggregate.aggr_expr.iter().map(call_of).collect::<Result<_>>()?;
        if let [call] = calls[..]
            && call.func.name() == SINGLE_VALUE
        {
            return self.single_value(aggregate, call, input);
        }
        // What is grouped by twice is one column.
        let group_exprs: Vec<Expr> = aggregate.group_expr.iter().cloned().unique().collect();
        let mut exprs = group_exprs.clone();
        let slots = calls
            .iter()
            .map(|call| Slots::new(call, schema, &mut exprs))
            .collect::<Result<Vec<_>>>()?;
        let (input, columns) = self.with_columns(input, &exprs, schema)?;
        let group = columns[..group_exprs.len()].to_vec();
        let (mut running, mut ordered) = (vec![], vec![]);
        let mut places = Vec::with_capacity(calls.len());
        for (slots, call) in itertools::zip_eq(slots, calls) {
            match slots {
                Slots::Running(slots) => {
                    places.push((true, running.len()));
                    running.push(slots.call(&columns));
                }
                Slots::Ordered(slots) => {
                    places.push((false, ordered.len()));
                    ordered.push(self.ordered_call(call, &slots, &columns, schema)?);
                }
            }
        }
        if ordered.is_empty() {
            return Ok(aggregated(group, running, input, output));
        }
        let names = group_and(output, &group, places.iter().map(|place| !place.0));
        let node = ordered_aggregate(group.clone(), ordered, input.clone(), names);
        if running.is_empty() {
            return Ok(node);
        }
        let names = group_and(output, &group, places.iter().map(|place| place.0));
        let count = running.len();
        Ok(side_by_side(
            aggregated(group.clone(), running, input, &names),
            node,
            group.len(),
            places.into_iter().map(|(runs, at)| {
                if runs { group.len() + at } else { 2 * group.len() + count + at }
            }),
        )
        .named(output))
    }

    /// `single_value(x)` per group: the rows themselves, of which a group may have one only.
    fn single_value(&self, aggregate: &Aggregate, call: &LogicalCall, input: Node) -> Result<Node> {
        let mut exprs: Vec<Expr> = aggregate.group_expr.iter().cloned().unique().collect();
        let groups = exprs.len();
        exprs.extend(call.params.args.iter().cloned());
        let (input, columns) = self.with_columns(input, &exprs, aggregate.input.schema())?;
        let input = input.columns(&columns).named(aggregate.schema.inner());
        let schema = Arc::clone(&input.schema);
        let key: Vec<usize> = (0..groups).collect();
        let unique = input.upsert_key.as_ref();
        if unique.is_some_and(|unique| unique.iter().all(|column| key.contains(column))) {
            return Ok(input);
        }
        Ok(Node::new(NodeKind::AtMostOne { key, input: Box::new(input) }, schema))
    }
}

/// Groups with calls; groups alone are the distinct keys. The columns are named after the input's, so
/// that equal aggregates of different queries are equal nodes.
fn aggregated(
    group: Vec<usize>,
    calls: Vec<AggregateCall>,
    input: Node,
    schema: &SchemaRef,
) -> Node {
    if calls.is_empty() {
        return input.columns(&group).named(schema).distinct();
    }
    let below = input.schema.fields();
    let groups = group.iter().map(|&index| below[index].name().clone());
    let names = groups.chain(calls.iter().map(|call| call.text(&input.schema)));
    let fields = izip!(names, schema.fields())
        .map(|(name, field)| field.as_ref().clone().with_name(name))
        .collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(fields));
    Node::new(NodeKind::Aggregate { group, calls, input: Box::new(input) }, schema)
}

fn call_of(expr: &Expr) -> Result<&LogicalCall> {
    match expr {
        Expr::AggregateFunction(call) => Ok(call),
        Expr::Alias(alias) => call_of(&alias.expr),
        other => Err(Error::internal(format!("{other} among aggregates"))),
    }
}

/// The group columns of `schema` and those of its calls for which `kept` is true.
fn group_and(schema: &SchemaRef, group: &[usize], kept: impl Iterator<Item = bool>) -> SchemaRef {
    let (groups, calls) = schema.fields().split_at(group.len());
    let calls = itertools::zip_eq(calls, kept).filter_map(|(field, kept)| kept.then_some(field));
    Arc::new(Schema::new(groups.iter().chain(calls).map(Arc::clone).collect::<Vec<_>>()))
}

/// Two aggregates over the same `groups`, each row's group columns first, joined; of the calls the
/// columns at `calls`.
fn side_by_side(
    left: Node,
    right: Node,
    groups: usize,
    calls: impl Iterator<Item = usize>,
) -> Node {
    let on = (0..groups).map(|column| (column, column)).collect();
    let joined = Node::join(JoinKind::Inner, on, true, None, left, right);
    let columns: Vec<usize> = (0..groups).chain(calls).collect();
    joined.columns(&columns)
}

/// A call whose columns are positions in the list of expressions to project.
enum Slots {
    /// One that keeps a running value.
    Running(RunningSlots),
    /// One that is computed from all rows in an order.
    Ordered(OrderedSlots),
}

struct RunningSlots {
    function: AggregateFunction,
    argument: Option<usize>,
    distinct: bool,
    filter: Option<usize>,
}

impl Slots {
    fn new(call: &LogicalCall, schema: &DFSchema, exprs: &mut Vec<Expr>) -> Result<Slots> {
        let nested = match &call.params.args[..] {
            [argument] => argument.get_type(schema)?.is_nested(),
            _ => false,
        };
        let extreme = |function: &AggregateFunction| {
            matches!(function, AggregateFunction::Min | AggregateFunction::Max)
        };
        // Running extremes are kept of values without parts alone.
        let running = function(call.func.name()).filter(|function| !(nested && extreme(function)));
        let Some(function) = running else {
            return Ok(Slots::Ordered(OrderedSlots::new(call, exprs)?));
        };
        let mut add = |expr: &Expr| {
            exprs.push(expr.clone());
            exprs.len() - 1
        };
        let params = &call.params;
        let argument = match &params.args[..] {
            [] => None,
            [argument] if counts_rows(function, argument, schema)? && !params.distinct => None,
            [argument] => Some(add(argument)),
            _ => {
                return Err(Error::unsupported(format!(
                    "{function} of several arguments in a materialized view"
                )));
            }
        };
        let filter = params.filter.as_deref().map(add);
        Ok(Slots::Running(RunningSlots { function, argument, distinct: params.distinct, filter }))
    }
}

impl RunningSlots {
    fn call(self, columns: &[usize]) -> AggregateCall {
        AggregateCall {
            function: self.function,
            argument: self.argument.map(|slot| columns[slot]),
            // Repetition changes none of these.
            distinct: self.distinct
                && !matches!(
                    self.function,
                    AggregateFunction::Min
                        | AggregateFunction::Max
                        | AggregateFunction::BoolAnd
                        | AggregateFunction::BoolOr
                ),
            filter: self.filter.map(|slot| columns[slot]),
        }
    }
}

/// Whether `count(argument)` is `count(*)`.
fn counts_rows(function: AggregateFunction, argument: &Expr, schema: &DFSchema) -> Result<bool> {
    if function != AggregateFunction::Count {
        return Ok(false);
    }
    Ok(match argument {
        Expr::Literal(value, _) => *value != ScalarValue::Null && !value.is_null(),
        other => {
            !other.nullable(schema)? && !matches!(other.get_type(schema)?, DataType::Struct(_))
        }
    })
}

/// The function that keeps a running value, if there is one of this name.
fn function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" | "mean" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "bool_and" => AggregateFunction::BoolAnd,
        "bool_or" => AggregateFunction::BoolOr,
        "var" | "var_samp" | "var_sample" => AggregateFunction::VarSamp,
        "var_pop" | "var_population" => AggregateFunction::VarPop,
        "stddev" | "stddev_samp" => AggregateFunction::StddevSamp,
        "stddev_pop" => AggregateFunction::StddevPop,
        _ => return None,
    })
}
