//! Prepared statements and portals of the extended protocol.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field};
use bytes::Bytes;

use super::rows::Rows;
use super::{describe, invalid_utf8};
use crate::engine::Prepared;
use crate::error::{Error, Result, SqlState};
use crate::types::binary;
use crate::types::text::{self, Style};

/// A statement that was parsed; `None` for an empty one.
pub(super) type Statement = Option<Arc<Prepared>>;

/// A statement with values for its parameters, and how far it has been run.
pub(super) struct Portal {
    pub(super) statement: Statement,
    pub(super) values: Vec<ArrayRef>,
    /// Format codes for the result, as the client gave them.
    pub(super) formats: Vec<i16>,
    pub(super) state: State,
}

/// How far a portal has been run.
pub(super) enum State {
    /// Not at all.
    Ready,
    /// Rows are left.
    Open {
        /// What is left.
        rows: Box<Rows>,
        /// First words of the command tag.
        verb: &'static str,
        /// Whether the tag ends with the row count.
        counted: bool,
    },
    /// To the end; a result set then reads as empty.
    Done {
        /// First words of the command tag of a result set; `None` for other statements.
        verb: Option<&'static str>,
    },
}

/// Reads the parameters of a Bind message.
///
/// # Errors
/// `08P01` if there are too few or too many, `22P02`, `22P03` and others for a malformed value.
pub(super) fn values(
    prepared: &Prepared,
    name: &str,
    codes: &[i16],
    parameters: &[Option<Bytes>],
    style: &Style,
) -> Result<Vec<ArrayRef>> {
    let (given, wanted) = (parameters.len(), prepared.params.len());
    if given != wanted {
        return Err(Error::new(
            SqlState::ProtocolViolation,
            format!(
                "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {wanted}"
            ),
        ));
    }
    let binary = describe::binary(codes, wanted, "parameter")?;
    let given = itertools::zip_eq(parameters, binary);
    itertools::zip_eq(&prepared.params, given)
        .map(|(field, (parameter, binary))| match parameter {
            None => Ok(new_null_array(field.data_type(), 1)),
            Some(bytes) => value(bytes, binary, field, style),
        })
        .collect()
}

/// A parameter's value. A numeric keeps its own digits: what it is compared with must not round it.
fn value(bytes: &[u8], binary: bool, field: &Field, style: &Style) -> Result<ArrayRef> {
    let numeric = matches!(field.data_type(), DataType::Decimal128(_, _));
    match (binary, numeric) {
        (true, true) => binary::decode_numeric(bytes),
        (true, false) => binary::decode(&[Some(bytes)], field),
        (false, numeric) => {
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
            let text = text.ok_or_else(invalid_utf8)?;
            match numeric {
                true => text::decode_numeric(text),
                false => text::decode(&[Some(text)], field, style),
            }
        }
    }
}
