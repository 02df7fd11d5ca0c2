//! Evaluates expressions over deltas: the seam to DataFusion's expression engine.
//!
//! A kernel fails as a whole when one row of its batch does. The batch is then halved until the rows
//! that fail stand alone: they become [`ErrorRow`]s, the others come out as if nothing had happened.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::physical_expr::expressions::{Column, Literal};

use super::operator::ErrorRow;
use crate::error::{Error, Result};
use crate::plan::node::Expr;
use crate::types::Delta;

/// One output column per expression.
pub struct Projection {
    exprs: Vec<Expr>,
    schema: SchemaRef,
    columns: Option<Vec<usize>>,
}

/// A condition on rows.
pub struct Predicate {
    expr: Expr,
}

/// Why a batch could not be evaluated.
struct Failure {
    expression: String,
    error: Error,
}

impl Projection {
    /// Computes `exprs` as batches of `schema`.
    #[must_use]
    pub fn new(exprs: Vec<Expr>, schema: SchemaRef) -> Projection {
        let columns = plain_columns(&exprs);
        Projection { exprs, schema, columns }
    }

    /// The rows of `delta`, projected; those that fail go to `errors`.
    ///
    /// # Errors
    /// If the result does not fit the schema.
    pub fn apply(&self, delta: &Delta, errors: &mut Vec<ErrorRow>) -> Result<Delta> {
        if let Some(columns) = &self.columns {
            return delta.select(columns, &self.schema);
        }
        let pieces = isolate(delta, errors, |piece| self.evaluate(piece));
        let deltas = pieces
            .into_iter()
            .map(|(piece, columns)| piece.with_columns(columns, &self.schema))
            .collect::<Result<Vec<_>>>()?;
        Delta::concat(&self.schema, &deltas)
    }

    fn evaluate(&self, delta: &Delta) -> Result<Vec<ArrayRef>, Failure> {
        let fields = self.schema.fields();
        itertools::zip_eq(&self.exprs, fields)
            .map(|(expr, field)| evaluate(expr, delta, field.data_type()))
            .collect()
    }
}

impl Predicate {
    /// Rows for which `expr` is true.
    #[must_use]
    pub fn new(expr: Expr) -> Predicate {
        Predicate { expr }
    }

    /// The rows of `delta` for which the condition is true (not false, not null); those on which it
    /// fails go to `errors`.
    ///
    /// # Errors
    /// Only what Arrow's filter kernel reports.
    pub fn apply(&self, delta: &Delta, errors: &mut Vec<ErrorRow>) -> Result<Delta> {
        let pieces = isolate(delta, errors, |piece| {
            evaluate(&self.expr, piece, &DataType::Boolean).map(|array| array.as_boolean().clone())
        });
        let kept = pieces
            .into_iter()
            .map(|(piece, mask)| keep(piece, &mask))
            .collect::<Result<Vec<_>>>()?;
        Delta::concat(&delta.batch.schema(), &kept)
    }
}

/// `delta` where `mask` is true.
fn keep(delta: Delta, mask: &BooleanArray) -> Result<Delta> {
    if mask.true_count() == mask.len() { Ok(delta) } else { delta.filter(mask) }
}

/// The columns that `exprs` are, if every one is a plain column.
#[must_use]
pub fn plain_columns(exprs: &[Expr]) -> Option<Vec<usize>> {
    exprs.iter().map(|expr| expr.downcast_ref::<Column>().map(Column::index)).collect()
}

/// Where each column of `columns` comes out of `exprs` unchanged; `None` if one of them does not.
#[must_use]
pub fn carried(exprs: &[Expr], columns: &[usize]) -> Option<Vec<usize>> {
    let passes = |expr: &Expr, column: usize| {
        expr.downcast_ref::<Column>().is_some_and(|plain| plain.index() == column)
    };
    columns.iter().map(|&column| exprs.iter().position(|expr| passes(expr, column))).collect()
}

/// Text that two expressions over `schema` share only if they compute the same. Literals and types
/// are spelled out, which `Display` leaves ambiguous.
#[must_use]
pub fn canonical(expr: &Expr, schema: &Schema) -> String {
    let mut text = match expr.downcast_ref::<Literal>() {
        Some(literal) => format!("{:?}", literal.value()),
        None => expr.to_string(),
    };
    if let Ok(data_type) = expr.data_type(schema) {
        text.push_str(&format!(":{data_type}"));
    }
    for child in expr.children() {
        text.push_str(&format!(" [{}]", canonical(child, schema)));
    }
    text
}

/// Runs `evaluate` over `delta`, or over as few pieces of it as its failing rows cut it into; those
/// rows go to `errors`.
fn isolate<T>(
    delta: &Delta,
    errors: &mut Vec<ErrorRow>,
    evaluate: impl Fn(&Delta) -> Result<T, Failure>,
) -> Vec<(Delta, T)> {
    let mut pieces = vec![];
    // Depth first, left to right: the rows keep their order.
    let mut ranges = vec![(0, delta.rows())];
    while let Some((start, rows)) = ranges.pop() {
        if rows == 0 {
            continue;
        }
        let piece = delta.slice(start, rows);
        match evaluate(&piece) {
            Ok(value) => pieces.push((piece, value)),
            Err(failure) if rows == 1 => {
                errors.push(ErrorRow::new(&failure.error, failure.expression, delta, start));
            }
            Err(_) => {
                let half = rows / 2;
                ranges.push((start + half, rows - half));
                ranges.push((start, half));
            }
        }
    }
    pieces
}

/// The values of `expr` over `delta` as an array of exactly `data_type`.
fn evaluate(expr: &Expr, delta: &Delta, data_type: &DataType) -> Result<ArrayRef, Failure> {
    let failure = |error| Failure { expression: expr.to_string(), error };
    let value = expr.evaluate(&delta.batch).map_err(|error| failure(error.into()))?;
    let array = value.into_array(delta.rows()).map_err(|error| failure(error.into()))?;
    if array.data_type() == data_type {
        return Ok(array);
    }
    // Functions may answer in a view type or with other names of nested fields than planned.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&array, data_type, &options).map_err(|error| failure(error.into()))
}

/// A condition as the joins take it.
#[must_use]
pub fn residual(expr: &Expr) -> super::operator::Residual {
    let predicate = Predicate::new(Arc::clone(expr));
    Box::new(move |delta, errors| predicate.apply(&delta, errors))
}
