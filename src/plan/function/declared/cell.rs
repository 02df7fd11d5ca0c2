//! Types of cells: how a function that looks at one row gets its arguments and gives its answer.

use std::sync::Arc;

use arrow::array::types::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, ListBuilder,
    PrimitiveArray, StringArray, StringBuilder,
};
use arrow::datatypes::IntervalMonthDayNano;

use super::kind::Kind;
use crate::error::Result;

/// A type of an argument.
pub(crate) trait Cell: 'static {
    /// Its kind.
    const KIND: Kind;
    /// One value.
    type Of<'a>;
    /// A column of it.
    type Column: Array;
    /// The column, of the kind as it was declared.
    fn column(array: &ArrayRef) -> &Self::Column;
    /// The value of a row that is not null.
    fn at(column: &Self::Column, row: usize) -> Self::Of<'_>;
}

/// A type of a result.
pub(crate) trait Given: 'static {
    /// Its kind.
    const KIND: Kind;
    /// One value.
    type Owned;
    /// The column of all answers.
    fn array(answers: impl Iterator<Item = Result<Option<Self::Owned>>>) -> Result<ArrayRef>;
}

/// What a function may answer with: a value, perhaps none, perhaps an error.
pub(crate) trait Answer<T> {
    /// The answer in its widest form.
    fn answer(self) -> Result<Option<T>>;
}

impl<T> Answer<T> for T {
    fn answer(self) -> Result<Option<T>> {
        Ok(Some(self))
    }
}

impl<T> Answer<T> for Option<T> {
    fn answer(self) -> Result<Option<T>> {
        Ok(self)
    }
}

impl<T> Answer<T> for Result<T> {
    fn answer(self) -> Result<Option<T>> {
        self.map(Some)
    }
}

impl<T> Answer<T> for Result<Option<T>> {
    fn answer(self) -> Result<Option<T>> {
        self
    }
}

macro_rules! primitive_cells {
    ($($name:ident = $arrow:ty, $native:ty, $kind:ident;)*) => {$(
        #[doc = concat!("`", stringify!($kind), "`")]
        pub(crate) struct $name;

        impl Cell for $name {
            const KIND: Kind = Kind::$kind;
            type Of<'a> = $native;
            type Column = PrimitiveArray<$arrow>;

            fn column(array: &ArrayRef) -> &Self::Column {
                array.as_primitive()
            }

            fn at(column: &Self::Column, row: usize) -> $native {
                column.value(row)
            }
        }

        impl Given for $name {
            const KIND: Kind = Kind::$kind;
            type Owned = $native;

            fn array(answers: impl Iterator<Item = Result<Option<$native>>>) -> Result<ArrayRef> {
                let values = answers.collect::<Result<PrimitiveArray<$arrow>>>()?;
                Ok(Arc::new(values.with_data_type(Kind::$kind.data_type(None))))
            }
        }
    )*};
}

primitive_cells! {
    Int2 = Int16Type, i16, Int2;
    Int4 = Int32Type, i32, Int4;
    Int8 = Int64Type, i64, Int8;
    Float4 = Float32Type, f32, Float4;
    Float8 = Float64Type, f64, Float8;
    Date = Date32Type, i32, Date;
    Time = Time64MicrosecondType, i64, Time;
    Timestamp = TimestampMicrosecondType, i64, Timestamp;
    Timestamptz = TimestampMicrosecondType, i64, Timestamptz;
    Interval = IntervalMonthDayNanoType, IntervalMonthDayNano, Interval;
}

/// `Text`
pub(crate) struct Text;

impl Cell for Text {
    const KIND: Kind = Kind::Text;
    type Of<'a> = &'a str;
    type Column = StringArray;

    fn column(array: &ArrayRef) -> &StringArray {
        array.as_string()
    }

    fn at(column: &StringArray, row: usize) -> &str {
        column.value(row)
    }
}

impl Given for Text {
    const KIND: Kind = Kind::Text;
    type Owned = String;

    fn array(answers: impl Iterator<Item = Result<Option<String>>>) -> Result<ArrayRef> {
        let mut texts = StringBuilder::new();
        for answer in answers {
            texts.append_option(answer?);
        }
        Ok(Arc::new(texts.finish()))
    }
}

/// `Bytea`
pub(crate) struct Bytea;

impl Cell for Bytea {
    const KIND: Kind = Kind::Bytea;
    type Of<'a> = &'a [u8];
    type Column = BinaryArray;

    fn column(array: &ArrayRef) -> &BinaryArray {
        array.as_binary()
    }

    fn at(column: &BinaryArray, row: usize) -> &[u8] {
        column.value(row)
    }
}

impl Given for Bytea {
    const KIND: Kind = Kind::Bytea;
    type Owned = Vec<u8>;

    fn array(answers: impl Iterator<Item = Result<Option<Vec<u8>>>>) -> Result<ArrayRef> {
        let mut values = BinaryBuilder::new();
        for answer in answers {
            values.append_option(answer?);
        }
        Ok(Arc::new(values.finish()))
    }
}

/// `Bool`
pub(crate) struct Bool;

impl Cell for Bool {
    const KIND: Kind = Kind::Bool;
    type Of<'a> = bool;
    type Column = BooleanArray;

    fn column(array: &ArrayRef) -> &BooleanArray {
        array.as_boolean()
    }

    fn at(column: &BooleanArray, row: usize) -> bool {
        column.value(row)
    }
}

impl Given for Bool {
    const KIND: Kind = Kind::Bool;
    type Owned = bool;

    fn array(answers: impl Iterator<Item = Result<Option<bool>>>) -> Result<ArrayRef> {
        Ok(Arc::new(answers.collect::<Result<BooleanArray>>()?))
    }
}

/// An array of texts, as a result.
pub(crate) struct Texts;

impl Given for Texts {
    const KIND: Kind = Kind::TextArray;
    type Owned = Vec<Option<String>>;

    fn array(
        answers: impl Iterator<Item = Result<Option<Vec<Option<String>>>>>,
    ) -> Result<ArrayRef> {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for answer in answers {
            match answer? {
                Some(texts) => lists.append_value(texts),
                None => lists.append_null(),
            }
        }
        Ok(Arc::new(lists.finish()))
    }
}
