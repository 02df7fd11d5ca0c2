//! Advisory locks: the functions that do not wait for them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::logical_expr::{Signature, TypeSignature, Volatility};

use super::{Arguments, Definition, boolean, scalar};
use crate::engine::advisory::{Key, Mode};
use crate::engine::system::context::Context;
use crate::error::{Error, Result, SqlState};
use crate::types::pg_type::{BOOL, VOID};

pub(super) const ALL: &[Definition] = &[
    scalar("pg_try_advisory_lock", BOOL, |context, arguments| {
        try_lock(context, arguments, Mode { shared: false, block: false })
    }),
    scalar("pg_try_advisory_lock_shared", BOOL, |context, arguments| {
        try_lock(context, arguments, Mode { shared: true, block: false })
    }),
    scalar("pg_try_advisory_xact_lock", BOOL, |context, arguments| {
        try_lock(context, arguments, Mode { shared: false, block: true })
    }),
    scalar("pg_try_advisory_xact_lock_shared", BOOL, |context, arguments| {
        try_lock(context, arguments, Mode { shared: true, block: true })
    }),
    scalar("pg_advisory_unlock", BOOL, |context, arguments| unlock(context, arguments, false)),
    scalar("pg_advisory_unlock_shared", BOOL, |context, arguments| {
        unlock(context, arguments, true)
    }),
    scalar("pg_advisory_unlock_all", VOID, |context, _| {
        context.locks.unlock_all(context.session);
        Ok(Some(String::new()))
    }),
];

/// The arguments of the functions that lock: one `bigint`, or two `int`s.
pub(super) fn signature() -> Signature {
    let forms = vec![
        TypeSignature::Exact(vec![DataType::Int64]),
        TypeSignature::Exact(vec![DataType::Int32, DataType::Int32]),
    ];
    Signature::one_of(forms, Volatility::Volatile)
}

/// The key that a row's arguments say; `None` if one is null.
pub(super) fn key(arguments: &[ArrayRef], row: usize) -> Result<Option<Key>> {
    if arguments.iter().any(|array| array.is_null(row)) {
        return Ok(None);
    }
    match arguments {
        [one] => Ok(Some(Key::One(one.as_primitive::<Int64Type>().value(row)))),
        [one, two] => {
            let value = |array: &ArrayRef| array.as_primitive::<Int32Type>().value(row);
            Ok(Some(Key::Two(value(one), value(two))))
        }
        _ => Err(Error::internal("an advisory lock has one or two keys")),
    }
}

fn key_of_text(arguments: &Arguments<'_>) -> Result<Option<Key>> {
    let half = |index| match arguments.number(index) {
        None => Ok(None),
        Some(number) => i32::try_from(number)
            .map(Some)
            .map_err(|_| Error::new(SqlState::NumericValueOutOfRange, "integer out of range")),
    };
    Ok(match arguments.count() {
        1 => arguments.number(0).map(Key::One),
        _ => half(0)?.zip(half(1)?).map(|(one, two)| Key::Two(one, two)),
    })
}

fn try_lock(context: &Context, arguments: &Arguments<'_>, mode: Mode) -> Result<Option<String>> {
    let Some(key) = key_of_text(arguments)? else { return Ok(None) };
    Ok(boolean(context.locks.try_lock(context.session, key, mode)))
}

fn unlock(context: &Context, arguments: &Arguments<'_>, shared: bool) -> Result<Option<String>> {
    let Some(key) = key_of_text(arguments)? else { return Ok(None) };
    Ok(boolean(context.locks.unlock(context.session, key, shared)))
}
