//! Conversions as Postgres makes them: text in its own forms, rounding instead of truncation, range
//! errors instead of nulls.

use std::sync::Arc;

use arrow::array::types::{
    Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, StringArray, make_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::decimal::rounded;
use crate::error::{Error, SqlState};
use crate::types::sql_type::SqlType;
use crate::types::text::{self, Timezone};

/// The conversion to `to`; an assignment refuses texts that are too long where a cast cuts them.
fn cast_function(to: FieldRef, assignment: bool) -> Arc<ScalarUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    let zone = Timezone::default();
    Arc::new(ScalarUDF::new_from_impl(Cast { to, assignment, zone, signature }))
}

/// `expr` of type `from` converted to `to`, where that [`differs`] from Arrow's conversion.
pub(crate) fn conversion(expr: Expr, from: &DataType, to: FieldRef, assignment: bool) -> Expr {
    let kind = to.data_type();
    // Which clocks an instant is read by is found in the conversion between the types, then it is rounded.
    let rounded = text::precision(&to).is_some() && !from.is_string() && from != kind;
    let expr = if rounded {
        Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(expr), kind.clone()))
    } else {
        expr
    };
    cast_function(to, assignment).call(vec![expr])
}

/// A conversion made by [`conversion`] between a text and an instant, in the clocks of `zone`.
pub(crate) fn zoned_cast(
    function: &ScalarUDF,
    from: &[DataType],
    zone: Timezone,
) -> Option<Arc<ScalarUDF>> {
    let cast = function.inner().downcast_ref::<Cast>()?;
    let instant = |kind: &DataType| match kind {
        DataType::List(item) => matches!(item.data_type(), DataType::Timestamp(_, Some(_))),
        other => matches!(other, DataType::Timestamp(_, Some(_))),
    };
    if cast.zone == zone || !(instant(cast.to.data_type()) || from.iter().any(instant)) {
        return None;
    }
    let (to, signature) = (Arc::clone(&cast.to), cast.signature.clone());
    let zoned = Cast { to, assignment: cast.assignment, zone, signature };
    Some(Arc::new(ScalarUDF::new_from_impl(zoned)))
}

/// Whether converting `from` to `to` differs from what Arrow's kernel does.
pub(crate) fn differs(from: &DataType, to: &Field) -> bool {
    let kind = to.data_type();
    if text::precision(to).is_some() {
        return true;
    }
    if kind.is_string() && (length(to).is_some() || is_json(to)) {
        return true;
    }
    if from == kind || from.is_null() {
        return false;
    }
    if from.is_nested() || kind.is_nested() {
        return true;
    }
    let whole = |kind: &DataType| kind.is_integer();
    match (from, kind) {
        (one, other) if one.is_string() != other.is_string() => true,
        (one, other) if whole(one) && whole(other) => {
            one.primitive_width() > other.primitive_width()
        }
        (DataType::Decimal128(_, _), _) | (_, DataType::Decimal128(_, _)) => true,
        (one, other) => one.is_floating() && (whole(other) || *other == DataType::Float32),
    }
}

/// Whether the values of a field are JSON, which not every text is.
pub(crate) fn is_json(field: &Field) -> bool {
    matches!(SqlType::of_field(field), Some(SqlType::Json | SqlType::Jsonb))
}

/// How many characters a `varchar(n)` or `char(n)` holds, and whether it is padded to that.
fn length(field: &Field) -> Option<(usize, bool)> {
    match SqlType::of_field(field)? {
        SqlType::Varchar(Some(length)) => Some((length as usize, false)),
        SqlType::Char(length) => Some((length as usize, true)),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: FieldRef,
    assignment: bool,
    /// Whose clocks a text shows of an instant.
    zone: Timezone,
    signature: Signature,
}

impl Cast {
    fn converted(&self, array: &ArrayRef, from: &Field) -> crate::error::Result<ArrayRef> {
        let style = text::Style { timezone: self.zone, ..text::Style::default() };
        let array = converted(array, from, &self.to, self.assignment, &style)?;
        let array = text::to_precision(array, &self.to);
        // The elements of a list may carry a length or scale in their type.
        if array.data_type().is_nested() && array.data_type() != self.to.data_type() {
            let kind = self.to.data_type().clone();
            return Ok(make_array(array.to_data().into_builder().data_type(kind).build()?));
        }
        Ok(array)
    }

    fn type_name(&self) -> String {
        match SqlType::of_field(&self.to) {
            Some(sql_type) => sql_type.to_string(),
            None => self.to.data_type().to_string(),
        }
    }
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        "cast"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map_or_else(String::new, |arg| format!("{arg}::{}", self.type_name())))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let arg = args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default();
        Ok(format!("{arg}::{}", self.type_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.to.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields[0].is_nullable();
        let field = self.to.as_ref().clone().with_name("cast").with_nullable(nullable);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = &args.arg_fields[0];
        match &args.args[0] {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.converted(array, field)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = self.converted(&scalar.to_array()?, field)?;
                Ok(ColumnarValue::Scalar(only_value(&array)?))
            }
        }
    }
}

/// The value of an array of one. DataFusion's own function forgets what the type of a list says of its
/// elements: a scale, a length.
pub(crate) fn only_value(array: &ArrayRef) -> Result<ScalarValue> {
    match array.as_list_opt::<i32>() {
        Some(list) => Ok(ScalarValue::List(Arc::new(list.clone()))),
        None => ScalarValue::try_from_array(array, 0),
    }
}

/// `array` of type `from` as `to`.
fn converted(
    array: &ArrayRef,
    from: &Field,
    to: &Field,
    assignment: bool,
    style: &text::Style,
) -> crate::error::Result<ArrayRef> {
    let kind = to.data_type();
    match (array.data_type(), kind) {
        (one, other) if one.is_string() && other.is_string() && is_json(to) => {
            let texts = arrow::compute::cast(array, &DataType::Utf8)?;
            let texts: Vec<Option<&str>> = texts.as_string::<i32>().iter().collect();
            text::decode(&texts, to, style)
        }
        (one, other) if one.is_string() && other.is_string() => {
            fitted(&arrow::compute::cast(array, &DataType::Utf8)?, to, assignment)
        }
        (DataType::Boolean, other) if other.is_string() => {
            let words = array.as_boolean().iter();
            let words = words.map(|word| word.map(|word| if word { "true" } else { "false" }));
            let words: ArrayRef = Arc::new(words.collect::<StringArray>());
            fitted(&words, to, assignment)
        }
        (_, other) if other.is_string() => {
            let cells = text::encode(array, from, style)?;
            let texts: StringArray = (0..array.len()).map(|row| cells.text(row)).collect();
            let texts: ArrayRef = Arc::new(texts);
            fitted(&texts, to, assignment)
        }
        (one, _) if one.is_string() => {
            let texts = arrow::compute::cast(array, &DataType::Utf8)?;
            let texts: Vec<Option<&str>> = texts.as_string::<i32>().iter().collect();
            text::decode(&texts, to, style)
        }
        (one, other) if one.is_numeric() && other.is_numeric() => number(array, from, to, style),
        (DataType::Boolean, other) if other.is_integer() => Ok(arrow::compute::cast(array, other)?),
        (one, DataType::Boolean) if one.is_integer() => {
            let values = arrow::compute::cast(array, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>().iter();
            Ok(Arc::new(
                values.map(|value| value.map(|value| value != 0)).collect::<BooleanArray>(),
            ))
        }
        _ => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            Ok(cast_with_options(array, kind, &options)?)
        }
    }
}

/// A number as another kind of number.
fn number(
    array: &ArrayRef,
    from: &Field,
    to: &Field,
    style: &text::Style,
) -> crate::error::Result<ArrayRef> {
    let kind = to.data_type();
    match (array.data_type(), kind) {
        (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) => {
            Ok(Arc::new(rescaled(array.as_primitive(), *from, *precision, *scale)?))
        }
        (DataType::Decimal128(_, scale), other) if other.is_integer() => {
            let whole = rescaled(array.as_primitive(), *scale, 38, 0)?;
            narrowed(&(Arc::new(whole) as ArrayRef), other)
        }
        (one, DataType::Decimal128(precision, scale)) if one.is_integer() => {
            let exact = arrow::compute::cast(array, &DataType::Decimal128(20, 0))?;
            Ok(Arc::new(rescaled(exact.as_primitive(), 0, *precision, *scale)?))
        }
        (one, DataType::Decimal128(_, _)) if one.is_floating() => {
            let cells = text::encode(array, from, style)?;
            let texts: Vec<Option<&str>> = (0..array.len()).map(|row| cells.text(row)).collect();
            text::decode(&texts, to, style)
        }
        (DataType::Decimal128(_, scale), DataType::Float64) => {
            let values = array.as_primitive::<Decimal128Type>();
            Ok(Arc::new(values.unary::<_, Float64Type>(|value| nearest(value, *scale))))
        }
        (DataType::Decimal128(_, scale), DataType::Float32) => {
            let values = array.as_primitive::<Decimal128Type>();
            Ok(Arc::new(values.unary::<_, Float32Type>(|value| parsed(value, *scale))))
        }
        (DataType::Float32, other) if other.is_integer() => {
            let wide = arrow::compute::cast(array, &DataType::Float64)?;
            rounded_floats(&wide, other)
        }
        (DataType::Float64, other) if other.is_integer() => rounded_floats(array, other),
        (DataType::Float64, DataType::Float32) => {
            let narrow = arrow::compute::cast(array, kind)?;
            let pairs = itertools::zip_eq(
                array.as_primitive::<Float64Type>().values(),
                narrow.as_primitive::<Float32Type>().values(),
            );
            let overflows = |(wide, narrow): (&f64, &f32)| wide.is_finite() && narrow.is_infinite();
            if pairs.into_iter().any(overflows) {
                return Err(Error::new(
                    SqlState::NumericValueOutOfRange,
                    "value out of range: overflow",
                ));
            }
            Ok(narrow)
        }
        (one, other) if one.is_integer() && other.is_integer() => narrowed(array, other),
        _ => Ok(arrow::compute::cast(array, kind)?),
    }
}

/// The float nearest to `value` divided by ten to the `scale`.
fn nearest(value: i128, scale: i8) -> f64 {
    // Both operands are exact then, so the division rounds once.
    if value.unsigned_abs() < 1 << f64::MANTISSA_DIGITS && (0..=22).contains(&scale) {
        value as f64 / 10_f64.powi(i32::from(scale))
    } else {
        parsed(value, scale)
    }
}

/// The same by way of the digits.
fn parsed<F: std::str::FromStr>(value: i128, scale: i8) -> F {
    let digits = format!("{value}e{}", -i16::from(scale)).parse().ok();
    digits.expect("digits with an exponent are a float")
}

fn out_of_range(kind: &DataType) -> Error {
    let name = crate::plan::operator::sql_name(kind);
    Error::new(SqlState::NumericValueOutOfRange, format!("{name} out of range"))
}

/// Whole numbers as a narrower type.
fn narrowed(array: &ArrayRef, to: &DataType) -> crate::error::Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|_| out_of_range(to))
}

/// Floats as whole numbers: half to even.
fn rounded_floats(array: &ArrayRef, to: &DataType) -> crate::error::Result<ArrayRef> {
    let values = array.as_primitive::<Float64Type>();
    // The bounds are powers of two: exact as floats, and the upper one is just out of range.
    let bound = match to {
        DataType::Int16 => 32_768.0,
        DataType::Int32 => 2_147_483_648.0,
        _ => 9_223_372_036_854_775_808.0,
    };
    let whole = |value: f64| {
        let value = value.round_ties_even();
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        let whole = value as i64;
        (value >= -bound && value < bound)
            .then_some(whole)
            .ok_or_else(|| ArrowError::ArithmeticOverflow(String::new()))
    };
    let rounded: arrow::array::Int64Array =
        values.try_unary::<_, Int64Type, ArrowError>(whole).map_err(|_| out_of_range(to))?;
    match to {
        DataType::Int16 => Ok(Arc::new(rounded.unary::<_, Int16Type>(|value| value as i16))),
        DataType::Int32 => Ok(Arc::new(rounded.unary::<_, Int32Type>(|value| value as i32))),
        _ => Ok(Arc::new(rounded)),
    }
}

/// Decimals with another number of digits after the point: half away from zero.
fn rescaled(
    values: &Decimal128Array,
    from: i8,
    precision: u8,
    scale: i8,
) -> crate::error::Result<Decimal128Array> {
    let power = 10_i128.pow(u32::from((i16::from(scale) - i16::from(from)).unsigned_abs().min(38)));
    let limit = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    let convert = |value: i128| {
        let value = match scale >= from {
            true => value.checked_mul(power),
            false => rounded(value, power).ok(),
        };
        value
            .filter(|value| value.unsigned_abs() < limit.unsigned_abs())
            .ok_or_else(|| ArrowError::ArithmeticOverflow(String::new()))
    };
    let converted: Decimal128Array =
        values.try_unary::<_, Decimal128Type, ArrowError>(convert).map_err(|_| {
            let whole = i16::from(precision) - i16::from(scale);
            Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow").detail(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value \
                 less than 10^{whole}."
            ))
        })?;
    Ok(converted.with_precision_and_scale(precision, scale)?)
}

/// Texts in a `varchar(n)` or `char(n)`.
fn fitted(texts: &ArrayRef, to: &Field, assignment: bool) -> crate::error::Result<ArrayRef> {
    let Some((length, padded)) = length(to) else { return Ok(Arc::clone(texts)) };
    let fit = |value: &str| -> crate::error::Result<String> {
        let end = value.char_indices().nth(length).map(|(end, _)| end);
        let mut kept = value[..end.unwrap_or(value.len())].to_owned();
        let cut = end.map_or("", |end| &value[end..]);
        if assignment && cut.chars().any(|c| c != ' ') {
            let name = if padded { "character" } else { "character varying" };
            return Err(Error::new(
                SqlState::StringDataRightTruncation,
                format!("value too long for type {name}({length})"),
            ));
        }
        if padded {
            let missing = length.saturating_sub(kept.chars().count());
            kept.extend(std::iter::repeat_n(' ', missing));
        }
        Ok(kept)
    };
    let values = texts.as_string::<i32>().iter().map(|value| value.map(fit).transpose());
    Ok(Arc::new(values.collect::<crate::error::Result<StringArray>>()?))
}
