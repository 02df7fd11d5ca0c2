//! `generate_series` as an array, which FROM and select lists unnest, and the numbers of unnested elements.

use std::sync::Arc;

use arrow::array::builder::{
    Decimal128Builder, Int32Builder, Int64Builder, ListBuilder, PrimitiveBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::array::types::{
    Decimal128Type, Int32Type, Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use chrono::{DateTime, Months, NaiveDateTime};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::simple::{polymorphic, simple};
use crate::error::{Error, Result, SqlState};

/// The function that numbers the elements of arrays side by side.
const ORDINALS: &str = "__ordinals";

pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        polymorphic("generate_series", arguments, typing, series),
        simple(
            ORDINALS,
            |types| Some(types.to_vec()),
            |_, _| Ok(Some(list(DataType::Int64))),
            ordinals,
        ),
    ]
}

/// `ORDINALS`
pub(crate) fn ordinals_function() -> Arc<ScalarUDF> {
    all().swap_remove(1)
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(of, true)))
}

fn arguments(types: &[DataType]) -> Option<Vec<DataType>> {
    let ([start, stop] | [start, stop, _]) = types else { return None };
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let of = |kinds: &[DataType]| kinds.iter().any(|kind| types[..2].contains(kind));
    if [start, stop].iter().any(|kind| kind.is_temporal()) {
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let zoned = |kind: &&DataType| matches!(kind, DataType::Timestamp(_, Some(_)));
        // A date becomes what times prefer to be.
        let kind = match [start, stop].into_iter().find(zoned) {
            Some(kind) => kind.clone(),
            None if of(std::slice::from_ref(&time)) => time,
            None => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        return (types.len() == 3).then(|| vec![kind.clone(), kind, interval]);
    }
    let number = |kind: &DataType| kind.is_numeric() || kind.is_null() || kind.is_string();
    if !types.iter().all(number) {
        return None;
    }
    let scale = types.iter().filter_map(|kind| match kind {
        DataType::Decimal128(_, scale) => Some(*scale),
        _ => None,
    });
    let kind = match scale.max() {
        Some(scale) => DataType::Decimal128(38, scale),
        None if types.iter().any(DataType::is_floating) => return None,
        None if types.contains(&DataType::Int64) => DataType::Int64,
        None => DataType::Int32,
    };
    Some(vec![kind; types.len()])
}

fn typing(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<Option<DataType>> {
    Ok(types.first().map(|kind| list(kind.clone())))
}

fn series(args: &[ArrayRef], result: &DataType) -> Result<ArrayRef> {
    let kind = args[0].data_type().clone();
    let nothing = || Error::internal(format!("generate_series of {kind}"));
    Ok(match &kind {
        DataType::Int32 => {
            let add = |one: i32, step: i32| one.checked_add(step);
            numbers::<Int32Type>(args, Int32Builder::new(), &1, add)?
        }
        DataType::Int64 => {
            let add = |one: i64, step: i64| one.checked_add(step);
            numbers::<Int64Type>(args, Int64Builder::new(), &1, add)?
        }
        DataType::Decimal128(_, scale) => {
            let one = 10_i128.pow(u32::try_from(*scale).map_err(|_| nothing())?);
            let builder = Decimal128Builder::new().with_data_type(kind.clone());
            numbers::<Decimal128Type>(args, builder, &one, i128::checked_add)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => times(args, result)?,
        _ => return Err(nothing()),
    })
}

fn no_step() -> Error {
    Error::new(SqlState::InvalidParameterValue, "step size cannot equal zero")
}

fn numbers<T: ArrowPrimitiveType>(
    args: &[ArrayRef],
    builder: PrimitiveBuilder<T>,
    one: &T::Native,
    add: impl Fn(T::Native, T::Native) -> Option<T::Native>,
) -> Result<ArrayRef>
where
    T::Native: PartialOrd + Default + Copy,
{
    let field = Field::new_list_field(args[0].data_type().clone(), true);
    let mut lists = ListBuilder::new(builder).with_field(field);
    let (starts, stops) = (args[0].as_primitive::<T>(), args[1].as_primitive::<T>());
    let steps = args.get(2).map(|steps| steps.as_primitive::<T>());
    let zero = T::Native::default();
    for row in 0..starts.len() {
        let null = starts.is_null(row) || stops.is_null(row);
        if null || steps.is_some_and(|steps| steps.is_null(row)) {
            lists.append(false);
            continue;
        }
        let (start, stop) = (starts.value(row), stops.value(row));
        let step = steps.map_or(*one, |steps| steps.value(row));
        if step == zero {
            return Err(no_step());
        }
        let mut next = Some(start);
        while let Some(value) = next
            && if step > zero { value <= stop } else { value >= stop }
        {
            lists.values().append_value(value);
            next = add(value, step);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn times(args: &[ArrayRef], result: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = result else { return Err(Error::internal("a series is a list")) };
    let builder = TimestampMicrosecondBuilder::new().with_data_type(field.data_type().clone());
    let mut lists = ListBuilder::new(builder).with_field(Arc::clone(field));
    let [starts, stops] = [0, 1].map(|n: usize| args[n].as_primitive::<TimestampMicrosecondType>());
    let steps = args[2].as_primitive::<IntervalMonthDayNanoType>();
    for row in 0..starts.len() {
        if starts.is_null(row) || stops.is_null(row) || steps.is_null(row) {
            lists.append(false);
            continue;
        }
        let (start, stop, step) = (starts.value(row), stops.value(row), steps.value(row));
        let days = i128::from(step.months) * 30 + i128::from(step.days);
        let sign = days * 86_400_000_000_000 + i128::from(step.nanoseconds);
        if sign == 0 {
            return Err(no_step());
        }
        let mut next = Some(start);
        while let Some(value) = next
            && if sign > 0 { value <= stop } else { value >= stop }
        {
            lists.values().append_value(value);
            next = later(value, step);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// A time and an interval, months first; none beyond the times that there are.
fn later(time_us: i64, step: IntervalMonthDayNano) -> Option<i64> {
    let time: NaiveDateTime = DateTime::from_timestamp_micros(time_us)?.naive_utc();
    let months = Months::new(step.months.unsigned_abs());
    let time = match step.months >= 0 {
        true => time.checked_add_months(months)?,
        false => time.checked_sub_months(months)?,
    };
    let days = i64::from(step.days).checked_mul(86_400_000_000)?;
    time.and_utc().timestamp_micros().checked_add(days)?.checked_add(step.nanoseconds / 1000)
}

/// Per row 1, 2, … up to the length of the longest array.
fn ordinals(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(Int64Builder::new());
    let arrays = args.iter().map(|arg| arg.as_list_opt::<i32>()).collect::<Option<Vec<_>>>();
    let arrays = arrays.ok_or_else(|| Error::internal("ordinals of what is no array"))?;
    for row in 0..args.first().map_or(0, |arg| arg.len()) {
        let lengths = arrays.iter().map(|array| match array.is_null(row) {
            true => 0,
            false => i64::from(array.value_length(row)),
        });
        for number in 1..=lengths.max().unwrap_or(0) {
            lists.values().append_value(number);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
