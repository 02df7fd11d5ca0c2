//! Window frames that Postgres refuses: DataFusion takes some of them for something else.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, Interval, Spanned, UnaryOperator, Value, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};

use crate::error::{Error, Result, SqlState};
use crate::sql::Positions;
use crate::types::text;

/// Looks at the frame of a call's window.
///
/// # Errors
/// `42P20` for bounds that make no frame, `22004` and `22013` for a distance that is null or negative.
pub(super) fn check(function: &Function, positions: &Positions) -> Result<()> {
    let Some(WindowType::WindowSpec(window)) = &function.over else { return Ok(()) };
    let Some(frame) = &window.window_frame else { return Ok(()) };
    check_bounds(window, frame)
        .map_err(|error| error.or_at(positions.of_span(function.name.span())))?;
    let WindowFrame { units, start_bound, end_bound } = frame;
    let bounds = [("starting", Some(start_bound)), ("ending", end_bound.as_ref())];
    for (side, bound) in bounds {
        let Some(
            WindowFrameBound::Preceding(Some(distance))
            | WindowFrameBound::Following(Some(distance)),
        ) = bound
        else {
            continue;
        };
        let fail = |state, message: String| {
            Err(Error::new(state, message)
                .hint("A distance is zero or more; PRECEDING and FOLLOWING are the directions.")
                .or_at(positions.of_span(distance.span())))
        };
        if super::is_null(distance) {
            let message = format!("frame {side} offset must not be null");
            return fail(SqlState::NullValueNotAllowed, message);
        }
        if negative(distance) {
            let message = match units {
                WindowFrameUnits::Range => {
                    "invalid preceding or following size in window function".to_owned()
                }
                _ => format!("frame {side} offset must not be negative"),
            };
            return fail(SqlState::InvalidPrecedingOrFollowingSize, message);
        }
    }
    Ok(())
}

/// Frames of the same direction that end before they begin: no row is in them. They become one behind all rows.
pub(super) fn empty(function: &mut Function) {
    use WindowFrameBound::{Following, Preceding};
    let Some(WindowType::WindowSpec(WindowSpec { window_frame: Some(frame), .. })) =
        &mut function.over
    else {
        return;
    };
    let (first, last) = match (&frame.start_bound, &frame.end_bound) {
        (Following(Some(first)), Some(Following(Some(last)))) => (number(first), number(last)),
        (Preceding(Some(first)), Some(Preceding(Some(last)))) => (number(last), number(first)),
        _ => return,
    };
    if matches!((first, last), (Some(first), Some(last)) if first > last) {
        let behind = || {
            let rows = Value::Number("1000000000000".to_owned(), false);
            Following(Some(Box::new(Expr::value(rows))))
        };
        frame.units = WindowFrameUnits::Rows;
        (frame.start_bound, frame.end_bound) = (behind(), Some(behind()));
    }
}

fn number(distance: &Expr) -> Option<u64> {
    match distance {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Bounds in an order that no row can have, and orders that a frame needs.
fn check_bounds(window: &WindowSpec, frame: &WindowFrame) -> Result<()> {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    let end = frame.end_bound.as_ref().unwrap_or(&CurrentRow);
    let distance =
        |bound: &WindowFrameBound| matches!(bound, Preceding(Some(_)) | Following(Some(_)));
    let message = match (&frame.start_bound, end) {
        (Following(None), _) => "frame start cannot be UNBOUNDED FOLLOWING",
        (_, Preceding(None)) => "frame end cannot be UNBOUNDED PRECEDING",
        (CurrentRow, Preceding(_)) => "frame starting from current row cannot have preceding rows",
        (Following(_), CurrentRow) if frame.end_bound.is_none() => {
            "frame starting from following row cannot end with current row"
        }
        (Following(_), CurrentRow | Preceding(_)) => {
            "frame starting from following row cannot have preceding rows"
        }
        (start, end)
            if frame.units == WindowFrameUnits::Range
                && (distance(start) || distance(end))
                && window.order_by.len() != 1 =>
        {
            "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"
        }
        _ if frame.units == WindowFrameUnits::Groups && window.order_by.is_empty() => {
            "GROUPS mode requires an ORDER BY clause"
        }
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::WindowingError, message))
}

/// Whether a constant distance is less than zero.
fn negative(distance: &Expr) -> bool {
    match distance {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => positive(expr),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => negative(inner),
        Expr::Interval(Interval { value, .. }) => negative(value),
        Expr::TypedString(typed) => text_is_negative(&typed.value.value),
        Expr::Value(value) => text_is_negative(&value.value),
        _ => false,
    }
}

/// Whether a constant distance is more than zero.
fn positive(distance: &Expr) -> bool {
    match distance {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => positive(inner),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<f64>().is_ok_and(|number| number > 0.0),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a text is a negative number or interval.
fn text_is_negative(value: &Value) -> bool {
    let Value::SingleQuotedString(written) = value else { return false };
    match written.trim().parse::<f64>() {
        Ok(number) => number < 0.0,
        Err(_) => text::interval(written).is_ok_and(|interval| {
            let days = i128::from(interval.months) * 30 + i128::from(interval.days);
            days * 86_400_000_000_000 + i128::from(interval.nanoseconds) < 0
        }),
    }
}
