//! `count` of what is there for every row.
//!
//! | written | becomes |
//! |---|---|
//! | `count(1)` | `count(*)`, which DataFusion would name alike beside it |
//! | `count(t.*)` over `t` | `count(*)`; refused where an outer join may put nulls in place of `t` |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, JoinOperator, Select, Value,
    VisitMut, VisitorMut,
};

use super::columns::folded;
use crate::error::{Error, Result};
use crate::sql::visit::{WalkMut, own_expr};

/// `count(1)` and its like in `select` as `count(*)`.
pub(super) fn constants(select: &mut Select) {
    let _complete = select.visit(&mut WalkMut(&mut Constants));
}

struct Constants;

impl VisitorMut for Constants {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(arg) = argument(function)
            && let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = arg
            && !matches!(value.value, Value::Null | Value::Placeholder(_))
            && let FunctionArguments::List(list) = &mut function.args
        {
            list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        }
        ControlFlow::Continue(())
    }
}

/// The argument of a plain `count`.
fn argument(function: &Function) -> Option<&FunctionArg> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = list.duplicate_treatment.is_none() && list.clauses.is_empty();
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(folded);
    match list.args.as_slice() {
        [arg] if plain && name.as_deref() == Some("count") => Some(arg),
        _ => None,
    }
}

/// Refuses `count(t.*)` in `select` where some rows may have no `t`.
///
/// # Errors
/// `0A000`.
pub(super) fn whole_rows(select: &Select) -> Result<()> {
    let outer = |operator: &JoinOperator| {
        matches!(
            operator,
            JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
        )
    };
    let joins = select.from.iter().flat_map(|from| &from.joins);
    if !joins.into_iter().any(|join| outer(&join.join_operator)) {
        return Ok(());
    }
    let whole = |arg: &FunctionArg| {
        matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)))
    };
    let counts = |expr: &Expr| matches!(expr, Expr::Function(function) if argument(function).is_some_and(whole));
    match own_expr(select, counts) {
        None => Ok(()),
        Some(_) => Err(Error::unsupported("count(t.*) over an outer join")
            .hint("Count a column of the relation that is never null, such as its primary key.")),
    }
}
