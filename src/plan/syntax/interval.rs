//! `INTERVAL '…' [fields]`: read as Postgres reads it, and handed on in units that DataFusion reads the
//! same way.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, Value};

use crate::error::{Error, Result};
use crate::types::text::{self, IntervalField, IntervalRange};

/// Rewrites the text of an interval literal.
///
/// # Errors
/// `22007` for a text that is no interval, `22015` for one that does not fit, `42601` for words that are no fields.
pub(super) fn rewrite(interval: &mut Interval) -> Result<()> {
    let range = range(interval.leading_field.as_ref(), interval.last_field.as_ref())?;
    let Expr::Value(value) = interval.value.as_mut() else { return Ok(()) };
    let Value::SingleQuotedString(written) = &value.value else { return Ok(()) };
    let whole = text::interval_of(written, range)?;
    let digits = interval.fractional_seconds_precision.or(interval.leading_precision).unwrap_or(6);
    let unit = 10i64.pow(6u64.saturating_sub(digits) as u32);
    let micros = whole.nanoseconds / 1000;
    let micros = (micros + micros.signum() * unit / 2) / unit * unit;
    let normal = format!("{} months {} days {micros} microseconds", whole.months, whole.days);
    value.value = Value::SingleQuotedString(normal);
    interval.leading_field = None;
    interval.last_field = None;
    interval.leading_precision = None;
    interval.fractional_seconds_precision = None;
    Ok(())
}

/// The fields behind a literal. Postgres has six, without plurals.
fn range(
    leading: Option<&DateTimeField>,
    last: Option<&DateTimeField>,
) -> Result<Option<IntervalRange>> {
    let Some(first) = leading else { return Ok(None) };
    let wrong = |field: &DateTimeField| {
        let wrong = field.to_string().to_lowercase();
        Error::syntax(format!("syntax error at or near \"{wrong}\""))
            .hint("Write a unit such as DAY behind the literal, or any into it: INTERVAL '5 days'.")
    };
    let first_field = field(first).ok_or_else(|| wrong(first))?;
    let Some(last) = last else { return Ok(Some((first_field, first_field))) };
    let last_field = field(last).ok_or_else(|| wrong(last))?;
    use IntervalField::{Day, Hour, Minute, Month, Second, Year};
    match (first_field, last_field) {
        (Year, Month)
        | (Day, Hour | Minute | Second)
        | (Hour, Minute | Second)
        | (Minute, Second) => Ok(Some((first_field, last_field))),
        _ => Err(wrong(last)),
    }
}

fn field(field: &DateTimeField) -> Option<IntervalField> {
    Some(match field {
        DateTimeField::Year => IntervalField::Year,
        DateTimeField::Month => IntervalField::Month,
        DateTimeField::Day => IntervalField::Day,
        DateTimeField::Hour => IntervalField::Hour,
        DateTimeField::Minute => IntervalField::Minute,
        DateTimeField::Second => IntervalField::Second,
        _ => return None,
    })
}
