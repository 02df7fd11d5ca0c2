//! Values of a statement's parameters.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;

use crate::error::{Error, Result, SqlState};
use crate::plan::Select;

/// Types and values of `$1`, `$2`, …
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    /// Declared types; unknown ones are inferred.
    pub(super) types: Vec<Option<FieldRef>>,
    /// The values; fewer than types only while a statement is being described.
    pub(super) values: Vec<ScalarValue>,
}

impl Arguments {
    /// Of a statement without parameters.
    pub(super) fn none() -> Arguments {
        Arguments::default()
    }

    /// Of a statement that is only described.
    pub(super) fn declared(types: &[Option<FieldRef>]) -> Arguments {
        Arguments { types: types.to_vec(), values: vec![] }
    }

    /// One value (an array of one element) per parameter. A value's own type counts: a numeric has the
    /// digits it was sent with.
    ///
    /// # Errors
    /// `08P01` if their number is wrong.
    pub(super) fn new(params: &[FieldRef], values: &[ArrayRef]) -> Result<Arguments> {
        if params.len() != values.len() {
            return Err(Error::new(
                SqlState::ProtocolViolation,
                format!(
                    "bind message supplies {} parameters, but prepared statement requires {}",
                    values.len(),
                    params.len()
                ),
            ));
        }
        let scalar = |value: &ArrayRef| {
            debug_assert_eq!(value.len(), 1, "one value per parameter");
            Ok(ScalarValue::try_from_array(value, 0)?)
        };
        Ok(Arguments {
            types: itertools::zip_eq(params, values).map(typed).collect(),
            values: values.iter().map(scalar).collect::<Result<_>>()?,
        })
    }

    /// `select` with these values.
    ///
    /// # Errors
    /// `42P02` if it has a parameter for which there is no value.
    pub(super) fn bind(&self, select: Select) -> Result<Select> {
        let wanted = select.parameters.len();
        if wanted > self.values.len() {
            return Err(Error::new(
                SqlState::UndefinedParameter,
                format!("there is no parameter ${}", self.values.len() + 1),
            ));
        }
        if wanted == 0 {
            return Ok(select);
        }
        select.bind(self.values[..wanted].to_vec())
    }
}

fn typed((param, value): (&FieldRef, &ArrayRef)) -> Option<FieldRef> {
    if param.data_type() == value.data_type() {
        return Some(Arc::clone(param));
    }
    Some(Arc::new(param.as_ref().clone().with_data_type(value.data_type().clone())))
}
