//! Where aggregates, window functions and functions that return sets may not stand, in Postgres' words. DataFusion
//! finds out late, or computes something.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, JoinConstraint,
    Select, SelectItem, Spanned, TableFactor, Value, Visit,
};

use super::columns::folded;
use super::{Functions, function_name, merge};
use crate::error::{Error, Result, SqlState};
use crate::plan::write::STATEMENT;
use crate::sql::Positions;
use crate::sql::visit::own_expr;

/// Looks at the calls in query parts.
pub(super) struct Places<'a> {
    pub(super) functions: &'a Functions<'a>,
    pub(super) positions: &'a Positions,
}

impl Places<'_> {
    /// The clauses of `select`.
    ///
    /// # Errors
    /// `42803` for an aggregate where none may stand, `42P20` for a window function.
    pub(super) fn check(&self, select: &Select) -> Result<()> {
        if let Some(condition) = &select.selection {
            self.no_window(condition, "WHERE").map_err(|error| {
                error.hint("Compute it in a subquery and filter its rows, or use QUALIFY.")
            })?;
            no_set(condition, "WHERE").map_err(|error| self.at(error, condition))?;
        }
        if let GroupByExpr::Expressions(exprs, _) = &select.group_by {
            for expr in exprs {
                let expr = meant(expr, &select.projection);
                self.no_aggregate(expr, "GROUP BY")?;
                self.no_window(expr, "GROUP BY")?;
            }
        }
        if let Some(condition) = &select.having {
            self.no_window(condition, "HAVING")?;
        }
        for join in select.from.iter().flat_map(|from| &from.joins) {
            if let Some(JoinConstraint::On(condition)) = merge::constraint(&join.join_operator) {
                self.no_aggregate(condition, "JOIN conditions")?;
                self.no_window(condition, "JOIN conditions")?;
            }
        }
        if let Some(clause) = of_statement(select) {
            for item in &select.projection {
                self.no_aggregate(item, clause)?;
                self.no_window(item, clause)?;
            }
        }
        Ok(())
    }

    /// A list of values.
    ///
    /// # Errors
    /// As [`Places::check`].
    pub(super) fn check_values(&self, rows: &impl Visit) -> Result<()> {
        self.no_aggregate(rows, "VALUES")?;
        self.no_window(rows, "VALUES")
    }

    fn no_aggregate(&self, part: &impl Visit, clause: &str) -> Result<()> {
        let aggregate = |expr: &Expr| matches!(expr, Expr::Function(call) if call.over.is_none() && self.functions.is_aggregate(call));
        self.none(part, aggregate, SqlState::GroupingError, "aggregate", clause)
    }

    fn no_window(&self, part: &impl Visit, clause: &str) -> Result<()> {
        let windowed = |expr: &Expr| matches!(expr, Expr::Function(call) if call.over.is_some());
        self.none(part, windowed, SqlState::WindowingError, "window", clause)
    }

    fn none(
        &self,
        part: &impl Visit,
        is: impl FnMut(&Expr) -> bool,
        state: SqlState,
        kind: &str,
        clause: &str,
    ) -> Result<()> {
        let Some(Expr::Function(call)) = own_expr(part, is) else { return Ok(()) };
        let error = Error::new(state, format!("{kind} functions are not allowed in {clause}"));
        Err(self.at(error, &call.name))
    }

    fn at(&self, error: Error, part: &impl Spanned) -> Error {
        error.or_at(self.positions.of_span(part.span()))
    }
}

/// The expression of the item that a position in GROUP BY means.
fn meant<'a>(expr: &'a Expr, items: &'a [SelectItem]) -> &'a Expr {
    let Expr::Value(value) = expr else { return expr };
    let Value::Number(digits, _) = &value.value else { return expr };
    let place = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match place.and_then(|place| items.get(place)) {
        Some(SelectItem::UnnamedExpr(of) | SelectItem::ExprWithAlias { expr: of, .. }) => of,
        _ => expr,
    }
}

/// The clause of a write that a query of ours computes.
fn of_statement(select: &Select) -> Option<&'static str> {
    let TableFactor::Table { name, .. } = &select.from.first()?.relation else { return None };
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
    match parts.as_slice() {
        [schema, relation] if schema == STATEMENT => {
            Some(if relation == "written" { "RETURNING" } else { "UPDATE" })
        }
        _ => None,
    }
}

/// What makes one row several.
fn returns_set(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(call)
        if matches!(function_name::last_part(&call.name).as_str(), "unnest" | "generate_series"))
}

fn no_set(part: &impl Visit, clause: &str) -> Result<()> {
    match own_expr(part, returns_set) {
        None => Ok(()),
        Some(_) => {
            let message = format!("set-returning functions are not allowed in {clause}");
            Err(Error::new(SqlState::FeatureNotSupported, message))
        }
    }
}

/// Looks at an expression one of whose parts may not be evaluated.
///
/// # Errors
/// `0A000` for a function that returns a set in it.
pub(super) fn check_conditional(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Case { .. } => no_set(expr, "CASE"),
        Expr::Function(call) if function_name::last_part(&call.name) == "coalesce" => {
            no_set(expr, "COALESCE")
        }
        _ => Ok(()),
    }
}

/// Looks at a call whose argument is all columns of a relation.
///
/// # Errors
/// `0A000`, except for the plain `count(t.*)`.
pub(super) fn check_whole_row(function: &Function) -> Result<()> {
    let FunctionArguments::List(list) = &function.args else { return Ok(()) };
    let whole = |arg: &FunctionArg| {
        matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)))
    };
    if list.duplicate_treatment.is_some() && list.args.iter().any(whole) {
        return Err(Error::unsupported("a whole row as the argument of DISTINCT")
            .hint("Name its columns, as in count(DISTINCT (a, b))."));
    }
    Ok(())
}
