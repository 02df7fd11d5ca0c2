//! The functions of `pg_catalog` that tools call. They are evaluated row by row over texts: catalog
//! queries are small, and what counts is that every overload is there.

mod catalog;
mod lock;
mod name;
mod privilege;
mod sequence;
mod session;
mod types;
mod waiting;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

pub(super) use types::format_type;

use super::context::Context;
use crate::error::Result;
use crate::types::pg_type::{self, PgType};
use crate::types::text::{Cells, Style, Timezone, decode, encode};

/// The role that owns everything.
pub(super) const OWNER: &str = "millstream";

/// The arguments of one call, as texts.
pub(super) struct Arguments<'a> {
    cells: &'a [Cells],
    types: &'a [DataType],
    row: usize,
}

impl Arguments<'_> {
    /// An argument; `None` if it is null or not given.
    pub(super) fn text(&self, index: usize) -> Option<&str> {
        self.cells.get(index)?.text(self.row)
    }

    /// An argument as an OID.
    pub(super) fn oid(&self, index: usize) -> Option<u32> {
        self.text(index)?.parse().ok()
    }

    /// An argument as a number.
    pub(super) fn number(&self, index: usize) -> Option<i64> {
        self.text(index)?.parse().ok()
    }

    /// The type of an argument.
    pub(super) fn data_type(&self, index: usize) -> &DataType {
        self.types.get(index).unwrap_or(&DataType::Null)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.cells.len()
    }
}

/// Result of a call, as text; `None` for null.
type Body = fn(&Context, &Arguments<'_>) -> Result<Option<String>>;

/// A function: its name, what it returns and in which shape, what it does.
pub(super) struct Definition {
    name: &'static str,
    returns: PgType,
    shape: Shape,
    body: Body,
}

/// What a function makes of values of its type.
enum Shape {
    /// One.
    Scalar,
    /// An array.
    Array,
    /// An array of records of a value and its number.
    Numbered,
}

const fn scalar(name: &'static str, returns: PgType, body: Body) -> Definition {
    Definition { name, returns, shape: Shape::Scalar, body }
}

const fn array(name: &'static str, returns: PgType, body: Body) -> Definition {
    Definition { name, returns, shape: Shape::Array, body }
}

const fn numbered(name: &'static str, returns: PgType, body: Body) -> Definition {
    Definition { name, returns, shape: Shape::Numbered, body }
}

fn definitions() -> impl Iterator<Item = &'static Definition> {
    [session::ALL, catalog::ALL, name::ALL, types::ALL, privilege::ALL, lock::ALL, sequence::ALL]
        .into_iter()
        .flatten()
}

/// Names of the functions that clients may call.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let names = definitions().map(|definition| definition.name).chain(waiting::names());
    names.filter(|name| !name.starts_with("__"))
}

/// Whether there is a function of this name.
pub(super) fn exists(name: &str) -> bool {
    definitions().any(|definition| definition.name == name)
        || waiting::names().any(|waiting| waiting == name)
}

/// All functions, bound to a statement's context.
pub(super) fn all(context: &Arc<Context>) -> Vec<Arc<ScalarUDF>> {
    definitions()
        .chain(session::SHARED)
        .map(|definition| {
            let function = Function { definition, context: Arc::clone(context) };
            Arc::new(ScalarUDF::new_from_impl(function))
        })
        .chain(waiting::all(context))
        .collect()
}

struct Function {
    definition: &'static Definition,
    context: Arc<Context>,
}

impl Function {
    fn field(&self) -> Field {
        let scalar = pg_type::arrow_type(self.definition.returns);
        let data_type = match self.definition.shape {
            Shape::Scalar => scalar,
            Shape::Array => DataType::new_list(scalar, true),
            Shape::Numbered => {
                let number = pg_type::arrow_type(pg_type::INT4);
                let fields = vec![Field::new("x", scalar, true), Field::new("n", number, true)];
                return Field::new(
                    self.definition.name,
                    DataType::new_list(DataType::Struct(fields.into()), true),
                    true,
                );
            }
        };
        let metadata =
            [(pg_type::PG_TYPE.to_owned(), self.definition.returns.name.to_owned())].into();
        Field::new(self.definition.name, data_type, true).with_metadata(metadata)
    }

    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let cells = arguments
            .iter()
            .map(|array| {
                encode(array, &Field::new("", array.data_type().clone(), true), &Style::default())
            })
            .collect::<Result<Vec<Cells>>>()?;
        let types: Vec<DataType> =
            arguments.iter().map(|array| array.data_type().clone()).collect();
        let call = |row| {
            let arguments = Arguments { cells: &cells, types: &types, row };
            (self.definition.body)(&self.context, &arguments)
        };
        let texts = (0..rows).map(call).collect::<Result<Vec<Option<String>>>>()?;
        let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        decode(&texts, &self.field(), &Style::default())
    }
}

/// Whether a function does something: once for every row, and never while planning.
fn acts(name: &str) -> bool {
    const ACTING: [&str; 6] = [
        "set_config",
        "pg_notify",
        "pg_cancel_backend",
        "pg_terminate_backend",
        "nextval",
        "setval",
    ];
    ACTING.contains(&name) || name.contains("advisory")
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        static STABLE: std::sync::OnceLock<Signature> = std::sync::OnceLock::new();
        static VOLATILE: std::sync::OnceLock<Signature> = std::sync::OnceLock::new();
        let (any, volatility) = match self.definition.name {
            name if acts(name) => (&VOLATILE, Volatility::Volatile),
            _ => (&STABLE, Volatility::Stable),
        };
        any.get_or_init(|| {
            let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
            Signature::one_of(any, volatility)
        })
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(self.field().data_type().clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)))
            && !acts(self.definition.name);
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(rows))
            .collect::<DataFusionResult<Vec<ArrayRef>>>()?;
        let array = self.call(&arrays, rows)?;
        match constant {
            true => Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(
                &array, 0,
            )?)),
            false => Ok(ColumnarValue::Array(array)),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

/// An instant as text.
pub(super) fn timestamptz(instant_us: i64) -> String {
    let zone: Arc<str> = "UTC".into();
    let array = arrow::array::TimestampMicrosecondArray::from(vec![instant_us]).with_timezone(zone);
    let array: ArrayRef = Arc::new(array);
    let field = Field::new("", array.data_type().clone(), true);
    let style = Style { timezone: Timezone::default(), ..Style::default() };
    let cells = encode(&array, &field, &style).expect("timestamps can be shown");
    cells.text(0).expect("is not null").to_owned()
}

/// The elements of a text array argument that was encoded as `{a,b}`.
fn elements(text: &str) -> Result<Vec<Option<String>>> {
    let field = Field::new("", DataType::new_list(DataType::Utf8, true), true);
    let array = decode(&[Some(text)], &field, &Style::default())?;
    let values = array.as_list::<i32>().value(0);
    let values = values.as_string::<i32>();
    Ok(values.iter().map(|value| value.map(str::to_owned)).collect())
}

fn boolean(value: bool) -> Option<String> {
    Some(if value { "t" } else { "f" }.to_owned())
}
