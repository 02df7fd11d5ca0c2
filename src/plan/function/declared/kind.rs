//! The types in which functions are declared, and what converts to what by itself.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use crate::plan::function::decimal_of;

/// A type of an argument or of a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    /// Whatever is given.
    Any,
    /// Whatever array is given.
    Array,
    /// An array of texts, as a result.
    TextArray,
}

impl Kind {
    /// The kind of an Arrow type.
    pub(crate) fn of(data_type: &DataType) -> Kind {
        match data_type {
            DataType::Boolean => Kind::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Kind::Int2,
            DataType::UInt16 | DataType::Int32 => Kind::Int4,
            DataType::UInt32 | DataType::Int64 => Kind::Int8,
            DataType::Float16 | DataType::Float32 => Kind::Float4,
            DataType::Float64 => Kind::Float8,
            DataType::UInt64 | DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => {
                Kind::Numeric
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Bytea,
            DataType::Date32 => Kind::Date,
            DataType::Time64(_) => Kind::Time,
            DataType::Timestamp(_, None) => Kind::Timestamp,
            DataType::Timestamp(_, Some(_)) => Kind::Timestamptz,
            DataType::Interval(_) => Kind::Interval,
            DataType::FixedSizeBinary(16) => Kind::Uuid,
            list if list.is_list() => Kind::Array,
            _ => Kind::Any,
        }
    }

    /// The Arrow type in which a function gets an argument that was given as `from`.
    pub(super) fn data_type(self, from: Option<&DataType>) -> DataType {
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::Int2 => DataType::Int16,
            Kind::Int4 => DataType::Int32,
            Kind::Int8 => DataType::Int64,
            Kind::Float4 => DataType::Float32,
            Kind::Float8 => DataType::Float64,
            Kind::Numeric => from.and_then(decimal_of).unwrap_or(DataType::Decimal128(38, 10)),
            Kind::Text => DataType::Utf8,
            Kind::Bytea => DataType::Binary,
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Kind::Uuid => DataType::FixedSizeBinary(16),
            Kind::TextArray => DataType::new_list(DataType::Utf8, true),
            Kind::Any | Kind::Array => from.cloned().unwrap_or(DataType::Utf8),
        }
    }

    /// Whether a value of this kind stands for one of kind `to` without being asked.
    pub(crate) fn converts_to(self, to: Kind) -> bool {
        use Kind::{
            Any, Array, Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Time, Timestamp,
            Timestamptz,
        };
        match (self, to) {
            (_, Any) => true,
            (one, other) if one == other => true,
            (Kind::TextArray, Array) => true,
            (Array, _) | (_, Array) => false,
            (Int2, Int4 | Int8 | Numeric | Float4 | Float8)
            | (Int4, Int8 | Numeric | Float4 | Float8)
            | (Int8, Numeric | Float4 | Float8)
            | (Numeric, Float4 | Float8)
            | (Float4, Float8)
            | (Date, Timestamp | Timestamptz)
            | (Timestamp, Timestamptz)
            | (Time, Interval) => true,
            _ => false,
        }
    }

    /// Whether Postgres prefers the type among those of its category.
    pub(super) fn preferred(self) -> bool {
        matches!(self, Kind::Float8 | Kind::Text | Kind::Timestamptz | Kind::Interval | Kind::Bool)
    }

    /// A letter per group of types that stand for each other, as in `pg_type.typcategory`.
    pub(super) fn category(self) -> char {
        match self {
            Kind::Bool => 'B',
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float4 | Kind::Float8 | Kind::Numeric => {
                'N'
            }
            Kind::Text => 'S',
            Kind::Bytea | Kind::Uuid => 'U',
            Kind::Date | Kind::Time | Kind::Timestamp | Kind::Timestamptz => 'D',
            Kind::Interval => 'T',
            Kind::Any => 'P',
            Kind::Array | Kind::TextArray => 'A',
        }
    }
}
