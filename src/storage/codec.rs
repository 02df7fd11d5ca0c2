//! Deltas as bytes: an Arrow IPC record batch without its schema, which stands once per segment.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow::ipc::{MetadataVersion, root_as_message};

use super::record::{Record, WEIGHTS};
use crate::error::{Error, Result, SqlState};
use crate::types::{Delta, Epoch, Weights};

/// Alignment of buffers within a payload: enough for every type but the 128-bit ones, which the
/// reader copies.
const ALIGNMENT: usize = 8;

/// Writes and reads the deltas of one schema.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    schema: SchemaRef,
    /// With the column of weights at the end.
    weighted: SchemaRef,
}

impl Codec {
    pub(super) fn new(schema: SchemaRef) -> Codec {
        let weight = Arc::new(Field::new("weight", DataType::Int64, false));
        let fields = schema.fields().iter().cloned().chain([weight]);
        let weighted = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Codec { schema, weighted }
    }

    /// From a segment header.
    pub(super) fn decode_schema(bytes: &[u8]) -> Result<Codec> {
        let message = root_as_message(bytes).map_err(|error| undecodable(error.to_string()))?;
        let schema = message.header_as_schema().ok_or_else(|| undecodable("no schema"))?;
        Ok(Codec::new(Arc::new(fb_to_schema(schema))))
    }

    /// For a segment header.
    pub(super) fn encode_schema(&self) -> Result<Vec<u8>> {
        let mut tracker = DictionaryTracker::new(true);
        let options = write_options()?;
        let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &self.schema,
            &mut tracker,
            &options,
        );
        Ok(encoded.ipc_message)
    }

    pub(super) fn encode(&self, epoch: Epoch, delta: &Delta) -> Result<Record> {
        let types = |batch: &RecordBatch, schema: &Schema| {
            let ours = schema.fields().iter().map(|field| field.data_type());
            ours.eq(batch.columns().iter().map(|column| column.data_type()))
        };
        if !types(&delta.batch, &self.schema) {
            return Err(Error::internal("a delta does not have its table's types"));
        }
        let (batch, flags) = match &delta.weights {
            Weights::One => (delta.batch.clone(), 0),
            Weights::Each(weights) => {
                let weights: ArrayRef = Arc::new(Int64Array::new(weights.clone(), None));
                let columns = delta.batch.columns().iter().cloned().chain([weights]).collect();
                (RecordBatch::try_new(Arc::clone(&self.weighted), columns)?, WEIGHTS)
            }
        };
        let count = u32::try_from(delta.rows()).map_err(|_| {
            Error::new(SqlState::ProgramLimitExceeded, "change has more than 4294967295 rows")
        })?;
        let (_, encoded) = IpcDataGenerator::default().encode(
            &batch,
            &mut DictionaryTracker::new(true),
            &write_options()?,
            &mut Default::default(),
        )?;
        let mut payload =
            Vec::with_capacity(16 + encoded.ipc_message.len() + encoded.arrow_data.len());
        let metadata_size = encoded.ipc_message.len().next_multiple_of(8);
        payload.extend_from_slice(&(metadata_size as u64).to_le_bytes());
        payload.extend_from_slice(&encoded.ipc_message);
        payload.resize(8 + metadata_size, 0);
        payload.extend_from_slice(&encoded.arrow_data);
        Ok(Record { epoch, count, flags, payload })
    }

    pub(super) fn decode(&self, flags: u32, payload: &[u8]) -> Result<Delta> {
        let (size, rest) =
            payload.split_first_chunk::<8>().ok_or_else(|| undecodable("no size"))?;
        let size = usize::try_from(u64::from_le_bytes(*size)).map_err(|_| undecodable("size"))?;
        let (metadata, body) = rest.split_at_checked(size).ok_or_else(|| undecodable("short"))?;
        let message = root_as_message(metadata).map_err(|error| undecodable(error.to_string()))?;
        let batch = message.header_as_record_batch().ok_or_else(|| undecodable("no batch"))?;
        let schema = if flags & WEIGHTS == 0 { &self.schema } else { &self.weighted };
        let batch = read_record_batch(
            &Buffer::from(body),
            batch,
            Arc::clone(schema),
            &HashMap::new(),
            None,
            &MetadataVersion::V5,
        )?;
        if flags & WEIGHTS == 0 {
            return Ok(Delta::insert(batch));
        }
        let (_, mut columns, rows) = batch.into_parts();
        let weights = columns.pop().ok_or_else(|| undecodable("no weights"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let weights = weights.as_primitive::<Int64Type>().values().clone();
        Ok(Delta { batch, weights: Weights::Each(weights) })
    }
}

fn write_options() -> Result<IpcWriteOptions> {
    Ok(IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?)
}

fn undecodable(what: impl std::fmt::Display) -> Error {
    Error::new(SqlState::DataCorrupted, "a record of a table's log cannot be decoded")
        .detail(format!("Arrow IPC: {what}."))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, StringArray};

    use super::*;

    #[test]
    fn deltas_come_back() {
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef),
            ("name", Arc::new(StringArray::from(vec!["a", "", "ccc"])) as ArrayRef),
            (
                "price",
                Arc::new(
                    Decimal128Array::from(vec![1, 2, 3]).with_precision_and_scale(9, 2).unwrap(),
                ),
            ),
        ])
        .unwrap();
        let codec = Codec::new(batch.schema());
        let read = Codec::decode_schema(&codec.encode_schema().unwrap()).unwrap();
        for delta in [
            Delta::insert(batch.clone()),
            Delta::new(batch.clone(), vec![1, -1, 4]),
            Delta::new(batch.clone(), vec![1, -1, 4]).slice(1, 2),
            Delta::empty(batch.schema()),
        ] {
            let record = codec.encode(Epoch(1), &delta).unwrap();
            let back = read.decode(record.flags, &record.payload).unwrap();
            assert_eq!(back.batch, delta.batch);
            assert_eq!(back.insert_only(), delta.insert_only());
            assert!((0..delta.rows()).all(|row| back.weight(row) == delta.weight(row)));
        }
    }

    #[test]
    fn a_row_is_small() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("id", id)]).unwrap();
        let record = Codec::new(batch.schema()).encode(Epoch(1), &Delta::insert(batch)).unwrap();
        assert!(record.payload.len() <= 200, "{}", record.payload.len());
    }

    #[test]
    fn a_table_without_columns_keeps_its_count() {
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let schema = Arc::new(Schema::empty());
        let batch = RecordBatch::try_new_with_options(schema, vec![], &options).unwrap();
        let codec = Codec::new(batch.schema());
        for delta in [Delta::insert(batch.clone()), Delta::delete(batch)] {
            let record = codec.encode(Epoch(1), &delta).unwrap();
            assert_eq!(codec.decode(record.flags, &record.payload).unwrap().rows(), 3);
        }
    }
}
