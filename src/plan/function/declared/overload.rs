//! One function of a name: the types it takes and gives, and what it does with whole columns.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use itertools::Itertools;

use super::cell::{Answer, Cell, Given};
use super::kind::Kind;
use crate::error::Result;

type Body = Box<dyn Fn(&[ArrayRef], &DataType, usize) -> Result<ArrayRef> + Send + Sync>;
/// The type of a result that depends on those of the arguments and on those that are literals.
type Typing = fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>;

/// One function.
pub(crate) struct Overload {
    args: Vec<Kind>,
    /// The kind of any number of further arguments.
    rest: Option<Kind>,
    gives: Gives,
    body: Body,
}

enum Gives {
    Kind(Kind),
    Typed(Typing),
}

impl Overload {
    /// The types of `count` arguments, if the function takes as many.
    pub(super) fn kinds(&self, count: usize) -> Option<Vec<Kind>> {
        let further = count.checked_sub(self.args.len())?;
        match self.rest {
            None if further > 0 => None,
            rest => {
                let further = rest.into_iter().flat_map(|kind| std::iter::repeat_n(kind, further));
                Some(self.args.iter().copied().chain(further).collect())
            }
        }
    }

    /// The Arrow types in which arguments of `types` are handed over.
    pub(super) fn targets(&self, types: &[Option<DataType>]) -> Vec<DataType> {
        let kinds = self.kinds(types.len()).unwrap_or_default();
        itertools::zip_eq(kinds, types).map(|(kind, from)| kind.data_type(from.as_ref())).collect()
    }

    /// The type of the result.
    pub(super) fn result(
        &self,
        types: &[DataType],
        constants: &[Option<&ScalarValue>],
    ) -> Result<DataType> {
        match self.gives {
            Gives::Kind(kind) => Ok(kind.data_type(None)),
            Gives::Typed(typing) => {
                let known = types.iter().cloned().map(Some).collect_vec();
                typing(&self.targets(&known), constants)
            }
        }
    }

    /// The results for `rows` rows.
    pub(super) fn compute(
        &self,
        args: &[ArrayRef],
        to: &DataType,
        rows: usize,
    ) -> Result<ArrayRef> {
        (self.body)(args, to, rows)
    }

    /// Takes any number of further arguments.
    pub(crate) fn rest(mut self, kind: Kind) -> Overload {
        self.rest = Some(kind);
        self
    }

    /// The type of the result by those of the arguments.
    pub(crate) fn typed(mut self, typing: Typing) -> Overload {
        self.gives = Gives::Typed(typing);
        self
    }
}

/// A function of whole columns; it sees nulls.
pub(crate) fn whole(
    args: &[Kind],
    gives: Kind,
    body: fn(&[ArrayRef], &DataType, usize) -> Result<ArrayRef>,
) -> Overload {
    Overload { args: args.to_vec(), rest: None, gives: Gives::Kind(gives), body: Box::new(body) }
}

/// The rows on which no argument is null.
fn valid(args: &[ArrayRef]) -> Option<NullBuffer> {
    let nulls = args.iter().map(|arg| arg.logical_nulls());
    nulls.fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls.as_ref()))
}

/// The answers of all rows; a null argument makes a null.
fn collected<R: Given>(
    args: &[ArrayRef],
    rows: usize,
    mut answer: impl FnMut(usize) -> Result<Option<R::Owned>>,
) -> Result<ArrayRef> {
    let valid = valid(args);
    let answers =
        (0..rows).map(|row| match valid.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            true => answer(row),
            false => Ok(None),
        });
    R::array(answers)
}

/// A function of one argument that is not null.
pub(crate) fn one<A: Cell, R: Given, O: Answer<R::Owned> + 'static>(
    function: for<'a> fn(A::Of<'a>) -> O,
) -> Overload {
    let body = move |args: &[ArrayRef], _: &DataType, rows: usize| {
        let a = A::column(&args[0]);
        collected::<R>(args, rows, |row| function(A::at(a, row)).answer())
    };
    let body = Box::new(body);
    Overload { args: vec![A::KIND], rest: None, gives: Gives::Kind(R::KIND), body }
}

/// A function of two arguments that are not null.
pub(crate) fn two<A: Cell, B: Cell, R: Given, O: Answer<R::Owned> + 'static>(
    function: for<'a> fn(A::Of<'a>, B::Of<'a>) -> O,
) -> Overload {
    let body = move |args: &[ArrayRef], _: &DataType, rows: usize| {
        let (a, b) = (A::column(&args[0]), B::column(&args[1]));
        collected::<R>(args, rows, |row| function(A::at(a, row), B::at(b, row)).answer())
    };
    let body = Box::new(body);
    Overload { args: vec![A::KIND, B::KIND], rest: None, gives: Gives::Kind(R::KIND), body }
}

/// A function of three arguments that are not null.
pub(crate) fn three<A: Cell, B: Cell, C: Cell, R: Given, O: Answer<R::Owned> + 'static>(
    function: for<'a> fn(A::Of<'a>, B::Of<'a>, C::Of<'a>) -> O,
) -> Overload {
    let body = move |args: &[ArrayRef], _: &DataType, rows: usize| {
        let (a, b, c) = (A::column(&args[0]), B::column(&args[1]), C::column(&args[2]));
        collected::<R>(args, rows, |row| {
            function(A::at(a, row), B::at(b, row), C::at(c, row)).answer()
        })
    };
    let body = Box::new(body);
    let args = vec![A::KIND, B::KIND, C::KIND];
    Overload { args, rest: None, gives: Gives::Kind(R::KIND), body }
}

/// A function of four arguments that are not null.
pub(crate) fn four<A: Cell, B: Cell, C: Cell, D: Cell, R: Given, O: Answer<R::Owned> + 'static>(
    function: for<'a> fn(A::Of<'a>, B::Of<'a>, C::Of<'a>, D::Of<'a>) -> O,
) -> Overload {
    let body = move |args: &[ArrayRef], _: &DataType, rows: usize| {
        let (a, b) = (A::column(&args[0]), B::column(&args[1]));
        let (c, d) = (C::column(&args[2]), D::column(&args[3]));
        collected::<R>(args, rows, |row| {
            function(A::at(a, row), B::at(b, row), C::at(c, row), D::at(d, row)).answer()
        })
    };
    let body = Box::new(body);
    let args = vec![A::KIND, B::KIND, C::KIND, D::KIND];
    Overload { args, rest: None, gives: Gives::Kind(R::KIND), body }
}
