//! `min` and `max`: the running value of an input that only grows, else all values in order.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray,
    IntervalMonthDayNanoArray, PrimitiveArray, StringArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};

use super::cell::Cell;
use super::changes::Changes;
use crate::error::{Error, Result};
use crate::state::SegmentedVec;
use crate::state::ordered::{Least, OrderedMultiset};
use crate::types::exact_float::split;

/// An interval by its length (a month is 30 days, a day 24 hours), then by its fields, packed: the
/// fields tell intervals of one length apart, since `1 mon` and `30 days` are shown differently.
type Length = (i128, i128);

/// A column of extremes.
#[derive(Debug)]
pub(super) struct Extremes {
    data_type: DataType,
    values: Values,
}

/// By the form in which values are compared.
#[derive(Debug)]
enum Values {
    Narrow(Extreme<i64>),
    Wide(Extreme<i128>),
    Interval(Extreme<Length>),
    Bytes(Extreme<Box<[u8]>>),
}

#[derive(Debug)]
struct Extreme<T> {
    /// What compares so replaces the extreme.
    better: Ordering,
    kept: Kept<T>,
}

#[derive(Debug)]
enum Kept<T> {
    Running(SegmentedVec<Option<T>>),
    All(OrderedMultiset<T>),
}

/// A value with a saved form.
trait Value: Least {
    fn write(&self, to: &mut Vec<u8>);
    fn read(from: &mut &[u8]) -> Option<Self>;
}

impl Value for i64 {
    fn write(&self, to: &mut Vec<u8>) {
        Cell::write(self, to);
    }

    fn read(from: &mut &[u8]) -> Option<i64> {
        Cell::read(from)
    }
}

impl Value for i128 {
    fn write(&self, to: &mut Vec<u8>) {
        Cell::write(self, to);
    }

    fn read(from: &mut &[u8]) -> Option<i128> {
        Cell::read(from)
    }
}

impl Value for Length {
    fn write(&self, to: &mut Vec<u8>) {
        Cell::write(&self.0, to);
        Cell::write(&self.1, to);
    }

    fn read(from: &mut &[u8]) -> Option<Length> {
        Some((Cell::read(from)?, Cell::read(from)?))
    }
}

impl Value for Box<[u8]> {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend(u32::try_from(self.len()).expect("a value is below 4 GB").to_le_bytes());
        to.extend(&**self);
    }

    fn read(from: &mut &[u8]) -> Option<Box<[u8]>> {
        let size = u32::from_le_bytes(*split(from)?) as usize;
        let (value, rest) = from.split_at_checked(size)?;
        *from = rest;
        Some(value.into())
    }
}

impl<T: Value> Extreme<T> {
    fn new(greatest: bool, append_only: bool) -> Extreme<T> {
        let better = if greatest { Ordering::Greater } else { Ordering::Less };
        let kept = if append_only {
            Kept::Running(SegmentedVec::new())
        } else {
            Kept::All(OrderedMultiset::default())
        };
        Extreme { better, kept }
    }

    fn grow(&mut self, groups: usize) {
        if let Kept::Running(values) = &mut self.kept {
            values.grow(groups, &None);
        }
    }

    #[inline]
    fn update(&mut self, changes: &Changes<'_>, value: impl Fn(usize) -> T) {
        match &mut self.kept {
            Kept::Running(running) => changes.each(|row, group, _| {
                let (kept, value) = (&mut running[group], value(row));
                if kept.as_ref().is_none_or(|kept| value.cmp(kept) == self.better) {
                    *kept = Some(value);
                }
            }),
            Kept::All(all) => changes.each(|row, group, weight| all.add(group, value(row), weight)),
        }
    }

    fn of(&self, group: u32) -> Option<&T> {
        match &self.kept {
            Kept::Running(running) => running[group].as_ref(),
            Kept::All(all) if self.better == Ordering::Greater => all.last(group),
            Kept::All(all) => all.first(group),
        }
    }

    fn clear(&self, group: u32) -> bool {
        match &self.kept {
            Kept::Running(running) => running[group].is_none(),
            Kept::All(all) => all.entries(group).next().is_none(),
        }
    }

    fn reset(&mut self, group: u32) {
        match &mut self.kept {
            Kept::Running(running) => running[group] = None,
            Kept::All(all) => debug_assert!(all.entries(group).next().is_none(), "it is clear"),
        }
    }

    fn write(&self, group: u32, to: &mut Vec<u8>) {
        let mut entries = vec![];
        match &self.kept {
            Kept::Running(running) => entries.extend(running[group].iter().map(|v| (v, 1))),
            Kept::All(all) => entries.extend(all.entries(group)),
        }
        Cell::write(&i64::try_from(entries.len()).expect("fits memory"), to);
        for (value, count) in entries {
            value.write(to);
            Cell::write(&count, to);
        }
    }

    fn read(&mut self, group: u32, from: &mut &[u8]) -> Option<()> {
        let entries: i64 = Cell::read(from)?;
        for _ in 0..entries {
            let value = T::read(from)?;
            let count = Cell::read(from)?;
            match &mut self.kept {
                Kept::Running(running) => running[group] = Some(value),
                Kept::All(all) => all.add(group, value, count),
            }
        }
        Some(())
    }

    fn byte_size(&self) -> usize {
        match &self.kept {
            Kept::Running(running) => running.byte_size(),
            Kept::All(all) => all.len() * (size_of::<((u32, T), i64)>() + 8),
        }
    }
}

macro_rules! each_form {
    ($values:expr, $form:ident => $body:expr) => {
        match $values {
            Values::Narrow($form) => $body,
            Values::Wide($form) => $body,
            Values::Interval($form) => $body,
            Values::Bytes($form) => $body,
        }
    };
}

impl Extremes {
    /// `None` if values of the type have no order here.
    pub(super) fn new(greatest: bool, data_type: &DataType, append_only: bool) -> Option<Extremes> {
        let values = match data_type {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Date32
            | DataType::Time64(TimeUnit::Microsecond)
            | DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Narrow(Extreme::new(greatest, append_only))
            }
            DataType::Decimal128(_, _) => Values::Wide(Extreme::new(greatest, append_only)),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Values::Interval(Extreme::new(greatest, append_only))
            }
            DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_) => {
                Values::Bytes(Extreme::new(greatest, append_only))
            }
            _ => return None,
        };
        Some(Extremes { data_type: data_type.clone(), values })
    }

    pub(super) fn grow(&mut self, groups: usize) {
        each_form!(&mut self.values, form => form.grow(groups));
    }

    pub(super) fn update(&mut self, argument: &ArrayRef, changes: &Changes<'_>) -> Result<()> {
        match &mut self.values {
            Values::Narrow(form) => update_narrow(form, argument, changes)?,
            Values::Wide(form) => {
                let values = argument.as_primitive::<Decimal128Type>().values();
                form.update(changes, |row| values[row]);
            }
            Values::Interval(form) => {
                let values = argument.as_primitive::<IntervalMonthDayNanoType>().values();
                form.update(changes, |row| pack(values[row]));
            }
            Values::Bytes(form) => match argument.data_type() {
                DataType::Utf8 => {
                    let values = argument.as_string::<i32>();
                    update_bytes(form, changes, |row| values.value(row).as_bytes());
                }
                DataType::FixedSizeBinary(_) => {
                    let values = argument.as_fixed_size_binary();
                    update_bytes(form, changes, |row| values.value(row));
                }
                _ => {
                    let values = argument.as_binary::<i32>();
                    update_bytes(form, changes, |row| values.value(row));
                }
            },
        }
        Ok(())
    }

    pub(super) fn output(&self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(match &self.values {
            Values::Narrow(form) => {
                narrow_array(&self.data_type, groups.iter().map(|&group| form.of(group).copied()))?
            }
            Values::Wide(form) => {
                let values = groups.iter().map(|&group| form.of(group).copied());
                let array: Decimal128Array = values.collect();
                Arc::new(array.with_data_type(self.data_type.clone()))
            }
            Values::Interval(form) => {
                let values = groups.iter().map(|&group| form.of(group).map(unpack));
                Arc::new(values.collect::<IntervalMonthDayNanoArray>())
            }
            Values::Bytes(form) => {
                let values = groups.iter().map(|&group| form.of(group).map(|bytes| &**bytes));
                match &self.data_type {
                    DataType::Utf8 => Arc::new(StringArray::try_from_binary(values.collect())?),
                    DataType::FixedSizeBinary(size) => Arc::new(
                        FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, *size)?,
                    ),
                    _ => Arc::new(values.collect::<BinaryArray>()),
                }
            }
        })
    }

    pub(super) fn reset(&mut self, group: u32) {
        each_form!(&mut self.values, form => form.reset(group));
    }

    pub(super) fn clear(&self, group: u32) -> bool {
        each_form!(&self.values, form => form.clear(group))
    }

    pub(super) fn write(&self, group: u32, to: &mut Vec<u8>) {
        each_form!(&self.values, form => form.write(group, to));
    }

    pub(super) fn read(&mut self, group: u32, from: &mut &[u8]) -> Option<()> {
        each_form!(&mut self.values, form => form.read(group, from))
    }

    pub(super) fn byte_size(&self) -> usize {
        each_form!(&self.values, form => form.byte_size())
    }
}

/// Bytes are compared where they lie and copied only if kept.
fn update_bytes<'a>(
    form: &mut Extreme<Box<[u8]>>,
    changes: &Changes<'_>,
    value: impl Fn(usize) -> &'a [u8],
) {
    match &mut form.kept {
        Kept::Running(running) => changes.each(|row, group, _| {
            let (kept, value) = (&mut running[group], value(row));
            if kept.as_deref().is_none_or(|kept| value.cmp(kept) == form.better) {
                *kept = Some(value.into());
            }
        }),
        Kept::All(all) => {
            changes.each(|row, group, weight| all.add(group, value(row).into(), weight));
        }
    }
}

fn update_narrow(
    form: &mut Extreme<i64>,
    argument: &ArrayRef,
    changes: &Changes<'_>,
) -> Result<()> {
    fn ints<T: ArrowPrimitiveType>(
        form: &mut Extreme<i64>,
        argument: &ArrayRef,
        changes: &Changes<'_>,
    ) where
        T::Native: Into<i64>,
    {
        let values = argument.as_primitive::<T>().values();
        form.update(changes, |row| values[row].into());
    }
    match argument.data_type() {
        DataType::Boolean => {
            let values = argument.as_boolean().values();
            form.update(changes, |row| i64::from(values.value(row)));
        }
        DataType::Int8 => ints::<Int8Type>(form, argument, changes),
        DataType::Int16 => ints::<Int16Type>(form, argument, changes),
        DataType::Int32 => ints::<Int32Type>(form, argument, changes),
        DataType::Int64 => ints::<Int64Type>(form, argument, changes),
        DataType::Date32 => ints::<Date32Type>(form, argument, changes),
        DataType::Time64(_) => ints::<Time64MicrosecondType>(form, argument, changes),
        DataType::Timestamp(_, _) => ints::<TimestampMicrosecondType>(form, argument, changes),
        DataType::Float32 => {
            let values = argument.as_primitive::<Float32Type>().values();
            form.update(changes, |row| float_rank(values[row].into()));
        }
        DataType::Float64 => {
            let values = argument.as_primitive::<Float64Type>().values();
            form.update(changes, |row| float_rank(values[row]));
        }
        other => return Err(Error::internal(format!("extreme of {other}"))),
    }
    Ok(())
}

/// The inverse of [`update_narrow`]'s widening.
fn narrow_array(
    data_type: &DataType,
    values: impl Iterator<Item = Option<i64>>,
) -> Result<ArrayRef> {
    macro_rules! narrowed {
        ($type:ty, $value:ident => $native:expr) => {{
            let array: PrimitiveArray<$type> =
                values.map(|value| value.map(|$value| $native)).collect();
            Arc::new(array.with_data_type(data_type.clone()))
        }};
    }
    Ok(match data_type {
        DataType::Boolean => {
            Arc::new(values.map(|value| value.map(|v| v != 0)).collect::<BooleanArray>())
        }
        DataType::Int8 => narrowed!(Int8Type, value => value as i8),
        DataType::Int16 => narrowed!(Int16Type, value => value as i16),
        DataType::Int32 => narrowed!(Int32Type, value => value as i32),
        DataType::Int64 => narrowed!(Int64Type, value => value),
        DataType::Date32 => narrowed!(Date32Type, value => value as i32),
        DataType::Time64(_) => narrowed!(Time64MicrosecondType, value => value),
        DataType::Timestamp(_, _) => narrowed!(TimestampMicrosecondType, value => value),
        DataType::Float32 => narrowed!(Float32Type, value => float_of_rank(value) as f32),
        DataType::Float64 => narrowed!(Float64Type, value => float_of_rank(value)),
        other => return Err(Error::internal(format!("extreme of {other}"))),
    })
}

/// An integer that orders floats as Postgres does: NaN is the greatest.
fn float_rank(value: f64) -> i64 {
    let bits = if value.is_nan() { f64::NAN } else { value }.to_bits().cast_signed();
    bits ^ (bits >> 63).cast_unsigned().wrapping_shr(1).cast_signed()
}

fn float_of_rank(rank: i64) -> f64 {
    let bits = rank ^ (rank >> 63).cast_unsigned().wrapping_shr(1).cast_signed();
    f64::from_bits(bits.cast_unsigned())
}

fn pack(value: IntervalMonthDayNano) -> Length {
    const DAY_NANOSECONDS: i128 = 86_400_000_000_000;
    let days = i128::from(value.months) * 30 + i128::from(value.days);
    let length = days * DAY_NANOSECONDS + i128::from(value.nanoseconds);
    let fields = i128::from(value.months) << 96
        | i128::from(value.days.cast_unsigned()) << 64
        | i128::from(value.nanoseconds.cast_unsigned());
    (length, fields)
}

fn unpack((_, fields): &Length) -> IntervalMonthDayNano {
    // Casts cut the packed fields apart.
    IntervalMonthDayNano::new((fields >> 96) as i32, (fields >> 64) as i32, *fields as i64)
}
