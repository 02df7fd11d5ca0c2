//! `timezone(zone, time)`, which `time AT TIME ZONE zone` stands for: an instant as clocks of the zone
//! show it, and the instant at which they show a time.

use std::sync::{Arc, LazyLock};

use arrow::array::types::TimestampMicrosecondType;
use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::{Expr, ScalarUDF, lit};

use super::simple::simple;
use crate::error::{Error, Result};
use crate::types::text::Timezone;

/// The function.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![simple(
        "timezone",
        |types| match types {
            [zone, time] if zone.is_string() || zone.is_null() => {
                Some(vec![DataType::Utf8, timestamp_of(time)?])
            }
            _ => None,
        },
        |types, _| {
            let zone = match &types[1] {
                DataType::Timestamp(_, Some(_)) => None,
                _ => Some(Arc::from("UTC")),
            };
            Ok(Some(DataType::Timestamp(TimeUnit::Microsecond, zone)))
        },
        moved,
    )]
}

/// `timezone(zone, time)` for a zone that is known.
pub(crate) fn timezone(zone: Timezone, time: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| all().remove(0));
    let name = match zone {
        Timezone::Named(zone) => zone.name().to_owned(),
        // Counted west of Greenwich here.
        Timezone::Fixed(east) => {
            let (sign, offset) = if east > 0 { ('-', east) } else { ('+', -east) };
            format!("{sign}{:02}:{:02}:{:02}", offset / 3600, offset / 60 % 60, offset % 60)
        }
    };
    FUNCTION.call(vec![lit(name), time])
}

/// What a time is taken as: a date is midnight in the session's zone.
fn timestamp_of(kind: &DataType) -> Option<DataType> {
    let zone = match kind {
        DataType::Timestamp(_, None) => None,
        DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Utf8 | DataType::Null => {
            Some(Arc::from("UTC"))
        }
        _ => return None,
    };
    Some(DataType::Timestamp(TimeUnit::Microsecond, zone))
}

fn moved(args: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
    let zones = args[0].as_string::<i32>();
    let times = args[1].as_primitive::<TimestampMicrosecondType>();
    let to_local = matches!(args[1].data_type(), DataType::Timestamp(_, Some(_)));
    let mut known: Option<(&str, Timezone)> = None;
    let mut values = Vec::with_capacity(times.len());
    for row in 0..times.len() {
        if zones.is_null(row) || times.is_null(row) {
            values.push(None);
            continue;
        }
        let name = zones.value(row);
        let zone = match known {
            Some((last, zone)) if last == name => zone,
            _ => zone_of(name)?,
        };
        known = Some((name, zone));
        let time = times.value(row);
        values.push(Some(match to_local {
            true => time.saturating_add(i64::from(zone.offset_at(time)) * 1_000_000),
            false => zone.instant_of(time),
        }));
    }
    let values: TimestampMicrosecondArray = values.into_iter().collect();
    Ok(Arc::new(values.with_data_type(kind.clone())))
}

/// The zone of a name. A bare offset counts west of Greenwich here, as in POSIX.
fn zone_of(name: &str) -> Result<Timezone> {
    match Timezone::parse(name) {
        Some(Timezone::Fixed(offset)) => Ok(Timezone::Fixed(-offset)),
        Some(zone) => Ok(zone),
        None => Err(Error::invalid_parameter(format!("time zone \"{name}\" not recognized"))),
    }
}
