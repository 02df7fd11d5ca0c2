//! Texts as SQL writes them; values side by side.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, StringArray, StringBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;

use crate::error::Result;
use crate::plan::function::declared::{Kind, Text, declared, one, whole};
use crate::types::text;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared("quote_ident", vec![one::<Text, Text, _>(identifier)]),
        declared(
            "quote_literal",
            vec![
                one::<Text, Text, _>(literal),
                whole(&[Kind::Any], Kind::Text, |args, _, rows| quoted(args, rows, None)),
            ],
        ),
        declared(
            "quote_nullable",
            vec![
                whole(&[Kind::Text], Kind::Text, |args, _, rows| quoted(args, rows, Some("NULL"))),
                whole(&[Kind::Any], Kind::Text, |args, _, rows| quoted(args, rows, Some("NULL"))),
            ],
        ),
        declared(
            "concat",
            vec![
                whole(&[Kind::Any], Kind::Text, |args, _, rows| joined(None, args, rows))
                    .rest(Kind::Any),
            ],
        ),
        counting::<true>("num_nulls"),
        counting::<false>("num_nonnulls"),
        declared(
            "concat_ws",
            vec![
                whole(&[Kind::Text, Kind::Any], Kind::Text, |args, _, rows| {
                    joined(Some(&args[0]), &args[1..], rows)
                })
                .rest(Kind::Any),
            ],
        ),
    ]
}

/// How many of the arguments are null, or are not.
fn counting<const NULLS: bool>(name: &'static str) -> Arc<ScalarUDF> {
    let count = |args: &[ArrayRef], _: &DataType, rows: usize| -> Result<ArrayRef> {
        let nulls: Vec<_> = args.iter().map(Array::logical_nulls).collect();
        let count = |row: usize| {
            let null = |nulls: &&Option<NullBuffer>| {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) == NULLS
            };
            i32::try_from(nulls.iter().filter(null).count()).unwrap_or(i32::MAX)
        };
        Ok(Arc::new((0..rows).map(count).collect::<Int32Array>()))
    };
    declared(name, vec![whole(&[Kind::Any], Kind::Int4, count).rest(Kind::Any)])
}

/// The values of every column as texts, as their types' output functions write them.
pub(super) fn texts(args: &[ArrayRef]) -> Result<Vec<text::Cells>> {
    let style = text::Style::default();
    let cells = |array: &ArrayRef| match array.data_type() {
        DataType::Null => {
            let nulls = arrow::array::new_null_array(&DataType::Utf8, array.len());
            text::encode(&nulls, &Field::new("", DataType::Utf8, true), &style)
        }
        other => text::encode(array, &Field::new("", other.clone(), true), &style),
    };
    args.iter().map(cells).collect()
}

/// As an identifier that SQL reads back.
pub(super) fn identifier(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    match starts && name.chars().all(plain) && !reserved(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Postgres' key words that are not free to use as names.
fn reserved(word: &str) -> bool {
    const WORDS: &str = " all analyse analyze and any array as asc asymmetric authorization between \
        bigint binary bit boolean both case cast char character check coalesce collate collation \
        column concurrently constraint create cross current_catalog current_date current_role \
        current_schema current_time current_timestamp current_user dec decimal default deferrable \
        desc distinct do else end except exists extract false fetch float for foreign freeze from \
        full grant greatest group grouping having ilike in initially inner inout int integer \
        intersect interval into is isnull join lateral leading least left like limit localtime \
        localtimestamp national natural nchar none normalize not notnull null nullif numeric \
        offset on only or order out outer overlaps overlay placing position precision primary real \
        references returning right row select session_user setof similar smallint some substring \
        symmetric table tablesample then time timestamp to trailing treat trim true union unique \
        user using values varchar variadic verbose when where window with xmlattributes xmlconcat \
        xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable ";
    WORDS.split_ascii_whitespace().any(|known| known == word)
}

/// As a literal that SQL reads back.
pub(super) fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn quoted(args: &[ArrayRef], rows: usize, null: Option<&str>) -> Result<ArrayRef> {
    let cells = &texts(args)?[0];
    let cell = |row| cells.text(row).map(literal).or_else(|| null.map(str::to_owned));
    Ok(Arc::new((0..rows).map(cell).collect::<StringArray>()))
}

/// The values that are not null, one after another.
fn joined(separators: Option<&ArrayRef>, args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let separators = separators.map(|array| texts(std::slice::from_ref(array))).transpose()?;
    let cells = texts(args)?;
    let mut joined = StringBuilder::new();
    for row in 0..rows {
        let separator = separators.as_ref().map_or(Some(""), |cells| cells[0].text(row));
        let Some(separator) = separator else {
            joined.append_null();
            continue;
        };
        let parts: Vec<&str> = cells.iter().filter_map(|cells| cells.text(row)).collect();
        joined.append_value(parts.join(separator));
    }
    Ok(Arc::new(joined.finish()))
}
