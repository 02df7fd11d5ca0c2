//! Json that tools put catalog values into.

use arrow::datatypes::DataType;

use super::{Arguments, Definition, scalar};
use crate::engine::system::context::Context;
use crate::error::{Error, Result, SqlState};
use crate::types::pg_type::{JSON, JSONB};

pub(super) const ALL: &[Definition] = &[
    scalar("json_build_object", JSON, object),
    scalar("jsonb_build_object", JSONB, object),
    scalar("json_build_array", JSON, array),
    scalar("jsonb_build_array", JSONB, array),
];

fn object(_: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    if arguments.count() % 2 == 1 {
        return Err(Error::invalid_parameter("argument list must have even number of elements")
            .hint(
                "The arguments of json_build_object() must consist of alternating keys and values.",
            ));
    }
    let mut pairs = Vec::with_capacity(arguments.count() / 2);
    for index in (0..arguments.count()).step_by(2) {
        let Some(key) = arguments.text(index) else {
            let message = format!("argument {}: key must not be null", index + 1);
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        };
        pairs.push(format!("{} : {}", quoted(key), value(arguments, index + 1)));
    }
    Ok(Some(format!("{{{}}}", pairs.join(", "))))
}

fn array(_: &Context, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let values: Vec<String> = (0..arguments.count()).map(|index| value(arguments, index)).collect();
    Ok(Some(format!("[{}]", values.join(", "))))
}

fn value(arguments: &Arguments<'_>, index: usize) -> String {
    match (arguments.text(index), arguments.data_type(index)) {
        (None, _) => "null".to_owned(),
        (Some(text), DataType::Boolean) => if text == "t" { "true" } else { "false" }.to_owned(),
        (Some(text), number) if number.is_numeric() && !text.ends_with(char::is_alphabetic) => {
            text.to_owned()
        }
        (Some(text), _) => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
