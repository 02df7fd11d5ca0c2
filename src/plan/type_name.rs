//! Type names in expressions.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

use crate::error::Error;
use crate::types::sql_type::SqlType;

/// Plans `CAST(… AS type)` with our types.
#[derive(Debug)]
pub(crate) struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &DataType) -> Result<Option<FieldRef>> {
        Ok(Some(Arc::new(named(sql_type)?.field("", true))))
    }
}

fn named(parsed: &DataType) -> crate::error::Result<SqlType> {
    Ok(match parsed {
        DataType::Boolean | DataType::Bool => SqlType::Bool,
        DataType::SmallInt(None) | DataType::Int2(None) => SqlType::Int2,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => SqlType::Int4,
        DataType::BigInt(None) | DataType::Int8(None) => SqlType::Int8,
        DataType::Real | DataType::Float4 => SqlType::Float4,
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(_) | DataType::Float(_) => {
            SqlType::Float8
        }
        DataType::Numeric(info) | DataType::Decimal(info) => match info {
            ExactNumberInfo::None => SqlType::Numeric(None),
            ExactNumberInfo::Precision(p) => SqlType::Numeric(Some((*p as u8, 0))),
            ExactNumberInfo::PrecisionAndScale(p, s) => {
                SqlType::Numeric(Some((*p as u8, *s as i8)))
            }
        },
        DataType::Text => SqlType::Text,
        DataType::Varchar(length) => SqlType::Varchar(match length {
            Some(CharacterLength::IntegerLength { length, .. }) => Some(*length as u32),
            _ => None,
        }),
        DataType::Bytea => SqlType::Bytea,
        DataType::Date => SqlType::Date,
        DataType::Time(..) => SqlType::Time,
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            SqlType::Timestamp(None)
        }
        DataType::Timestamp(_, _) => SqlType::Timestamptz(None),
        DataType::Interval { .. } => SqlType::Interval,
        DataType::Uuid => SqlType::Uuid,
        other => return Err(Error::unsupported(format!("type {other}"))),
    })
}
