//! Operators of `json` and `jsonb`. An Arrow type does not tell them from text: the fields do.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::function::scalar;
use super::operator::{folded, sql_name, typed};
use super::undefined::undefined_between;
use crate::types::{SqlType, pg_type};

/// The call that `left op right` stands for, if it is an operator of documents.
///
/// # Errors
/// `42883` if there is none for these types.
pub(super) fn resolve(
    op: &BinaryOperator,
    left: &Expr,
    right: &Expr,
    schema: &DFSchema,
) -> Result<Option<Expr>> {
    let shared = matches!(
        op,
        BinaryOperator::AtArrow
            | BinaryOperator::ArrowAt
            | BinaryOperator::StringConcat
            | BinaryOperator::Minus
    );
    if !(shared || only_documents(op)) {
        return Ok(None);
    }
    let documents = (document(left, schema)?, document(right, schema)?);
    if documents.0.is_none() && documents.1.is_none() && shared {
        return Ok(None);
    }
    let function = match (op, &documents) {
        (
            BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow,
            (Some(of), None),
        ) => part(op, of, right, schema)?,
        (
            BinaryOperator::Question | BinaryOperator::QuestionPipe | BinaryOperator::QuestionAnd,
            (Some(SqlType::Jsonb), None),
        ) => {
            let (name, key) = match op {
                BinaryOperator::Question => ("jsonb_exists", DataType::Utf8),
                BinaryOperator::QuestionPipe => ("jsonb_exists_any", texts()),
                _ => ("jsonb_exists_all", texts()),
            };
            Some((name.to_owned(), typed(right.clone(), &key)?))
        }
        (BinaryOperator::Minus, (Some(SqlType::Jsonb), None)) => {
            let key = folded(right.clone());
            let kind = key.get_type(schema)?;
            let taken = kind.is_integer() || kind.is_string() || kind.is_list();
            taken.then_some(("jsonb_delete".to_owned(), key))
        }
        _ => between(op, left, right, &documents),
    };
    let Some((function, right)) = function else {
        return match only_documents(op) || matches!(op, BinaryOperator::Minus) {
            true => Err(undefined(op, left, right, schema)?),
            false => Ok(None),
        };
    };
    let left = match documents {
        (None, Some(of)) => of_unknown(left, &of),
        _ => left.clone(),
    };
    Ok(Some(scalar(&function).call(vec![left, right])))
}

/// `@>`, `<@` and `||` of two documents; a literal beside a document is one.
fn between(
    op: &BinaryOperator,
    left: &Expr,
    right: &Expr,
    documents: &(Option<SqlType>, Option<SqlType>),
) -> Option<(String, Expr)> {
    let name = match op {
        BinaryOperator::AtArrow => "jsonb_contains",
        BinaryOperator::ArrowAt => "jsonb_contained",
        BinaryOperator::StringConcat => "jsonb_concat",
        _ => return None,
    };
    let jsonb = |of: &Option<SqlType>| *of == Some(SqlType::Jsonb);
    let fits = |of: &Option<SqlType>, expr: &Expr| jsonb(of) || of.is_none() && is_unknown(expr);
    let both = fits(&documents.0, left) && fits(&documents.1, right);
    let one = jsonb(&documents.0) || jsonb(&documents.1);
    let right = match documents.1 {
        Some(_) => right.clone(),
        None => of_unknown(right, &SqlType::Jsonb),
    };
    (both && one).then(|| (name.to_owned(), right))
}

/// The function behind an arrow, and the key, index or path that it takes.
fn part(
    op: &BinaryOperator,
    of: &SqlType,
    right: &Expr,
    schema: &DFSchema,
) -> Result<Option<(String, Expr)>> {
    let key = folded(right.clone());
    let path = matches!(op, BinaryOperator::HashArrow | BinaryOperator::HashLongArrow);
    let (name, key) = match path {
        true => ("extract_path", typed(key, &texts())?),
        false if is_unknown(&key) => ("object_field", typed(key, &DataType::Utf8)?),
        false => match key.get_type(schema)? {
            text if text.is_string() => ("object_field", key),
            index if index.is_integer() => ("array_element", key),
            _ => return Ok(None),
        },
    };
    let text = match op {
        BinaryOperator::LongArrow | BinaryOperator::HashLongArrow => "_text",
        _ => "",
    };
    Ok(Some((format!("{}_{name}{text}", of.pg_type().name), key)))
}

fn texts() -> DataType {
    DataType::new_list(DataType::Utf8, true)
}

/// Operators that nothing but documents have.
fn only_documents(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow
            | BinaryOperator::Question
            | BinaryOperator::QuestionPipe
            | BinaryOperator::QuestionAnd
    )
}

fn is_unknown(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Literal(ScalarValue::Utf8(_), _) | Expr::Placeholder(Placeholder { field: None, .. })
    )
}

/// A literal or parameter as a document.
fn of_unknown(expr: &Expr, of: &SqlType) -> Expr {
    let field = Arc::new(of.field("", true));
    match expr {
        Expr::Placeholder(Placeholder { id, field: None }) => {
            Expr::Placeholder(Placeholder { id: id.clone(), field: Some(field) })
        }
        other => Expr::Cast(Cast { expr: Box::new(other.clone()), field }),
    }
}

/// `json` or `jsonb`, if `expr` is a document.
fn document(expr: &Expr, schema: &DFSchema) -> Result<Option<SqlType>> {
    if is_unknown(expr) {
        return Ok(None);
    }
    // The field of a value chosen among others does not say what these are.
    let parts: Vec<&Expr> = match expr {
        Expr::Case(case) => {
            let values = case.when_then_expr.iter().map(|(_, value)| value.as_ref());
            values.chain(case.else_expr.as_deref()).collect()
        }
        Expr::ScalarFunction(call) if matches!(call.name(), "coalesce" | "nullif") => {
            call.args.iter().collect()
        }
        _ => {
            let (_, field) = expr.to_field(schema)?;
            let of = SqlType::of_field(&field);
            return Ok(of.filter(|of| matches!(of, SqlType::Json | SqlType::Jsonb)));
        }
    };
    for part in parts {
        if let Some(of) = document(part, schema)? {
            return Ok(Some(of));
        }
    }
    Ok(None)
}

fn undefined(
    op: &BinaryOperator,
    left: &Expr,
    right: &Expr,
    schema: &DFSchema,
) -> Result<DataFusionError> {
    let name = |expr: &Expr| -> Result<String> {
        if is_unknown(expr) {
            return Ok("unknown".to_owned());
        }
        let (_, field) = expr.to_field(schema)?;
        Ok(match field.data_type().is_string() {
            true => pg_type::of_field(&field).sql_name.to_owned(),
            false => sql_name(field.data_type()),
        })
    };
    Ok(undefined_between(op, &name(left)?, &name(right)?).into())
}
