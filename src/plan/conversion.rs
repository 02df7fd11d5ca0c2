//! Which types convert to which, and which agree on a common one, as Postgres has it. DataFusion
//! converts almost anything to anything.

use arrow::datatypes::{DataType, Field};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::function::{differs, is_json, only_value};
use super::operator::{sql_name, typed};
use crate::error::{Error, SqlState};
use crate::types::text;

/// `42846` where no cast leads from a type to another, `0A000` where ours would differ.
pub(crate) fn check_cast(from: &DataType, to: &DataType) -> crate::error::Result<()> {
    if let (DataType::List(one), DataType::List(other)) = (from, to)
        && (one.data_type().is_floating() || one.data_type().is_decimal())
        && other.data_type().is_integer()
    {
        // Arrow cuts the elements, Postgres rounds them.
        let (from, to) = (sql_name(from), sql_name(to));
        return Err(Error::unsupported(format!("the conversion of {from} to {to}"))
            .hint("Convert its elements: unnest it, and collect them with array_agg."));
    }
    if castable(from, to) {
        return Ok(());
    }
    let message = format!("cannot cast type {} to {}", sql_name(from), sql_name(to));
    Err(Error::new(SqlState::CannotCoerce, message))
}

fn castable(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, Boolean, Date32, FixedSizeBinary, Int32, Interval, List, Time64, Timestamp,
    };
    let ours = |kind: &DataType| {
        kind.is_numeric()
            || matches!(
                kind,
                Boolean
                    | Binary
                    | Date32
                    | FixedSizeBinary(_)
                    | Interval(_)
                    | Time64(_)
                    | Timestamp(_, _)
            )
    };
    match (from, to) {
        // What is no type of ours is an affair between DataFusion's own functions.
        (one, other) if one == other || one.is_string() || other.is_string() => true,
        (List(one), List(other)) => castable(one.data_type(), other.data_type()),
        (List(_), other) | (other, List(_)) => !ours(other),
        (one, other) if !ours(one) || !ours(other) => true,
        (one, other) if one.is_numeric() && other.is_numeric() => true,
        (Boolean, Int32) | (Int32, Boolean) => true,
        (Date32 | Timestamp(_, _), Date32 | Timestamp(_, _))
        | (Timestamp(_, _), Time64(_))
        | (Interval(_), Time64(_) | Interval(_))
        | (Time64(_), Interval(_) | Time64(_)) => true,
        _ => false,
    }
}

/// A text literal converted when the statement is planned, as Postgres does: what is no value of the
/// type is refused though no row may need it.
pub(crate) fn literal(expr: &Expr, to: &Field) -> crate::error::Result<Option<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(value)), metadata) = expr else { return Ok(None) };
    if !differs(&DataType::Utf8, to) || (to.data_type().is_string() && !is_json(to)) {
        return Ok(None);
    }
    let array = text::decode(&[Some(value)], to, &text::Style::default())?;
    // Which instant a text names depends on the session's zone, which is not known here.
    let zoned = |kind: &DataType| matches!(kind, DataType::Timestamp(_, Some(_)));
    let dependent = match to.data_type() {
        DataType::List(item) => zoned(item.data_type()),
        other => zoned(other),
    };
    match dependent || array.data_type() != to.data_type() {
        true => Ok(None),
        false => {
            let metadata = match to.metadata().is_empty() {
                true => metadata.clone(),
                false => Some(FieldMetadata::from(to)),
            };
            Ok(Some(Expr::Literal(only_value(&array)?, metadata)))
        }
    }
}

/// Expressions one of which is the value of `construct` (`CASE`, `COALESCE` …): those of unknown type
/// take that of the others; `42804` if these have nothing in common.
pub(crate) fn common(construct: &str, exprs: Vec<&mut Expr>, schema: &DFSchema) -> Result<()> {
    let mut known: Option<DataType> = None;
    for expr in &exprs {
        if is_unknown(expr) {
            continue;
        }
        let kind = expr.get_type(schema)?;
        if kind.is_null() {
            continue;
        }
        match &known {
            Some(first) if !related(first, &kind) => {
                let (first, kind) = (sql_name(first), sql_name(&kind));
                let message = format!("{construct} types {first} and {kind} cannot be matched");
                return Err(Error::new(SqlState::DatatypeMismatch, message).into());
            }
            Some(first) if first.primitive_width() >= kind.primitive_width() => {}
            _ => known = Some(kind),
        }
    }
    let Some(kind) = known.filter(|kind| !kind.is_string() && !kind.is_nested()) else {
        return Ok(());
    };
    for expr in exprs {
        if is_unknown(expr) {
            *expr = typed(std::mem::take(expr), &kind)?;
        }
    }
    Ok(())
}

fn is_unknown(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(_), _) | Expr::Placeholder(Placeholder { .. }))
}

/// Whether two types convert to a common one by themselves.
pub(crate) fn related(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (DataType::List(one), DataType::List(other)) => related(one.data_type(), other.data_type()),
        _ => one.is_null() || other.is_null() || category(one) == category(other),
    }
}

/// A number per kind of types that convert to each other by themselves.
fn category(kind: &DataType) -> u8 {
    match kind {
        number if number.is_numeric() => 0,
        text if text.is_string() => 1,
        DataType::Date32 | DataType::Timestamp(_, _) => 2,
        DataType::Boolean => 3,
        DataType::Interval(_) | DataType::Time64(_) => 4,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => 5,
        DataType::FixedSizeBinary(_) => 6,
        nested if nested.is_nested() => 7,
        _ => 8,
    }
}
