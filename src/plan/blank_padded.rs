//! `char(n)` is kept with its blanks and shown with them, but they say nothing: comparisons and conversions
//! to other types leave them out. (`LIKE` and `octet_length` do look at them, in Postgres too.)

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::functions::expr_fn::rtrim;
use datafusion::logical_expr::expr::{Alias, InList, ScalarFunction};
use datafusion::logical_expr::{
    BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator,
};

use super::function::{ASSIGNED, ELEMENT, MEMBER, UNMODIFIED};
use super::short_circuit::compares;
use super::union_types::literal;
use crate::types::sql_type::SqlType;

/// An expression that reads values of `char(n)`, without their blanks where these do not count.
pub(crate) fn trimmed(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if drops_blanks(op) => {
            let padded = [is_padded(&left, schema), is_padded(&right, schema)];
            if padded == [false, false] {
                return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            let left = Box::new(stripped(*left, padded[0]));
            let right = Box::new(stripped(*right, padded[1]));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::InList(InList { expr, list, negated }) if is_padded(&expr, schema) => {
            let padded = |item: Expr| {
                let padded = is_padded(&item, schema);
                stripped(item, padded)
            };
            let list = list.into_iter().map(padded).collect();
            let expr = Box::new(stripped(*expr, true));
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if !keeps_blanks(func.name()) && args.iter().any(|arg| is_padded(arg, schema)) =>
        {
            let strip = |arg: Expr| match is_padded(&arg, schema) {
                true => rtrim(vec![arg]),
                false => arg,
            };
            let args = args.into_iter().map(strip).collect();
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        Expr::Cast(Cast { expr, field })
            if !matches!(SqlType::of_field(&field), Some(SqlType::Char(_)))
                && is_padded(&expr, schema) =>
        {
            let expr = Box::new(rtrim(vec![*expr]));
            Ok(Transformed::yes(Expr::Cast(Cast { expr, field })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn drops_blanks(op: Operator) -> bool {
    compares(op) || op == Operator::StringConcat
}

/// Functions whose result has the type of their first argument.
const UNITED: [&str; 4] = ["coalesce", "nullif", "greatest", "least"];

/// Whether a function's result or its meaning keeps the blanks of its arguments.
fn keeps_blanks(function: &str) -> bool {
    matches!(
        function,
        "octet_length"
            | "concat"
            | "concat_ws"
            | "format"
            | "cast"
            | "pg_typeof"
            | "to_json"
            | "to_jsonb"
    ) || [ASSIGNED, UNMODIFIED, ELEMENT, MEMBER].contains(&function)
        || UNITED.contains(&function)
        || function.contains("_build_")
}

/// Values that become one type: that of the first, which keeps the blanks of the others if it is `char(n)`.
pub(crate) fn of_one_type(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let strip = |expr: Expr| if is_padded(&expr, schema) { rtrim(vec![expr]) } else { expr };
    if first_is_padded(exprs.iter(), schema) {
        exprs
    } else {
        exprs.into_iter().map(strip).collect()
    }
}

/// Whether an expression has the type `char(n)`.
fn is_padded(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Column(_) | Expr::Cast(_) | Expr::OuterReferenceColumn(..) => expr
            .to_field(schema)
            .is_ok_and(|(_, field)| matches!(SqlType::of_field(&field), Some(SqlType::Char(_)))),
        Expr::ScalarFunction(ScalarFunction { func, args }) if UNITED.contains(&func.name()) => {
            first_is_padded(args.iter(), schema)
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            first_is_padded(case.else_expr.as_deref().into_iter().chain(results), schema)
        }
        _ => false,
    }
}

/// Whether the first of these of a known type is of `char(n)`, if there is one.
fn first_is_padded<'a>(mut exprs: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    let known = |expr: &&Expr| !matches!(expr, Expr::Literal(..) | Expr::Placeholder(_));
    exprs.find(known).is_some_and(|first| is_padded(first, schema))
}

/// Without blanks at the end: a value of `char(n)`, and a literal that is compared with one.
fn stripped(expr: Expr, padded: bool) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) => {
            Expr::Literal(ScalarValue::Utf8(Some(text.trim_end_matches(' ').to_owned())), metadata)
        }
        expr if padded => rtrim(vec![expr]),
        expr => expr,
    }
}

/// Queries whose rows become those of one, with the blanks of texts alike in each column, as far as they are
/// not: the first of a known type says whether the column is of `char(n)`. `None` if all are.
pub(super) fn alike(queries: &[Arc<LogicalPlan>]) -> Result<Option<Vec<Arc<LogicalPlan>>>> {
    let width = queries.first().map_or(0, |query| query.schema().fields().len());
    let blanks: Vec<Option<Blanks>> = (0..width).map(|n| Blanks::of(queries, n)).collect();
    if blanks.iter().all(Option::is_none) {
        return Ok(None);
    }
    let project = |query: &Arc<LogicalPlan>| {
        let columns = itertools::zip_eq(query.schema().columns(), query.schema().fields());
        let exprs = columns.zip(&blanks).map(|((column, field), blanks)| match blanks {
            Some(blanks) if is_text(field) => blanks.give(column, field),
            _ => Expr::Column(column),
        });
        let exprs = exprs.collect::<Vec<_>>();
        Ok(Arc::new(LogicalPlanBuilder::from(Arc::clone(query)).project(exprs)?.build()?))
    };
    queries.iter().map(project).collect::<Result<_>>().map(Some)
}

/// Whether a column holds texts, or only nulls.
fn is_text(field: &Field) -> bool {
    field.data_type().is_string() || field.data_type().is_null()
}

/// What becomes of the blanks of a column.
enum Blanks {
    /// Texts have none.
    Text,
    /// Values of `char(n)`, and what stands beside them, all have as many characters.
    Padded(FieldRef),
    /// Some may be of any length: none has blanks at its end.
    Stripped(FieldRef),
}

impl Blanks {
    /// For the column at `index` of the queries.
    fn of(queries: &[Arc<LogicalPlan>], index: usize) -> Option<Blanks> {
        let kind = |query: &LogicalPlan| SqlType::of_field(query.schema().fields().get(index)?);
        let known = queries.iter().filter(|query| literal(query, index).is_none());
        let mut known = known.filter_map(|query| {
            let field = query.schema().fields().get(index)?;
            field.data_type().is_string().then(|| SqlType::of_field(field)).flatten()
        });
        let first = known.next()?;
        let char_n = |kind: &SqlType| matches!(kind, SqlType::Char(_));
        if !char_n(&first) {
            return known.any(|kind| char_n(&kind)).then_some(Blanks::Text);
        }
        if queries.iter().all(|query| kind(query).as_ref() == Some(&first)) {
            return None;
        }
        let lengths = queries.iter().map(|query| match literal(query, index) {
            Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => {
                u32::try_from(text.trim_end_matches(' ').chars().count()).ok()
            }
            _ => match kind(query) {
                Some(SqlType::Char(length) | SqlType::Varchar(Some(length))) => Some(length),
                Some(SqlType::Text | SqlType::Varchar(None)) => None,
                _ => Some(0),
            },
        });
        let lengths: Vec<Option<u32>> = lengths.collect();
        let longest = lengths.iter().flatten().max().copied().unwrap_or(1);
        let field = Arc::new(SqlType::Char(longest.max(1)).field("", true));
        Some(match lengths.iter().all(Option::is_some) {
            true => Blanks::Padded(field),
            false => Blanks::Stripped(field),
        })
    }

    /// A column of a query with them.
    fn give(&self, column: Column, field: &Field) -> Expr {
        let Column { relation, name, .. } = column.clone();
        let padded = matches!(SqlType::of_field(field), Some(SqlType::Char(_)));
        let expr = Expr::Column(column);
        match self {
            Blanks::Text if padded => rtrim(vec![expr]).alias_qualified(relation, name),
            Blanks::Text => expr,
            Blanks::Stripped(_) if field.data_type().is_null() => expr,
            Blanks::Padded(to) => {
                let cast = Cast { expr: Box::new(expr), field: Arc::clone(to) };
                Expr::Cast(cast).alias_qualified(relation, name)
            }
            Blanks::Stripped(to) => {
                let metadata = FieldMetadata::from(to.metadata().clone());
                let alias = Alias::new(rtrim(vec![expr]), relation, name);
                Expr::Alias(alias.with_metadata(Some(metadata)))
            }
        }
    }
}
