//! COPY … FROM STDIN: data arrive in pieces, are decoded a batch of rows at a time, and become one
//! write at the end.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::FieldRef;
use bytes::Bytes;

use super::change::policy;
use super::collections::Edit;
use super::copy_binary::{BinaryReader, Reader};
use super::copy_text::{Cells, CopyReader};
use super::response::Response;
use super::session::Session;
use super::target::Target;
use crate::error::{Error, Result, SqlState};
use crate::sql::statement::{Copy, CopyFormat, CopyTarget, Name};
use crate::types::text::{self, Style};

/// Rows decoded together.
const BATCH_ROWS: usize = 8192;

/// A running COPY … FROM STDIN.
pub(super) struct CopyIn {
    target: Target,
    /// The table's columns to which the data's columns go.
    columns: Vec<usize>,
    fields: Vec<FieldRef>,
    reader: Reader,
    style: Style,
    batches: Vec<RecordBatch>,
}

impl CopyIn {
    /// Decodes the rows that the reader holds, if there are enough of them or `all` are wanted.
    fn decode(&mut self, all: bool) -> Result<()> {
        while self.reader.rows() >= BATCH_ROWS || (all && self.reader.rows() > 0) {
            let cells = self.reader.take();
            let rows = cells.rows();
            let mut given: Vec<Option<ArrayRef>> =
                vec![None; self.target.rules.schema.fields().len()];
            for (index, (&column, field)) in
                itertools::zip_eq(&self.columns, &self.fields).enumerate()
            {
                let decoded = self.reader.decode(&cells, index, field, &self.style);
                given[column] =
                    Some(decoded.map_err(|error| self.locate(error, &cells, index, field))?);
            }
            let batch = self.target.rules.complete(given, rows).map_err(|error| {
                let line = cells.line(0);
                context(error, &format!("COPY {}, after line {line}", self.target.table.name.name))
            })?;
            self.batches.push(batch);
        }
        Ok(())
    }

    /// Tells which line an undecodable value stands in.
    fn locate(&self, error: Error, cells: &Cells, index: usize, field: &FieldRef) -> Error {
        // Binary values tell nothing to people.
        let (Reader::Text(_), Ok(values)) = (&self.reader, cells.column(index)) else {
            return error;
        };
        let bad = (0..values.len())
            .find(|&row| text::decode(&values[row..=row], field, &self.style).is_err());
        let Some(row) = bad else { return error };
        let place = format!(
            "COPY {}, line {}, column {}: \"{}\"",
            self.target.table.name.name,
            cells.line(row),
            field.name(),
            values[row].unwrap_or_default()
        );
        context(error, &place)
    }
}

/// Adds where in the data something went wrong.
fn context(error: Error, place: &str) -> Error {
    error.context(place)
}

impl Session {
    /// COPY.
    pub(super) async fn copy(
        &mut self,
        copy: &Copy,
        parsed: &crate::sql::Parsed,
    ) -> Result<Response> {
        if !copy.inward {
            return self.copy_out(copy, parsed).await;
        }
        self.refuse_read_only("COPY FROM")?;
        match &copy.target {
            CopyTarget::Table { name, columns } => self.begin_copy(copy, name, columns),
            CopyTarget::Query(_) => {
                Err(Error::syntax("COPY query FROM is not possible: name a table"))
            }
        }
    }

    fn begin_copy(
        &mut self,
        copy: &Copy,
        name: &Name,
        columns: &[(String, usize)],
    ) -> Result<Response> {
        let target = self.target(name, None)?;
        let generated = |column: &usize| target.definition(*column).generated.is_some();
        let columns = if columns.is_empty() {
            (0..target.rules.schema.fields().len()).filter(|column| !generated(column)).collect()
        } else {
            target.columns(columns)?
        };
        if let Some(&column) = columns.iter().find(|column| generated(column)) {
            let name = &target.definition(column).name;
            return Err(Error::new(
                SqlState::InvalidColumnReference,
                format!("column \"{name}\" is a generated column"),
            )
            .detail("Generated columns cannot be used in COPY."));
        }
        let fields: Vec<_> = columns.iter().map(|&column| target.field(column)).collect();
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let binary = copy.options.format == CopyFormat::Binary;
        let count = columns.len();
        let reader = match binary {
            true => Reader::Binary(BinaryReader::new(count)),
            false => Reader::Text(Box::new(CopyReader::new(
                &target.table.name.name,
                names,
                copy.options.clone(),
            ))),
        };
        let style = self.text_style();
        self.copy = Some(CopyIn { target, columns, fields, reader, style, batches: vec![] });
        Ok(Response::CopyIn { columns: count, binary })
    }

    /// Whether a `COPY … FROM STDIN` waits for data.
    #[must_use]
    pub fn copying(&self) -> bool {
        self.copy.is_some()
    }

    /// A piece of the data of a running `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// What is wrong with the data; the COPY is over then and nothing has been written.
    pub fn copy_data(&mut self, data: &Bytes) -> Result<()> {
        let Some(copy) = &mut self.copy else { return Err(no_copy()) };
        let fed = copy.reader.feed(data).and_then(|()| copy.decode(false));
        fed.inspect_err(|_| self.fail())
    }

    /// The data are complete: all rows are written, or none.
    ///
    /// # Errors
    /// What is wrong with the data, or with the write (23505, 53100, …).
    pub async fn copy_finish(&mut self) -> Result<Response> {
        let finished = Box::pin(self.write_copied()).await;
        finished.inspect_err(|_| self.fail())
    }

    async fn write_copied(&mut self) -> Result<Response> {
        let Some(mut copy) = self.copy.take() else { return Err(no_copy()) };
        copy.reader.finish()?;
        copy.decode(true)?;
        let table = copy.target.table;
        let conflict = policy(&table.definition);
        let mut count = 0;
        if self.block.is_some() {
            for rows in copy.batches {
                count += self.insert_rows(&table, rows, conflict).await?.0;
            }
        } else if !copy.batches.is_empty() {
            let edit = |rows| (table.id, Edit::Insert { rows, conflict });
            let written = self.send(copy.batches.into_iter().map(edit).collect()).await?;
            count = written.counts.iter().sum();
        }
        Ok(Response::done(format!("COPY {count}")))
    }

    /// The client gives up.
    ///
    /// # Errors
    /// Always `57014`, which is what the client is to be told.
    pub fn copy_fail(&mut self, reason: &str) -> Result<Response> {
        self.fail();
        Err(Error::new(SqlState::QueryCanceled, format!("COPY from stdin failed: {reason}")))
    }

    /// How this session writes and reads values as text.
    #[must_use]
    pub fn text_style(&self) -> Style {
        let setting = |name: &str| self.settings.get(name).unwrap_or_default();
        let digits: i32 = setting("extra_float_digits").parse().unwrap_or(1);
        let lost = (digits <= 0).then(|| u8::try_from(digits.unsigned_abs()).unwrap_or(u8::MAX));
        Style {
            timezone: text::Timezone::parse(self.settings.time_zone()).unwrap_or_default(),
            bytea_escape: setting("bytea_output") == "escape",
            float_digits_lost: lost,
        }
    }
}

fn no_copy() -> Error {
    Error::new(SqlState::ProtocolViolation, "there is no COPY that waits for data")
}
