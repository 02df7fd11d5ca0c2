//! Functions of `json` and `jsonb`. Both are texts whose field says what they are: a function looks at its
//! arguments' fields, and says in its result's what that is.

mod build;
mod edit;
mod get;
mod test;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, make_array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

pub(crate) use build::{ELEMENT, MEMBER};

use super::is_json;
use crate::plan::undefined::undefined_call;
use crate::types::SqlType;
use crate::types::pg_type::{self, PG_TYPE};
use crate::types::text;

/// The functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    [get::all(), test::all(), edit::all(), build::all()].into_iter().flatten().collect()
}

/// What a function gives.
#[derive(Clone, Copy)]
enum Gives {
    /// The type of its first argument.
    Same,
    /// An array of it.
    Array,
    /// This type.
    Arrow(DataTypeOf),
}

type DataTypeOf = fn() -> DataType;
/// Types to convert arguments to, by theirs; `None` if the function does not take them.
type Arguments = fn(&[DataType]) -> Option<Vec<DataType>>;
/// The result of all rows; the first arguments are documents.
type Body = fn(&[ArrayRef]) -> crate::error::Result<ArrayRef>;

struct JsonFunction {
    name: String,
    /// The type of its documents.
    of: SqlType,
    /// How many of its first arguments are documents.
    documents: usize,
    arguments: Arguments,
    gives: Gives,
    body: Body,
    signature: Signature,
}

/// A function of documents of type `of`.
fn function(
    name: String,
    of: SqlType,
    arguments: Arguments,
    gives: Gives,
    body: Body,
) -> JsonFunction {
    let signature = Signature::user_defined(Volatility::Immutable);
    JsonFunction { name, of, documents: 1, arguments, gives, body, signature }
}

/// The function `json…` and the function `jsonb…`.
fn both(name: &str, arguments: Arguments, gives: Gives, body: Body) -> Vec<Arc<ScalarUDF>> {
    let of = [("json", SqlType::Json), ("jsonb", SqlType::Jsonb)];
    let made =
        of.map(|(prefix, of)| function(prefix.to_owned() + name, of, arguments, gives, body));
    made.into_iter().map(|function| Arc::new(ScalarUDF::new_from_impl(function))).collect()
}

/// A function of `jsonb` alone; the first `documents` arguments are.
fn binary(
    name: &str,
    documents: usize,
    arguments: Arguments,
    gives: Gives,
    body: Body,
) -> Arc<ScalarUDF> {
    let function = function(name.to_owned(), SqlType::Jsonb, arguments, gives, body);
    Arc::new(ScalarUDF::new_from_impl(JsonFunction { documents, ..function }))
}

/// As many rows as `rows`, where no argument is null.
fn texts(
    args: &[ArrayRef],
    mut each: impl FnMut(&str, usize) -> Option<String>,
) -> crate::error::Result<ArrayRef> {
    let documents = args[0].as_string::<i32>();
    let valid = |row: usize| args.iter().all(|arg| arg.is_valid(row));
    let texts = (0..documents.len())
        .map(|row| if valid(row) { each(documents.value(row), row) } else { None });
    Ok(Arc::new(texts.collect::<StringArray>()))
}

/// A document and a text.
fn with_text(types: &[DataType]) -> Option<Vec<DataType>> {
    let fits = matches!(types, [_, key] if key.is_string() || key.is_null());
    fits.then(|| vec![DataType::Utf8, DataType::Utf8])
}

/// A document and texts in an array.
fn with_texts(types: &[DataType]) -> Option<Vec<DataType>> {
    let list = DataType::new_list(DataType::Utf8, true);
    let fits = matches!(types, [_, keys] if keys.is_list() || keys.is_null());
    fits.then(|| vec![DataType::Utf8, list])
}

/// A document alone.
fn alone(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 1).then(|| vec![DataType::Utf8])
}

/// The texts of a row's array.
fn elements(array: &ArrayRef, row: usize) -> Vec<Option<String>> {
    let list = array.as_list::<i32>().value(row);
    list.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

impl JsonFunction {
    /// Whether an argument may be a document: it is one, or a text of which nothing says that it is none
    /// (a literal, a `CASE`), which is checked.
    fn takes(&self, field: &Field) -> bool {
        match SqlType::of_field(field) {
            Some(kind) => kind == self.of || kind == SqlType::Text,
            None => field.data_type().is_null(),
        }
    }

    fn undefined(&self, args: &[FieldRef]) -> crate::error::Error {
        let types = args.iter().map(|field| match is_json(field) {
            true => pg_type::of_field(field).sql_name.to_owned(),
            false => crate::plan::operator::sql_name(field.data_type()),
        });
        undefined_call(&self.name, &types.collect::<Vec<_>>())
    }
}

impl std::fmt::Debug for JsonFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for JsonFunction {
    fn eq(&self, other: &JsonFunction) -> bool {
        self.name == other.name
    }
}

impl Eq for JsonFunction {}

impl Hash for JsonFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for JsonFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let undefined = || crate::plan::undefined::undefined_function(&self.name, types);
        Ok((self.arguments)(types).ok_or_else(undefined)?)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(match self.gives {
            Gives::Same => DataType::Utf8,
            Gives::Array => SqlType::Array(Box::new(self.of.clone())).data_type(),
            Gives::Arrow(of) => of(),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if !args.arg_fields.iter().take(self.documents).all(|field| self.takes(field)) {
            return Err(self.undefined(args.arg_fields).into());
        }
        let kind = self.return_type(&[])?;
        let metadata = match self.gives {
            Gives::Same => HashMap::from([(PG_TYPE.to_owned(), self.of.pg_type().name.to_owned())]),
            _ => HashMap::new(),
        };
        Ok(Arc::new(Field::new(&self.name, kind, true).with_metadata(metadata)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut arrays =
            args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        for (array, field) in itertools::zip_eq(&mut arrays, &args.arg_fields).take(self.documents)
        {
            if !is_json(field) {
                let texts: Vec<Option<&str>> = array.as_string::<i32>().iter().collect();
                let to = self.of.field("", true);
                *array = text::decode(&texts, &to, &text::Style::default())?;
            }
        }
        let mut result = (self.body)(&arrays)?;
        let kind = args.return_field.data_type();
        if result.data_type() != kind {
            // Elements of an array say what they are in its type.
            let typed = result.to_data().into_builder().data_type(kind.clone());
            result = make_array(typed.build()?);
        }
        Ok(match scalar {
            true => ColumnarValue::Scalar(super::only_value(&result)?),
            false => ColumnarValue::Array(result),
        })
    }
}
