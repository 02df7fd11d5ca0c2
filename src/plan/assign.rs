//! Assignment: a query's columns converted to those of the table that takes them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, ArrayElemTypeDef, CastKind, Ident, ObjectName, Query, SelectItem, SetExpr, Value,
};
use itertools::izip;

use super::conversion;
use super::function::{self, ASSIGNED, differs, is_json};
use super::operator::field_sql_name;
use super::syntax;
use crate::error::{Error, Result, SqlState};
use crate::sql::visit::contains;
use crate::types::sql_type::SqlType;

/// `query` with the literals and parameters that become values of `targets` typed as those: a string
/// has no type of its own in Postgres.
pub(crate) fn typed_literals(query: &Query, targets: &[FieldRef]) -> Query {
    let mut query = query.clone();
    let bare = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    match query.body.as_mut() {
        SetExpr::Values(values) => {
            let fits = values.rows.iter().all(|row| row.content.len() == targets.len());
            // Lists with subqueries are planned as queries, whose columns have one type each.
            let cells = values.rows.iter().flat_map(|row| &row.content);
            let plain = !cells.into_iter().any(|cell| contains(cell, is_subquery));
            for row in &mut values.rows {
                for (cell, target) in row.content.iter_mut().zip_shortest(targets) {
                    type_literal(cell, target);
                    if fits && bare && plain {
                        *cell = syntax::assigned(cell.clone());
                    }
                }
            }
        }
        SetExpr::Select(select) => {
            for (item, target) in select.projection.iter_mut().zip_shortest(targets) {
                match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        type_literal(expr, target);
                    }
                    // What follows a wildcard stands at positions that are not known yet.
                    _ => break,
                }
            }
        }
        _ => {}
    }
    query
}

fn is_subquery(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. })
}

trait ZipShortest: Iterator + Sized {
    /// Pairs until one side ends; a wrong number of columns is reported where it is planned.
    fn zip_shortest(self, targets: &[FieldRef]) -> impl Iterator<Item = (Self::Item, &FieldRef)> {
        let mut targets = targets.iter();
        self.map_while(move |item| targets.next().map(|target| (item, target)))
    }
}

impl<I: Iterator> ZipShortest for I {}

/// A literal or parameter that becomes a value of `target`, typed as that.
pub(crate) fn type_literal(expr: &mut ast::Expr, target: &Field) {
    let unknown = match expr {
        ast::Expr::Value(value) => matches!(
            value.value,
            Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::Placeholder(_)
        ),
        _ => false,
    };
    // A text's length is checked where it is assigned, not cut here.
    if !unknown || (target.data_type().is_string() && !is_parameter(expr)) {
        return;
    }
    if let Some(data_type) = syntax_type(target) {
        *expr = ast::Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(expr.clone()),
            data_type,
            array: false,
            format: None,
        };
    }
}

fn is_parameter(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
}

/// A field's type as syntax, without a length.
fn syntax_type(field: &Field) -> Option<ast::DataType> {
    let custom = |name: &str, modifiers: Vec<String>| {
        ast::DataType::Custom(ObjectName::from(vec![Ident::new(name)]), modifiers)
    };
    Some(match SqlType::of_field(field)? {
        SqlType::Array(element) => {
            let element = syntax_type(&element.field("", true))?;
            ast::DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
        }
        SqlType::Struct(_) => return None,
        SqlType::Numeric(Some((precision, scale))) => {
            let info = ast::ExactNumberInfo::PrecisionAndScale(precision.into(), scale.into());
            ast::DataType::Numeric(info)
        }
        SqlType::Numeric(None) => ast::DataType::Numeric(ast::ExactNumberInfo::None),
        SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Text => ast::DataType::Text,
        SqlType::Bool => ast::DataType::Boolean,
        SqlType::Int2 => ast::DataType::SmallInt(None),
        SqlType::Int4 => ast::DataType::Integer(None),
        SqlType::Int8 => ast::DataType::BigInt(None),
        SqlType::Float4 => ast::DataType::Real,
        SqlType::Float8 => ast::DataType::DoublePrecision,
        SqlType::Bytea => ast::DataType::Bytea,
        SqlType::Date => ast::DataType::Date,
        SqlType::Time => ast::DataType::Time(None, ast::TimezoneInfo::None),
        SqlType::Timestamp(_) => ast::DataType::Timestamp(None, ast::TimezoneInfo::None),
        SqlType::Timestamptz(_) => ast::DataType::Timestamp(None, ast::TimezoneInfo::Tz),
        SqlType::Interval => ast::DataType::Interval { fields: None, precision: None },
        SqlType::Uuid => ast::DataType::Uuid,
        SqlType::Json => ast::DataType::JSON,
        SqlType::Jsonb => ast::DataType::JSONB,
        other => custom(other.pg_type().name, vec![]),
    })
}

/// `plan`, where it is a list of values to assign, with every value converted to its target on its
/// own: rows need not have a common type.
pub(crate) fn values(plan: LogicalPlan, targets: &[FieldRef]) -> Result<LogicalPlan> {
    let LogicalPlan::Values(mut values) = plan else { return Ok(plan) };
    let none = DFSchema::empty();
    for (cell, target) in values.values.iter_mut().flat_map(|row| izip!(row, targets)) {
        let value = match std::mem::take(cell).unalias() {
            Expr::ScalarFunction(mut call) if call.name() == ASSIGNED => call.args.swap_remove(0),
            // A list within a larger query, or of another length: it has types of its own.
            other => {
                *cell = other;
                return Ok(LogicalPlan::Values(values));
            }
        };
        let field = value.to_field(&none)?.1;
        *cell = converted(value, &field, target)?;
    }
    let fields = izip!(values.schema.fields(), targets).map(|(column, target)| {
        let field = target.as_ref().clone().with_name(column.name()).with_nullable(true);
        (None, Arc::new(field))
    });
    values.schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), HashMap::new())?);
    Ok(LogicalPlan::Values(values))
}

/// `plan` with its columns as values of `targets`, named and typed like those.
pub(crate) fn assigned(plan: LogicalPlan, targets: &[FieldRef]) -> Result<LogicalPlan> {
    let fields = plan.schema().fields().clone();
    if fields.len() != targets.len() {
        let more = if fields.len() > targets.len() {
            "INSERT has more expressions than target columns"
        } else {
            "INSERT has more target columns than expressions"
        };
        return Err(Error::syntax(more));
    }
    let columns = plan.schema().columns();
    let mut exprs = Vec::with_capacity(targets.len());
    for (index, (column, field, target)) in izip!(columns, &fields, targets).enumerate() {
        let expr = Expr::Column(column);
        let expr = converted(expr, field, target)?;
        exprs.push(expr.alias(format!("{}\u{1}{index}", target.name())));
    }
    // One projection where there is one: the value of a single expression stays a single expression.
    if let LogicalPlan::Projection(projection) = &plan
        && let [expr] = &projection.expr[..]
        && let [target] = targets
    {
        let value = converted(expr.clone().unalias(), &fields[0], target)?;
        let input = projection.input.as_ref().clone();
        let value = value.alias(target.name());
        return Ok(LogicalPlanBuilder::from(input).project(vec![value])?.build()?);
    }
    Ok(LogicalPlanBuilder::from(plan).project(exprs)?.build()?)
}

/// `expr` of type `from` as a value of `target`; `42804` if no assignment converts it.
fn converted(expr: Expr, from: &Field, target: &Field) -> Result<Expr> {
    let (one, other) = (from.data_type(), target.data_type());
    if matches!(expr, Expr::Literal(ScalarValue::Null, _)) || one.is_null() {
        return Ok(Expr::Cast(Cast::new(Box::new(expr), other.clone())));
    }
    let literal = matches!(expr, Expr::Literal(ScalarValue::Utf8(_), _));
    let assignable = match (one, other) {
        (one, other) if one == other || literal => true,
        (_, other) if other.is_string() => !one.is_nested() && !is_json(target),
        (one, other) if one.is_numeric() && other.is_numeric() => true,
        (DataType::Date32, DataType::Timestamp(_, _))
        | (DataType::Timestamp(_, _), DataType::Date32 | DataType::Time64(_))
        | (DataType::Timestamp(_, _), DataType::Timestamp(_, _))
        | (DataType::Interval(_), DataType::Time64(_))
        | (DataType::Time64(_), DataType::Interval(_)) => true,
        (one, other) => one.is_nested() && other.is_nested(),
    };
    if !assignable {
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            format!(
                "column \"{}\" is of type {} but expression is of type {}",
                target.name(),
                field_sql_name(target),
                field_sql_name(from)
            ),
        )
        .hint("You will need to rewrite or cast the expression."));
    }
    if let Some(value) = conversion::literal(&expr, target)? {
        return Ok(value);
    }
    if differs(one, target) {
        let to = Arc::new(target.clone().with_nullable(true));
        return Ok(function::conversion(expr, one, to, true));
    }
    Ok(match one == other {
        true => expr,
        false => Expr::Cast(Cast::new(Box::new(expr), other.clone())),
    })
}
