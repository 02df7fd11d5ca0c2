//! Errors for operators and functions that do not exist for the types of their arguments.

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::operator::sql_name;
use crate::error::{Error, SqlState};

/// `42883` for an operator that does not take these operands.
pub(super) fn undefined_operator(op: &BinaryOperator, left: &DataType, right: &DataType) -> Error {
    undefined_between(op, &sql_name(left), &sql_name(right))
}

/// The same by the names of their types.
pub(super) fn undefined_between(op: &BinaryOperator, left: &str, right: &str) -> Error {
    Error::new(SqlState::UndefinedFunction, format!("operator does not exist: {left} {op} {right}"))
        .hint(
            "No operator matches the given name and argument types. You might need to add explicit \
         type casts.",
        )
}

/// `42725`: an operand of unknown type might be of several.
pub(super) fn ambiguous_operator(
    op: &BinaryOperator,
    types: &(Option<DataType>, Option<DataType>),
) -> Error {
    let name =
        |kind: &Option<DataType>| kind.as_ref().map_or_else(|| "unknown".to_owned(), sql_name);
    Error::new(
        SqlState::AmbiguousFunction,
        format!("operator is not unique: {} {op} {}", name(&types.0), name(&types.1)),
    )
    .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
}

/// `42883` for a function that does not take these arguments.
pub(crate) fn undefined_function(name: &str, types: &[DataType]) -> Error {
    undefined_call(name, &types.iter().map(sql_name).collect::<Vec<_>>())
}

/// The same by the names of their types.
pub(crate) fn undefined_call(name: &str, types: &[String]) -> Error {
    Error::new(
        SqlState::UndefinedFunction,
        format!("function {name}({}) does not exist", types.join(", ")),
    )
    .hint(
        "No function matches the given name and argument types. You might need to add explicit \
         type casts.",
    )
}
