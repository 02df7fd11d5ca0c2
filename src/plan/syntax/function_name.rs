//! Names of functions: which exist, which are spellings of another.

use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName,
    OrderByExpr, OrderByOptions, UnaryOperator, Value, WindowFrameBound, WindowSpec, WindowType,
};

use super::special_aggregate;
use super::table_function::array_of;
use crate::error::{Error, Result, SqlState};
use crate::plan::function::{ASSIGNED, LABELED, UNMODIFIED, keeps_argument_type};

/// The functions that a statement may call.
pub(crate) struct Functions<'a> {
    pub(crate) state: &'a SessionState,
}

/// Spellings, and what they are spelled here.
const ALIASES: [(&str, &str); 14] = [
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("every", "bool_and"),
    ("variance", "var_samp"),
    ("ceiling", "ceil"),
    ("pow", "power"),
    ("tumble", "tumble_start"),
    ("bool_and", "bool_and"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("substr", "substr"),
    ("current_catalog", "current_database"),
    ("transaction_timestamp", "now"),
    ("statement_timestamp", "now"),
];

/// Functions that take a part of a time, and are called like it.
const TIME_PARTS: [&str; 9] =
    ["year", "quarter", "month", "week", "day", "hour", "minute", "second", "dayofyear"];

/// Syntax rather than functions: planned by DataFusion's planner itself.
const SPECIAL: [&str; 17] = [
    "date",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "text",
    "bool",
    "unnest",
    "struct",
    "grouping",
    "named_struct",
    "mod",
    "tumble_end",
    "isnull",
    "current_role",
    "user",
];

impl Functions<'_> {
    fn only_window(&self, name: &str) -> bool {
        self.state.window_functions().contains_key(name)
            && !self.state.aggregate_functions().contains_key(name)
            && !self.state.scalar_functions().contains_key(name)
    }

    fn aggregate(&self, name: &str) -> bool {
        let aggregates = self.state.aggregate_functions();
        let known =
            |(alias, known): &(&str, &str)| *alias == name && aggregates.contains_key(*known);
        aggregates.contains_key(name)
            || special_aggregate::is_one(name)
            || ALIASES.iter().any(known)
    }

    fn known(&self, name: &str) -> bool {
        self.state.scalar_functions().contains_key(name)
            || self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
            || SPECIAL.contains(&name)
            || TIME_PARTS.contains(&name)
            || ALIASES.iter().any(|(alias, _)| *alias == name)
    }

    /// Whether the function's result depends on whether an argument is an `integer` or a `bigint`.
    pub(super) fn keeps_argument_type(&self, name: &ObjectName) -> bool {
        let name = last_part(name);
        let listed = matches!(
            name.as_str(),
            "coalesce"
                | "nullif"
                | "greatest"
                | "least"
                | "mod"
                | "array"
                | "grouping"
                | "pg_typeof"
                | "unnest"
                | ASSIGNED
                | LABELED
                | UNMODIFIED
        );
        let function = self.state.scalar_functions().get(&name);
        listed
            || self.aggregate(&name)
            || self.state.window_functions().contains_key(&name)
            || function.is_some_and(|function| keeps_argument_type(function))
    }

    /// Whether a function gives another value each time it is called.
    pub(super) fn is_volatile(&self, name: &ObjectName) -> bool {
        let function = self.state.scalar_functions().get(&last_part(name));
        function.is_some_and(|function| function.signature().volatility == Volatility::Volatile)
    }

    /// `42883` if there is no function of this name.
    pub(super) fn check(&self, function: &Function) -> Result<()> {
        let name = last_part(&function.name);
        if function.over.is_none() && self.only_window(&name) {
            return Err(Error::new(
                SqlState::WrongObjectType,
                format!("window function {name} requires an OVER clause"),
            ));
        }
        if self.known(&name) {
            return self.check_form(&name, function);
        }
        if matches!(name.as_str(), "hop" | "hop_start" | "hop_end" | "session") {
            return Err(Error::unsupported(format!("{name}() as a function of a grouping")).hint(
                "Write FROM HOP(table, time_column, slide, size) and group by window_start.",
            ));
        }
        let names = self.state.scalar_functions().keys();
        let names = names.chain(self.state.aggregate_functions().keys());
        let names = names.map(String::as_str);
        Err(Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist"))
            .did_you_mean(&name, names))
    }
}

impl Functions<'_> {
    /// Whether a call is one of an aggregate function.
    pub(super) fn is_aggregate(&self, call: &Function) -> bool {
        self.aggregate(&last_part(&call.name))
    }
}

/// `count(*)`, `f(DISTINCT x)`, `f(x) FILTER (…)`: what only some kinds of functions allow.
impl Functions<'_> {
    fn check_form(&self, name: &str, function: &Function) -> Result<()> {
        let aggregate = self.aggregate(name);
        let wrong = |message: String| Err(Error::new(SqlState::WrongObjectType, message));
        let FunctionArguments::List(list) = &function.args else { return Ok(()) };
        let starred = list
            .args
            .iter()
            .any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard)));
        if starred && name != "count" {
            let message = format!("function {name}() does not exist");
            return Err(Error::new(SqlState::UndefinedFunction, message).hint(
                "No function matches the given name and argument types. You might need to add \
                 explicit type casts.",
            ));
        }
        if name == "count" && list.args.is_empty() {
            return wrong(
                "count(*) must be used to call a parameterless aggregate function".into(),
            );
        }
        if !aggregate && list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
            return wrong(format!("DISTINCT specified, but {name} is not an aggregate function"));
        }
        if !aggregate && function.filter.is_some() && function.over.is_none() {
            return wrong(format!("FILTER specified, but {name} is not an aggregate function"));
        }
        let windows = self.state.window_functions();
        if !aggregate && function.over.is_some() && !windows.contains_key(name) {
            return wrong(format!(
                "OVER specified, but {name} is not a window function nor an aggregate function"
            ));
        }
        if !aggregate && function.over.is_some() && function.filter.is_some() {
            let message = "FILTER is not implemented for non-aggregate window functions";
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        }
        check_count(name, list)
    }
}

/// The number of rows or buckets that a window function counts is above zero.
fn check_count(name: &str, list: &FunctionArgumentList) -> Result<()> {
    let (position, state) = match name {
        "ntile" => (0, SqlState::InvalidArgumentForNtile),
        "nth_value" => (1, SqlState::InvalidArgumentForNthValue),
        _ => return Ok(()),
    };
    let zero = |expr: &Expr| match expr {
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits == "0"),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => matches!(**expr, Expr::Value(_)),
        _ => false,
    };
    match list.args.get(position) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) if zero(expr) => {
            let message = format!("argument of {name} must be greater than zero");
            Err(Error::new(state, message))
        }
        _ => Ok(()),
    }
}

/// The unqualified, folded name.
pub(super) fn last_part(name: &ObjectName) -> String {
    match name.0.last().and_then(|part| part.as_ident()) {
        Some(ident) if ident.quote_style.is_some() => ident.value.clone(),
        Some(ident) => ident.value.to_lowercase(),
        None => name.to_string(),
    }
}

/// `expr` marked as a value to assign, so that the rows of a list of values need no common type.
pub(crate) fn assigned(expr: Expr) -> Expr {
    internal(ASSIGNED, vec![expr])
}

/// `expr` without the length or precision of its type.
pub(super) fn unmodified(expr: Expr) -> Expr {
    internal(UNMODIFIED, vec![expr])
}

/// A call of a function whose name no user can write.
pub(super) fn internal(name: &str, args: Vec<Expr>) -> Expr {
    match call(name, args) {
        Expr::Function(mut function) => {
            function.name = ObjectName::from(vec![Ident::with_quote('"', name)]);
            Expr::Function(function)
        }
        other => other,
    }
}

/// A spelling as the function it stands for.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let name = last_part(&function.name);
    bare_counts(&name, function);
    order_distinct(&name, function);
    let quoted = function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|ident| ident.quote_style.is_some());
    // `pg_catalog.lower(x)` is `lower(x)`.
    if function.name.0.len() > 1 {
        function.name = ObjectName::from(vec![Ident::with_quote('"', name.clone())]);
    }
    if let Some((_, known)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        function.name = ObjectName::from(vec![Ident::new(*known)]);
    }
    let FunctionArguments::List(list) = &mut function.args else { return };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    match (name.as_str(), &list.args[..]) {
        // A set of rows, where DataFusion has an array. (In FROM it is unnested already, and quoted.)
        _ if !quoted && array_of(&name).is_some() => {
            let array = array_of(&name).unwrap_or_default();
            *expr = call("unnest", vec![renamed(expr, array)]);
        }
        ("ntile", _) => {
            *expr = super::cast(expr.clone(), DataType::Integer(None));
        }
        ("mod", [left, right]) => {
            if let (Some(left), Some(right)) = (plain(left), plain(right)) {
                *expr = binary(left, BinaryOperator::Modulo, right);
            }
        }
        ("tumble_end", [time, size]) => {
            if let (Some(time), Some(size)) = (plain(time), plain(size)) {
                let start = call("tumble_start", vec![time, size.clone()]);
                *expr = binary(start, BinaryOperator::Plus, size);
            }
        }
        ("age", [time]) => {
            let today = call("current_date", vec![]);
            *expr = call("age", std::iter::once(today).chain(plain(time)).collect());
        }
        ("make_interval", args) => {
            if let Some(args) = interval_parts(args) {
                list.args = args;
            }
        }
        ("date" | "int2" | "int4" | "int8" | "float4" | "float8" | "text" | "bool", [value]) => {
            if let Some(value) = plain(value) {
                *expr = super::cast(value, type_of_name(&name));
            }
        }
        (part, [time]) if TIME_PARTS.contains(&part) => {
            if let Some(time) = plain(time) {
                let part = if part == "dayofyear" { "doy" } else { part };
                let part = Value::SingleQuotedString(part.to_owned()).with_empty_span();
                *expr = call("time_part", vec![Expr::Value(part), time]);
            }
        }
        _ => {}
    }
}

/// The distinct values of a list come in their order, nulls last: sorting is how Postgres finds them.
fn order_distinct(name: &str, function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if !distinct || !list.clauses.is_empty() || name != "array_agg" {
        return;
    }
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] = &list.args[..] else { return };
    let options = OrderByOptions { asc: Some(true), nulls_first: Some(false) };
    let by = OrderByExpr { expr: expr.clone(), options, with_fill: None };
    list.clauses.push(FunctionArgumentClause::OrderBy(vec![by]));
}

/// Takes the types off numbers of rows, which DataFusion reads itself: bounds of frames, and how far window
/// functions look.
fn bare_counts(name: &str, function: &mut Function) {
    let Some(over) = &mut function.over else { return };
    if let WindowType::WindowSpec(WindowSpec { window_frame: Some(frame), .. }) = over {
        for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
            if let WindowFrameBound::Preceding(Some(rows))
            | WindowFrameBound::Following(Some(rows)) = bound
            {
                super::bare(rows);
                interval_bound(rows);
            }
        }
    }
    let FunctionArguments::List(list) = &mut function.args else { return };
    let counted = match name {
        "ntile" => list.args.first_mut(),
        "lag" | "lead" | "nth_value" => list.args.get_mut(1),
        _ => None,
    };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(rows))) = counted {
        super::bare(rows);
    }
}

/// A bound of times as the literal of an interval that DataFusion reads: `RANGE '1 day' PRECEDING`.
fn interval_bound(bound: &mut Expr) {
    let text = match &*bound {
        Expr::Cast { expr, data_type: DataType::Interval { .. }, .. } => expr.as_ref(),
        other => other,
    };
    let Expr::Value(text) = text else { return };
    if let Value::SingleQuotedString(_) = text.value {
        *bound = Expr::Interval(Interval {
            value: Box::new(Expr::Value(text.clone())),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    }
}

/// The type of a name that is called like a function.
fn type_of_name(name: &str) -> DataType {
    match name {
        "date" => DataType::Date,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "bool" => DataType::Boolean,
        _ => DataType::Text,
    }
}

/// The arguments of `make_interval` in their order, if some of them are named.
fn interval_parts(args: &[FunctionArg]) -> Option<Vec<FunctionArg>> {
    const NAMES: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
    args.iter().find(|arg| !matches!(arg, FunctionArg::Unnamed(_)))?;
    let zero = || {
        let zero = Expr::value(Value::Number("0".to_owned(), false));
        FunctionArg::Unnamed(FunctionArgExpr::Expr(super::cast(zero, DataType::Integer(None))))
    };
    let mut ordered: Vec<FunctionArg> = NAMES.iter().map(|_| zero()).collect();
    for (index, arg) in args.iter().enumerate() {
        let (place, value) = match arg {
            FunctionArg::Unnamed(_) => (Some(index), arg.clone()),
            FunctionArg::Named { name, arg, .. } => {
                let place = NAMES.iter().position(|known| name.value.eq_ignore_ascii_case(known));
                (place, FunctionArg::Unnamed(arg.clone()))
            }
            FunctionArg::ExprNamed { name, arg, .. } => {
                let name = name.to_string();
                let place = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known));
                (place, FunctionArg::Unnamed(arg.clone()))
            }
        };
        *ordered.get_mut(place?)? = value;
    }
    Some(ordered)
}

/// A call of another function with the same arguments.
fn renamed(expr: &Expr, name: &str) -> Expr {
    let mut expr = expr.clone();
    if let Expr::Function(function) = &mut expr {
        function.name = ObjectName::from(vec![Ident::new(name)]);
    }
    expr
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) }))
}

pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let arg = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None::<DuplicateTreatment>,
            args: args.into_iter().map(arg).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
