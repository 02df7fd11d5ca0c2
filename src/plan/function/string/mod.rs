//! Functions on texts and bytes, as Postgres declares them.

mod byte;
mod case;
mod code;
mod cut;
mod digest;
mod flink;
mod format;
mod quote;
mod regexp;
mod search;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let groups = [
        flink::all(),
        case::all(),
        cut::all(),
        search::all(),
        code::all(),
        byte::all(),
        digest::all(),
        quote::all(),
        format::all(),
        regexp::all(),
    ];
    groups.into_iter().flatten().collect()
}

/// Whether `text` matches the regular expression `pattern`.
pub(super) fn regexp_match(
    text: &str,
    pattern: &str,
    any_case: bool,
) -> crate::error::Result<bool> {
    regexp::matches(text, pattern, any_case)
}

/// The number of characters of a text.
fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// The characters of `text` from the 1-based position `from` to before `until`; both may lie outside.
fn characters(text: &str, from: i64, until: i64) -> &str {
    let place = |position: i64| match usize::try_from(position - 1) {
        Err(_) => 0,
        Ok(skip) if text.is_ascii() => skip.min(text.len()),
        Ok(skip) => text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at),
    };
    let (from, until) = (place(from), place(until));
    &text[from..until.max(from)]
}
