//! A column's type as SQL declares it: what is written in the catalog and printed by `SHOW CREATE`,
//! and the one way to and from the Arrow field that carries it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

use super::name::quote;
use super::pg_type::{self, PG_TYPE, PG_TYPMOD, PgType};

/// A declared type.
///
/// # Invariants
/// 1. `SqlType::of_field(&t.field(…)) == Some(t)` (test `every_type_survives_its_field`).
/// 2. Lengths and precisions are within Postgres' limits or, for numeric, within 38 digits (checked
///    where types are parsed).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SqlType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric(precision, scale)`; bare `numeric` is kept as 38 digits, 10 of them after the point.
    Numeric(Option<(u8, i8)>),
    /// `text`
    Text,
    /// `varchar(n)`: at most n characters; longer values are refused when written.
    Varchar(Option<u32>),
    /// `char(n)`: padded with blanks to n characters when written.
    Char(u32),
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp(p)`: rounded to p digits of a second when written.
    Timestamp(Option<u8>),
    /// `timestamptz(p)`
    Timestamptz(Option<u8>),
    /// `interval`
    Interval,
    /// `uuid`
    Uuid,
    /// `json`: the text as it was written.
    Json,
    /// `jsonb`
    Jsonb,
    /// `name`, of catalog columns
    Name,
    /// `oid`, of catalog columns
    Oid,
    /// An array of any number of elements, one dimension.
    Array(Box<SqlType>),
    /// `STRUCT<a integer, b text>`: named fields, each nullable.
    Struct(Vec<(String, SqlType)>),
}

impl SqlType {
    /// The Postgres type of this type; of an array, its element's.
    #[must_use]
    pub fn pg_type(&self) -> PgType {
        match self {
            SqlType::Bool => pg_type::BOOL,
            SqlType::Int2 => pg_type::INT2,
            SqlType::Int4 => pg_type::INT4,
            SqlType::Int8 => pg_type::INT8,
            SqlType::Float4 => pg_type::FLOAT4,
            SqlType::Float8 => pg_type::FLOAT8,
            SqlType::Numeric(_) => pg_type::NUMERIC,
            SqlType::Text => pg_type::TEXT,
            SqlType::Varchar(_) => pg_type::VARCHAR,
            SqlType::Char(_) => pg_type::BPCHAR,
            SqlType::Bytea => pg_type::BYTEA,
            SqlType::Date => pg_type::DATE,
            SqlType::Time => pg_type::TIME,
            SqlType::Timestamp(_) => pg_type::TIMESTAMP,
            SqlType::Timestamptz(_) => pg_type::TIMESTAMPTZ,
            SqlType::Interval => pg_type::INTERVAL,
            SqlType::Uuid => pg_type::UUID,
            SqlType::Json => pg_type::JSON,
            SqlType::Jsonb => pg_type::JSONB,
            SqlType::Name => pg_type::NAME,
            SqlType::Oid => pg_type::OID,
            SqlType::Array(element) => element.pg_type(),
            SqlType::Struct(_) => pg_type::RECORD,
        }
    }

    /// The type modifier as Postgres keeps it in `pg_attribute.atttypmod`; -1 for none.
    #[must_use]
    pub fn typmod(&self) -> i32 {
        const HEADER: i32 = 4;
        let modifier = |n: u32| i32::try_from(n).unwrap_or(i32::MAX - HEADER);
        match self {
            SqlType::Numeric(Some((precision, scale))) => {
                ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + HEADER
            }
            SqlType::Varchar(Some(length)) | SqlType::Char(length) => modifier(*length) + HEADER,
            SqlType::Timestamp(Some(digits)) | SqlType::Timestamptz(Some(digits)) => {
                i32::from(*digits)
            }
            SqlType::Array(element) => element.typmod(),
            _ => -1,
        }
    }

    /// The Arrow type that carries the values.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            SqlType::Numeric(Some((precision, scale))) => DataType::Decimal128(*precision, *scale),
            SqlType::Array(element) => DataType::List(Arc::new(element.field("item", true))),
            SqlType::Struct(fields) => DataType::Struct(
                fields
                    .iter()
                    .map(|(name, sql_type)| sql_type.field(name, true))
                    .collect::<Fields>(),
            ),
            scalar => pg_type::arrow_type(scalar.pg_type()),
        }
    }

    /// The Arrow field of a column of this type, with the Postgres type and modifier as metadata
    /// where the Arrow type does not tell them.
    #[must_use]
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let data_type = self.data_type();
        let mut metadata = std::collections::HashMap::new();
        let implied = pg_type::of_data_type(pg_type::element(&data_type).unwrap_or(&data_type));
        if self.pg_type() != implied {
            metadata.insert(PG_TYPE.to_owned(), self.pg_type().name.to_owned());
        }
        if self.typmod() >= 0 {
            metadata.insert(PG_TYPMOD.to_owned(), self.typmod().to_string());
        }
        Field::new(name, data_type, nullable).with_metadata(metadata)
    }

    /// The type that a field carries; `None` if it is not one of the Arrow types we keep values in.
    #[must_use]
    pub fn of_field(field: &Field) -> Option<SqlType> {
        if let DataType::List(item) = field.data_type() {
            return Some(SqlType::Array(Box::new(SqlType::of_field(item)?)));
        }
        let typmod = field.metadata().get(PG_TYPMOD).and_then(|text| text.parse::<u32>().ok());
        let length = typmod.and_then(|modifier| modifier.checked_sub(4));
        let digits = typmod.and_then(|modifier| u8::try_from(modifier).ok());
        Some(match field.data_type() {
            DataType::Boolean => SqlType::Bool,
            DataType::Int16 => SqlType::Int2,
            DataType::Int32 => SqlType::Int4,
            DataType::Int64 if pg_type::of_field(field) == pg_type::OID => SqlType::Oid,
            DataType::Int64 => SqlType::Int8,
            DataType::Float32 => SqlType::Float4,
            DataType::Float64 => SqlType::Float8,
            DataType::Decimal128(38, 10) if typmod.is_none() => SqlType::Numeric(None),
            DataType::Decimal128(precision, scale) => SqlType::Numeric(Some((*precision, *scale))),
            DataType::Utf8 => match pg_type::of_field(field) {
                pg_type::VARCHAR => SqlType::Varchar(length),
                pg_type::BPCHAR => SqlType::Char(length.unwrap_or(1)),
                pg_type::JSON => SqlType::Json,
                pg_type::JSONB => SqlType::Jsonb,
                pg_type::NAME => SqlType::Name,
                _ => SqlType::Text,
            },
            DataType::Binary => SqlType::Bytea,
            DataType::Date32 => SqlType::Date,
            DataType::Time64(TimeUnit::Microsecond) => SqlType::Time,
            DataType::Timestamp(TimeUnit::Microsecond, None) => SqlType::Timestamp(digits),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => SqlType::Timestamptz(digits),
            DataType::Interval(IntervalUnit::MonthDayNano) => SqlType::Interval,
            DataType::FixedSizeBinary(16) => SqlType::Uuid,
            DataType::Struct(fields) => SqlType::Struct(
                fields
                    .iter()
                    .map(|field| Some((field.name().clone(), SqlType::of_field(field)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }
}

/// The type as SQL spells it; the parser reads it back.
impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            SqlType::Varchar(Some(length)) => write!(f, "character varying({length})"),
            SqlType::Char(length) => write!(f, "character({length})"),
            SqlType::Time => f.write_str("time"),
            SqlType::Timestamp(None) => f.write_str("timestamp"),
            SqlType::Timestamp(Some(digits)) => write!(f, "timestamp({digits})"),
            SqlType::Timestamptz(None) => f.write_str("timestamptz"),
            SqlType::Timestamptz(Some(digits)) => write!(f, "timestamptz({digits})"),
            SqlType::Array(element) => write!(f, "{element}[]"),
            SqlType::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (index, (name, sql_type)) in fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{} {sql_type}", quote(name))?;
                }
                f.write_str(">")
            }
            scalar => f.write_str(scalar.pg_type().sql_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_its_field() {
        let struct_type = SqlType::Struct(vec![
            ("a".to_owned(), SqlType::Int4),
            ("b c".to_owned(), SqlType::Array(Box::new(SqlType::Jsonb))),
        ]);
        let types = [
            SqlType::Bool,
            SqlType::Int2,
            SqlType::Int4,
            SqlType::Int8,
            SqlType::Float4,
            SqlType::Float8,
            SqlType::Numeric(None),
            SqlType::Numeric(Some((38, 10))),
            SqlType::Numeric(Some((10, 0))),
            SqlType::Text,
            SqlType::Varchar(None),
            SqlType::Varchar(Some(7)),
            SqlType::Char(1),
            SqlType::Char(9),
            SqlType::Bytea,
            SqlType::Date,
            SqlType::Time,
            SqlType::Timestamp(None),
            SqlType::Timestamp(Some(0)),
            SqlType::Timestamptz(Some(3)),
            SqlType::Timestamptz(None),
            SqlType::Interval,
            SqlType::Uuid,
            SqlType::Json,
            SqlType::Jsonb,
            SqlType::Name,
            SqlType::Oid,
            SqlType::Array(Box::new(SqlType::Varchar(Some(3)))),
            struct_type.clone(),
            SqlType::Array(Box::new(struct_type)),
        ];
        for sql_type in types {
            let field = sql_type.field("x", true);
            assert_eq!(SqlType::of_field(&field), Some(sql_type.clone()), "{sql_type}");
        }
    }
}
