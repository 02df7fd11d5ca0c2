//! Regular expressions: matching, replacing, splitting, by Postgres' rules on top of the `regex` crate.

mod matcher;
mod operation;
mod syntax;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use crate::error::Error;
use crate::plan::function::declared::{
    Bool, Int4, Kind, Overload, Text, Texts, declared, four, three, two, whole,
};
use matcher::with;
use operation::{count, instr, replace, substr};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        operator::<false, true>("textregexeq"),
        operator::<true, true>("texticregexeq"),
        operator::<false, false>("textregexne"),
        operator::<true, false>("texticregexne"),
        declared(
            "regexp_like",
            vec![
                two::<Text, Text, Bool, _>(|text: &str, pattern: &str| {
                    with(pattern, "", |matcher| Ok(matcher.is_match(text)))
                }),
                three::<Text, Text, Text, Bool, _>(|text: &str, pattern: &str, flags: &str| {
                    not_global("regexp_like", flags)?;
                    with(pattern, flags, |matcher| Ok(matcher.is_match(text)))
                }),
            ],
        ),
        declared(
            "regexp_match",
            vec![
                two::<Text, Text, Texts, _>(|text: &str, pattern: &str| {
                    with(pattern, "", |matcher| matcher.groups(text))
                }),
                three::<Text, Text, Text, Texts, _>(|text: &str, pattern: &str, flags: &str| {
                    not_global("regexp_match", flags)?;
                    with(pattern, flags, |matcher| matcher.groups(text))
                }),
            ],
        ),
        declared(
            "regexp_split_to_array",
            vec![
                two::<Text, Text, Texts, _>(|text: &str, pattern: &str| {
                    with(pattern, "", |matcher| matcher.split(text))
                }),
                three::<Text, Text, Text, Texts, _>(|text: &str, pattern: &str, flags: &str| {
                    not_global("regexp_split_to_array", flags)?;
                    with(pattern, flags, |matcher| matcher.split(text))
                }),
            ],
        ),
        replacing(),
        optional("regexp_count", &[Kind::Int4, Kind::Text], Kind::Int4, count),
        optional(
            "regexp_substr",
            &[Kind::Int4, Kind::Int4, Kind::Text, Kind::Int4],
            Kind::Text,
            substr,
        ),
        optional(
            "regexp_instr",
            &[Kind::Int4, Kind::Int4, Kind::Int4, Kind::Text, Kind::Int4],
            Kind::Int4,
            instr,
        ),
    ]
}

/// `22023` for the option `g` of a function that looks for one match, or for all.
fn not_global(function: &str, flags: &str) -> crate::error::Result<()> {
    if !flags.contains('g') {
        return Ok(());
    }
    let message = format!("{function}() does not support the \"global\" option");
    Err(Error::invalid_parameter(message))
}

/// Whether `text` matches `pattern`.
pub(super) fn matches(text: &str, pattern: &str, any_case: bool) -> crate::error::Result<bool> {
    with(pattern, if any_case { "i" } else { "" }, |matcher| Ok(matcher.is_match(text)))
}

/// `~` and its kin: without regard to case or with it, matching or not.
fn operator<const ANY_CASE: bool, const MATCH: bool>(name: &'static str) -> Arc<ScalarUDF> {
    declared(
        name,
        vec![two::<Text, Text, Bool, _>(|text: &str, pattern: &str| {
            Ok::<_, Error>(matches(text, pattern, ANY_CASE)? == MATCH)
        })],
    )
}

/// `substring(text from pattern)`, and SQL's own with an escape character.
pub(super) fn substrings() -> Vec<Overload> {
    vec![
        two::<Text, Text, Text, _>(|text: &str, pattern: &str| {
            with(pattern, "", |matcher| {
                let groups = matcher.groups(text)?;
                Ok(groups.and_then(|groups| groups.into_iter().next().flatten()))
            })
        }),
        three::<Text, Text, Text, Text, _>(|_: &str, _: &str, _: &str| {
            Err::<String, _>(
                Error::unsupported("substring with a pattern and an escape character")
                    .hint("Use substring(text from pattern) with a POSIX regular expression."),
            )
        }),
    ]
}

fn replacing() -> Arc<ScalarUDF> {
    declared(
        "regexp_replace",
        vec![
            three::<Text, Text, Text, Text, _>(|text: &str, pattern: &str, new: &str| {
                with(pattern, "", |matcher| replace(matcher, text, new, 1, 1))
            }),
            four::<Text, Text, Text, Text, Text, _>(
                |text: &str, pattern: &str, new: &str, flags: &str| {
                    let flag = flags.chars().next();
                    if let Some(digit) = flag.filter(char::is_ascii_digit) {
                        let message = format!("invalid regular expression option: \"{digit}\"");
                        return Err(Error::invalid_parameter(message).hint(
                            "If you meant to use regexp_replace() with a start parameter, cast \
                             the fourth argument to integer explicitly.",
                        ));
                    }
                    let nth = if flags.contains('g') { 0 } else { 1 };
                    with(pattern, flags, |matcher| replace(matcher, text, new, 1, nth))
                },
            ),
            four::<Text, Text, Text, Int4, Text, _>(
                |text: &str, pattern: &str, new: &str, start| {
                    with(pattern, "", |matcher| replace(matcher, text, new, start, 1))
                },
            ),
            whole(
                &[Kind::Text, Kind::Text, Kind::Text, Kind::Int4, Kind::Int4],
                Kind::Text,
                operation::replace_nth,
            ),
            whole(
                &[Kind::Text, Kind::Text, Kind::Text, Kind::Int4, Kind::Int4, Kind::Text],
                Kind::Text,
                operation::replace_nth,
            ),
        ],
    )
}

type Body = fn(
    &[arrow::array::ArrayRef],
    &arrow::datatypes::DataType,
    usize,
) -> crate::error::Result<arrow::array::ArrayRef>;

/// A function of a text, a pattern, and as many of `further` as the call has.
fn optional(name: &'static str, further: &[Kind], gives: Kind, body: Body) -> Arc<ScalarUDF> {
    let kinds = |count: usize| [&[Kind::Text, Kind::Text], &further[..count]].concat();
    let overloads = (0..=further.len()).map(|count| whole(&kinds(count), gives, body));
    declared(name, overloads.collect())
}
