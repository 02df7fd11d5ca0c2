//! Types that Postgres' rules decide and DataFusion's do not: of `CASE` and `coalesce`, of literals,
//! and which casts there are.

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::{Case, InList, Placeholder, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, WindowFrame, WindowFrameBound, WindowFrameUnits,
};

use super::analyze::UNDECLARED;
use super::blank_padded::of_one_type;
use super::function::{common_type, decimal_of, interval_order, is_json, scalar};
use super::operator::{cast, field_sql_name, folded, sql_name, typed};
use super::undefined::undefined_function;
use crate::error::{Error, SqlState};
use crate::types::{SqlType, pg_type};

/// Whether nothing has told the type of `expr` yet: a string literal, a null, a parameter.
pub(crate) fn unknown(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, _) => true,
        Expr::Placeholder(Placeholder { field, .. }) => {
            field.as_ref().is_none_or(|field| field.name() == UNDECLARED)
        }
        _ => false,
    }
}

/// The functions whose arguments all have the type of their result.
pub(super) fn unites(call: &ScalarFunction) -> bool {
    matches!(call.func.name(), "coalesce" | "greatest" | "least" | "nullif")
}

/// The expressions converted to the type that they have in common; `what` needs it.
fn united(what: &str, exprs: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let exprs: Vec<Expr> = exprs.into_iter().map(folded).collect();
    let types = exprs.iter().map(|expr| match unknown(expr) {
        true => Ok(DataType::Null),
        false => expr.get_type(schema),
    });
    let types = types.collect::<Result<Vec<_>>>()?;
    let Some(common) = common_type(&types) else {
        let known: Vec<&DataType> = types.iter().filter(|kind| !kind.is_null()).collect();
        let first = known[0];
        let fits = |kind: &&&DataType| common_type(&[first.clone(), (**kind).clone()]).is_none();
        let other = known.iter().find(fits).copied().unwrap_or(first);
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            format!("{what} types {} and {} cannot be matched", sql_name(first), sql_name(other)),
        )
        .into());
    };
    let common = if common.is_null() { DataType::Utf8 } else { common };
    let exprs = if common.is_string() { of_one_type(exprs, schema) } else { exprs };
    let convert = |(expr, from): (Expr, DataType)| -> Result<Expr> {
        match (&expr, unknown(&expr)) {
            (Expr::Literal(ScalarValue::Null, _), _) => Ok(cast(expr, None, &common)),
            // A decimal keeps the digits of the others.
            (Expr::Literal(_, _), true) if matches!(common, DataType::Decimal128(_, _)) => {
                Ok(cast(typed(expr, &common)?, None, &common))
            }
            (_, true) => Ok(typed(undeclared(expr), &common)?),
            (_, false) => Ok(cast(expr, Some(&from), &common)),
        }
    };
    itertools::zip_eq(exprs, types).map(convert).collect()
}

/// A parameter that nothing has declared, as one of no type at all.
pub(crate) fn undeclared(expr: Expr) -> Expr {
    match expr {
        Expr::Placeholder(Placeholder { id, .. }) => {
            Expr::Placeholder(Placeholder { id, field: None })
        }
        other => other,
    }
}

/// Whether a call's arguments are values of one type and arrays of them.
pub(super) fn takes_elements(call: &ScalarFunction) -> bool {
    matches!(call.func.name(), "compare_any" | "compare_all" | "generate_series")
}

/// `x = ANY ($1)` and `generate_series(1, $1)`: parameters take the type that the others give them.
pub(super) fn typed_elements(call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let ScalarFunction { func, args } = call;
    let compares = func.name() != "generate_series";
    let known = |expr: &Expr| match unknown(expr) {
        true => Ok(None),
        false => expr.get_type(schema).map(Some),
    };
    let types = args.iter().map(known).collect::<Result<Vec<_>>>()?;
    let own = match (&types[..], compares) {
        ([_, Some(value), _], true) => Some(value.clone()),
        ([_, None, Some(array)], true) => pg_type::element(array).cloned(),
        (_, true) => None,
        (types, false) => {
            let times =
                types.first().is_some_and(|kind| kind.as_ref().is_some_and(DataType::is_temporal));
            match times {
                true => None,
                false => common_type(&types.iter().flatten().cloned().collect::<Vec<_>>()),
            }
        }
    };
    let Some(own) = own.map(|own| if own.is_null() { DataType::Int32 } else { own }) else {
        return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
    };
    let typed = |(index, arg): (usize, Expr)| match arg {
        arg @ Expr::Placeholder(_) if unknown(&arg) => {
            let array = compares && index == 2;
            let kind = if array { DataType::new_list(own.clone(), true) } else { own.clone() };
            Ok(typed(undeclared(arg), &kind)?)
        }
        other => Ok(other),
    };
    let args = args.into_iter().enumerate().map(typed).collect::<Result<Vec<_>>>()?;
    Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
}

/// `CASE WHEN $1`: the parameter is a boolean.
pub(super) fn typed_conditions(case: Case) -> Result<Case> {
    if case.expr.is_some() {
        return Ok(case);
    }
    let condition = |(when, then): (Box<Expr>, Box<Expr>)| match *when {
        when @ Expr::Placeholder(_) if unknown(&when) => {
            Ok((Box::new(typed(undeclared(when), &DataType::Boolean)?), then))
        }
        when => Ok((Box::new(when), then)),
    };
    let when_then_expr =
        case.when_then_expr.into_iter().map(condition).collect::<Result<Vec<_>>>()?;
    Ok(Case { when_then_expr, ..case })
}

/// A number and the list in which it is looked for, if they are of several types: as the one that
/// they have in common.
pub(super) fn united_list(
    expr: &Expr,
    list: &[Expr],
    schema: &DFSchema,
) -> Result<Option<(Expr, Vec<Expr>)>> {
    let all = std::iter::once(expr).chain(list);
    let known = all.clone().filter(|expr| !unknown(expr)).map(|expr| expr.get_type(schema));
    let known = known.collect::<Result<Vec<_>>>()?;
    let numbers = known.iter().all(DataType::is_numeric);
    if !numbers || itertools::Itertools::all_equal(&mut known.iter()) {
        return Ok(None);
    }
    let mut united = united("IN", all.cloned().collect(), schema)?.into_iter();
    Ok(united.next().map(|expr| (expr, united.collect())))
}

/// `nullif(value, other)`: of the value's type as `=` takes it.
fn null_if(args: Vec<Expr>, schema: &DFSchema) -> Result<Expr> {
    let own = args[0].get_type(schema)?;
    let whole = own.is_integer() && args[1].get_type(schema)?.is_integer();
    let value = args[0].clone();
    let united = united("NULLIF", args, schema)?;
    let result = if whole { value } else { united[0].clone() };
    let compared = |expr: &Expr| match expr.get_type(schema)? {
        DataType::Interval(_) => Ok::<_, DataFusionError>(length(expr.clone())),
        _ => Ok(expr.clone()),
    };
    let equal = compared(&united[0])?.eq(compared(&united[1])?);
    let null = Box::new(Expr::Literal(ScalarValue::Null, None));
    Ok(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(equal), null)],
        else_expr: Some(Box::new(result)),
    }))
}

/// `coalesce`, `greatest`, `least` and `nullif`.
pub(super) fn united_call(call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    if call.func.name() == "nullif" && call.args.len() == 2 {
        return null_if(call.args, schema);
    }
    let what = call.func.name().to_uppercase();
    let args = united(&what, call.args, schema)?;
    Ok(Expr::ScalarFunction(ScalarFunction { func: call.func, args }))
}

/// A call over a window whose types and order DataFusion takes as Postgres does.
pub(super) fn window_call(
    mut call: Box<WindowFunction>,
    schema: &DFSchema,
) -> Result<Transformed<Expr>> {
    let transformed = united_default(&mut call, schema)? | comparable_order(&mut call, schema)?;
    let expr = Expr::WindowFunction(call);
    Ok(if transformed { Transformed::yes(expr) } else { Transformed::no(expr) })
}

/// `lag(value, offset, default)` with a value of the type that it has in common with the default: DataFusion
/// would convert the default to the value's.
fn united_default(call: &mut WindowFunction, schema: &DFSchema) -> Result<bool> {
    let args = &mut call.params.args;
    if let [value, _, default] = args.as_mut_slice()
        && matches!(call.fun.name(), "lag" | "lead")
        && !unknown(default)
    {
        let (own, other) = (value.get_type(schema)?, default.get_type(schema)?);
        if own.is_numeric()
            && other.is_numeric()
            && let Some(common) = common_type(&[own.clone(), other])
            && common != own
        {
            *value = cast(std::mem::take(value), Some(&own), &common);
            return Ok(true);
        }
    }
    Ok(false)
}

/// Intervals ordered by their lengths; and a frame of peers, where DataFusion has no ranges of a type, as the
/// groups that these are.
fn comparable_order(call: &mut WindowFunction, schema: &DFSchema) -> Result<bool> {
    let (mut transformed, mut ranged) = (false, true);
    let params = &mut call.params;
    for sort in &mut params.order_by {
        match sort.expr.get_type(schema)? {
            DataType::Interval(_) => {
                sort.expr = interval_order(std::mem::take(&mut sort.expr));
                transformed = true;
            }
            DataType::Binary | DataType::FixedSizeBinary(_) | DataType::Struct(_) => ranged = false,
            _ => {}
        }
    }
    let frame = &mut params.window_frame;
    let peers = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => true,
        WindowFrameBound::Preceding(distance) | WindowFrameBound::Following(distance) => {
            distance.is_null()
        }
    };
    if !ranged
        && frame.units == WindowFrameUnits::Range
        && peers(&frame.start_bound)
        && peers(&frame.end_bound)
    {
        let bound = |bound: &WindowFrameBound| match bound {
            WindowFrameBound::CurrentRow => WindowFrameBound::CurrentRow,
            WindowFrameBound::Preceding(_) => {
                WindowFrameBound::Preceding(ScalarValue::UInt64(None))
            }
            WindowFrameBound::Following(_) => {
                WindowFrameBound::Following(ScalarValue::UInt64(None))
            }
        };
        let (start, end) = (bound(&frame.start_bound), bound(&frame.end_bound));
        *frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end);
        transformed = true;
    }
    Ok(transformed)
}

/// `CASE` with results of one type. The ELSE counts first, as in Postgres.
pub(super) fn united_case(case: Case, schema: &DFSchema) -> Result<Case> {
    let (conditions, results): (Vec<_>, Vec<_>) =
        case.when_then_expr.into_iter().map(|(when, then)| (when, *then)).unzip();
    let has_else = case.else_expr.is_some();
    let all = case.else_expr.map(|expr| *expr).into_iter().chain(results);
    let mut all = united("CASE", all.collect(), schema)?.into_iter();
    let else_expr = if has_else { all.next().map(Box::new) } else { None };
    let results = all.map(Box::new);
    let when_then_expr = itertools::zip_eq(conditions, results).collect();
    Ok(Case { expr: case.expr, when_then_expr, else_expr })
}

/// An interval as a length, in which a month has 30 days and a day 24 hours: so Postgres compares
/// them.
pub(super) fn length(interval: Expr) -> Expr {
    scalar("interval_length").call(vec![interval])
}

/// `interval IN (…)`: by their lengths.
pub(super) fn lengths(list: InList) -> InList {
    let InList { expr, list, negated } = list;
    let list = list.into_iter().map(length).collect();
    InList { expr: Box::new(length(*expr)), list, negated }
}

/// `42846` if Postgres has no cast from a type to another.
pub(super) fn check_cast(from: &Field, to: &Field) -> Result<()> {
    let (kind, wanted) = (from.data_type(), to.data_type());
    let castable = match (SqlType::of_field(from), is_json(to)) {
        (_, true) => kind.is_string() || kind.is_null(),
        (Some(SqlType::Json), false) => wanted.is_string(),
        (Some(SqlType::Jsonb), false) => {
            wanted.is_string() || wanted.is_numeric() || *wanted == DataType::Boolean
        }
        _ => castable(kind, wanted),
    };
    if castable {
        return Ok(());
    }
    let (from, to) = (field_sql_name(from), field_sql_name(to));
    Err(Error::new(SqlState::CannotCoerce, format!("cannot cast type {from} to {to}")).into())
}

fn castable(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Int32, Interval, Time64, Timestamp};
    if from == to || from.is_null() || from.is_string() || to.is_string() {
        return true;
    }
    if let (Some(from), Some(to)) = (pg_type::element(from), pg_type::element(to)) {
        return castable(from, to);
    }
    match (from, to) {
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (Boolean, Int32) | (Int32, Boolean) => true,
        (Date32, Timestamp(_, _)) | (Timestamp(_, _), Date32 | Timestamp(_, _) | Time64(_)) => true,
        (Time64(_), Interval(_)) | (Interval(_), Time64(_)) => true,
        (Timestamp(_, _) | Interval(_), Timestamp(_, _) | Interval(_)) => {
            std::mem::discriminant(from) == std::mem::discriminant(to)
        }
        (DataType::Struct(_), DataType::Struct(_)) => true,
        // Types of no column, such as those that DataFusion's functions give.
        (from, to) => {
            SqlType::of_field(&Field::new("", from.clone(), true)).is_none()
                || SqlType::of_field(&Field::new("", to.clone(), true)).is_none()
        }
    }
}

/// `42883` for `round` and `trunc` of floats to some digits, or to as many as no `integer` says.
pub(super) fn check_digits(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return Ok(()) };
    if args.len() != 2 || !["round", "trunc"].contains(&func.name()) {
        return Ok(());
    }
    let kinds = args.iter().map(|arg| argument_type(arg, schema)).collect::<Result<Vec<_>>>()?;
    if kinds[1] == DataType::Int64 || (kinds[0].is_floating() && kinds[1].is_integer()) {
        return Err(undefined_function(func.name(), &kinds).into());
    }
    Ok(())
}

/// The type of an argument: DataFusion takes every number that is written for a `bigint`.
fn argument_type(arg: &Expr, schema: &DFSchema) -> Result<DataType> {
    let written = match arg {
        Expr::Negative(inner) => inner.as_ref(),
        other => other,
    };
    match written {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok() => {
            Ok(DataType::Int32)
        }
        _ => arg.get_type(schema),
    }
}

/// A cast to `numeric` without digits keeps those that there are; none if it is another cast.
pub(super) fn bare_numeric(expr: &Expr, from: &DataType, to: &Field) -> Option<Result<Expr>> {
    if SqlType::of_field(to) != Some(SqlType::Numeric(None)) {
        return None;
    }
    if matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _)) {
        return Some(typed(expr.clone(), to.data_type()).map_err(Into::into));
    }
    let own = decimal_of(from)?;
    Some(Ok(cast(expr.clone(), Some(from), &own)))
}
