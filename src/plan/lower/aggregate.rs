//! Grouping: group expressions and arguments as columns below, calls by index.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::AggregateFunction as LogicalCall;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable};

use itertools::izip;

use super::Lowering;
use crate::error::{Error, Result};
use crate::plan::function::SINGLE_VALUE;
use crate::plan::node::{AggregateCall, AggregateFunction, Node, NodeKind};

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
        let mut exprs = aggregate.group_expr.clone();
        let slots = calls
            .iter()
            .map(|call| Slots::new(call, schema, &mut exprs))
            .collect::<Result<Vec<_>>>()?;
        let (input, columns) = self.with_columns(input, &exprs, schema)?;
        let calls = slots.into_iter().map(|slots| slots.call(&columns)).collect();
        let group = columns[..aggregate.group_expr.len()].to_vec();
        Ok(aggregated(group, calls, input, output))
    }

    /// `single_value(x)` per group: the rows themselves, of which a group may have one only.
    fn single_value(&self, aggregate: &Aggregate, call: &LogicalCall, input: Node) -> Result<Node> {
        let mut exprs = aggregate.group_expr.clone();
        exprs.extend(call.params.args.iter().cloned());
        let (input, columns) = self.with_columns(input, &exprs, aggregate.input.schema())?;
        let input = input.columns(&columns).named(aggregate.schema.inner());
        let schema = Arc::clone(&input.schema);
        let key: Vec<usize> = (0..aggregate.group_expr.len()).collect();
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

/// A call whose argument and filter are positions in the list of expressions to project.
struct Slots {
    function: AggregateFunction,
    argument: Option<usize>,
    distinct: bool,
    filter: Option<usize>,
}

impl Slots {
    fn new(call: &LogicalCall, schema: &DFSchema, exprs: &mut Vec<Expr>) -> Result<Slots> {
        let function = function(call.func.name())?;
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
        Ok(Slots { function, argument, distinct: params.distinct, filter })
    }

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

fn function(name: &str) -> Result<AggregateFunction> {
    Ok(match name {
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
        other => {
            return Err(Error::unsupported(format!(
                "aggregate function {other} in a materialized view"
            ))
            .hint(
                "Maintained aggregates are count, sum, avg, min, max, bool_and, bool_or, stddev \
                 and variance.",
            ));
        }
    })
}
