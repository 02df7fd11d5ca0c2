//! Evaluates expressions over deltas: the seam to DataFusion's expression engine.
//!
//! A kernel fails as a whole when one row of its batch does. The batch is then halved until the rows
//! that fail stand alone: they become [`ErrorRow`]s, the others come out as if nothing had happened.

mod partition;

pub use partition::PartitionFunctions;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;

use super::operator::{ErrorRow, Residual};
use crate::error::{Error, Result};
use crate::plan::expression;
use crate::plan::node::Expr;
use crate::types::{Delta, Selection, true_rows};

/// One output column per expression.
pub struct Projection {
    exprs: Vec<Expr>,
    schema: SchemaRef,
    columns: Option<Vec<usize>>,
}

/// A condition on rows, and which of their columns are wanted.
pub struct Predicate {
    expr: Expr,
    output: Option<(Vec<usize>, SchemaRef)>,
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
    /// Rows for which `expr` is true; of them the columns and schema of `output`, if given.
    #[must_use]
    pub fn new(expr: Expr, output: Option<(Vec<usize>, SchemaRef)>) -> Predicate {
        Predicate { expr, output }
    }

    /// The rows of `delta` for which the condition is true (not false, not null); those on which it
    /// fails go to `errors`.
    ///
    /// # Errors
    /// Only what Arrow's filter kernel reports.
    pub fn apply(&self, delta: &Delta, errors: &mut Vec<ErrorRow>) -> Result<Delta> {
        let output = self.output.as_ref().map(|(columns, schema)| (&**columns, schema));
        self.kept(delta, output, errors)
    }

    /// The same, without copying them.
    ///
    /// # Errors
    /// If the columns' types are not those of the output.
    pub fn select(&self, delta: &Delta, errors: &mut Vec<ErrorRow>) -> Result<Vec<Selection>> {
        let mut selections = vec![];
        for (piece, mask) in self.masks(delta, errors) {
            let piece = match &self.output {
                Some((columns, schema)) => piece.select(columns, schema)?,
                None => piece,
            };
            let kept = mask.true_count();
            if kept == mask.len() {
                selections.push(piece.into());
            } else if kept > 0 {
                selections.push(Selection::of(piece, UInt32Array::from(true_rows(&mask))));
            }
        }
        Ok(selections)
    }

    /// Where the condition is true, piece by piece; rows on which it fails are in none.
    fn masks(&self, delta: &Delta, errors: &mut Vec<ErrorRow>) -> Vec<(Delta, BooleanArray)> {
        isolate(delta, errors, |piece| {
            evaluate(&self.expr, piece, &DataType::Boolean).map(|array| array.as_boolean().clone())
        })
    }

    fn kept(
        &self,
        delta: &Delta,
        output: Option<(&[usize], &SchemaRef)>,
        errors: &mut Vec<ErrorRow>,
    ) -> Result<Delta> {
        let kept = self
            .masks(delta, errors)
            .into_iter()
            .map(|(piece, mask)| match output {
                // Only what is wanted is copied.
                Some((columns, schema)) => keep(piece.select(columns, schema)?, &mask),
                None => keep(piece, &mask),
            })
            .collect::<Result<Vec<_>>>()?;
        let schema = output.map_or_else(|| delta.batch.schema(), |(_, schema)| Arc::clone(schema));
        Delta::concat(&schema, &kept)
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
    let failure = |error| Failure { expression: expression(expr), error };
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
pub fn residual(expr: &Expr) -> Residual {
    let read: BTreeSet<usize> = collect_columns(expr).iter().map(Column::index).collect();
    let reads: Vec<usize> = read.into_iter().collect();
    let narrow = over_columns(expr, &reads);
    let test = move |columns: &[ArrayRef], rows: usize| {
        let field = |column: &ArrayRef| Field::new("", column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema, columns.to_vec(), &options).ok()?;
        let mask = evaluate(narrow.as_ref()?, &Delta::insert(batch), &DataType::Boolean);
        Some(mask.ok()?.as_boolean().clone())
    };
    let predicate = Predicate::new(Arc::clone(expr), None);
    let keep = move |pairs: &Delta, (columns, schema): (&[usize], &SchemaRef), errors: &mut _| {
        predicate.kept(pairs, Some((columns, schema)), errors)
    };
    Residual { reads, test: Box::new(test), keep: Box::new(keep) }
}

/// `expr` over a batch of those columns alone that it reads.
fn over_columns(expr: &Expr, reads: &[usize]) -> Option<Expr> {
    let narrow = |part: Expr| {
        let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
        let place = reads.iter().position(|&read| read == column.index());
        let place = place.expect("all columns of the expression have been collected");
        let column: Expr = Arc::new(Column::new(column.name(), place));
        Ok(Transformed::yes(column))
    };
    Arc::clone(expr).transform(narrow).ok().map(|narrowed| narrowed.data)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{binary, col, lit};

    use super::*;
    use crate::error::SqlState;

    /// Rows (row number, divisor), every `every`-th divisor zero, with the row number as weight.
    fn divisors(rows: i64, every: i64) -> (SchemaRef, Delta) {
        let fields = ["n", "d"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let numbers = Int64Array::from_iter_values(0..rows);
        let divisors = Int64Array::from_iter_values((0..rows).map(|row| row % every));
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(divisors)];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("two columns");
        (schema, Delta::new(batch, (0..rows).collect()))
    }

    fn quotient(schema: &Schema) -> Expr {
        let column = |name| col(name, schema).expect("a column");
        binary(column("n"), Operator::Divide, column("d"), schema).expect("numbers")
    }

    #[test]
    fn failing_rows_are_left_out_and_told() {
        for every in [1, 3, 50] {
            let (schema, delta) = divisors(100, every);
            let output = Arc::new(Schema::new(vec![Field::new("q", DataType::Int64, true)]));
            let mut errors = vec![];
            let projection = Projection::new(vec![quotient(&schema)], output);
            let result = projection.apply(&delta, &mut errors).expect("a projection");
            let good: Vec<i64> = (0..100).filter(|row| row % every != 0).collect();
            let quotients: Vec<i64> = good.iter().map(|row| row / (row % every)).collect();
            assert_eq!(result.column(0).as_primitive::<Int64Type>().values().to_vec(), quotients);
            assert_eq!((0..good.len()).map(|row| result.weight(row)).collect::<Vec<_>>(), good);
            let bad: Vec<i64> = (0..100).filter(|row| row % every == 0).collect();
            assert_eq!(errors.iter().map(|error| error.weight).collect::<Vec<_>>(), bad);
            assert!(errors.iter().all(|error| error.state == SqlState::DivisionByZero));
            assert_eq!(errors[1].row, format!("{{\"n\":{every},\"d\":0}}"));
            assert_eq!(errors[1].expression, "(n / d)");
        }
    }

    #[test]
    fn a_condition_keeps_what_is_true() {
        let (schema, delta) = divisors(10, 5);
        let three = binary(quotient(&schema), Operator::Lt, lit(3i64), &schema).expect("numbers");
        let mut errors = vec![];
        let kept = Predicate::new(three, None).apply(&delta, &mut errors).expect("a filter");
        assert_eq!(
            kept.column(0).as_primitive::<Int64Type>().values().to_vec(),
            [1, 2, 3, 4, 8, 9]
        );
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn results_have_the_planned_type() {
        let (_, delta) = divisors(3, 5);
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b", "c"]));
        let field = Field::new("v", DataType::Utf8View, true);
        let delta = delta.with_columns(vec![views], &Arc::new(Schema::new(vec![field])));
        let delta = delta.expect("one column");
        let column = evaluate(&(Arc::new(Column::new("v", 0)) as Expr), &delta, &DataType::Utf8);
        assert_eq!(
            column.map_err(|failure| failure.error).expect("a cast").data_type(),
            &DataType::Utf8
        );
        let constant = evaluate(&lit(7i64), &delta, &DataType::Int64);
        assert_eq!(constant.map_err(|failure| failure.error).expect("a literal").len(), 3);
    }
}
