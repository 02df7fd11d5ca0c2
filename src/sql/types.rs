//! Types as written → [`SqlType`].

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::reader::Reader;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// Decimal digits that our numbers can carry.
const NUMERIC_PRECISION_MAX: u64 = 38;
/// Postgres' limit for `varchar(n)` and `char(n)`.
const LENGTH_MAX: u64 = 10_485_760;

/// Types of Postgres that we do not have, so that they are refused as such and not as unknown.
const POSTGRES_ONLY: &[&str] = &[
    "bit",
    "bit varying",
    "box",
    "cidr",
    "circle",
    "inet",
    "int4range",
    "int8range",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "numrange",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "xml",
];

/// Reads a type.
pub(super) fn data_type(r: &mut Reader<'_>) -> Result<SqlType> {
    let position = r.position();
    let parsed = r.with_parser(Parser::parse_data_type)?;
    sql_type(&parsed).map_err(|error| error.or_at(Some(position)))
}

/// The type that a syntax tree names.
///
/// # Errors
/// `42704` for a type that does not exist, `0A000` for one we do not have, `22023` for a modifier that
/// is out of range.
pub fn sql_type(parsed: &DataType) -> Result<SqlType> {
    Ok(match parsed {
        DataType::Boolean | DataType::Bool => SqlType::Bool,
        DataType::SmallInt(None) | DataType::Int2(None) => SqlType::Int2,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => SqlType::Int4,
        DataType::BigInt(None) | DataType::Int8(None) => SqlType::Int8,
        DataType::Real | DataType::Float4 => SqlType::Float4,
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(ExactNumberInfo::None) => {
            SqlType::Float8
        }
        DataType::Float(info) => float(info)?,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info)?,
        DataType::Text | DataType::String(None) => SqlType::Text,
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => SqlType::Varchar(character_length("varchar", length)?),
        DataType::Char(length) | DataType::Character(length) => {
            SqlType::Char(character_length("char", length)?.unwrap_or(1))
        }
        DataType::Bytea | DataType::Bytes(None) => SqlType::Bytea,
        DataType::Date => SqlType::Date,
        DataType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            match second_digits(*precision)? {
                None => SqlType::Time,
                Some(_) => return Err(Error::unsupported("a precision of time").hint("Use time.")),
            }
        }
        DataType::Time(..) => {
            return Err(Error::unsupported("type time with time zone")
                .hint("Use timestamptz, or time with the zone in another column."));
        }
        DataType::Timestamp(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            SqlType::Timestamp(second_digits(*digits)?)
        }
        DataType::Timestamp(digits, _) => SqlType::Timestamptz(second_digits(*digits)?),
        DataType::Interval { fields: None, precision: None } => SqlType::Interval,
        DataType::Interval { .. } => {
            return Err(
                Error::unsupported("interval with fields or precision").hint("Use interval.")
            );
        }
        DataType::Uuid => SqlType::Uuid,
        DataType::JSON => SqlType::Json,
        DataType::JSONB => SqlType::Jsonb,
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element),
        ) => match sql_type(element)? {
            SqlType::Array(_) => {
                return Err(Error::unsupported("an array of more than one dimension"));
            }
            element => SqlType::Array(Box::new(element)),
        },
        DataType::Struct(fields, _) => SqlType::Struct(
            fields
                .iter()
                .map(|field| {
                    let name = field.field_name.as_ref().ok_or_else(|| {
                        Error::syntax("a field of STRUCT needs a name")
                            .hint("Write STRUCT<name type, …>.")
                    })?;
                    Ok((folded(name), sql_type(&field.field_type)?))
                })
                .collect::<Result<_>>()?,
        ),
        DataType::Custom(name, modifiers) => custom(&name.to_string().to_lowercase(), modifiers)?,
        other => return Err(unknown(&other.to_string().to_lowercase())),
    })
}

fn folded(ident: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

fn float(info: &ExactNumberInfo) -> Result<SqlType> {
    match info {
        ExactNumberInfo::None | ExactNumberInfo::Precision(25..=53) => Ok(SqlType::Float8),
        ExactNumberInfo::Precision(0) => {
            Err(Error::invalid_parameter("precision for type float must be at least 1 bit"))
        }
        ExactNumberInfo::Precision(1..=24) => Ok(SqlType::Float4),
        _ => Err(Error::invalid_parameter("precision for type float must be less than 54 bits")),
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(SqlType::Numeric(None)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=1000).contains(&precision) {
        let message = format!("NUMERIC precision {precision} must be between 1 and 1000");
        return Err(Error::invalid_parameter(message));
    }
    if precision > NUMERIC_PRECISION_MAX {
        return Err(Error::unsupported(format!("numeric with {precision} digits"))
            .hint("A numeric has at most 38 digits."));
    }
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(digits), Ok(scale)) if scale >= 0 && scale.unsigned_abs() <= digits => {
            Ok(SqlType::Numeric(Some((digits, scale))))
        }
        _ => Err(Error::unsupported(format!("numeric({precision},{scale})"))
            .hint("The scale must be between 0 and the precision.")),
    }
}

fn character_length(name: &str, length: &Option<CharacterLength>) -> Result<Option<u32>> {
    match length {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length: 0, .. }) => {
            Err(Error::invalid_parameter(format!("length for type {name} must be at least 1")))
        }
        Some(CharacterLength::IntegerLength { length, .. }) if *length <= LENGTH_MAX => {
            Ok(u32::try_from(*length).ok())
        }
        Some(_) => Err(Error::invalid_parameter(format!(
            "length for type {name} cannot exceed {LENGTH_MAX}"
        ))),
    }
}

/// Digits of a second; 6 is what we keep anyway.
fn second_digits(digits: Option<u64>) -> Result<Option<u8>> {
    match digits {
        None | Some(6) => Ok(None),
        Some(digits @ 0..=5) => Ok(u8::try_from(digits).ok()),
        Some(digits) => {
            Err(Error::unsupported(format!("a precision of {digits} digits of a second"))
                .hint("Times have microseconds: the precision is at most 6."))
        }
    }
}

fn custom(name: &str, modifiers: &[String]) -> Result<SqlType> {
    // As drivers write a type that they have looked up: `"pg_catalog"."_int4"`.
    let bare = name.replace('"', "");
    let name = bare.strip_prefix("pg_catalog.").unwrap_or(&bare);
    if modifiers.is_empty()
        && let Some(known) = of_catalog(name)
    {
        return Ok(known);
    }
    match (name, modifiers) {
        ("bpchar", []) => return Ok(SqlType::Varchar(None)),
        ("name", []) => return Ok(SqlType::Name),
        ("oid", []) => return Ok(SqlType::Oid),
        ("timestamp_ltz", []) => return Ok(SqlType::Timestamptz(None)),
        ("timestamp_ltz", [digits]) => {
            return Ok(SqlType::Timestamptz(second_digits(digits.parse().ok())?));
        }
        _ => {}
    }
    Err(unknown(name))
}

/// The type of this name in `pg_type`.
fn of_catalog(name: &str) -> Option<SqlType> {
    if let Some(element) = name.strip_prefix('_') {
        return of_catalog(element).map(|element| SqlType::Array(Box::new(element)));
    }
    Some(match name {
        "bool" => SqlType::Bool,
        "int2" => SqlType::Int2,
        "int4" => SqlType::Int4,
        "int8" => SqlType::Int8,
        "float4" => SqlType::Float4,
        "float8" => SqlType::Float8,
        "numeric" => SqlType::Numeric(None),
        "text" => SqlType::Text,
        "varchar" => SqlType::Varchar(None),
        "bytea" => SqlType::Bytea,
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" => SqlType::Timestamp(None),
        "timestamptz" => SqlType::Timestamptz(None),
        "interval" => SqlType::Interval,
        "uuid" => SqlType::Uuid,
        "json" => SqlType::Json,
        "jsonb" => SqlType::Jsonb,
        _ => return None,
    })
}

fn unknown(name: &str) -> Error {
    let bare = name.split('(').next().unwrap_or(name).trim();
    if POSTGRES_ONLY.contains(&bare) {
        return Error::unsupported(format!("type {bare}")).hint("Use text, jsonb or numeric.");
    }
    let error = Error::new(SqlState::UndefinedObject, format!("type \"{bare}\" does not exist"));
    match bare {
        "tinyint" => error.hint("Use smallint."),
        "datetime" => error.hint("Use timestamp."),
        "blob" | "binary" | "varbinary" => error.hint("Use bytea."),
        "nvarchar" | "clob" => error.hint("Use text."),
        "map" => error.hint("Use jsonb."),
        _ => error.did_you_mean(
            bare,
            [
                "boolean",
                "smallint",
                "integer",
                "bigint",
                "real",
                "numeric",
                "text",
                "varchar",
                "char",
                "bytea",
                "date",
                "time",
                "timestamp",
                "timestamptz",
                "interval",
                "uuid",
                "json",
                "jsonb",
            ],
        ),
    }
}
