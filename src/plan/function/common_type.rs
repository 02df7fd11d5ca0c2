//! The type that several expressions have in common, as `CASE`, `coalesce` and arrays need one.

use arrow::datatypes::{DataType, TimeUnit};

use super::declared::Kind;

/// The common type by Postgres' rules (its manual, chapter 10.5); nulls have any type. `None` if there
/// is none.
pub(crate) fn common_type(types: &[DataType]) -> Option<DataType> {
    let mut common = DataType::Null;
    for kind in types.iter().filter(|kind| !kind.is_null()) {
        common = match &common {
            DataType::Null => kind.clone(),
            known => wider(known, kind)?,
        };
    }
    Some(common)
}

fn wider(one: &DataType, other: &DataType) -> Option<DataType> {
    if one == other {
        return Some(one.clone());
    }
    if let (Some(a), Some(b)) =
        (crate::types::pg_type::element(one), crate::types::pg_type::element(other))
    {
        return (a == b).then(|| one.clone());
    }
    let (first, second) = (Kind::of(one), Kind::of(other));
    match (first, second) {
        (Kind::Numeric, Kind::Numeric | Kind::Int2 | Kind::Int4 | Kind::Int8)
        | (Kind::Int2 | Kind::Int4 | Kind::Int8, Kind::Numeric) => decimals(one, other),
        (Kind::Text, Kind::Text) => Some(DataType::Utf8),
        (Kind::Timestamptz, Kind::Timestamptz) => Some(one.clone()),
        (Kind::Timestamp, Kind::Timestamp) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        (Kind::Any, _) | (_, Kind::Any) => None,
        (first, second) if second.converts_to(first) => Some(one.clone()),
        (first, second) if first.converts_to(second) => Some(other.clone()),
        _ => None,
    }
}

/// The decimal type that holds both.
fn decimals(one: &DataType, other: &DataType) -> Option<DataType> {
    let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) =
        (super::decimal_of(one)?, super::decimal_of(other)?)
    else {
        return None;
    };
    let scale = s1.max(s2);
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    let precision = (whole + i16::from(scale)).clamp(1, 38);
    Some(DataType::Decimal128(u8::try_from(precision).unwrap_or(38), scale))
}
