//! Calls that give rows, and the vectors of `pg_index`, said as DataFusion understands them.
//!
//! | written | becomes |
//! |---|---|
//! | `generate_subscripts(x, 1)` as a value | `unnest(__subscripts(x, 0 or 1))` |
//! | `_pg_expandarray(x)` as a value | `unnest(__expandarray(x))` |
//! | `(record).column` | `get_field(record, 'column')` |
//! | `indkey[n]`, which counts from 0 | `indkey[n + 1]` |
//! | `FROM unnest(x) a` | `FROM UNNEST(x) a(a)` |

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectName, Subscript, TableAliasColumnDef, TableFactor, Value,
};

use super::rewrite::{array_literal, call_of, last, unnested};

/// `pg_catalog.unnest(x) a` → `UNNEST(x) a`, and other table functions without their schema.
pub(super) fn table_function(factor: &mut TableFactor) {
    let TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } = factor else {
        return;
    };
    let Some(ident) = last(name).cloned() else { return };
    if ident.value.eq_ignore_ascii_case("pg_get_keywords") {
        *name = ObjectName::from(vec![ident]);
        let TableFactor::Table { args, .. } = factor else { return };
        *args = None;
        return;
    }
    if !ident.value.eq_ignore_ascii_case("unnest") {
        *name = ObjectName::from(vec![ident]);
        return;
    }
    let exprs = args.args.iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let mut alias = alias.take();
    if let Some(alias) = &mut alias
        && alias.columns.is_empty()
    {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
    *factor = TableFactor::UNNEST {
        array_exprs: exprs.collect(),
        alias,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: *with_ordinality,
    };
}

/// Calls that are said otherwise.
pub(super) fn function(call: &mut Function) -> Option<Expr> {
    let name = last(&call.name)?.value.to_lowercase();
    let FunctionArguments::List(list) = &mut call.args else { return None };
    if name == "coalesce" {
        for arg in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg {
                array_literal(expr);
            }
        }
        return None;
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(array))) = list.args.first() else {
        return None;
    };
    let array = array.clone();
    match name.as_str() {
        "generate_subscripts" => {
            let first = Expr::value(Value::Number(u8::from(!is_vector(&array)).to_string(), false));
            Some(call_of("unnest", vec![call_of("__subscripts", vec![array, first])]))
        }
        "_pg_expandarray" => Some(call_of("unnest", vec![call_of("__expandarray", vec![array])])),
        _ => None,
    }
}

/// Whether an expression is one of the vectors of `pg_index`, which count from 0.
fn is_vector(expr: &Expr) -> bool {
    let column = match unnested(expr) {
        Expr::Identifier(ident) => ident.value.to_lowercase(),
        Expr::CompoundIdentifier(parts) => {
            parts.last().map(|ident| ident.value.to_lowercase()).unwrap_or_default()
        }
        _ => return false,
    };
    // Tools call them `i_indoption` and the like when they hand them on.
    ["indkey", "indclass", "indoption", "indcollation"].iter().any(|name| column.ends_with(name))
}

/// Columns of records, and subscripts of vectors.
pub(super) fn access(root: &Expr, chain: &mut [AccessExpr]) -> Option<Expr> {
    let (last, before) = chain.split_last_mut()?;
    match last {
        AccessExpr::Dot(Expr::Identifier(column)) if before.is_empty() => {
            let column = Expr::value(Value::SingleQuotedString(column.value.to_lowercase()));
            Some(call_of("get_field", vec![unnested(root).clone(), column]))
        }
        AccessExpr::Subscript(Subscript::Index { index }) => {
            let array = match before.last() {
                Some(AccessExpr::Dot(column)) => column,
                _ => root,
            };
            if is_vector(array) {
                let one = Expr::value(Value::Number("1".to_owned(), false));
                let written = Expr::Nested(Box::new(index.clone()));
                *index = Expr::BinaryOp {
                    left: Box::new(written),
                    op: BinaryOperator::Plus,
                    right: Box::new(one),
                };
            }
            None
        }
        _ => None,
    }
}
