//! The table of types: Arrow field ↔ Postgres type. What Arrow cannot tell apart (json from text, a
//! varchar's length) stands in the field's metadata.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// Metadata key for the Postgres type name where the Arrow type alone does not tell it:
/// `json`, `jsonb`, `uuid`, `varchar`, `bpchar`, `name`, `oid`, …
pub const PG_TYPE: &str = "pg_type";
/// Metadata key for the type modifier (as in `pg_attribute.atttypmod`).
pub const PG_TYPMOD: &str = "pg_typmod";

/// Metadata key for the OID of the relation that a result column is a column of.
pub const PG_TABLE: &str = "pg_table";
/// Metadata key for the number of that column, from 1.
pub const PG_COLUMN: &str = "pg_column";

/// A Postgres base type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PgType {
    /// OID in `pg_type`.
    pub oid: u32,
    /// OID of its array type.
    pub array_oid: u32,
    /// Name in `pg_type`.
    pub name: &'static str,
    /// Name as SQL spells it.
    pub sql_name: &'static str,
    /// `typlen`: bytes, or -1 for variable length.
    pub size: i16,
}

macro_rules! pg_types {
    ($($name:ident = $oid:literal, $array:literal, $pg:literal, $sql:literal, $size:literal;)*) => {
        $(#[doc = $sql] pub const $name: PgType =
            PgType { oid: $oid, array_oid: $array, name: $pg, sql_name: $sql, size: $size };)*
        /// Every type in use.
        pub const ALL: &[PgType] = &[$($name,)*];
    };
}

pg_types! {
    BOOL = 16, 1000, "bool", "boolean", 1;
    BYTEA = 17, 1001, "bytea", "bytea", -1;
    NAME = 19, 1003, "name", "name", 64;
    INT8 = 20, 1016, "int8", "bigint", 8;
    INT2 = 21, 1005, "int2", "smallint", 2;
    INT4 = 23, 1007, "int4", "integer", 4;
    TEXT = 25, 1009, "text", "text", -1;
    OID = 26, 1028, "oid", "oid", 4;
    JSON = 114, 199, "json", "json", -1;
    FLOAT4 = 700, 1021, "float4", "real", 4;
    FLOAT8 = 701, 1022, "float8", "double precision", 8;
    UNKNOWN = 705, 0, "unknown", "unknown", -2;
    BPCHAR = 1042, 1014, "bpchar", "character", -1;
    VARCHAR = 1043, 1015, "varchar", "character varying", -1;
    DATE = 1082, 1182, "date", "date", 4;
    TIME = 1083, 1183, "time", "time without time zone", 8;
    TIMESTAMP = 1114, 1115, "timestamp", "timestamp without time zone", 8;
    TIMESTAMPTZ = 1184, 1185, "timestamptz", "timestamp with time zone", 8;
    INTERVAL = 1186, 1187, "interval", "interval", 16;
    NUMERIC = 1700, 1231, "numeric", "numeric", -1;
    VOID = 2278, 0, "void", "void", 4;
    UUID = 2950, 2951, "uuid", "uuid", 16;
    RECORD = 2249, 2287, "record", "record", -1;
    JSONB = 3802, 3807, "jsonb", "jsonb", -1;
}

/// The type with this name in `pg_type`.
#[must_use]
pub fn by_name(name: &str) -> Option<PgType> {
    ALL.iter().copied().find(|pg_type| pg_type.name == name)
}

/// The type with this OID.
#[must_use]
pub fn by_oid(oid: u32) -> Option<PgType> {
    ALL.iter().copied().find(|pg_type| pg_type.oid == oid)
}

/// The Postgres type of a column; of an array column, its element's (see [`element`]).
#[must_use]
pub fn of_field(field: &Field) -> PgType {
    let named = field.metadata().get(PG_TYPE).and_then(|name| by_name(name));
    let mut scalar = field.data_type();
    while let Some(inner) = element(scalar) {
        scalar = inner;
    }
    named.unwrap_or_else(|| of_data_type(scalar))
}

/// The OID of a column's type: of an array column, its array type's.
#[must_use]
pub fn oid_of_field(field: &Field) -> u32 {
    let pg_type = of_field(field);
    if element(field.data_type()).is_some() { pg_type.array_oid } else { pg_type.oid }
}

/// The element type of an array type.
#[must_use]
pub fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

/// The Postgres type of an Arrow scalar type.
#[must_use]
pub fn of_data_type(data_type: &DataType) -> PgType {
    match data_type {
        DataType::Boolean => BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => INT2,
        DataType::UInt16 | DataType::Int32 => INT4,
        DataType::UInt32 | DataType::Int64 => INT8,
        DataType::UInt64 | DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => NUMERIC,
        DataType::Float16 | DataType::Float32 => FLOAT4,
        DataType::Float64 => FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => BYTEA,
        DataType::FixedSizeBinary(16) => UUID,
        DataType::FixedSizeBinary(_) => BYTEA,
        DataType::Date32 | DataType::Date64 => DATE,
        DataType::Time32(_) | DataType::Time64(_) => TIME,
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
        DataType::Struct(_) => RECORD,
        _ => TEXT,
    }
}

/// The Arrow type in which we keep values of a Postgres scalar type (numeric without precision:
/// 38 digits, 10 of them after the point).
#[must_use]
pub fn arrow_type(pg_type: PgType) -> DataType {
    match pg_type {
        BOOL => DataType::Boolean,
        BYTEA => DataType::Binary,
        INT8 => DataType::Int64,
        OID => DataType::Int64,
        INT2 => DataType::Int16,
        INT4 => DataType::Int32,
        FLOAT4 => DataType::Float32,
        FLOAT8 => DataType::Float64,
        DATE => DataType::Date32,
        TIME => DataType::Time64(TimeUnit::Microsecond),
        TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        NUMERIC => DataType::Decimal128(38, 10),
        UUID => DataType::FixedSizeBinary(16),
        _ => DataType::Utf8,
    }
}
