//! Hash functions.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::plan::function::declared::{Bytea, Text, declared, one};

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        declared(
            "md5",
            vec![
                one::<Text, Text, _>(|text: &str| hex(&md5::compute(text).0)),
                one::<Bytea, Text, _>(|bytes: &[u8]| hex(&md5::compute(bytes).0)),
            ],
        ),
        declared(
            "sha224",
            vec![one::<Bytea, Bytea, _>(|bytes: &[u8]| Sha224::digest(bytes).to_vec())],
        ),
        declared(
            "sha256",
            vec![one::<Bytea, Bytea, _>(|bytes: &[u8]| Sha256::digest(bytes).to_vec())],
        ),
        declared(
            "sha384",
            vec![one::<Bytea, Bytea, _>(|bytes: &[u8]| Sha384::digest(bytes).to_vec())],
        ),
        declared(
            "sha512",
            vec![one::<Bytea, Bytea, _>(|bytes: &[u8]| Sha512::digest(bytes).to_vec())],
        ),
    ]
}

/// Two hexadecimal digits per byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
