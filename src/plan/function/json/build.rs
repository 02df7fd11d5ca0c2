//! Documents made of values: `to_json`, `json_build_object` and their kin, and the parts of aggregates.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::super::{is_json, only_value};
use crate::error::{Error, SqlState};
use crate::plan::undefined::undefined_function;
use crate::types::json::quoted;
use crate::types::pg_type::PG_TYPE;
use crate::types::{SqlType, text};

/// Name of the function that writes an element of `json_agg`; a user has no way to write it.
pub(crate) const ELEMENT: &str = "json element";
/// Name of the function that writes a member of `json_object_agg`.
pub(crate) const MEMBER: &str = "json member";

/// A value as JSON; `None` for null.
type Written = Option<String>;

/// What is made of the values of a row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Shape {
    /// The only value.
    Value,
    /// The only value, null as `null`.
    Element,
    /// `{"a" : 1, "b" : 2}` of keys and values.
    Object,
    /// `"a" : 1` of a key and a value.
    Member,
    /// `[1, 2]`
    Array,
}

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let made = |name, of, shape| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Builder { name, of, shape, signature }))
    };
    vec![
        made("to_json", SqlType::Json, Shape::Value),
        made("to_jsonb", SqlType::Jsonb, Shape::Value),
        made("json_build_object", SqlType::Json, Shape::Object),
        made("jsonb_build_object", SqlType::Jsonb, Shape::Object),
        made("json_build_array", SqlType::Json, Shape::Array),
        made("jsonb_build_array", SqlType::Jsonb, Shape::Array),
        made(ELEMENT, SqlType::Text, Shape::Element),
        made(MEMBER, SqlType::Text, Shape::Member),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Builder {
    name: &'static str,
    of: SqlType,
    shape: Shape,
    signature: Signature,
}

impl ScalarUDFImpl for Builder {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wanted = match self.shape {
            Shape::Value | Shape::Element => Some(1),
            Shape::Member => Some(2),
            Shape::Object | Shape::Array => None,
        };
        match wanted {
            Some(wanted) if wanted != types.len() => {
                Err(undefined_function(self.name, types).into())
            }
            _ => Ok(types.to_vec()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if self.shape == Shape::Object && args.arg_fields.len() % 2 == 1 {
            let error = Error::invalid_parameter("argument list must have even number of elements");
            let hint = "must consist of alternating keys and values.";
            return Err(error.hint(format!("The arguments of {}() {hint}", self.name)).into());
        }
        if let Some(field) = args.arg_fields.iter().find(|field| depends_on_zone(field)) {
            let kind = crate::plan::operator::sql_name(field.data_type());
            return Err(Error::unsupported(format!("a {kind} in JSON"))
                .hint("Convert it to text, or to timestamp with AT TIME ZONE.")
                .into());
        }
        let name = self.of.pg_type().name.to_owned();
        let metadata = HashMap::from([(PG_TYPE.to_owned(), name)]);
        Ok(Arc::new(Field::new(self.name, DataType::Utf8, true).with_metadata(metadata)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut columns = vec![];
        for (index, (arg, field)) in itertools::zip_eq(&args.args, &args.arg_fields).enumerate() {
            let array = arg.to_array(rows)?;
            let key = matches!(self.shape, Shape::Object | Shape::Member) && index % 2 == 0;
            columns.push(if key {
                self.keys(&array, field, index)?
            } else {
                written(&array, field)?
            });
        }
        let texts: Vec<Written> = (0..rows).map(|row| self.made(&columns, row)).collect();
        let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        let result: ArrayRef = match self.of {
            SqlType::Jsonb => {
                text::decode(&texts, &self.of.field("", true), &text::Style::default())?
            }
            _ => Arc::new(StringArray::from(texts)),
        };
        Ok(match scalar {
            true => ColumnarValue::Scalar(only_value(&result)?),
            false => ColumnarValue::Array(result),
        })
    }
}

impl Builder {
    /// Keys as JSON strings.
    fn keys(
        &self,
        array: &ArrayRef,
        field: &Field,
        index: usize,
    ) -> crate::error::Result<Vec<Written>> {
        let invalid = |message| Error::new(SqlState::InvalidParameterValue, message);
        if is_json(field) || field.data_type().is_nested() {
            let message = "key value must be scalar, not array, composite, or json";
            return Err(invalid(message.to_owned()));
        }
        let null = || match (self.shape, &self.of) {
            (Shape::Member, _) => invalid("field name must not be null".to_owned()),
            (_, SqlType::Jsonb) => invalid(format!("argument {}: key must not be null", index + 1)),
            _ => invalid(format!("argument {} cannot be null", index + 1))
                .hint("Object keys should be text."),
        };
        let cells = text::encode(array, field, &text::Style::default())?;
        let key = |row: usize| {
            let key = match (array.data_type(), cells.text(row).ok_or_else(null)?) {
                (DataType::Boolean, "t") => "true",
                (DataType::Boolean, _) => "false",
                (_, text) => text,
            };
            Ok(Some(quoted(key)))
        };
        (0..array.len()).map(key).collect()
    }

    /// The document of a row.
    fn made(&self, columns: &[Vec<Written>], row: usize) -> Written {
        let value =
            |column: &Vec<Written>| column[row].clone().unwrap_or_else(|| "null".to_owned());
        let values = columns.iter().map(value).collect::<Vec<_>>();
        let members = || values.chunks(2).map(|member| member.join(" : ")).collect::<Vec<_>>();
        Some(match self.shape {
            Shape::Value => return columns[0][row].clone(),
            Shape::Element => values[0].clone(),
            Shape::Member => members().remove(0),
            Shape::Object => format!("{{{}}}", members().join(", ")),
            Shape::Array => format!("[{}]", values.join(", ")),
        })
    }
}

/// Whether the session's time zone decides how values are shown.
fn depends_on_zone(field: &Field) -> bool {
    match field.data_type() {
        DataType::List(item) => depends_on_zone(item),
        other => matches!(other, DataType::Timestamp(_, Some(_))),
    }
}

/// The values of a column as JSON.
fn written(array: &ArrayRef, field: &Field) -> crate::error::Result<Vec<Written>> {
    if let DataType::List(item) = array.data_type() {
        let lists = array.as_list::<i32>();
        let list = |row: usize| {
            if lists.is_null(row) {
                return Ok(None);
            }
            let elements = written(&lists.value(row), item)?;
            let elements =
                elements.into_iter().map(|element| element.unwrap_or_else(|| "null".to_owned()));
            Ok(Some(format!("[{}]", elements.collect::<Vec<_>>().join(","))))
        };
        return (0..lists.len()).map(list).collect();
    }
    if array.data_type().is_nested() {
        return Err(Error::unsupported("a row in JSON")
            .hint("Name its columns: json_build_object('a', t.a, 'b', t.b)."));
    }
    let cells = text::encode(array, field, &text::Style::default())?;
    let json = is_json(field);
    let value = |text: &str| match array.data_type() {
        _ if json => text.to_owned(),
        DataType::Boolean => if text == "t" { "true" } else { "false" }.to_owned(),
        // `NaN` and `Infinity` are no numbers of JSON.
        kind if kind.is_numeric() && !text.ends_with(char::is_alphabetic) => text.to_owned(),
        DataType::Timestamp(_, _) => quoted(&text.replacen(' ', "T", 1)),
        _ => quoted(text),
    };
    Ok((0..array.len()).map(|row| cells.text(row).map(value)).collect())
}
