//! Characters and their codes, numbers in other bases, bytes as text.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::digest::hex;
use crate::error::{Error, Result, SqlState};
use crate::plan::function::declared::{Bytea, Int4, Int8, Text, declared, one, two};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "ascii",
            vec![one::<Text, Int4, _>(|text: &str| {
                text.chars().next().map_or(0, |first| i32::try_from(u32::from(first)).unwrap_or(0))
            })],
        ),
        declared("chr", vec![one::<Int4, Text, _>(chr)]),
        declared(
            "to_hex",
            vec![
                one::<Int4, Text, _>(|number| format!("{number:x}")),
                one::<Int8, Text, _>(|number| format!("{number:x}")),
            ],
        ),
        declared("encode", vec![two::<Bytea, Text, Text, _>(encode)]),
        declared("decode", vec![two::<Text, Text, Bytea, _>(decode)]),
        declared(
            "convert_to",
            vec![two::<Text, Text, Bytea, _>(|text: &str, name: &str| {
                utf8(name)?;
                Ok::<_, Error>(text.as_bytes().to_vec())
            })],
        ),
        declared(
            "convert_from",
            vec![two::<Bytea, Text, Text, _>(|bytes: &[u8], name: &str| {
                utf8(name)?;
                String::from_utf8(bytes.to_vec()).map_err(|_| {
                    let message = "invalid byte sequence for encoding \"UTF8\"";
                    Error::new(SqlState::CharacterNotInRepertoire, message)
                })
            })],
        ),
    ]
}

fn utf8(name: &str) -> Result<()> {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(Error::unsupported(format!("encoding \"{name}\"")).hint("Use UTF8.")),
    }
}

fn chr(code: i32) -> Result<String> {
    let too_large = || {
        let message = format!("requested character too large for encoding: {code}");
        Error::new(SqlState::ProgramLimitExceeded, message)
    };
    match u32::try_from(code) {
        Err(_) => Err(Error::invalid_parameter("character number must be positive")),
        Ok(0) => Err(Error::new(SqlState::ProgramLimitExceeded, "null character not permitted")),
        Ok(code @ 0xD800..=0xDFFF) => Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!("requested character not valid for encoding: {code}"),
        )),
        Ok(code) => char::from_u32(code).map(String::from).ok_or_else(too_large),
    }
}

fn unknown_encoding(name: &str) -> Error {
    Error::invalid_parameter(format!("unrecognized encoding: \"{name}\""))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(hex(bytes)),
        "base64" => Ok(base64(bytes)),
        "escape" => Ok(bytes
            .iter()
            .map(|byte| match byte {
                b'\\' => "\\\\".to_owned(),
                0 | 128.. => format!("\\{byte:03o}"),
                byte => char::from(*byte).to_string(),
            })
            .collect()),
        _ => Err(unknown_encoding(format)),
    }
}

/// In lines of 76 characters, as MIME wants them.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        if index > 0 && index.is_multiple_of(19) {
            text.push('\n');
        }
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let six = (bits >> (18 - 6 * place)) & 63;
            let padding = place > chunk.len();
            text.push(if padding { '=' } else { char::from(BASE64[six as usize]) });
        }
    }
    text
}

fn decode(text: &str, format: &str) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => from_hex(text),
        "base64" => from_base64(text),
        "escape" => from_escaped(text),
        _ => Err(unknown_encoding(format)),
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.chars().filter(|letter| !matches!(letter, ' ' | '\n' | '\t' | '\r'));
    let digit = |letter: char| {
        let value = letter.to_digit(16).and_then(|value| u8::try_from(value).ok());
        let message = || format!("invalid hexadecimal digit: \"{letter}\"");
        value.ok_or_else(|| Error::invalid_parameter(message()))
    };
    let digits = digits.map(digit).collect::<Result<Vec<u8>>>()?;
    if digits.len() % 2 == 1 {
        return Err(Error::invalid_parameter("invalid hexadecimal data: odd number of digits"));
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn from_base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let (mut bits, mut have, mut padding) = (0_u32, 0, 0);
    for letter in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match letter {
            b'=' => {
                padding += 1;
                0
            }
            _ => {
                let place = BASE64.iter().position(|known| *known == letter);
                let place = place.filter(|_| padding == 0).ok_or_else(|| {
                    let shown = char::from(letter);
                    let message =
                        format!("invalid symbol \"{shown}\" found while decoding base64 sequence");
                    Error::invalid_parameter(message)
                })?;
                u32::try_from(place).unwrap_or(0)
            }
        };
        bits = bits << 6 | value;
        have += 1;
        if have == 4 {
            let [_, first, second, third] = bits.to_be_bytes();
            bytes.extend_from_slice(&[first, second, third][..3 - padding.min(2)]);
            (bits, have) = (0, 0);
        }
    }
    match have {
        0 => Ok(bytes),
        _ => Err(Error::invalid_parameter("invalid base64 end sequence")
            .hint("Input data is missing padding, is truncated, or is otherwise corrupted.")),
    }
}

fn from_escaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            (b'\\', _) => {
                let message = "invalid input syntax for type bytea";
                return Err(Error::new(SqlState::InvalidTextRepresentation, message));
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    Ok(bytes)
}
