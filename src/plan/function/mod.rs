//! Functions with Postgres' meaning where DataFusion's differs, or has none.

mod arithmetic;
mod array;
mod array_agg;
mod assigned;
mod by_row;
mod cast;
mod common_type;
mod decimal;
mod declared;
mod interval_order;
mod json;
mod labeled;
mod logarithm;
mod number;
mod number_format;
mod ordered_set;
mod quoted;
mod rank;
mod rounding;
mod series;
mod session;
mod shift;
mod simple;
mod single_value;
mod string;
mod string_agg;
mod sum;
mod time;
mod time_format;
mod time_part;
mod timezone;
mod tumble_start;
mod united;
mod unmodified;
mod variance;
mod wide;
mod window_bound;
mod with_ties;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::planner::Session;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

pub(crate) use arithmetic::{ArithmeticOp, arithmetic};
pub(crate) use assigned::ASSIGNED;
pub(crate) use cast::{conversion, differs, is_json, only_value, zoned_cast};
pub(crate) use common_type::common_type;
pub(crate) use decimal::{decimal_of, is_integer};
pub(crate) use declared::{is_declared, resolved};
pub(crate) use interval_order::interval_order;
pub(crate) use json::{ELEMENT, MEMBER};
pub(crate) use labeled::LABELED;
pub(crate) use logarithm::power_function;
pub(crate) use series::ordinals_function;
pub(crate) use shift::shift;
pub(crate) use single_value::{SINGLE_VALUE, single_value};
pub(crate) use time_part::{extract, is_epoch};
pub(crate) use timezone::timezone;
pub(crate) use unmodified::UNMODIFIED;
pub(crate) use window_bound::window_bound;
pub(crate) use with_ties::WITH_TIES;

/// Whether the types of the function's arguments matter to the last bit.
pub(crate) fn keeps_argument_type(function: &ScalarUDF) -> bool {
    is_declared(function) || simple::is_polymorphic(function)
}

/// Functions whose value the session decides.
pub(crate) fn of_session(session: &Session) -> Vec<Arc<ScalarUDF>> {
    session::all(session)
}

/// The function named `name` of [`scalars`].
pub(crate) fn scalar(name: &str) -> Arc<ScalarUDF> {
    static ALL: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
        let named = |function: Arc<ScalarUDF>| (function.name().to_owned(), function);
        scalars().into_iter().map(named).collect()
    });
    Arc::clone(ALL.get(name).expect("the names that are asked for are here"))
}

/// The scalar functions for queries of the system catalogs: those that DataFusion does not have (`known`), and
/// of the others those that it has in another way.
pub(crate) fn of_catalogs(known: impl Fn(&str) -> bool) -> Vec<Arc<ScalarUDF>> {
    const NAMES: [&str; 4] = ["array_to_string", "quote_ident", "quote_literal", "quote_nullable"];
    let wanted =
        |function: &Arc<ScalarUDF>| NAMES.contains(&function.name()) || !known(function.name());
    scalars().into_iter().filter(wanted).collect()
}

/// Scalar functions that take the place of DataFusion's of the same name.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    let groups = [
        rounding::all(),
        time_part::all(),
        time_format::all(),
        string::all(),
        array::all(),
        number::all(),
        time::all(),
        tumble_start::all(),
        timezone::all(),
        interval_order::all(),
        logarithm::all(),
        assigned::all(),
        unmodified::all(),
        labeled::all(),
        json::all(),
        with_ties::all(),
        series::all(),
        united::all(),
    ];
    groups.into_iter().flatten().collect()
}

/// Aggregate functions that take the place of DataFusion's of the same name.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let mut functions = vec![
        sum::sum(),
        sum::avg(),
        single_value(),
        string_agg::string_agg(),
        array_agg::array_agg(),
    ];
    functions.extend(ordered_set::all());
    functions.extend(variance::all());
    functions
}

/// Window functions that take the place of DataFusion's of the same name.
pub(crate) fn windows() -> Vec<Arc<WindowUDF>> {
    [rank::all(), by_row::all()].concat()
}
