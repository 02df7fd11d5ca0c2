//! Binary values: every expected text is what PostgreSQL 15's `*_send` functions gave for the same
//! value.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};

use super::{decode as decode_binary, encode as encode_binary};
use crate::types::pg_type::{self, PG_TYPE};
use crate::types::text::{Style, decode, encode};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a value given as text, reads it back, and gives both as text.
fn travel(field: &Field, text: &str) -> (String, String) {
    let array = decode(&[Some(text)], field, &Style::default()).unwrap();
    let sent = encode_binary(&array, field).unwrap();
    let back = decode_binary(&[sent.get(0)], field).unwrap();
    assert_eq!(back.data_type(), array.data_type());
    let shown = encode(&back, field, &Style::default()).unwrap();
    (hex(sent.get(0).unwrap()), shown.text(0).unwrap().to_owned())
}

#[test]
fn values_are_sent_as_postgres_sends_them() {
    let numeric = |scale| DataType::Decimal128(20, scale);
    let list = DataType::new_list(DataType::Int32, true);
    let cases = [
        (numeric(3), "12345.678", "0003000100000003000109291a7c"),
        (numeric(4), "-0.0001", "0001ffff400000040001"),
        (numeric(0), "0", "0000000000000000"),
        (numeric(0), "10000", "00010001000000000001"),
        (numeric(2), "0.00", "0000000000000002"),
        (numeric(2), "99999999.99", "0003000100000002270f270f26ac"),
        (
            list.clone(),
            "{1,NULL,3}",
            "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003",
        ),
        (list, "{}", "000000000000000000000017"),
        (
            pg_type::arrow_type(pg_type::INTERVAL),
            "1 year 2 days 03:04:05.6",
            "00000002925e7b00000000020000000c",
        ),
        (DataType::Date32, "2024-03-01", "0000227a"),
        (pg_type::arrow_type(pg_type::TIMESTAMP), "2024-03-01 12:00:00.5", "0002b596e2571120"),
        (DataType::Boolean, "t", "01"),
        (DataType::Int16, "-2", "fffe"),
        (DataType::Float64, "1.5", "3ff8000000000000"),
        (DataType::Binary, "\\x00ff", "00ff"),
    ];
    for (data_type, text, expected) in cases {
        let field = Field::new("x", data_type, true);
        assert_eq!(travel(&field, text), (expected.to_owned(), text.to_owned()));
    }
    let metadata = [(PG_TYPE.to_owned(), "jsonb".to_owned())].into();
    let jsonb = Field::new("x", DataType::Utf8, true).with_metadata(metadata);
    let expected = ("017b2261223a20317d".to_owned(), "{\"a\": 1}".to_owned());
    assert_eq!(travel(&jsonb, "{\"a\": 1}"), expected);
}

#[test]
fn arrays_of_arrays_have_dimensions() {
    let inner = DataType::new_list(DataType::Int32, true);
    let field = Field::new("x", DataType::new_list(inner, true), true);
    let array = decode(&[Some("{{1,2},{3,NULL}}"), Some("{}")], &field, &Style::default()).unwrap();
    let sent = encode_binary(&array, &field).unwrap();
    let expected = "000000020000000100000017000000020000000100000002000000010000000400000001\
                    000000040000000200000004000000 03ffffffff"
        .replace(' ', "");
    assert_eq!(hex(sent.get(0).unwrap()), expected);
    assert_eq!(hex(sent.get(1).unwrap()), "000000000000000000000017");
}

#[test]
fn records_carry_their_types() {
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("c", DataType::Int32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["a"])),
        Arc::new(Int32Array::from(vec![None])),
    ];
    let record: ArrayRef = Arc::new(StructArray::new(fields.clone(), columns, None));
    let field = Field::new("x", DataType::Struct(fields), true);
    let sent = encode_binary(&record, &field).unwrap();
    let expected = "0000000300000017000000040000000100000019000000016100000017ffffffff";
    assert_eq!(hex(sent.get(0).unwrap()), expected);
}

#[test]
fn numerics_are_rounded_to_their_column() {
    // 12345.678 as PostgreSQL sends it, read into fewer digits.
    let sent = [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c];
    for (scale, expected) in [(3, "12345.678"), (2, "12345.68"), (1, "12345.7"), (0, "12346")] {
        let field = Field::new("x", DataType::Decimal128(20, scale), true);
        let array = decode_binary(&[Some(&sent)], &field).unwrap();
        let shown = encode(&array, &field, &Style::default()).unwrap();
        assert_eq!(shown.text(0), Some(expected));
    }
    let narrow = Field::new("x", DataType::Decimal128(4, 0), true);
    assert_eq!(decode_binary(&[Some(&sent)], &narrow).unwrap_err().state().code(), "22003");
    let short = Field::new("x", DataType::Int32, true);
    assert_eq!(decode_binary(&[Some(&[1, 2])], &short).unwrap_err().state().code(), "22P03");
}
