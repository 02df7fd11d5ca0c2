//! `VALUES`: texts without a type take that of the other rows of their column.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, SetExpr, Value, Values};

/// Gives the untyped texts of a list the type that another row of their column is written with.
pub(super) fn type_columns(body: &mut SetExpr) {
    let SetExpr::Values(Values { rows, .. }) = body else { return };
    let columns = rows.first().map_or(0, |row| row.content.len());
    for column in 0..columns {
        let cells = || rows.iter().filter_map(|row| row.content.get(column));
        if !cells().any(is_untyped) {
            continue;
        }
        let Some(data_type) = cells().find_map(written_type) else { continue };
        for cell in rows.iter_mut().filter_map(|row| row.content.get_mut(column)) {
            if is_untyped(cell) {
                *cell = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(cell.clone()),
                    data_type: data_type.clone(),
                    array: false,
                    format: None,
                };
            }
        }
    }
}

fn is_untyped(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value)
        if matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)))
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
