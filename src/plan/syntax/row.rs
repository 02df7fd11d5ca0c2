//! Rows side by side, `(a, b) < (c, d)`, as the comparisons of their columns that they stand for.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

use super::function_name::call;
use crate::error::{Error, Result};

/// A comparison of rows as one of their columns.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let compared = match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => {
            match (columns(left), columns(right)) {
                (Some(left), Some(right)) if left.len() == 2 && right.len() == 2 => {
                    Some(call("overlaps", [left, right].concat()))
                }
                _ => {
                    return Err(Error::syntax("wrong number of parameters on OVERLAPS expression"));
                }
            }
        }
        Expr::BinaryOp { left, op, right } => match (columns(left), columns(right)) {
            (Some(left), Some(right)) if comparison(op) => Some(compare(op, &left, &right)?),
            _ => None,
        },
        Expr::IsDistinctFrom(left, right) => match (columns(left), columns(right)) {
            (Some(left), Some(right)) => Some(distinct(&left, &right, true)?),
            _ => None,
        },
        Expr::IsNotDistinctFrom(left, right) => match (columns(left), columns(right)) {
            (Some(left), Some(right)) => Some(distinct(&left, &right, false)?),
            _ => None,
        },
        Expr::IsNull(row) => columns(row).map(|columns| {
            let each = columns.into_iter().map(|column| Expr::IsNull(Box::new(column)));
            all(each.collect(), BinaryOperator::And)
        }),
        Expr::IsNotNull(row) => columns(row).map(|columns| {
            let each = columns.into_iter().map(|column| Expr::IsNotNull(Box::new(column)));
            all(each.collect(), BinaryOperator::And)
        }),
        Expr::InList { expr: row, list, negated } => match columns(row) {
            Some(row) => Some(in_list(&row, list, *negated)?),
            None => None,
        },
        _ => None,
    };
    if let Some(compared) = compared {
        *expr = Expr::Nested(Box::new(compared));
    }
    Ok(())
}

/// The columns of `(a, b)` or `ROW(a, b)`.
pub(super) fn columns(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(columns) => Some(columns.clone()),
        Expr::Nested(inner) => columns(inner),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let plain = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            };
            list.args.iter().map(plain).collect()
        }
        _ => None,
    }
}

/// Whether an operator compares rows.
pub(super) fn comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr: Expr| match expr {
        plain @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Nested(_)) => plain,
        other => Expr::Nested(Box::new(other)),
    };
    let (left, right) = (Box::new(nested(left)), Box::new(nested(right)));
    Expr::BinaryOp { left, op, right }
}

fn all(conditions: Vec<Expr>, op: BinaryOperator) -> Expr {
    let joined = conditions.into_iter().reduce(|left, right| binary(left, op.clone(), right));
    joined.unwrap_or_else(|| Expr::value(Value::Boolean(true)))
}

fn same_length(left: &[Expr], right: &[Expr]) -> Result<()> {
    match left.len() == right.len() {
        true => Ok(()),
        false => Err(Error::syntax("unequal number of entries in row expressions")),
    }
}

fn compare(op: &BinaryOperator, left: &[Expr], right: &[Expr]) -> Result<Expr> {
    same_length(left, right)?;
    let pairs = || itertools::zip_eq(left.iter().cloned(), right.iter().cloned());
    let each = |op: &BinaryOperator| -> Vec<Expr> {
        pairs().map(|(left, right)| binary(left, op.clone(), right)).collect()
    };
    Ok(match op {
        BinaryOperator::Eq => all(each(&BinaryOperator::Eq), BinaryOperator::And),
        BinaryOperator::NotEq => all(each(&BinaryOperator::NotEq), BinaryOperator::Or),
        // The first columns that differ decide; the last ones by the operator itself.
        op => {
            let strict = match op {
                BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
                _ => BinaryOperator::Gt,
            };
            let mut pairs: Vec<(Expr, Expr)> = pairs().collect();
            let Some((left, right)) = pairs.pop() else {
                return Err(Error::syntax("cannot compare rows of zero length"));
            };
            let last = binary(left, op.clone(), right);
            pairs.into_iter().rev().fold(last, |rest, (left, right)| {
                let before = binary(left.clone(), strict.clone(), right.clone());
                let equal = binary(left, BinaryOperator::Eq, right);
                binary(before, BinaryOperator::Or, binary(equal, BinaryOperator::And, rest))
            })
        }
    })
}

fn distinct(left: &[Expr], right: &[Expr], distinct: bool) -> Result<Expr> {
    same_length(left, right)?;
    let each = itertools::zip_eq(left.iter().cloned(), right.iter().cloned());
    let each = each.map(|(left, right)| match distinct {
        true => Expr::IsDistinctFrom(Box::new(left), Box::new(right)),
        false => Expr::IsNotDistinctFrom(Box::new(left), Box::new(right)),
    });
    let op = if distinct { BinaryOperator::Or } else { BinaryOperator::And };
    Ok(all(each.collect(), op))
}

fn in_list(row: &[Expr], list: &[Expr], negated: bool) -> Result<Expr> {
    let (op, join) = match negated {
        false => (BinaryOperator::Eq, BinaryOperator::Or),
        true => (BinaryOperator::NotEq, BinaryOperator::And),
    };
    let each = list.iter().map(|item| match columns(item) {
        Some(item) => compare(&op, row, &item),
        None => Err(Error::syntax("unequal number of entries in row expressions")),
    });
    Ok(all(each.collect::<Result<_>>()?, join))
}
