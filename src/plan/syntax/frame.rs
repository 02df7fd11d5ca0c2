//! Distances of window frames that Postgres refuses: DataFusion takes some of them for something else.

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
/// `22004` and `22013` for a distance that is null or negative.
pub(super) fn check(function: &Function, positions: &Positions) -> Result<()> {
    let Some(WindowType::WindowSpec(WindowSpec { window_frame: Some(frame), .. })) = &function.over
    else {
        return Ok(());
    };
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
