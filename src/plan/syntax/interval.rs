//! `INTERVAL '…' [fields]`: read as Postgres reads it, and handed on in units that DataFusion reads the
//! same way.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, Value};

use crate::error::{Error, Result};
use crate::types::text;

/// Rewrites the text of an interval literal.
///
/// # Errors
/// `22007` for a text that is no interval, `42601` for words that are no fields, `0A000` for fields that
/// would cut it.
pub(super) fn rewrite(interval: &mut Interval) -> Result<()> {
    check_fields(interval.leading_field.as_ref(), interval.last_field.as_ref())?;
    let Expr::Value(value) = interval.value.as_mut() else { return Ok(()) };
    let Value::SingleQuotedString(written) = &value.value else { return Ok(()) };
    let whole = text::interval(&qualified(
        written,
        interval.leading_field.as_ref(),
        interval.last_field.as_ref(),
    )?)?;
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

/// Postgres has six fields, without plurals.
fn check_fields(leading: Option<&DateTimeField>, last: Option<&DateTimeField>) -> Result<()> {
    use DateTimeField::{Day, Hour, Minute, Month, Second, Year};
    let wrong = match (leading, last) {
        (None | Some(Year | Month | Day | Hour | Minute | Second), None)
        | (Some(Year), Some(Month))
        | (Some(Day), Some(Hour | Minute | Second))
        | (Some(Hour), Some(Minute | Second))
        | (Some(Minute), Some(Second)) => return Ok(()),
        (Some(Year | Month | Day | Hour | Minute | Second), Some(wrong)) => wrong,
        (wrong, _) => wrong.expect("there is no last field without a first"),
    };
    let wrong = wrong.to_string().to_lowercase();
    Err(Error::syntax(format!("syntax error at or near \"{wrong}\""))
        .hint("Write a unit such as DAY behind the literal, or any into it: INTERVAL '5 days'."))
}

/// The text with the units that the fields behind it give it.
fn qualified(
    written: &str,
    leading: Option<&DateTimeField>,
    last: Option<&DateTimeField>,
) -> Result<String> {
    let text = written.trim();
    let Some(leading) = leading else { return Ok(written.to_owned()) };
    let bare = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-'))
        && !text[1..].contains('-');
    match (leading, last) {
        (unit, None) if bare => Ok(format!("{text} {unit}")),
        (unit, Some(last)) if bare && unit != last => Ok(format!("{text} {last}")),
        // `1:30 MINUTE TO SECOND` has no hours.
        (DateTimeField::Minute | DateTimeField::Minutes, Some(_))
            if text.matches(':').count() == 1 =>
        {
            Ok(format!("0:{text}"))
        }
        (_, Some(_)) => Ok(written.to_owned()),
        (unit, None) => Err(Error::unsupported(format!("an interval of several fields as {unit}"))
            .hint("Leave the field behind the literal away.")),
    }
}
