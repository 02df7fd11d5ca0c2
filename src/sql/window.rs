//! Flink's spelling of windows → ours: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))`
//! becomes the table function `TUMBLE(t, ts, INTERVAL '10' SECOND)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Query, Spanned,
    TableFactor, TableFunctionArgs, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::dialect::WINDOW_FUNCTIONS;
use super::visit::WalkMut;
use crate::error::{Error, SqlState};

/// An error and where it happened.
type Failure = (Error, Location);

/// Rewrites all windows of a query.
pub(super) fn rewrite(query: &mut Query) -> Result<(), Failure> {
    match query.visit(&mut WalkMut(&mut Rewrite)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(failure) => Err(*failure),
    }
}

struct Rewrite;

impl VisitorMut for Rewrite {
    type Break = Box<Failure>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Box<Failure>> {
        match rewrite_factor(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                let location = factor.span().start;
                ControlFlow::Break(Box::new((error, location)))
            }
        }
    }
}

fn rewrite_factor(factor: &mut TableFactor) -> Result<(), Error> {
    if let TableFactor::TableFunction { expr: Expr::Function(function), alias } = factor {
        let Some(window) = window_function(&function.name) else { return Ok(()) };
        let args = TableFunctionArgs { args: arguments(window, function)?, settings: None };
        *factor = TableFactor::Table {
            name: function.name.clone(),
            alias: alias.take(),
            args: Some(args),
            with_hints: vec![],
            version: None,
            with_ordinality: false,
            partitions: vec![],
            json_path: None,
            sample: None,
            index_hints: vec![],
        };
    } else if let TableFactor::Table { name, args: Some(call), .. } = factor
        && let Some(window) = window_function(name)
    {
        call.args = positional(window, std::mem::take(&mut call.args))?;
    }
    Ok(())
}

/// The window function that a name means.
fn window_function(name: &ObjectName) -> Option<&'static str> {
    let [part] = name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    WINDOW_FUNCTIONS.into_iter().find(|window| ident.value.eq_ignore_ascii_case(window))
}

fn arguments(window: &str, function: &mut Function) -> Result<Vec<FunctionArg>, Error> {
    match &mut function.args {
        FunctionArguments::List(list) => positional(window, std::mem::take(&mut list.args)),
        _ => Err(Error::syntax(format!("{window} needs arguments"))),
    }
}

/// The arguments by position, columns without `DESCRIPTOR`.
fn positional(window: &str, args: Vec<FunctionArg>) -> Result<Vec<FunctionArg>, Error> {
    let parameters: &[&str] = match window {
        "tumble" => &["data", "timecol", "size", "offset"],
        "hop" => &["data", "timecol", "slide", "size", "offset"],
        "cumulate" => &["data", "timecol", "step", "size", "offset"],
        _ => &["data", "timecol", "gap"],
    };
    let mut slots: Vec<Option<FunctionArg>> = vec![None; parameters.len()];
    let given = args.len();
    for (index, arg) in args.into_iter().enumerate() {
        let (slot, arg) = match arg {
            FunctionArg::Unnamed(arg) => (index, arg),
            FunctionArg::Named { name, arg, .. } => (slot(window, parameters, &name.value)?, arg),
            FunctionArg::ExprNamed { name, arg, .. } => {
                (slot(window, parameters, &name.to_string())?, arg)
            }
        };
        let place = slots.get_mut(slot).filter(|place| place.is_none()).ok_or_else(|| {
            Error::new(
                SqlState::UndefinedFunction,
                format!("wrong number of arguments for {window}"),
            )
            .hint(usage(window))
        })?;
        *place = Some(FunctionArg::Unnamed(without_descriptor(arg)));
    }
    let filled: Vec<FunctionArg> = slots.into_iter().map_while(|slot| slot).collect();
    if filled.len() < given || given < 3 {
        let message = format!("wrong number of arguments for {window}");
        return Err(Error::new(SqlState::UndefinedFunction, message).hint(usage(window)));
    }
    Ok(filled)
}

fn slot(window: &str, parameters: &[&str], name: &str) -> Result<usize, Error> {
    parameters.iter().position(|parameter| parameter.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let message = format!("{window} has no argument named \"{}\"", name.to_lowercase());
        Error::new(SqlState::UndefinedFunction, message)
            .did_you_mean(&name.to_lowercase(), parameters.iter().copied())
            .hint(usage(window))
    })
}

fn usage(window: &str) -> &'static str {
    match window {
        "tumble" => "Write TUMBLE(relation, time_column, size [, offset]).",
        "hop" => "Write HOP(relation, time_column, slide, size [, offset]).",
        "cumulate" => "Write CUMULATE(relation, time_column, step, size [, offset]).",
        _ => "Write SESSION(relation, time_column, gap).",
    }
}

fn without_descriptor(arg: FunctionArgExpr) -> FunctionArgExpr {
    let FunctionArgExpr::Expr(Expr::Function(function)) = &arg else { return arg };
    if !function.name.to_string().eq_ignore_ascii_case("descriptor") {
        return arg;
    }
    match &function.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(column)] => column.clone(),
            _ => arg,
        },
        _ => arg,
    }
}
