//! Types whose values are OIDs shown as names: `regclass` and its kind.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, SelectItem, SetExpr,
};

use super::rewrite::{call_of, last};

/// Their functions from names to OIDs. What is called like one with [`NAME`] behind it goes back.
const FUNCTIONS: [&str; 5] =
    ["__regclass", "__regtype", "__regproc", "__regnamespace", "__regrole"];
const NAME: &str = "_name";

/// Whether a type is one of them.
pub(super) fn is_reference_type(data_type: &DataType) -> bool {
    reference_function(data_type).is_some()
}

/// `regclass` → `__regclass`, and its kind.
pub(super) fn reference_function(data_type: &DataType) -> Option<&'static str> {
    if matches!(data_type, DataType::Regclass) {
        return Some("__regclass");
    }
    let DataType::Custom(name, _) = data_type else { return None };
    let name = match last(name)?.value.to_lowercase().as_str() {
        "regprocedure" => "__regproc".to_owned(),
        name => format!("__{name}"),
    };
    FUNCTIONS.into_iter().find(|function| *function == name)
}

/// Shows the OIDs among the columns of a result as names; within a query they are compared as numbers.
pub(super) fn show(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                    && let Some(shown) = shown(expr)
                {
                    *expr = shown;
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            show(left);
            show(right);
        }
        _ => {}
    }
}

/// A sequence has no OID here: `nextval('s'::regclass)` is `nextval('s')`.
pub(super) fn name_sequence(call: &mut Function) {
    let of_sequence = last(&call.name)
        .is_some_and(|name| ["nextval", "currval", "setval"].contains(&name.value.as_str()));
    if let FunctionArguments::List(list) = &mut call.args
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
        && let Expr::Cast { expr, data_type, .. } = &*first
        && of_sequence
        && is_reference_type(data_type)
    {
        *first = expr.as_ref().clone();
    }
}

/// An OID that a function made of a name, as the name; none for another expression.
pub(super) fn shown(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Nested(inner) => shown(inner),
        Expr::Function(call) => {
            let name = match last(&call.name)?.value.as_str() {
                "to_regclass" => "__regclass",
                "to_regtype" => "__regtype",
                name => FUNCTIONS.into_iter().find(|function| *function == name)?,
            };
            Some(call_of(&format!("{name}{NAME}"), vec![expr.clone()]))
        }
        _ => None,
    }
}
