//! Functions with Postgres' meaning where DataFusion's differs, or has none.

mod arithmetic;
mod assigned;
mod cast;
mod decimal;
mod float_sum;
mod interval_order;
mod logarithm;
mod ordered_set;
mod rank;
mod rounding;
mod series;
mod session;
mod shift;
mod simple;
mod single_value;
mod string_agg;
mod sum;
mod text;
mod time_format;
mod time_part;
mod timezone;
mod tumble_start;
mod window_bound;
mod with_ties;

use std::sync::Arc;

use super::planner::Session;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

pub(crate) use arithmetic::{ArithmeticOp, arithmetic};
pub(crate) use assigned::ASSIGNED;
pub(crate) use cast::{conversion, differs, is_json, zoned_cast};
pub(crate) use decimal::{decimal_of, is_integer};
pub(crate) use interval_order::interval_order;
pub(crate) use logarithm::power_function;
pub(crate) use series::ordinals_function;
pub(crate) use shift::shift;
pub(crate) use single_value::{SINGLE_VALUE, single_value};
pub(crate) use time_part::{extract, is_epoch};
pub(crate) use timezone::timezone;
pub(crate) use window_bound::window_bound;
pub(crate) use with_ties::WITH_TIES;

/// Functions whose value the session decides.
pub(crate) fn of_session(session: &Session) -> Vec<Arc<ScalarUDF>> {
    session::all(session)
}

/// Scalar functions that take the place of DataFusion's of the same name.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    let groups = [
        rounding::all(),
        time_part::all(),
        time_format::all(),
        text::all(),
        tumble_start::all(),
        timezone::all(),
        interval_order::all(),
        logarithm::all(),
        assigned::all(),
        with_ties::all(),
        series::all(),
    ];
    groups.into_iter().flatten().collect()
}

/// Aggregate functions that take the place of DataFusion's of the same name.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut functions = vec![sum::sum(), sum::avg(), single_value(), string_agg::string_agg()];
    functions.extend(ordered_set::all());
    functions
}

/// Window functions that take the place of DataFusion's of the same name.
pub(crate) fn windows() -> Vec<Arc<WindowUDF>> {
    rank::all()
}
