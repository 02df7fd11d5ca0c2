//! Columns and parameters as clients are told about them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};

use crate::error::{Error, Result, SqlState};
use crate::types::pg_type::{self, PG_COLUMN, PG_TABLE, PG_TYPE, PG_TYPMOD};

/// The field for a parameter that the client declares with this OID; `None` for "find out".
///
/// # Errors
/// `42704` for a type that we do not have.
pub(super) fn parameter(oid: u32) -> Result<Option<FieldRef>> {
    if oid == 0 || oid == pg_type::UNKNOWN.oid {
        return Ok(None);
    }
    let scalar = pg_type::by_oid(oid).map(|pg_type| (pg_type, pg_type::arrow_type(pg_type)));
    let array = || {
        let element = pg_type::ALL.iter().copied().find(|pg_type| pg_type.array_oid == oid)?;
        let item = Field::new_list_field(pg_type::arrow_type(element), true);
        Some((element, DataType::List(Arc::new(item))))
    };
    let Some((pg_type, data_type)) = scalar.or_else(array) else {
        let message = format!("type with OID {oid} does not exist");
        return Err(Error::new(SqlState::UndefinedObject, message));
    };
    let field = Field::new("parameter", data_type, true);
    // As of columns: said only where the Arrow type does not say it.
    if pg_type::of_field(&field) == pg_type {
        return Ok(Some(Arc::new(field)));
    }
    let metadata = [(PG_TYPE.to_owned(), pg_type.name.to_owned())].into();
    Ok(Some(Arc::new(field.with_metadata(metadata))))
}

/// Whether each of `columns` results is wanted in binary: no code means text, one holds for all.
///
/// # Errors
/// `08P01` if there are neither none, nor one, nor as many codes as columns.
pub(super) fn binary(codes: &[i16], columns: usize, what: &str) -> Result<Vec<bool>> {
    let codes = match codes {
        [] => vec![0; columns],
        [one] => vec![*one; columns],
        each if each.len() == columns => each.to_vec(),
        each => {
            return Err(Error::new(
                SqlState::ProtocolViolation,
                format!("bind message has {} {what} formats but {columns} columns", each.len()),
            ));
        }
    };
    let code = |code: i16| match code {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::invalid_parameter(format!("unsupported format code: {code}"))),
    };
    codes.into_iter().map(code).collect()
}

/// RowDescription of a result.
pub(super) fn rows(schema: &Schema, binary: &[bool]) -> PgWireBackendMessage {
    let fields = itertools::zip_eq(schema.fields(), binary).map(|(field, binary)| {
        let array = pg_type::element(field.data_type()).is_some();
        let size = if array { -1 } else { pg_type::of_field(field).size };
        let modifier = field.metadata().get(PG_TYPMOD).and_then(|text| text.parse().ok());
        let number = |key| field.metadata().get(key).map_or("0", String::as_str);
        FieldDescription::new(
            field.name().clone(),
            number(PG_TABLE).parse().unwrap_or(0),
            number(PG_COLUMN).parse().unwrap_or(0),
            pg_type::oid_of_field(field),
            size,
            modifier.unwrap_or(-1),
            i16::from(*binary),
        )
    });
    PgWireBackendMessage::RowDescription(RowDescription::new(fields.collect()))
}
