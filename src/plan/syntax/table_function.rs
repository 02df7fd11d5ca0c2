//! Functions in FROM, as the few forms that are planned.
//!
//! | written | becomes |
//! |---|---|
//! | `unnest(a, b) [WITH ORDINALITY]` | `UNNEST(a, b)` |
//! | `generate_series(1, n) AS g` | `UNNEST(generate_series(1, n)) AS g` |
//! | `string_to_table(s, ',')` | `UNNEST(string_to_array(s, ','))` |
//! | `jsonb_array_elements(j) AS e` | `UNNEST(jsonb_array_elements(j)) AS e (value)` |
//! | `lower('X') AS x` | `LATERAL (SELECT lower('X') AS x) AS x` |

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, SelectItem, TableAlias,
    TableAliasColumnDef, TableFactor, UnaryOperator, Value,
};

use super::columns::{folded, select};
use super::function_name::call;
use crate::error::{Error, Result};

/// Functions that return rows where an array is what we have: their names and the arrays'.
const ROWS: [(&str, &str); 9] = [
    ("generate_series", "generate_series"),
    ("string_to_table", "string_to_array"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("json_array_elements", "json_array_elements"),
    ("json_array_elements_text", "json_array_elements_text"),
    ("json_object_keys", "json_object_keys"),
    ("jsonb_array_elements", "jsonb_array_elements"),
    ("jsonb_array_elements_text", "jsonb_array_elements_text"),
    ("jsonb_object_keys", "jsonb_object_keys"),
];

/// The name of the array that stands for the rows of a function, if it returns rows.
pub(super) fn array_of(function: &str) -> Option<&'static str> {
    ROWS.iter().find(|(name, _)| *name == function).map(|(_, array)| *array)
}

/// The name that the column of a function in FROM has whatever its alias.
pub(super) fn column_of(function: &str) -> Option<&'static str> {
    function.contains("_array_elements").then_some("value").filter(|_| array_of(function).is_some())
}

/// What `generate_series` is called that has more than [`LONG`] rows.
pub(crate) const LONG_SERIES: &str = "__long_series";

/// The most elements of a series that is made as a whole.
const LONG: i128 = 1_000_000;

/// Whether a function in FROM is a window over a relation, which is planned as it stands.
pub(super) fn is_window(name: &ObjectName) -> bool {
    matches!(last(name).as_deref(), Some("tumble" | "hop"))
}

fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(folded)
}

/// Rewrites `factor` if it is a function.
///
/// # Errors
/// `0A000` for arguments by name and the like.
pub(super) fn rewrite(factor: &mut TableFactor) -> Result<()> {
    let (name, args, alias, with_ordinality) = match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. }
            if !is_window(name) =>
        {
            (name, args.args.clone(), alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            (name, args.clone(), alias, *with_ordinality)
        }
        _ => return Ok(()),
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        other => Err(Error::unsupported(format!("the argument \"{other}\" of a function in FROM"))),
    };
    let args = args.iter().map(plain).collect::<Result<Vec<_>>>()?;
    let Some(called) = last(name) else { return Ok(()) };
    if called == "generate_series" && !with_ordinality && is_long(&args) {
        // It is not kept as a whole; see the planner of FROM.
        *name = ObjectName::from(vec![Ident::new(LONG_SERIES)]);
        return Ok(());
    }
    let alias = alias.take();
    let known = array_of(&called);
    if called != "unnest" && known.is_none() {
        if with_ordinality {
            return Err(Error::unsupported(format!("WITH ORDINALITY of {called}()"))
                .hint("Use unnest or generate_series, or row_number() OVER ()."));
        }
        *factor = scalar(name, args, alias);
        return Ok(());
    }
    let array_exprs = match known {
        Some(array) => {
            vec![function(ObjectName::from(vec![Ident::with_quote('"', array)]), args)]
        }
        None => args,
    };
    let mut alias = alias.or_else(|| known.map(|_| named(Ident::new(&called))));
    if let (Some(alias), Some(column)) = (&mut alias, column_of(&called))
        && alias.columns.is_empty()
    {
        let name = Ident::with_quote('"', column);
        alias.columns.push(TableAliasColumnDef { name, data_type: None });
    }
    *factor = TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    };
    Ok(())
}

/// Whether constants make a series that is better not kept in memory.
fn is_long(args: &[Expr]) -> bool {
    let numbers = args.iter().map(integer).collect::<Option<Vec<_>>>();
    let (start, stop, step) = match numbers.as_deref() {
        Some([start, stop]) => (*start, *stop, 1),
        Some([start, stop, step]) if *step != 0 => (*start, *stop, *step),
        _ => return false,
    };
    (i128::from(stop) - i128::from(start)) / i128::from(step) > LONG
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => integer(expr)?.checked_neg(),
        _ => None,
    }
}

fn named(name: Ident) -> TableAlias {
    TableAlias { explicit: false, name, columns: vec![], at: None }
}

fn function(name: ObjectName, args: Vec<Expr>) -> Expr {
    let mut value = call("", args);
    if let Expr::Function(function) = &mut value {
        function.name = name;
    }
    value
}

/// A function of one value as a relation of one row.
fn scalar(name: &ObjectName, args: Vec<Expr>, alias: Option<TableAlias>) -> TableFactor {
    let value = function(name.clone(), args);
    let own = last(name).unwrap_or_default();
    let alias = alias.unwrap_or_else(|| named(Ident::with_quote('"', own)));
    let item = SelectItem::ExprWithAlias { expr: value, alias: alias.name.clone() };
    let subquery = Box::new(select(vec![item], vec![]));
    TableFactor::Derived { lateral: true, subquery, alias: Some(alias), sample: None }
}
