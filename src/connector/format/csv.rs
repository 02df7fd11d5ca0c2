//! CSV as Postgres' COPY and spreadsheets write it. Records end at line feeds outside of quotes.
//!
//! Options: `header` (default true), `delimiter`, `quote`, `null` (a list of spellings separated by
//! commas; default: the empty field). Columns are found by the header's names in any case; without a
//! header, by position.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use regex::Regex;

use crate::connector::options::{Options, invalid};
use crate::error::{Error, Result, SqlState};
use crate::types::text;

/// How a CSV file is read.
#[derive(Clone, Debug)]
pub(in crate::connector) struct CsvFormat {
    header: bool,
    delimiter: u8,
    quote: u8,
    /// What means null; none: the empty field, which needs no regular expression.
    null: Option<Regex>,
    /// The columns wanted.
    schema: SchemaRef,
    /// The file's fields: those wanted with the type that the decoder reads, the others as text.
    fields: SchemaRef,
    /// For each column wanted, its place in the file.
    places: Vec<usize>,
}

impl CsvFormat {
    pub(super) fn new(schema: &SchemaRef, options: &mut Options<'_>) -> Result<CsvFormat> {
        let null = options.text("null").filter(|null| !null.is_empty()).map(|null| {
            let spellings = null.split(',').map(|spelling| regex::escape(spelling.trim()));
            let pattern = format!("^(?:{})$", spellings.collect::<Vec<_>>().join("|"));
            Regex::new(&pattern).map_err(|_| invalid("null", null, "a short list of spellings"))
        });
        let null = null.transpose()?;
        Ok(CsvFormat {
            header: options.flag("header", true)?,
            delimiter: options.byte("delimiter", b',')?,
            quote: options.byte("quote", b'"')?,
            null,
            schema: Arc::clone(schema),
            fields: Arc::new(Schema::new(schema.fields().iter().map(read_as).collect::<Vec<_>>())),
            places: (0..schema.fields().len()).collect(),
        })
    }

    pub(super) fn header(&self) -> bool {
        self.header
    }

    /// Finds the columns by the names in the header line.
    pub(super) fn bind(&mut self, header: &[u8], path: &str) -> Result<()> {
        let names = self.header_names(header)?;
        let wanted = self.schema.fields();
        let place = |field: &Arc<Field>| {
            let same = |name: &String| name.eq_ignore_ascii_case(field.name());
            names.iter().position(same).ok_or_else(|| {
                Error::undefined_column(field.name())
                    .detail(format!("The header of \"{path}\" has {}.", names.join(", ")))
                    .did_you_mean(field.name(), names.iter().map(String::as_str))
            })
        };
        let places = wanted.iter().map(place).collect::<Result<Vec<usize>>>().map_err(|error| {
            if error.hint_text().is_some() {
                return error;
            }
            error.hint("If the file has no header line, say so with header = 'false'.")
        })?;
        let fields = names.iter().enumerate().map(|(index, name)| {
            match places.iter().position(|place| *place == index) {
                Some(column) => read_as(&wanted[column]),
                None => Arc::new(Field::new(name, DataType::Utf8, true)),
            }
        });
        self.fields = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.places = places;
        Ok(())
    }

    fn header_names(&self, header: &[u8]) -> Result<Vec<String>> {
        let header = header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header);
        let (mut names, mut from) = (1, 0);
        while let Some(end) = self.field_end(header, from) {
            if end >= header.len() || header[end] != self.delimiter {
                break;
            }
            (names, from) = (names + 1, end + 1);
        }
        let fields = (0..names).map(|index| Field::new(index.to_string(), DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = read(self.builder(Arc::clone(&schema)), header)?;
        let batch = batch.unwrap_or_else(|| RecordBatch::new_empty(schema));
        let name = |column: &ArrayRef| {
            let column = column.as_string::<i32>();
            if column.is_empty() { String::new() } else { column.value(0).trim().to_owned() }
        };
        Ok(batch.columns().iter().map(name).collect())
    }

    /// Where the field that begins at `from` ends: at its delimiter or line feed.
    fn field_end(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        if bytes.get(at) == Some(&self.quote) {
            at += 1;
            loop {
                at += bytes[at..].iter().position(|byte| *byte == self.quote)? + 1;
                if bytes.get(at) != Some(&self.quote) {
                    break;
                }
                at += 1;
            }
        }
        let ends = |byte: &u8| *byte == self.delimiter || *byte == b'\n';
        bytes.get(at..)?.iter().position(ends).map(|length| at + length)
    }

    pub(super) fn record_end(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at = self.field_end(bytes, at)? + 1;
            if bytes[at - 1] == b'\n' {
                return Some(at);
            }
        }
    }

    pub(super) fn decode(&self, bytes: &[u8], rows: usize) -> Result<RecordBatch> {
        if rows == 1 && !self.closed(bytes) {
            return Err(Error::new(SqlState::BadCopyFileFormat, "unterminated quoted field"));
        }
        match self.decode_as(&self.fields, bytes, rows) {
            // Our own decoding of texts takes some spellings more, and says what is wrong as Postgres.
            Err(_) if rows == 1 => self.decode_as(&texts(&self.fields), bytes, rows),
            decoded => decoded,
        }
    }

    /// Decodes records whose fields the decoder is to read as `fields`.
    fn decode_as(&self, fields: &SchemaRef, bytes: &[u8], rows: usize) -> Result<RecordBatch> {
        // One more than there should be, so that a record too many is noticed.
        let builder = self.builder(Arc::clone(fields)).with_batch_size(rows + 1);
        let Some(batch) = read(builder.with_projection(self.places.clone()), bytes)? else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        };
        let columns = itertools::zip_eq(self.schema.fields(), batch.columns());
        let columns = columns.map(|(field, column)| convert(column, field));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// Whether a record's quotes are closed. The decoder lets the end of its input close them.
    fn closed(&self, record: &[u8]) -> bool {
        let ended = || [record, b"\n"].concat();
        self.record_end(record, 0).is_some()
            || (!record.ends_with(b"\n") && self.record_end(&ended(), 0).is_some())
    }

    fn builder(&self, schema: SchemaRef) -> ReaderBuilder {
        let builder =
            ReaderBuilder::new(schema).with_delimiter(self.delimiter).with_quote(self.quote);
        match &self.null {
            Some(null) => builder.with_null_regex(null.clone()),
            None => builder,
        }
    }
}

/// The records of `bytes`; none if there are more than the builder's batch size, or none at all.
fn read(builder: ReaderBuilder, bytes: &[u8]) -> Result<Option<RecordBatch>> {
    let mut decoder = builder.build_decoder();
    let mut at = 0;
    while at < bytes.len() {
        let used = decoder.decode(&bytes[at..]).map_err(|error| tidy(&error.into()))?;
        if used == 0 {
            return Ok(None);
        }
        at += used;
    }
    // An empty input ends a last record without a line break.
    decoder.decode(&[]).map_err(|error| tidy(&error.into()))?;
    decoder.flush().map_err(|error| tidy(&error.into()))
}

/// The decoder counts lines from where it began, which tells the user nothing.
fn tidy(error: &Error) -> Error {
    let message = error.message();
    let message = message.split(" at line ").next().unwrap_or(message);
    let message = match message.split_once(" for line ") {
        Some((what, rest)) => match rest.split_once(", ") {
            Some((_, rest)) => format!("{what}, {rest}"),
            None => what.to_owned(),
        },
        None => message.to_owned(),
    };
    Error::new(error.state(), message)
}

/// The type that the decoder reads for a column: its own, or text if the decoder does not know it.
fn read_as(field: &Arc<Field>) -> Arc<Field> {
    let known = match field.data_type() {
        DataType::Timestamp(unit, _) => *unit == TimeUnit::Microsecond,
        DataType::Time64(unit) => *unit == TimeUnit::Microsecond,
        DataType::Boolean | DataType::Date32 | DataType::Utf8 => true,
        // The decoder cuts digits off where Postgres rounds.
        DataType::Decimal128(_, _) => false,
        other => other.is_numeric() && other.is_primitive(),
    };
    if known {
        return Arc::clone(field);
    }
    Arc::new(Field::new(field.name(), DataType::Utf8, true))
}

/// The same fields, read as texts.
fn texts(fields: &SchemaRef) -> SchemaRef {
    let text = |field: &Arc<Field>| Field::new(field.name(), DataType::Utf8, true);
    Arc::new(Schema::new(fields.fields().iter().map(text).collect::<Vec<_>>()))
}

fn convert(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let decoded = if column.data_type() == field.data_type() {
        Arc::clone(column)
    } else {
        let texts: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
        text::decode(&texts, field, &text::Style::default())?
    };
    if decoded.null_count() > 0 && !field.is_nullable() {
        let message = format!("null value in column \"{}\"", field.name());
        return Err(Error::new(SqlState::NotNullViolation, message));
    }
    Ok(decoded)
}
