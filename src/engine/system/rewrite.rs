//! What PostgreSQL's catalog queries say and DataFusion does not understand, said differently. Only
//! for queries over system relations: small inputs, known columns.
//!
//! | written | becomes |
//! |---|---|
//! | `pg_catalog.f(x)` | `f(x)` |
//! | `'x'::regclass`, `oid::regclass` | `__regclass('x')`, `__regclass_name(oid)` |
//! | `x::text` | `__text(x)`, as PostgreSQL writes values |
//! | `::oid`, `::name`, `::"char"` | `::bigint`, `::text` |
//! | `a OPERATOR(pg_catalog.~) b COLLATE c` | `a ~ b` |
//! | `ARRAY(SELECT x …)` | `(SELECT array_agg(x) …)`, empty instead of null |
//! | `(SELECT x … )` as a value | `(SELECT first_value(x) …)`, which may be correlated |
//! | `EXISTS (…)` as a value | `(SELECT count(*) > 0 …)` |
//! | calls that give rows, vectors' subscripts | see `call.rs` |
//! | `a LIKE b ESCAPE 'c'` | `a LIKE replace(b, 'c', '\\')` |
//! | `t.typtype = 'd'` | `false`: there are no domains |
//! | `(a, b) = (c, d)` | `a = c AND b = d` |
//! | columns of equal or no name | distinct aliases, taken back from the result |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, ObjectName,
    ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, Value,
    ValueWithSpan, VisitMut, VisitorMut,
};

use arrow::datatypes::Field;

use super::reference::{self, reference_function};
use super::{call, correlate, layout, naming, prune};
use crate::sql::visit::WalkMut;
use crate::types::pg_type;

/// Rewrites a query over system relations.
pub(super) fn rewrite(query: &mut Query) {
    let _complete = query.visit(&mut WalkMut(&mut Rewriter));
    reference::show(&mut query.body);
}

/// The field of a type that DataFusion does not have: `oid`, `name`, and arrays of them.
pub(super) fn catalog_type(data_type: &DataType) -> Option<Field> {
    let (scalar, array) = match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => (item.as_ref(), true),
        other => (other, false),
    };
    let DataType::Custom(name, _) = scalar else { return None };
    let pg_type = match last(name)?.value.to_lowercase().as_str() {
        "oid" => pg_type::OID,
        "name" => pg_type::NAME,
        _ => return None,
    };
    let scalar = pg_type::arrow_type(pg_type);
    let data_type = if array { arrow::datatypes::DataType::new_list(scalar, true) } else { scalar };
    let metadata = [(pg_type::PG_TYPE.to_owned(), pg_type.name.to_owned())].into();
    Some(Field::new("", data_type, true).with_metadata(metadata))
}

/// The last part of a name.
pub(super) fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(ObjectNamePart::as_ident)
}

/// A type in DataFusion's words.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, size)) => {
            let item = Box::new(plain_type(item)?);
            Some(DataType::Array(ArrayElemTypeDef::SquareBracket(item, *size)))
        }
        DataType::Custom(name, _) => Some(match last(name)?.value.to_lowercase().as_str() {
            "oid" | "xid" | "cid" | "int8" | "bigint" | "cardinal_number" => DataType::BigInt(None),
            "int4" | "integer" | "int" => DataType::Integer(None),
            "int2" | "smallint" => DataType::SmallInt(None),
            "bool" | "boolean" => DataType::Boolean,
            "float4" => DataType::Real,
            "float8" => DataType::DoublePrecision,
            _ => DataType::Text,
        }),
        _ => None,
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        naming::name_columns(select);
        prune::prune(select);
        let aliases = correlate::aliases(select);
        let _complete = select.visit(&mut WalkMut(&mut HiddenColumns { aliases }));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        prune::drop_order(query);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        call::table_function(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(replacement) = before_parts(expr) {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(replacement) = after_parts(expr) {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }
}

/// Columns that every relation has but does not show: `tableoid` is the relation's own OID.
struct HiddenColumns {
    aliases: Vec<(String, String)>,
}

impl VisitorMut for HiddenColumns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (qualifier, column) = match expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, column] => (Some(qualifier.value.to_lowercase()), column),
                _ => return ControlFlow::Continue(()),
            },
            Expr::Identifier(column) => (None, &*column),
            _ => return ControlFlow::Continue(()),
        };
        let mut relations = self.aliases.iter();
        let relation = match &qualifier {
            Some(qualifier) => relations.find(|(alias, _)| alias == qualifier),
            None => relations.next(),
        };
        let value = match (column.value.to_lowercase().as_str(), relation) {
            ("tableoid", Some((_, relation))) => {
                layout::find(layout::PG_CATALOG, relation).map_or(0, |layout| layout.oid)
            }
            ("xmin", Some(_)) => 1,
            _ => return ControlFlow::Continue(()),
        };
        *expr = Expr::value(Value::Number(value.to_string(), false));
        ControlFlow::Continue(())
    }
}

/// Rewrites that need the parts as they were written.
fn before_parts(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::Case { conditions, .. } => {
            conditions.retain(|when| !is_domain_condition(&when.condition));
            match (conditions.is_empty(), expr) {
                (true, Expr::Case { else_result, .. }) => Some(
                    else_result.as_deref().cloned().unwrap_or_else(|| Expr::value(Value::Null)),
                ),
                _ => None,
            }
        }
        Expr::Function(call) if is_array_subquery(call) => {
            let FunctionArguments::Subquery(query) = &mut call.args else { return None };
            if prune::query_has_no_rows(query) {
                return Some(no_texts());
            }
            let outside = correlate::uncorrelate(query);
            aggregate(query, "array_agg");
            let rows = correlate::guarded(outside, Expr::Subquery(query.clone()));
            Some(call_of("coalesce", vec![rows, call_of("make_array", vec![])]))
        }
        Expr::Function(call) => {
            reference::name_sequence(call);
            None
        }
        Expr::Subquery(query) if prune::query_has_no_rows(query) => Some(Expr::value(Value::Null)),
        Expr::Subquery(query) => {
            if !aggregate(query, "first_value") {
                return None;
            }
            let outside = correlate::uncorrelate(query);
            let guarded = !outside.is_empty();
            guarded.then(|| correlate::guarded(outside, Expr::Subquery(query.clone())))
        }
        Expr::Exists { subquery, negated } => exists(subquery, *negated),
        // The cast of a written name is looked up; everything else is an OID to be shown.
        Expr::Cast { expr: inner, data_type, .. } => {
            let function = reference_function(data_type)?;
            let name = match unnested(inner) {
                Expr::Value(value) if matches!(value.value, Value::Number(_, _)) => {
                    format!("{function}_name")
                }
                Expr::Value(_) => function.to_owned(),
                Expr::Cast { data_type: DataType::Text, .. } => function.to_owned(),
                _ => format!("{function}_name"),
            };
            Some(call_of(&name, vec![inner.as_ref().clone()]))
        }
        _ => None,
    }
}

fn is_domain_condition(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => asks_for_domains(left, right),
        Expr::Nested(inner) => is_domain_condition(inner),
        _ => false,
    }
}

pub(super) fn unnested(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

fn is_array_subquery(call: &Function) -> bool {
    matches!(call.args, FunctionArguments::Subquery(_))
        && last(&call.name).is_some_and(|name| name.value.eq_ignore_ascii_case("array"))
}

/// Rewrites of expressions whose parts are done.
fn after_parts(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::Function(call) => {
            if call.name.0.len() > 1 {
                call.name = ObjectName::from(vec![last(&call.name)?.clone()]);
            }
            call::function(call)
        }
        Expr::CompoundFieldAccess { root, access_chain } => call::access(root, access_chain),
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            escape(pattern, escape_char);
            None
        }
        Expr::Cast { expr, data_type: DataType::Text, .. } if reference::shown(expr).is_some() => {
            reference::shown(expr)
        }
        Expr::Cast { expr, data_type: DataType::Text, .. }
            if !matches!(unnested(expr), Expr::Value(_)) =>
        {
            Some(call_of("__text", vec![expr.as_ref().clone()]))
        }
        Expr::Cast { data_type, .. } => {
            *data_type = plain_type(data_type)?;
            None
        }
        Expr::TypedString(typed) => {
            let data_type = plain_type(&typed.data_type)?;
            let value = Expr::Value(typed.value.clone());
            Some(Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(value),
                data_type,
                array: false,
                format: None,
            })
        }
        Expr::Collate { expr, .. } => Some(expr.as_ref().clone()),
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            array_literal(right);
            None
        }
        Expr::BinaryOp { left, op, right } => binary(left, op, right),
        _ => None,
    }
}

/// LIKE knows the backslash only.
fn escape(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) {
    let Some(Value::SingleQuotedString(char)) = escape.take().map(|escape| escape.value) else {
        return;
    };
    if char != "\\" {
        let text = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
        *pattern = call_of("replace", vec![pattern.clone(), text(&char), text("\\")]);
    }
}

/// Whether an expression asks for domains.
fn asks_for_domains(left: &Expr, right: &Expr) -> bool {
    let column = match left {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    let domain = matches!(right, Expr::Value(value)
        if matches!(&value.value, Value::SingleQuotedString(text) if text == "d"));
    domain && column.is_some_and(|column| column.value.eq_ignore_ascii_case("typtype"))
}

fn binary(left: &Expr, op: &mut BinaryOperator, right: &Expr) -> Option<Expr> {
    if let BinaryOperator::PGCustomBinaryOperator(name) = op {
        *op = match name.last()?.as_str() {
            "~" => BinaryOperator::PGRegexMatch,
            "~*" => BinaryOperator::PGRegexIMatch,
            "!~" => BinaryOperator::PGRegexNotMatch,
            "!~*" => BinaryOperator::PGRegexNotIMatch,
            "~~" => BinaryOperator::PGLikeMatch,
            "!~~" => BinaryOperator::PGNotLikeMatch,
            "=" => BinaryOperator::Eq,
            "<>" => BinaryOperator::NotEq,
            _ => return None,
        };
    }
    let (Expr::Tuple(lefts), Expr::Tuple(rights), BinaryOperator::Eq) = (left, right, &*op) else {
        return None;
    };
    if lefts.len() != rights.len() {
        return None;
    }
    let equal = |(left, right): (&Expr, &Expr)| Expr::BinaryOp {
        left: Box::new(left.clone()),
        op: BinaryOperator::Eq,
        right: Box::new(right.clone()),
    };
    itertools::zip_eq(lefts, rights).map(equal).reduce(|all, next| Expr::BinaryOp {
        left: Box::new(all),
        op: BinaryOperator::And,
        right: Box::new(next),
    })
}

/// `'{a,b}'` where an array is meant.
pub(super) fn array_literal(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::SingleQuotedString(text) = &value.value else { return };
    let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return;
    };
    let parts = inner.split(',').filter(|part| !part.is_empty());
    let quoted = parts.map(|part| {
        Expr::value(Value::SingleQuotedString(part.trim().trim_matches('"').to_owned()))
    });
    *expr = call_of("make_array", quoted.collect());
}

/// A call of a function.
pub(super) fn call_of(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

fn has_groups(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
        GroupByExpr::All(_) => true,
    }
}

/// An empty array of texts.
fn no_texts() -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(call_of("make_array", vec![])),
        data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None)),
        array: false,
        format: None,
    }
}

/// Makes the one column of a subquery an aggregate, unless it is one: DataFusion joins a correlated
/// subquery only if it is seen to have one row.
fn aggregate(query: &mut Query, function: &str) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    if has_groups(select) || select.from.is_empty() || select.distinct.is_some() {
        return false;
    }
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_mut_slice()
    else {
        return false;
    };
    if function == "first_value" && is_aggregate_call(expr) {
        return false;
    }
    let order = query.order_by.take();
    let Expr::Function(mut call) = call_of(function, vec![expr.clone()]) else { return false };
    if let (Some(order), FunctionArguments::List(list)) = (order, &mut call.args)
        && let OrderByKind::Expressions(mut keys) = order.kind
    {
        for key in &mut keys {
            // An ordinal can only be the one column.
            if matches!(&key.expr, Expr::Value(_)) {
                key.expr = expr.clone();
            }
        }
        list.clauses.push(datafusion::sql::sqlparser::ast::FunctionArgumentClause::OrderBy(keys));
    }
    *expr = Expr::Function(call);
    query.limit_clause = None;
    true
}

fn is_aggregate_call(expr: &Expr) -> bool {
    const AGGREGATES: &[&str] = &[
        "count",
        "sum",
        "min",
        "max",
        "avg",
        "array_agg",
        "string_agg",
        "bool_or",
        "bool_and",
        "first_value",
    ];
    match expr {
        Expr::Function(call) => last(&call.name)
            .is_some_and(|name| AGGREGATES.contains(&name.value.to_lowercase().as_str())),
        Expr::BinaryOp { left, right, .. } => is_aggregate_call(left) || is_aggregate_call(right),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_aggregate_call(inner),
        _ => false,
    }
}

/// `EXISTS` as a count: DataFusion plans it as a filter only.
fn exists(query: &Query, negated: bool) -> Option<Expr> {
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    if has_groups(select) {
        return None;
    }
    let mut count = call_of("count", vec![]);
    if let Expr::Function(call) = &mut count
        && let FunctionArguments::List(list) = &mut call.args
    {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    }
    select.projection = vec![SelectItem::UnnamedExpr(count)];
    query.limit_clause = None;
    query.order_by = None;
    Some(Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(Expr::Subquery(Box::new(query))),
        op: if negated { BinaryOperator::Eq } else { BinaryOperator::Gt },
        right: Box::new(Expr::value(Value::Number("0".to_owned(), false))),
    })))
}
