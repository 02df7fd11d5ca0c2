//! One JSON object a line. Keys are columns in any case; a missing key is null, other keys are left out.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;

use crate::error::{Error, Result, SqlState};
use crate::types::pg_type::PG_TYPE;

/// How a file of JSON lines is read.
#[derive(Clone, Debug)]
pub(in crate::connector) struct NdjsonFormat {
    schema: SchemaRef,
}

impl NdjsonFormat {
    pub(super) fn new(schema: &SchemaRef) -> Result<NdjsonFormat> {
        for field in schema.fields() {
            let tagged = field.metadata().get(PG_TYPE).map(String::as_str);
            let undecodable = matches!(field.data_type(), DataType::Interval(_))
                || matches!(tagged, Some("json" | "jsonb" | "uuid"))
                || matches!(field.data_type(), DataType::FixedSizeBinary(_) | DataType::Binary);
            if undecodable {
                let what = format!("reading column \"{}\" from JSON as this type", field.name());
                return Err(Error::unsupported(what)
                    .hint("Declare the column as text and cast it in a view."));
            }
        }
        Ok(NdjsonFormat { schema: Arc::clone(schema) })
    }

    pub(super) fn decode(&self, bytes: &[u8], rows: usize) -> Result<RecordBatch> {
        let spelled = self.spelled_as(bytes)?;
        let mut decoder = ReaderBuilder::new(Arc::clone(&spelled))
            .with_batch_size(rows + 1)
            .with_coerce_primitive(true)
            .build_decoder()?;
        let used = decoder.decode(bytes)?;
        let batch = decoder.flush()?;
        match batch {
            Some(batch) if used == bytes.len() => {
                let (_, columns, _) = batch.into_parts();
                Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
            }
            _ => Ok(RecordBatch::new_empty(Arc::clone(&self.schema))),
        }
    }

    /// The schema with names as these records spell them: the decoder compares bytes.
    fn spelled_as(&self, bytes: &[u8]) -> Result<SchemaRef> {
        let mut spellings: Vec<Option<&[u8]>> = vec![None; self.schema.fields().len()];
        for key in Keys::new(bytes) {
            let same = |field: &Arc<Field>| key.eq_ignore_ascii_case(field.name().as_bytes());
            // A key spelled like the column itself is the usual case, and wins.
            let Some(column) = self.schema.fields().iter().position(same) else { continue };
            match spellings[column] {
                Some(other) if other != key => {
                    let message = "a key is spelled in different ways";
                    return Err(Error::new(SqlState::BadCopyFileFormat, message));
                }
                _ => spellings[column] = Some(key),
            }
        }
        let fields = itertools::zip_eq(self.schema.fields(), spellings);
        let own =
            |(field, key): (&Arc<Field>, Option<&[u8]>)| match key.map(String::from_utf8_lossy) {
                Some(Cow::Borrowed(key)) if key != field.name() => {
                    Arc::new(field.as_ref().clone().with_name(key))
                }
                _ => Arc::clone(field),
            };
        Ok(Arc::new(Schema::new(fields.map(own).collect::<Vec<_>>())))
    }
}

/// The keys of the objects at the top, as they stand between their quotes.
struct Keys<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Keys<'a> {
    fn new(bytes: &'a [u8]) -> Keys<'a> {
        Keys { bytes, at: 0, depth: 0 }
    }

    /// The string that begins behind the quote at `at - 1`; goes behind its end.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..)?;
            self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))? + 1;
            if self.bytes[self.at - 1] == b'"' {
                return Some(&self.bytes[start..self.at - 1]);
            }
            self.at += 1;
        }
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                // A broken record must not shift the depth of the next one.
                b'\n' => self.depth = 0,
                b'"' => {
                    let string = self.string()?;
                    let after =
                        self.bytes[self.at..].iter().find(|byte| !byte.is_ascii_whitespace());
                    if self.depth == 1 && after == Some(&b':') {
                        return Some(string);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn keys_are_found_in_any_case() {
        let fields = [("datetime", DataType::Int64), ("name", DataType::Utf8)];
        let fields = fields.map(|(name, data_type)| Field::new(name, data_type, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let format = NdjsonFormat::new(&schema).unwrap();
        let lines =
            b"{\"dateTime\": 5, \"x\": {\"NAME\": 1}, \"name\": \"a \\\" {b\"}\n\n{\"name\": 7}\n";
        let batch = format.decode(lines, 2).unwrap();
        assert_eq!(batch.schema(), schema);
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 5);
        let names: Vec<_> = batch.column(1).as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, ["a \" {b", "7"]);
        assert!(format.decode(b"{\"Name\": \"a\"}\n{\"name\": \"b\"}\n", 2).is_err());
        assert!(format.decode(b"{\"name\": \n", 1).is_err());
        assert_eq!(format.decode(b"{\"name\": 1} {\"name\": 2}\n", 1).unwrap().num_rows(), 2);
    }
}
