//! Every expected text was printed by PostgreSQL 15 for the same value.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float32Array, Float64Array, Int32Array, StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field, Fields};

use super::{Style, Timezone, decode, encode};
use crate::types::pg_type;

fn show(array: ArrayRef, style: &Style) -> Vec<String> {
    let field = Field::new("x", array.data_type().clone(), true);
    let cells = encode(&array, &field, style).unwrap();
    (0..array.len()).map(|row| cells.text(row).unwrap_or("NULL").to_owned()).collect()
}

/// Reads `texts` as a type and writes them again.
fn round(data_type: DataType, style: &Style, texts: &[&str]) -> Vec<String> {
    let field = Field::new("x", data_type, true);
    let values: Vec<Option<&str>> = texts.iter().copied().map(Some).collect();
    show(decode(&values, &field, style).unwrap(), style)
}

fn refused(data_type: DataType, text: &str) -> String {
    let field = Field::new("x", data_type, true);
    let error = decode(&[Some(text)], &field, &Style::default()).unwrap_err();
    format!("{} {error}", error.state().code())
}

#[test]
fn floats() {
    let values = vec![
        1e15,
        123_456_789_012_345_680.0,
        1e14,
        0.0001,
        0.00001,
        1e300,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        100.5,
        -2.25,
    ];
    let expected = [
        "1e+15",
        "1.2345678901234568e+17",
        "100000000000000",
        "0.0001",
        "1e-05",
        "1e+300",
        "-0",
        "Infinity",
        "-Infinity",
        "NaN",
        "100.5",
        "-2.25",
    ];
    assert_eq!(show(Arc::new(Float64Array::from(values)), &Style::default()), expected);
    let values = vec![0.1_f32, 1e6, 123_456.7, 1_234_567.0, f32::NAN];
    let expected = ["0.1", "1e+06", "123456.7", "1.234567e+06", "NaN"];
    assert_eq!(show(Arc::new(Float32Array::from(values)), &Style::default()), expected);
    let style = Style { float_digits_lost: Some(0), ..Style::default() };
    let values = vec![0.1 + 0.2, 1e15];
    assert_eq!(show(Arc::new(Float64Array::from(values)), &style), ["0.3", "1e+15"]);
    let values = vec![1.234_567_8_f32, 123_456_789.0, 100_000.0];
    let expected = ["1.23457", "1.23457e+08", "100000"];
    assert_eq!(show(Arc::new(Float32Array::from(values)), &style), expected);
}

#[test]
fn numerics() {
    let money = DataType::Decimal128(10, 2);
    let texts = ["0", "-0.004", "1.005", "99999999.99", "1e3", "12.5E-1", " 7 ", "-.5"];
    let expected = ["0.00", "0.00", "1.01", "99999999.99", "1000.00", "1.25", "7.00", "-0.50"];
    assert_eq!(round(money.clone(), &Style::default(), &texts), expected);
    assert_eq!(refused(money.clone(), "100000000"), "22003 numeric field overflow");
    assert_eq!(refused(money, "1x"), "22P02 invalid input syntax for type numeric: \"1x\"");
    let bare = Decimal128Array::from(vec![15_000_000_000_i128, 1]);
    let bare = bare.with_precision_and_scale(38, 10).unwrap();
    assert_eq!(show(Arc::new(bare), &Style::default()), ["1.5", "0.0000000001"]);
}

#[test]
fn times() {
    let style = Style { timezone: Timezone::parse("asia/kolkata").unwrap(), ..Style::default() };
    let instant = pg_type::arrow_type(pg_type::TIMESTAMPTZ);
    let texts = [
        "2024-03-01 12:00:00.5+00",
        "1800-01-01T00:00:00Z",
        "2024-03-01 01:00",
        "2024-01-01 00:00 Europe/Paris",
    ];
    let expected = [
        "2024-03-01 17:30:00.5+05:30",
        "1800-01-01 05:53:28+05:53:28",
        "2024-03-01 01:00:00+05:30",
        "2024-01-01 04:30:00+05:30",
    ];
    assert_eq!(round(instant, &style, &texts), expected);
    let local = pg_type::arrow_type(pg_type::TIMESTAMP);
    let texts = ["2024-03-01 12:00:00.123450", "infinity", "20240229", "2024-03-01 24:00:00"];
    let expected =
        ["2024-03-01 12:00:00.12345", "infinity", "2024-02-29 00:00:00", "2024-03-02 00:00:00"];
    assert_eq!(round(local.clone(), &style, &texts), expected);
    assert_eq!(round(DataType::Date32, &style, &["0044-03-15 BC"]), ["0044-03-15 BC"]);
    assert_eq!(
        refused(local, "2024-02-30"),
        "22008 date/time field value out of range: \"2024-02-30\"",
    );
    assert_eq!(refused(DataType::Date32, "x"), "22007 invalid input syntax for type date: \"x\"");
}

#[test]
fn intervals() {
    let texts = [
        "1 year 2 mons -3 days 04:05:06.7",
        "-1 mon +2 days -00:00:01",
        "0",
        "-1 years -1 mons",
        "1.5 years",
        "2 hours ago",
        "P1Y2M3DT4H5M6S",
        "1 day 100:00",
        "1.5 mon",
        "-3 days 1 hour",
        "5m",
        "3 ms",
    ];
    let expected = [
        "1 year 2 mons -3 days +04:05:06.7",
        "-1 mons +2 days -00:00:01",
        "00:00:00",
        "-1 years -1 mons",
        "1 year 6 mons",
        "-02:00:00",
        "1 year 2 mons 3 days 04:05:06",
        "1 day 100:00:00",
        "1 mon 15 days",
        "-3 days +01:00:00",
        "00:05:00",
        "00:00:00.003",
    ];
    let interval = pg_type::arrow_type(pg_type::INTERVAL);
    assert_eq!(round(interval, &Style::default(), &texts), expected);
}

#[test]
fn scalars() {
    let style = Style::default();
    assert_eq!(round(DataType::Boolean, &style, &["TRUE", "off", "1", "n"]), ["t", "f", "t", "f"]);
    assert_eq!(round(DataType::Int16, &style, &[" -32768 "]), ["-32768"]);
    assert_eq!(
        refused(DataType::Int16, "32768"),
        "22003 value \"32768\" is out of range for type smallint"
    );
    assert_eq!(
        refused(DataType::Int32, "1.0"),
        "22P02 invalid input syntax for type integer: \"1.0\""
    );
    assert_eq!(
        round(DataType::Binary, &style, &["\\x00FF5c41", "a\\\\b\\001"]),
        ["\\x00ff5c41", "\\x615c6201"]
    );
    let escape = Style { bytea_escape: true, ..style };
    assert_eq!(round(DataType::Binary, &escape, &["\\x00ff5c41"]), ["\\000\\377\\\\A"]);
    let id = "0191d3f0-8c6f-7a3b-9c55-0123456789ab";
    assert_eq!(round(DataType::FixedSizeBinary(16), &style, &[id]), [id]);
}

#[test]
fn arrays_and_records() {
    let style = Style::default();
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    let text = "{a,\"\",\"NULL\",NULL,\"b c\",\"d\\\"e\",\"f\\\\g\",\"{x}\"}";
    assert_eq!(round(list(DataType::Utf8), &style, &[text, "{}"]), [text, "{}"]);
    let nested = list(list(DataType::Int32));
    assert_eq!(round(nested, &style, &["{{1, 2},{3,NULL}}"]), ["{{1,2},{3,NULL}}"]);
    assert!(refused(list(DataType::Int32), "{1,}").starts_with("22P02 malformed array literal"));
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("c", DataType::Utf8, true),
    ]);
    let record = StructArray::new(
        fields.clone(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None])),
            Arc::new(StringArray::from(vec![Some("q\"x"), Some("")])),
            Arc::new(StringArray::from(vec![Some("b\\s"), None])),
        ],
        None,
    );
    let texts = ["(1,\"q\"\"x\",\"b\\\\s\")", "(,\"\",)"];
    assert_eq!(show(Arc::new(record), &style), texts);
    assert_eq!(round(DataType::Struct(fields), &style, &texts), texts);
}
