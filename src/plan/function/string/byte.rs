//! Single bytes and bits.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Bytea, Int4, Int8, declared, one, three, two};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "byteacat",
            vec![two::<Bytea, Bytea, Bytea, _>(|left: &[u8], right: &[u8]| [left, right].concat())],
        ),
        declared(
            "get_byte",
            vec![two::<Bytea, Int4, Int4, _>(|bytes: &[u8], index| {
                Ok::<_, Error>(i32::from(bytes[checked(index.into(), bytes.len())?]))
            })],
        ),
        declared("set_byte", vec![three::<Bytea, Int4, Int4, Bytea, _>(set_byte)]),
        declared(
            "get_bit",
            vec![two::<Bytea, Int8, Int4, _>(|bytes: &[u8], index| {
                let index = checked(index, bytes.len() * 8)?;
                Ok::<_, Error>(i32::from(bytes[index / 8] >> (index % 8) & 1))
            })],
        ),
        declared("set_bit", vec![three::<Bytea, Int8, Int4, Bytea, _>(set_bit)]),
        declared(
            "bit_count",
            vec![one::<Bytea, Int8, _>(|bytes: &[u8]| {
                bytes.iter().map(|byte| i64::from(byte.count_ones())).sum::<i64>()
            })],
        ),
    ]
}

fn checked(index: i64, length: usize) -> Result<usize> {
    usize::try_from(index).ok().filter(|index| *index < length).ok_or_else(|| {
        let last = i64::try_from(length).unwrap_or(i64::MAX) - 1;
        let message = format!("index {index} out of valid range, 0..{last}");
        Error::new(SqlState::ArraySubscriptError, message)
    })
}

fn set_byte(bytes: &[u8], index: i32, value: i32) -> Result<Vec<u8>> {
    let index = checked(index.into(), bytes.len())?;
    let mut bytes = bytes.to_vec();
    bytes[index] = u8::try_from(value & 255).unwrap_or(0);
    Ok(bytes)
}

fn set_bit(bytes: &[u8], index: i64, value: i32) -> Result<Vec<u8>> {
    let index = checked(index, bytes.len() * 8)?;
    let mut bytes = bytes.to_vec();
    match value {
        0 => bytes[index / 8] &= !(1 << (index % 8)),
        1 => bytes[index / 8] |= 1 << (index % 8),
        _ => return Err(Error::invalid_parameter("new bit must be 0 or 1")),
    }
    Ok(bytes)
}
