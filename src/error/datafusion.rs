//! DataFusion's errors in Postgres' terms. What a user can cause is told apart by kind where there is
//! one, and else by the words of the message; only a bug of DataFusion's or ours stays `XX000`.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError, TableReference};
use datafusion::error::DataFusionError;

use super::{Error, SqlState, nearest};

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Error {
        match error {
            DataFusionError::ArrowError(inner, _) => Error::from(*inner),
            DataFusionError::External(source) => match source.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<ArrowError>() {
                    Ok(arrow) => Error::from(*arrow),
                    Err(other) => of_foreign(&other.to_string()),
                },
            },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Error::from(*inner)
            }
            DataFusionError::Collection(mut errors) if !errors.is_empty() => {
                Error::from(errors.swap_remove(0))
            }
            DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => Error::from(inner),
                Err(shared) => of_shared(&shared),
            },
            DataFusionError::SchemaError(inner, _) => of_schema(*inner),
            DataFusionError::NotImplemented(message) => of_not_implemented(&message),
            DataFusionError::SQL(inner, _) => Error::syntax(inner.to_string()),
            DataFusionError::Plan(message) => of_plan(&message),
            DataFusionError::Execution(message) => of_execution(&message),
            DataFusionError::ResourcesExhausted(message) => {
                Error::new(SqlState::OutOfMemory, first_line(&message))
            }
            other => Error::internal(other.strip_backtrace()),
        }
    }
}

/// An error of a library that DataFusion only passes on.
pub(super) fn of_foreign(message: &str) -> Error {
    if message.contains("regex parse error") {
        let reason = message.rsplit("error: ").next().unwrap_or_default().trim();
        return Error::new(
            SqlState::InvalidRegularExpression,
            format!("invalid regular expression: {reason}"),
        );
    }
    Error::internal(message)
}

fn of_not_implemented(message: &str) -> Error {
    let message = first_line(message);
    if let Some((from, to)) =
        message.strip_prefix("Unsupported CAST from ").and_then(|types| types.split_once(" to "))
    {
        let message = format!("cannot cast type {} to {}", sql_name(from), sql_name(to));
        return Error::new(SqlState::CannotCoerce, message);
    }
    let outer = "Nested identifiers are not yet supported for OuterReferenceColumn ";
    if let Some(column) = message.strip_prefix(outer) {
        return missing_relation(column.rsplit('.').next().unwrap_or(column).trim_matches('"'));
    }
    Error::new(SqlState::FeatureNotSupported, message)
}

fn missing_relation(name: &str) -> Error {
    let message = format!("missing FROM-clause entry for table \"{name}\"");
    Error::new(SqlState::UndefinedTable, message)
}

/// The SQL name of an Arrow type that a message names.
fn sql_name(text: &str) -> String {
    match text.trim().parse::<DataType>() {
        Ok(kind) => pg_name(&kind).to_owned(),
        Err(_) => text.trim().to_lowercase(),
    }
}

/// What the table of types would say, which lies above errors in the house.
fn pg_name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => "smallint",
        DataType::UInt16 | DataType::Int32 => "integer",
        DataType::UInt32 | DataType::Int64 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::UInt64 | DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => "numeric",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea",
        DataType::FixedSizeBinary(_) => "uuid",
        DataType::Struct(_) => "record",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => "anyarray",
        _ => "text",
    }
}

/// An error that others hold too: only what can be read of it.
fn of_shared(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(source) => match source.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::internal(source.to_string()),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            of_shared(inner)
        }
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::DivideByZero => Error::from(ArrowError::DivideByZero),
            other => Error::new(SqlState::DataException, other.to_string()),
        },
        DataFusionError::Plan(message) => of_plan(message),
        DataFusionError::Execution(message) => of_execution(message),
        other => Error::internal(other.strip_backtrace()),
    }
}

fn of_schema(error: SchemaError) -> Error {
    match error {
        SchemaError::AmbiguousReference { field } => Error::new(
            SqlState::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", field.name),
        )
        .hint("Write the relation before the column, as in \"relation.column\"."),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => Error::new(
            SqlState::DuplicateAlias,
            format!("table name \"{}\" specified more than once", qualifier.table()),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            SqlState::DuplicateColumn,
            format!("column \"{name}\" specified more than once"),
        ),
        SchemaError::FieldNotFound { field, valid_fields } => undefined(&field, &valid_fields),
    }
}

/// Stands for whatever schema a relation of a query around is in; no identifier is it.
pub const ANY_SCHEMA: &str = "\u{1}";

fn undefined(field: &Column, valid: &[Column]) -> Error {
    let relations = || valid.iter().filter_map(|column| column.relation.as_ref());
    let known = |relation: &TableReference| {
        relation.schema() == Some(ANY_SCHEMA)
            || relations().any(|known| known.table() == relation.table())
    };
    let error = match &field.relation {
        None if relations().any(|relation| relation.table() == field.name) => {
            return Error::unsupported(format!("the row of \"{}\" as a value", field.name))
                .hint(format!("Name its columns, or write {}.*", field.name));
        }
        None => Error::undefined_column(&field.name),
        Some(relation) if known(relation) => Error::new(
            SqlState::UndefinedColumn,
            format!("column {}.{} does not exist", relation.table(), field.name),
        ),
        Some(relation) => {
            let names = relations().map(|known| known.table());
            return missing_relation(relation.table()).did_you_mean(relation.table(), names);
        }
    };
    let candidate = |column: &&Column| match (&field.relation, &column.relation) {
        (Some(relation), Some(known)) => relation.table() == known.table(),
        _ => true,
    };
    let candidates = || valid.iter().filter(candidate);
    let near = nearest(&field.name, candidates().map(|column| column.name.as_str()));
    match near.and_then(|near| candidates().find(|column| column.name == near)) {
        Some(Column { relation: Some(relation), name, .. }) => error.hint(format!(
            "Perhaps you meant to reference the column \"{}.{name}\".",
            relation.table()
        )),
        Some(Column { name, .. }) => {
            error.hint(format!("Perhaps you meant to reference the column \"{name}\"."))
        }
        None => error,
    }
}

/// Words of planning messages, and the condition they stand for.
const PLAN: [(&str, SqlState); 27] = [
    ("must be in GROUP BY", SqlState::GroupingError),
    ("GROUP BY clause", SqlState::GroupingError),
    ("could not be resolved from available columns", SqlState::GroupingError),
    ("aggregate function", SqlState::GroupingError),
    ("Aggregate functions are not allowed", SqlState::GroupingError),
    ("Invalid function", SqlState::UndefinedFunction),
    ("No function matches", SqlState::UndefinedFunction),
    ("coerce arguments", SqlState::UndefinedFunction),
    ("Failed to coerce", SqlState::UndefinedFunction),
    ("does not support", SqlState::UndefinedFunction),
    ("Function '", SqlState::UndefinedFunction),
    ("expects", SqlState::UndefinedFunction),
    ("Cannot infer common argument type", SqlState::UndefinedFunction),
    ("Cannot coerce arithmetic", SqlState::UndefinedFunction),
    ("There isn't a common type", SqlState::UndefinedFunction),
    ("Cannot get result type", SqlState::UndefinedFunction),
    ("Unary operator", SqlState::UndefinedFunction),
    ("same number of columns", SqlState::SyntaxError),
    ("different number of columns", SqlState::SyntaxError),
    ("Incompatible inputs", SqlState::DatatypeMismatch),
    ("type_coercion", SqlState::DatatypeMismatch),
    ("Union", SqlState::DatatypeMismatch),
    ("non-boolean", SqlState::DatatypeMismatch),
    ("BOOLEAN", SqlState::DatatypeMismatch),
    ("cast", SqlState::CannotCoerce),
    ("not found", SqlState::UndefinedTable),
    ("column names", SqlState::InvalidColumnReference),
];

fn of_plan(message: &str) -> Error {
    let message = first_line(message);
    if let Some(error) = function_mismatch(&message).or_else(|| reworded(&message)) {
        return error;
    }
    if message.starts_with("WITH query name") && message.contains("more than once") {
        return Error::new(SqlState::DuplicateAlias, message);
    }
    if let Some(relation) = message.strip_prefix("Invalid qualifier ") {
        let message = format!("missing FROM-clause entry for table \"{}\"", relation.trim());
        return Error::new(SqlState::UndefinedTable, message);
    }
    if message.contains("one column") {
        return Error::syntax("subquery must return only one column");
    }
    if let Some(column) = ungrouped(&message) {
        return Error::new(
            SqlState::GroupingError,
            format!(
                "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate \
                 function"
            ),
        );
    }
    if message.contains("subquery") {
        return Error::new(SqlState::FeatureNotSupported, message)
            .hint("Write the subquery as a join.");
    }
    if message.contains("OFFSET must be") {
        return Error::new(SqlState::InvalidOffset, "OFFSET must not be negative");
    }
    if message.contains("LIMIT must be") {
        return Error::new(SqlState::InvalidLimit, "LIMIT must not be negative");
    }
    let state = PLAN.iter().find(|(words, _)| message.contains(words));
    Error::new(state.map_or(SqlState::SyntaxError, |(_, state)| *state), message)
}

const NO_FUNCTION: &str = "No function matches the given name and argument types";

/// `42883` for a function that does not take its arguments, named with their types.
fn function_mismatch(message: &str) -> Option<Error> {
    let call = message.split_once(NO_FUNCTION)?.1.split('\'').nth(1)?;
    let (name, types) = call.strip_suffix(')')?.split_once('(')?;
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in types.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match (c, depth, parts.last_mut()) {
            (',', 0, _) => parts.push(String::new()),
            (c, _, Some(part)) => part.push(c),
            _ => {}
        }
    }
    let types = parts.iter().filter(|part| !part.trim().is_empty()).map(|part| sql_name(part));
    let types = types.collect::<Vec<_>>().join(", ");
    let message = format!("function {name}({types}) does not exist");
    let hint = format!("{NO_FUNCTION}. You might need to add explicit type casts.");
    Some(Error::new(SqlState::UndefinedFunction, message).hint(hint))
}

/// Complaints that Postgres words otherwise.
fn reworded(message: &str) -> Option<Error> {
    let returning = || {
        let kind = message.rsplit(' ').next().unwrap_or_default();
        sql_name(kind)
    };
    let number = |words: &str| {
        let rest = message.split_once(words)?.1;
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    let (state, text) = if message.contains("non-boolean predicate") {
        let kind = returning();
        let text = format!("argument of WHERE must be type boolean, not type {kind}");
        (SqlState::DatatypeMismatch, text)
    } else if message.contains("Unary operator 'NOT'") {
        let text = format!("argument of NOT must be type boolean, not type {}", returning());
        (SqlState::DatatypeMismatch, text)
    } else if message.contains("Inconsistent data length across values list") {
        (SqlState::SyntaxError, "VALUES lists must all be the same length".to_owned())
    } else if message.contains("cannot be nested") {
        (SqlState::GroupingError, "aggregate function calls cannot be nested".to_owned())
    } else if let Some(position) = number("out of bounds, specified:") {
        let text = format!("ORDER BY position {position} is not in select list");
        (SqlState::InvalidColumnReference, text)
    } else if let Some(position) = number("Cannot find column with position") {
        let text = format!("GROUP BY position {position} is not in select list");
        (SqlState::InvalidColumnReference, text)
    } else if let Some(types) = between(message, "common type to coerce ", " in LIKE expression") {
        let (one, other) = types.split_once(" and ")?;
        let text = format!("operator does not exist: {} ~~ {}", sql_name(one), sql_name(other));
        (SqlState::UndefinedFunction, text)
    } else if message.contains("For SELECT DISTINCT, ORDER BY") {
        let text = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
        (SqlState::InvalidColumnReference, text.to_owned())
    } else if message.contains("SELECT DISTINCT ON expressions must match") {
        let text = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
        (SqlState::InvalidColumnReference, text.to_owned())
    } else if let Some(kind) =
        message.strip_prefix("Expected LIMIT to be an integer or null, but got ")
    {
        let text = format!("argument of LIMIT must be type bigint, not type {}", sql_name(kind));
        (SqlState::DatatypeMismatch, text)
    } else if let Some(name) = between(message, "The window ", " is not defined") {
        (SqlState::UndefinedObject, format!("window \"{name}\" does not exist"))
    } else if message.contains("Inconsistent data length across values list") {
        (SqlState::SyntaxError, "VALUES lists must all be the same length".to_owned())
    } else if message.contains("Inconsistent data type across values list") {
        let kind = |before, after| sql_name(between(message, before, after).unwrap_or_default());
        let (one, other) = (
            kind(". Was ", " but found"),
            sql_name(message.rsplit(' ').next().unwrap_or_default()),
        );
        (SqlState::DatatypeMismatch, format!("VALUES types {one} and {other} cannot be matched"))
    } else if let Some(count) = between(message, "Source table contains ", " columns but only ") {
        let names = between(message, " but only ", " names").unwrap_or_default();
        let text = format!("table has {count} columns available but {names} columns specified");
        (SqlState::InvalidColumnReference, text)
    } else if message.contains("not allowed in the WHERE") {
        (SqlState::GroupingError, "aggregate functions are not allowed in WHERE".to_owned())
    } else if message.contains("different number of columns")
        || message.contains("same number of columns")
    {
        let operation = message.split_whitespace().next().unwrap_or("UNION").to_uppercase();
        let text = format!("each {operation} query must have the same number of columns");
        (SqlState::SyntaxError, text)
    } else {
        return None;
    };
    Some(Error::new(state, text))
}

/// What stands between two words of a message.
fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(message.split_once(before)?.1.split_once(after)?.0)
}

/// The column of DataFusion's complaint that it is neither grouped nor aggregated.
fn ungrouped(message: &str) -> Option<&str> {
    const WORDS: [&str; 2] = ["must be in GROUP BY", "must appear in the GROUP BY clause"];
    WORDS.iter().find(|words| message.contains(**words))?;
    if let Some(expr) = message.strip_prefix("HAVING clause references: ") {
        return expr
            .split([' ', ')', ','])
            .map(|word| word.trim_start_matches(|c: char| !c.is_alphanumeric()))
            .find(|word| word.contains('.'));
    }
    // Without the schema.
    let name = message.split('"').nth(1)?;
    Some(match name.rmatch_indices('.').nth(1) {
        Some((dot, _)) => &name[dot + 1..],
        None => name,
    })
}

fn of_execution(message: &str) -> Error {
    let message = first_line(message);
    if message.contains("more than one row") {
        return Error::new(
            SqlState::CardinalityViolation,
            "more than one row returned by a subquery used as an expression",
        );
    }
    if message.to_lowercase().contains("regex") {
        return Error::new(
            SqlState::InvalidRegularExpression,
            format!("invalid regular expression: {message}"),
        );
    }
    if let Some(unit) = message.strip_prefix("Unsupported date_trunc granularity: ") {
        let unit = unit.split(". ").next().unwrap_or_default().replace('\'', "\"");
        return Error::invalid_parameter(format!("unit {unit} not recognized"));
    }
    if message.contains("ivide by zero") {
        return Error::new(SqlState::DivisionByZero, "division by zero");
    }
    if message.contains("overflow") || message.contains("out of range") {
        return Error::new(SqlState::NumericValueOutOfRange, message);
    }
    Error::new(SqlState::DataException, message)
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}
