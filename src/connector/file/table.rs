//! Files of columns: Parquet and Arrow IPC. Their position is a number of rows.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::content::{Content, Piece};
use super::open_file;
use crate::error::{Error, Result, SqlState};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8192;

/// Reads a file of columns.
pub(super) struct TableContent {
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    schema: SchemaRef,
    /// For each column of `schema`, the file's.
    places: Vec<usize>,
    /// Rows decoded but not used.
    rest: Option<RecordBatch>,
    /// Rows to be passed over first.
    skip: u64,
    at: u64,
    limit: u64,
}

impl TableContent {
    pub(super) fn parquet(
        file: File,
        path: &str,
        schema: &SchemaRef,
        at: u64,
        limit: Option<u64>,
    ) -> Result<TableContent> {
        let offset = usize::try_from(at).map_err(|_| undecodable(path, "too many rows"))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|error| undecodable(path, error))?;
        let places = places(builder.schema(), schema, path)?;
        let reader = builder.with_offset(offset).with_batch_size(BATCH_ROWS).build();
        let reader = reader.map_err(|error| undecodable(path, error))?;
        Ok(TableContent::new(Box::new(reader), schema, places, 0, at, limit))
    }

    pub(super) fn arrow(
        file: File,
        path: &str,
        schema: &SchemaRef,
        at: u64,
        limit: Option<u64>,
    ) -> Result<TableContent> {
        let reader =
            FileReader::try_new_buffered(file, None).map_err(|error| undecodable(path, error))?;
        let places = places(&reader.schema(), schema, path)?;
        Ok(TableContent::new(Box::new(reader), schema, places, at, at, limit))
    }

    fn new(
        batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
        schema: &SchemaRef,
        places: Vec<usize>,
        skip: u64,
        at: u64,
        limit: Option<u64>,
    ) -> TableContent {
        let limit = limit.unwrap_or(u64::MAX);
        TableContent { batches, schema: Arc::clone(schema), places, rest: None, skip, at, limit }
    }

    /// The next decoded rows, not empty.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        for batch in &mut self.batches {
            let batch = batch?;
            let rows = batch.num_rows();
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rows);
            self.skip -= skipped as u64;
            if skipped < rows {
                return Ok(Some(batch.slice(skipped, rows - skipped)));
            }
        }
        Ok(None)
    }
}

impl Content for TableContent {
    fn read(&mut self, rows_max: usize, _last: bool) -> Result<Piece> {
        let left = usize::try_from(self.limit.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let rows_max = rows_max.min(left);
        if rows_max == 0 {
            return Ok(Piece::default());
        }
        let Some(batch) = self.next_batch()? else { return Ok(Piece::default()) };
        let rows = batch.num_rows().min(rows_max);
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.at += rows as u64;
        let batch = batch.project(&self.places)?;
        let decode = |range: std::ops::Range<usize>| {
            let piece = batch.slice(range.start, range.len());
            let columns = itertools::zip_eq(piece.columns(), self.schema.fields());
            let options = CastOptions { safe: false, ..CastOptions::default() };
            let columns = columns
                .map(|(column, field)| cast_with_options(column, field.data_type(), &options));
            let columns = columns.collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(range.len()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
        };
        Ok(Piece::decode(rows, decode, |row| format!("{:?}", batch.slice(row, 1).columns())))
    }

    fn at(&self) -> u64 {
        self.at
    }
}

/// The columns of a Parquet file, as types that the engine keeps.
pub(super) fn parquet_schema(path: &str) -> Result<SchemaRef> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(open_file(path)?)
        .map_err(|error| undecodable(path, error))?;
    Ok(kept(builder.schema()))
}

/// The columns of an Arrow file, as types that the engine keeps.
pub(super) fn arrow_schema(path: &str) -> Result<SchemaRef> {
    let reader = FileReader::try_new_buffered(open_file(path)?, None)
        .map_err(|error| undecodable(path, error))?;
    Ok(kept(&reader.schema()))
}

/// The nearest types among those that values are kept in; the cast when reading does the rest.
fn kept(schema: &Schema) -> SchemaRef {
    let keep = |field: &Arc<Field>| {
        let data_type = match field.data_type() {
            DataType::Int8 | DataType::UInt8 => DataType::Int16,
            DataType::UInt16 => DataType::Int32,
            DataType::UInt32 => DataType::Int64,
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Float16 => DataType::Float32,
            DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => DataType::Utf8,
            DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
            DataType::Date64 => DataType::Date32,
            DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
            DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(_, _) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            other => other.clone(),
        };
        Field::new(field.name().to_lowercase(), data_type, true)
    };
    Arc::new(Schema::new(schema.fields().iter().map(keep).collect::<Vec<_>>()))
}

/// Finds the columns by name, in any case.
fn places(file: &Schema, wanted: &Schema, path: &str) -> Result<Vec<usize>> {
    let place = |field: &Arc<Field>| {
        let same = |other: &Arc<Field>| other.name().eq_ignore_ascii_case(field.name());
        let names = || file.fields().iter().map(|field| field.name().as_str());
        file.fields().iter().position(same).ok_or_else(|| {
            Error::undefined_column(field.name())
                .detail(format!("File \"{path}\" has {}.", names().collect::<Vec<_>>().join(", ")))
                .did_you_mean(field.name(), names())
        })
    };
    wanted.fields().iter().map(place).collect()
}

fn undecodable(path: &str, error: impl std::fmt::Display) -> Error {
    Error::new(SqlState::DataException, format!("could not decode file \"{path}\""))
        .detail(error.to_string())
}
