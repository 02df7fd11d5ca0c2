//! Made-up rows, column by column: sequences and seeded random values. A value is a function of the
//! seed, the column and the row's number, so every reading gives the same rows.
//!
//! Options: `rows`, `rate` per second, `seed`, and per column `fields.<column>.<what>`:
//! `kind` (sequence, random), `start`, `end`, `step`, `min`, `max`, `length`, `values` (a list to choose
//! from), `null_rate`. The source ends with `rows`, or where a sequence with an `end` does.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray,
};
use arrow::compute::{CastOptions, cast, cast_with_options, nullif};
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};

use super::generator::{Generator, GeneratorReader};
use super::metadata::Assembler;
use super::options::{Options, invalid};
use super::{Position, SourceReader, SourceSpec};
use crate::error::{Error, Result};
use crate::types::pg_type;

/// Characters of random texts.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
/// Where sequences of times begin by default: 2000-01-01, in microseconds since the Unix epoch.
const TIME_START: i64 = 946_684_800_000_000;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

pub(super) fn open(
    spec: &SourceSpec,
    position: Option<&Position>,
    until: Option<&Position>,
) -> Result<Box<dyn SourceReader>> {
    let schema = Assembler::new(spec)?.decoded();
    let mut options = Options::new("connector \"datagen\"", &spec.options);
    let rows = options.parsed::<u64>("rows", "a number of rows")?;
    let rate = options.rate("rate")?;
    let seed = options.parsed::<u64>("seed", "a number")?.unwrap_or(0);
    let mut columns = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        columns.push(ColumnMaker::new(&mut options, field, mix(seed ^ mix(index as u64)))?);
    }
    options.finish()?;
    let ends = columns.iter().filter_map(ColumnMaker::end);
    let count = ends.chain(rows).min();
    let generator = Datagen { schema, columns, count };
    Ok(Box::new(GeneratorReader::new(spec, Box::new(generator), rate, position, until)?))
}

struct Datagen {
    schema: SchemaRef,
    columns: Vec<ColumnMaker>,
    count: Option<u64>,
}

impl Generator for Datagen {
    fn rows(&mut self, from: u64, count: usize) -> Result<RecordBatch> {
        let columns = itertools::zip_eq(&self.columns, self.schema.fields())
            .map(|(column, field)| column.rows(field, from, count));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn count(&self) -> Option<u64> {
        self.count
    }
}

/// How a column's values come from row numbers.
#[derive(Clone, Debug)]
enum Maker {
    /// `start + row * step`, up to `end`.
    Sequence { start: i64, step: i64, end: Option<i64> },
    /// Between `min` and `max`, both included.
    Integer { min: i64, max: i64 },
    /// Between `min` and `max`.
    Float { min: f64, max: f64 },
    /// True or false.
    Bool,
    /// So many letters.
    Text { length: usize },
    /// One of these.
    Choice(StringArray),
}

/// What the options say about a column of numbers or times.
struct Given<'a> {
    kind: Option<&'static str>,
    start: Option<&'a str>,
    end: Option<&'a str>,
    step: Option<&'a str>,
    min: Option<&'a str>,
    max: Option<&'a str>,
}

impl Given<'_> {
    /// A sequence unless `kind`, `min` or `max` say random.
    fn whole(&self, key: &dyn Fn(&str) -> String, data_type: &DataType) -> Result<Maker> {
        let time = unit(data_type);
        let value = |name: &str, text: Option<&str>, default: i64| match text {
            Some(text) => integer(&key(name), text, data_type),
            None => Ok(default),
        };
        let first = if time.is_some() { TIME_START } else { 0 };
        if self.kind == Some("random") || (self.kind.is_none() && self.min.or(self.max).is_some()) {
            let range = if time.is_some() { 365 * DAY } else { 1000 };
            let (min, max) =
                (value("min", self.min, first)?, value("max", self.max, first + range)?);
            if min > max {
                return Err(invalid(&key("max"), max, "at least min"));
            }
            return Ok(Maker::Integer { min, max });
        }
        let step = match self.step {
            Some(text) => step_of(&key("step"), text, time)?,
            None => time.unwrap_or(1),
        };
        let start = value("start", self.start, first)?;
        let end = self.end.map(|text| integer(&key("end"), text, data_type)).transpose()?;
        let reached = end.is_none_or(|end| end == start || (end > start) == (step > 0));
        if step == 0 || !reached {
            let text = self.end.or(self.step).unwrap_or("0");
            return Err(invalid(&key("end"), text, "what steps from the start reach"));
        }
        Ok(Maker::Sequence { start, step, end })
    }
}

struct ColumnMaker {
    maker: Maker,
    seed: u64,
    null_rate: f64,
}

impl ColumnMaker {
    fn new(options: &mut Options<'_>, field: &Field, seed: u64) -> Result<ColumnMaker> {
        let key = |what: &str| format!("fields.{}.{what}", field.name().to_lowercase());
        let given = Given {
            kind: options.word(&key("kind"), &["sequence", "random"])?,
            start: options.text(&key("start")),
            end: options.text(&key("end")),
            step: options.text(&key("step")),
            min: options.text(&key("min")),
            max: options.text(&key("max")),
        };
        let length = options.parsed::<usize>(&key("length"), "a number of characters")?;
        let values = options.text(&key("values"));
        let null_rate =
            options.parsed(&key("null_rate"), "a number between 0 and 1")?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(invalid(&key("null_rate"), null_rate, "between 0 and 1"));
        }
        let whole = field.data_type().is_integer() || unit(field.data_type()).is_some();
        let maker = match field.data_type() {
            _ if let Some(values) = values => {
                Maker::Choice(values.split(',').map(|value| Some(value.trim())).collect())
            }
            data_type if whole => given.whole(&key, data_type)?,
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) => {
                let (min, max) = (given.min.unwrap_or("0"), given.max.unwrap_or("1000"));
                let float = |name: &str, text: &str| {
                    text.parse::<f64>().map_err(|_| invalid(&key(name), text, "a number"))
                };
                Maker::Float { min: float("min", min)?, max: float("max", max)? }
            }
            DataType::Boolean => Maker::Bool,
            DataType::Utf8 => Maker::Text { length: length.unwrap_or(10) },
            _ => {
                return Err(Error::unsupported(format!(
                    "datagen for a column of type {}",
                    pg_type::of_field(field).sql_name
                ))
                .hint("Leave the column out, or compute it in a view."));
            }
        };
        Ok(ColumnMaker { maker, seed, null_rate })
    }

    /// How many rows there are before the sequence ends.
    fn end(&self) -> Option<u64> {
        let Maker::Sequence { start, step, end: Some(end) } = self.maker else { return None };
        Some(end.abs_diff(start) / step.unsigned_abs() + 1)
    }

    fn rows(&self, field: &Field, from: u64, count: usize) -> Result<ArrayRef> {
        let numbers = from..from + count as u64;
        let random = numbers.clone().map(|row| mix(self.seed ^ mix(row)));
        let column: ArrayRef = match &self.maker {
            Maker::Sequence { start, step, .. } => Arc::new(Int64Array::from_iter_values(
                numbers.map(|row| start.wrapping_add(row.cast_signed().wrapping_mul(*step))),
            )),
            Maker::Integer { min, max } => {
                let values = max.abs_diff(*min).checked_add(1);
                Arc::new(Int64Array::from_iter_values(random.map(|bits| {
                    let above = values.map_or(bits, |values| scale(bits, values));
                    min.wrapping_add(above.cast_signed())
                })))
            }
            Maker::Float { min, max } => Arc::new(Float64Array::from_iter_values(
                random.map(|bits| min + fraction(bits) * (max - min)),
            )),
            Maker::Bool => {
                Arc::new(random.map(|bits| Some(bits >> 63 == 1)).collect::<BooleanArray>())
            }
            Maker::Text { length } => Arc::new(texts(random, count, *length)),
            Maker::Choice(values) => {
                let chosen = random
                    .map(|bits| u32::try_from(scale(bits, values.len() as u64)).expect("an index"));
                let chosen = arrow::array::UInt32Array::from_iter_values(chosen);
                arrow::compute::take(values, &chosen, None)?
            }
        };
        let column = typed(&column, field.data_type())?;
        if self.null_rate == 0.0 {
            return Ok(column);
        }
        let rows = from..from + count as u64;
        let nulls = rows.map(|row| Some(fraction(mix(!self.seed ^ mix(row))) < self.null_rate));
        Ok(nullif(&column, &nulls.collect::<BooleanArray>())?)
    }
}

fn texts(random: impl Iterator<Item = u64>, rows: usize, length: usize) -> StringArray {
    let mut builder = arrow::array::StringBuilder::with_capacity(rows, rows * length);
    let mut text = String::with_capacity(length);
    for bits in random {
        text.clear();
        let mut bits = bits;
        for place in 0..length {
            if place % 12 == 0 {
                bits = mix(bits);
            }
            text.push(char::from(LETTERS[(bits & 31) as usize]));
            bits >>= 5;
        }
        builder.append_value(&text);
    }
    builder.finish()
}

/// Whole numbers stand for times in microseconds; the rest is Arrow's cast.
fn typed(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    if unit(to).is_none() || column.data_type() != &DataType::Int64 {
        return Ok(cast_with_options(column, to, &options)?);
    }
    let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    match to {
        DataType::Timestamp(_, Some(_)) => Ok(cast(column, to)?),
        _ => Ok(cast_with_options(&micros, to, &options)?),
    }
}

/// The default step of a type of time, in microseconds.
fn unit(data_type: &DataType) -> Option<i64> {
    match data_type {
        DataType::Timestamp(_, _) => Some(SECOND),
        DataType::Date32 => Some(DAY),
        _ => None,
    }
}

/// A whole number, or a time as microseconds.
fn integer(key: &str, text: &str, data_type: &DataType) -> Result<i64> {
    if unit(data_type).is_none() {
        return text.parse().map_err(|_| invalid(key, text, "a whole number"));
    }
    let text_array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let parsed = cast(&text_array, &micros).and_then(|time| cast(&time, &DataType::Int64));
    let value = parsed.ok().filter(|value| value.is_valid(0));
    let value =
        value.and_then(|value| value.as_any().downcast_ref::<Int64Array>().map(|v| v.value(0)));
    value.ok_or_else(|| invalid(key, text, "a date or timestamp"))
}

/// A step: a whole number, or for times a number with a unit.
fn step_of(key: &str, text: &str, time: Option<i64>) -> Result<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let suffix = text[digits.len()..].trim();
    let factor = match (time, suffix) {
        (None, "") => Some(1),
        (Some(_), "us") => Some(1),
        (Some(_), "ms") => Some(1000),
        (Some(_), "s") => Some(SECOND),
        (Some(_), "min") => Some(60 * SECOND),
        (Some(_), "h") => Some(3600 * SECOND),
        (Some(_), "d") => Some(DAY),
        _ => None,
    };
    let step = factor.and_then(|factor| digits.parse::<i64>().ok()?.checked_mul(factor));
    let expected = if time.is_some() {
        "a number with a unit (us, ms, s, min, h, d)"
    } else {
        "a whole number"
    };
    step.ok_or_else(|| invalid(key, text, expected))
}

/// SplitMix64's finalizer: equal inputs give equal outputs for ever, near ones unrelated ones.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number below `count`, by the high bits.
fn scale(bits: u64, count: u64) -> u64 {
    ((u128::from(bits) * u128::from(count)) >> 64) as u64
}

/// A number from 0 to below 1.
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
