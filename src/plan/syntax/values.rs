//! `VALUES`: texts without a type take that of the other rows of their column.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Ident, ObjectName, SetExpr, Value, Values,
};

use super::function_name::unmodified;

/// Gives the untyped texts and nulls of a list the type that another row of their column is written with.
/// Where types differ in length or precision, the column has neither.
pub(super) fn type_columns(body: &mut SetExpr) {
    let SetExpr::Values(Values { rows, .. }) = body else { return };
    let columns = rows.first().map_or(0, |row| row.content.len());
    for column in 0..columns {
        let cells = || rows.iter().filter_map(|row| row.content.get(column));
        let Some(first) = cells().find_map(written_type) else { continue };
        if cells().all(|cell| written_type(cell).as_ref() == Some(&first)) {
            continue;
        }
        let bare = without_modifier(&first);
        let alike = cells().filter_map(written_type).all(|own| without_modifier(&own) == bare);
        for cell in rows.iter_mut().filter_map(|row| row.content.get_mut(column)) {
            let named = matches!(bare, DataType::Varchar(_)) && alike;
            let modified = written_type(cell).is_some_and(|own| is_modified(&own));
            if is_untyped(cell) || modified && named {
                *cell = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(cell.clone()),
                    data_type: bare.clone(),
                    array: false,
                    format: None,
                };
            } else if modified {
                *cell = unmodified(cell.clone());
            }
        }
    }
}

/// Whether a field of a type says more than its Arrow type.
fn is_modified(data_type: &DataType) -> bool {
    let bare = without_modifier(data_type);
    bare != *data_type || matches!(bare, DataType::Varchar(_))
}

/// A type without the length or precision that it is written with.
fn without_modifier(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => {
            DataType::Varchar(None)
        }
        DataType::Char(_) | DataType::Character(_) => {
            DataType::Custom(ObjectName::from(vec![Ident::new("bpchar")]), vec![])
        }
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => {
            DataType::Numeric(ExactNumberInfo::None)
        }
        DataType::Timestamp(_, zone) => DataType::Timestamp(None, *zone),
        DataType::Time(_, zone) => DataType::Time(None, *zone),
        other => other.clone(),
    }
}

fn is_untyped(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(
        value.value,
        Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::Null
    ))
}

/// The type that an expression is written with.
fn written_type(expr: &Expr) -> Option<DataType> {
    match expr {
        Expr::Cast { data_type, .. } => Some(data_type.clone()),
        Expr::TypedString(typed) => Some(typed.data_type.clone()),
        Expr::Interval(_) => Some(DataType::Interval { fields: None, precision: None }),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => Some(DataType::Boolean),
        _ => None,
    }
}
