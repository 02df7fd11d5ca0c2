//! Rewrites a query's syntax tree before DataFusion plans it, so that it means there what it means in
//! Postgres: names of columns, types of literals, spellings. Refuses what DataFusion would answer
//! with something else.

mod array;
mod array_query;
mod column_name;
mod columns;
mod count;
mod doubled;
mod form;
mod frame;
mod function_name;
mod grouping;
mod interval;
mod label;
mod merge;
mod order;
mod outer;
mod place;
mod quantified;
mod repeated;
mod row;
mod similar;
mod special;
mod special_aggregate;
mod table_function;
mod values;
mod wildcard;
mod window_name;

use std::ops::ControlFlow;

use arrow::datatypes::DECIMAL128_MAX_PRECISION;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Fetch, Function,
    GroupByExpr, LimitClause, OrderByKind, Query, Select, SetExpr, Spanned, TableFactor, Value,
    VisitMut, VisitorMut, With,
};

pub(crate) use column_name::{distinct, shown, visible};
pub(crate) use form::part_of;
pub(crate) use function_name::{Functions, assigned};
pub(crate) use outer::relation_names;
pub(crate) use table_function::LONG_SERIES;

use self::place::Places;
use super::function::WITH_TIES;
use super::relation::Relations;
use crate::error::{Error, Result};
use crate::sql::Positions;
use crate::sql::visit::WalkMut;

/// `query` as DataFusion is to plan it.
pub(crate) fn rewrite(
    query: &mut Query,
    relations: &dyn Relations,
    functions: &Functions<'_>,
    positions: &Positions,
) -> Result<()> {
    repeated::refuse(query, functions, positions)?;
    doubled::refuse(query, relations, positions)?;
    merge::rewrite(query, relations, positions)?;
    wildcard::expand(query, relations);
    order::rewrite(query, relations, positions)?;
    doubled::number(query, relations);
    outer::rewrite(query, positions)?;
    repeated::number(query, functions, positions)?;
    finished(query.visit(&mut WalkMut(&mut Rewriter { functions, positions, raw: vec![] })))
}

/// A lone expression as DataFusion is to plan it.
pub(crate) fn rewrite_expr(
    expr: &mut Expr,
    functions: &Functions<'_>,
    positions: &Positions,
) -> Result<()> {
    finished(expr.visit(&mut WalkMut(&mut Rewriter { functions, positions, raw: vec![] })))
}

fn finished(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter<'a> {
    functions: &'a Functions<'a>,
    positions: &'a Positions,
    /// Of the constructs that we are in, whether DataFusion itself reads the numbers right in them, which
    /// must stay bare then.
    raw: Vec<bool>,
}

impl Rewriter<'_> {
    fn fail(&self, error: Error, at: &impl Spanned) -> ControlFlow<Error> {
        ControlFlow::Break(error.or_at(self.positions.of_span(at.span())))
    }

    fn places(&self) -> Places<'_> {
        Places { functions: self.functions, positions: self.positions }
    }

    /// Whether DataFusion itself reads the numbers right in `expr`.
    fn keeps_numbers_bare(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Function(function) => !self.functions.keeps_argument_type(&function.name),
            Expr::Interval(_) | Expr::TypedString(_) => true,
            _ => false,
        }
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let SetExpr::Values(values) = query.body.as_ref()
            && let Err(error) = self.places().check_values(values)
        {
            return ControlFlow::Break(error);
        }
        if matches!(query.body.as_ref(), SetExpr::SetOperation { .. }) {
            column_name::name_operands(&mut query.body);
        }
        values::type_columns(&mut query.body);
        form::table(&mut query.body);
        if let Some(With { recursive, cte_tables, .. }) = &mut query.with {
            for cte in cte_tables {
                match recursive {
                    true => label::recursive_term(&mut cte.query),
                    false => form::named_columns(cte),
                }
            }
        }
        // FETCH FIRST n ROWS ONLY is LIMIT n.
        if let Some(Fetch { percent: false, .. }) = &query.fetch
            && let Some(Fetch { quantity, with_ties, .. }) = query.fetch.take()
        {
            let one = || Expr::value(Value::Number("1".to_owned(), false));
            let count = quantity.unwrap_or_else(one);
            let count = Some(match with_ties {
                true => function_name::call(WITH_TIES, vec![count]),
                false => count,
            });
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = count,
                clause => {
                    *clause = Some(LimitClause::LimitOffset {
                        limit: count,
                        offset: None,
                        limit_by: vec![],
                    });
                }
            }
        }
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            // LIMIT NULL is LIMIT ALL.
            limit.take_if(|limit| is_null(limit));
            offset.take_if(|offset| is_null(&offset.value));
        }
        if let SetExpr::Select(select) = query.body.as_mut() {
            let expanded = window_name::expand(select, query.order_by.as_mut(), self.positions);
            if let Err(error) = expanded {
                return ControlFlow::Break(error);
            }
            count::constants(select);
            let is_aggregate = |call: &Function| self.functions.is_aggregate(call);
            label::distinguish(select, query.order_by.as_mut(), &is_aggregate);
        }
        if !query.locks.is_empty() {
            // Rows are not locked: a transaction reads one epoch and writes another.
            query.locks.clear();
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(exprs) = &mut order_by.kind
        {
            exprs.iter_mut().for_each(|item| bare(&mut item.expr));
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                limit.iter_mut().for_each(bare);
                offset.iter_mut().for_each(|offset| bare(&mut offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                bare(offset);
                bare(limit);
            }
            None => {}
        }
        if let Some(Fetch { quantity: Some(quantity), .. }) = &mut query.fetch {
            bare(quantity);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Err(error) = self.places().check(select) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = window_name::expand(select, None, self.positions) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = count::whole_rows(select) {
            return self.fail(error, select);
        }
        count::constants(select);
        grouping::rewrite(&mut select.group_by);
        grouping::one_group(select, &|call| self.functions.is_aggregate(call));
        column_name::name_items(&mut select.projection);
        label::distinguish(select, None, &|call| self.functions.is_aggregate(call));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
            exprs.iter_mut().for_each(bare);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let Err(error) = table_function::rewrite(factor) {
            return self.fail(error, factor);
        }
        if let TableFactor::Derived { lateral: true, subquery, .. } = factor {
            column_name::name_columns(&mut subquery.body);
        }
        self.raw.push(takes_bare_numbers(factor));
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, _factor: &mut TableFactor) -> ControlFlow<Error> {
        self.raw.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Err(error) = form::row_query(expr) {
            return self.fail(error, expr);
        }
        form::row_part(expr);
        if let Err(error) = array_query::rewrite(expr) {
            return self.fail(error, expr);
        }
        if let Err(error) = special_aggregate::rewrite(expr) {
            return self.fail(error, expr);
        }
        if let Expr::Function(function) = expr {
            if let Err(error) = self.functions.check(function) {
                return self.fail(error, &function.name);
            }
            if let Err(error) = frame::check(function, self.positions) {
                return ControlFlow::Break(error);
            }
            frame::empty(function);
            if let Err(error) = place::check_whole_row(function) {
                return self.fail(error, &function.name);
            }
        }
        if let Err(error) = place::check_conditional(expr) {
            return self.fail(error, expr);
        }
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            access_chain.iter_mut().for_each(name_field);
        }
        if let Expr::Interval(literal) = expr
            && let Err(error) = interval::rewrite(literal)
        {
            return self.fail(error, expr);
        }
        if let Expr::Cast { expr: operand, data_type, .. } = expr
            && is_float(data_type)
            && let Expr::Value(value) = operand.as_mut()
            && let Value::Number(digits, _) = &value.value
        {
            // Straight from the digits: by way of numeric they would be rounded twice.
            value.value = Value::SingleQuotedString(digits.clone());
        }
        special::sign_before_power(expr);
        special::sign(expr);
        self.raw.push(self.keeps_numbers_bare(expr));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.raw.pop();
        match expr {
            Expr::Value(value) if self.raw.last() != Some(&true) => {
                if let Value::Number(digits, _) = &value.value
                    && let Some(kind) = number_type(digits)
                {
                    *expr = cast(expr.clone(), kind);
                }
            }
            Expr::Between { expr: operand, negated, low, high } => {
                *expr = between(operand, *negated, low, high);
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let args = vec![time_zone.as_ref().clone(), timestamp.as_ref().clone()];
                *expr = function_name::call("timezone", args);
            }
            Expr::SimilarTo { .. } => {
                if let Err(error) = similar::rewrite(expr) {
                    return self.fail(error, expr);
                }
            }
            Expr::Function(_) => function_name::rewrite(expr),
            _ => {
                let rewritten = special::rewrite(expr)
                    .and_then(|()| row::rewrite(expr))
                    .and_then(|()| array::rewrite(expr));
                if let Err(error) = rewritten {
                    return self.fail(error, expr);
                }
                if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr {
                    quantified::rename(right);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// `(row).field` with the name as the text that DataFusion takes.
fn name_field(access: &mut AccessExpr) {
    if let AccessExpr::Dot(Expr::Identifier(field)) = access {
        let name = match field.quote_style {
            Some(_) => field.value.clone(),
            None => field.value.to_lowercase(),
        };
        let name = Value::SingleQuotedString(name).with_span(field.span);
        *access = AccessExpr::Dot(Expr::Value(name));
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}

fn is_float(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::DoublePrecision
            | DataType::Double(_)
            | DataType::Float(_)
            | DataType::Float8
            | DataType::Float4
            | DataType::Real
    )
}

fn takes_bare_numbers(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { args: Some(_), .. } | TableFactor::TableFunction { .. })
}

/// The type to give a number literal: `integer` if it fits, `numeric` if `bigint` does not; none where
/// DataFusion's is right.
fn number_type(digits: &str) -> Option<DataType> {
    if let Some((mantissa, exponent)) = digits.to_lowercase().split_once('e') {
        return Some(exponent_type(mantissa, exponent).unwrap_or(DataType::DoublePrecision));
    }
    if !digits.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.parse::<i32>().is_ok() {
        return Some(DataType::Integer(None));
    }
    if digits.parse::<i64>().is_ok() {
        return None;
    }
    Some(DataType::Numeric(ExactNumberInfo::PrecisionAndScale(38, 0)))
}

/// The numeric type that holds `mantissa` times ten to the `exponent` to the last digit, if one does.
fn exponent_type(mantissa: &str, exponent: &str) -> Option<DataType> {
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = i64::try_from(whole.len()).ok()? + exponent;
    let scale = (i64::try_from(fraction.len()).ok()? - exponent).max(0);
    let precision = (whole.max(0) + scale).max(1);
    // Our numerics end at 38 digits; what lies beyond is a float.
    if precision > i64::from(DECIMAL128_MAX_PRECISION) {
        return None;
    }
    Some(DataType::Numeric(ExactNumberInfo::PrecisionAndScale(precision.cast_unsigned(), scale)))
}

/// A number as an `integer`.
fn integer(number: Expr) -> Expr {
    cast(number, DataType::Integer(None))
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    let expr = match &expr {
        // Beyond bigint, the digits go through text.
        Expr::Value(value)
            if matches!(data_type, DataType::Numeric(_) | DataType::DoublePrecision) =>
        {
            let digits = match &value.value {
                Value::Number(digits, _) => digits.clone(),
                other => other.to_string(),
            };
            Expr::Value(Value::SingleQuotedString(digits).with_span(value.span))
        }
        _ => expr,
    };
    let kind = CastKind::Cast;
    Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None }
}

/// Takes the type off a number that must be bare: a position in the select list, a count of rows.
fn bare(expr: &mut Expr) {
    if let Expr::Cast { expr: inner, data_type: DataType::Integer(None), .. } = expr
        && let Expr::Value(value) = inner.as_ref()
        && matches!(value.value, Value::Number(_, _))
    {
        *expr = inner.as_ref().clone();
    }
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// Null, in the type of `value`.
pub(super) fn never(value: Expr) -> Expr {
    function_name::call("nullif", vec![value.clone(), value])
}

/// `BETWEEN` as the two comparisons it stands for, which resolve their operators each.
fn between(operand: &Expr, negated: bool, low: &Expr, high: &Expr) -> Expr {
    let compare = |op: BinaryOperator, bound: &Expr| Expr::BinaryOp {
        left: Box::new(operand.clone()),
        op,
        right: Box::new(bound.clone()),
    };
    let (lower, both, upper) = match negated {
        false => (BinaryOperator::GtEq, BinaryOperator::And, BinaryOperator::LtEq),
        true => (BinaryOperator::Lt, BinaryOperator::Or, BinaryOperator::Gt),
    };
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(compare(lower, low)),
        op: both,
        right: Box::new(compare(upper, high)),
    }))
}
