//! Arrays and records to text: the parts are encoded as columns, then put together with quotes.

use arrow::array::{Array, ListArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::{Cells, Style, encode};
use crate::error::Result;

/// `{1,2,NULL,"a b"}`; `outer` is the column's field, whose metadata describe the elements.
pub(super) fn list(
    array: &ListArray,
    item: &FieldRef,
    outer: &Field,
    style: &Style,
) -> Result<Cells> {
    let nested = matches!(
        item.data_type(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _)
    );
    let item =
        Field::new("item", item.data_type().clone(), true).with_metadata(outer.metadata().clone());
    let parts = encode(array.values(), &item, style)?;
    let mut cells = Cells::with_capacity(array.len(), array.nulls());
    let offsets = array.value_offsets();
    for row in 0..array.len() {
        if array.is_valid(row) {
            let out = cells.bytes_mut();
            out.push(b'{');
            let (start, end) = (offsets[row], offsets[row + 1]);
            for index in start..end {
                if index > start {
                    out.push(b',');
                }
                let part = usize::try_from(index).expect("offsets are not negative");
                match parts.get(part) {
                    None => out.extend_from_slice(b"NULL"),
                    Some(text) if nested || !needs_array_quotes(text) => {
                        out.extend_from_slice(text)
                    }
                    Some(text) => quote(text, b'\\', out),
                }
            }
            out.push(b'}');
        }
        cells.finish();
    }
    Ok(cells)
}

/// `(1,"a b",)`.
pub(super) fn record(array: &StructArray, fields: &Fields, style: &Style) -> Result<Cells> {
    let columns = itertools::zip_eq(array.columns(), fields)
        .map(|(column, field)| encode(column, field, style))
        .collect::<Result<Vec<Cells>>>()?;
    let mut cells = Cells::with_capacity(array.len(), array.nulls());
    for row in 0..array.len() {
        if array.is_valid(row) {
            let out = cells.bytes_mut();
            out.push(b'(');
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match column.get(row) {
                    None => {}
                    Some(text) if needs_record_quotes(text) => quote(text, b'"', out),
                    Some(text) => out.extend_from_slice(text),
                }
            }
            out.push(b')');
        }
        cells.finish();
    }
    Ok(cells)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn needs_array_quotes(text: &[u8]) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case(b"null")
        || text
            .iter()
            .any(|byte| matches!(byte, b'{' | b'}' | b'"' | b',' | b'\\') || is_space(*byte))
}

fn needs_record_quotes(text: &[u8]) -> bool {
    text.is_empty()
        || text
            .iter()
            .any(|byte| matches!(byte, b'(' | b')' | b'"' | b',' | b'\\') || is_space(*byte))
}

/// Quotes a part; `before_quote` is what protects a quote inside: a backslash in arrays, another
/// quote in records. A backslash is always doubled.
fn quote(text: &[u8], before_quote: u8, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.push(before_quote),
            b'\\' => out.push(b'\\'),
            _ => {}
        }
        out.push(*byte);
    }
    out.push(b'"');
}
