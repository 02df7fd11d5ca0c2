//! The encoding of parcels between processes: JSON for what is small, Arrow IPC for rows.
//!
//! ```text
//! message: destination u64 · length of JSON u64 · JSON · frame for every delta that the JSON counts
//! frame:   length u64 · Arrow IPC stream of one batch
//! ```
//! A delta with stored weights has them as one more column. Both ends run the same program, which the
//! handshake makes sure of; a message that cannot be read is a bug and ends the process.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};

use super::Packet;
use super::parcel::Payload;
use crate::dataflow::operator::ErrorRow;
use crate::error::{Error, Result, SqlState};
use crate::runtime::command::{Report, TickHeader};
use crate::types::{Delta, ObjectId, Weights};

/// The part of a message that is JSON. A `bool` stands for a delta: whether it stores weights.
#[derive(Serialize, Deserialize)]
enum Envelope {
    Nothing,
    Header(Box<TickHeader>),
    Rows { channel: u64, weighted: bool },
    Report(usize, ReportForm),
    Stop,
}

#[derive(Serialize, Deserialize)]
struct ReportForm {
    contents: Vec<(ObjectId, Vec<bool>)>,
    errors: Vec<(ObjectId, Vec<ErrorRowForm>)>,
    changes: Vec<(ObjectId, Vec<bool>)>,
    failed: Vec<(ObjectId, ErrorForm)>,
    sizes: Vec<(ObjectId, String, usize, usize)>,
}

#[derive(Serialize, Deserialize)]
struct ErrorRowForm {
    state: String,
    message: String,
    expression: String,
    row: String,
    weight: i64,
}

#[derive(Serialize, Deserialize)]
struct ErrorForm {
    state: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
}

const WEIGHT: &str = "weight";

/// The bytes of a parcel to worker `dest`.
pub(super) fn encode(dest: usize, payload: &Payload) -> Vec<u8> {
    let mut deltas: Vec<Cow<'_, Delta>> = vec![];
    let envelope = match payload {
        Payload::Nothing => Envelope::Nothing,
        Payload::Stop => Envelope::Stop,
        Payload::Header(header) => Envelope::Header(Box::new(TickHeader::clone(header))),
        Payload::Rows(packet) => {
            let delta = packet.rows.clone().into_delta().expect("a part of a batch is no longer");
            let weighted = !delta.insert_only();
            deltas.push(Cow::Owned(delta));
            Envelope::Rows { channel: packet.channel, weighted }
        }
        Payload::Report(worker, report) => {
            let lists = report.contents.iter().chain(&report.changes);
            deltas.extend(lists.flat_map(|(_, deltas)| deltas).map(Cow::Borrowed));
            Envelope::Report(*worker, report_form(report))
        }
    };
    let json = serde_json::to_vec(&envelope).expect("an envelope has no maps with odd keys");
    let mut bytes = (dest as u64).to_le_bytes().to_vec();
    bytes.extend((json.len() as u64).to_le_bytes());
    bytes.extend(json);
    for delta in deltas {
        encode_delta(&delta, &mut bytes).expect("Arrow writes to memory");
    }
    bytes
}

/// The destination and contents of a parcel.
pub(super) fn decode(bytes: &[u8]) -> (usize, Payload) {
    let mut reader = Reader { bytes };
    let dest = reader.length();
    let length = reader.length();
    let envelope = serde_json::from_slice(reader.take(length)).expect("peers run this program");
    let payload = match envelope {
        Envelope::Nothing => Payload::Nothing,
        Envelope::Stop => Payload::Stop,
        Envelope::Header(header) => Payload::Header(Arc::from(header)),
        Envelope::Rows { channel, weighted } => {
            Payload::Rows(Packet { channel, dest, rows: reader.delta(weighted).into() })
        }
        Envelope::Report(worker, form) => {
            Payload::Report(worker, Box::new(report(form, &mut reader)))
        }
    };
    (dest, payload)
}

fn encode_delta(delta: &Delta, bytes: &mut Vec<u8>) -> Result<()> {
    let batch = match &delta.weights {
        Weights::One => delta.batch.clone(),
        Weights::Each(weights) => {
            let mut fields = delta.batch.schema().fields().to_vec();
            fields.push(Arc::new(Field::new(WEIGHT, DataType::Int64, false)));
            let mut columns = delta.batch.columns().to_vec();
            columns.push(Arc::new(Int64Array::new(weights.clone(), None)));
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?
        }
    };
    let start = bytes.len();
    bytes.extend([0; 8]);
    let mut writer = StreamWriter::try_new(&mut *bytes, &batch.schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    drop(writer);
    let length = (bytes.len() - start - 8) as u64;
    bytes[start..start + 8].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Reads a message from front to back.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        taken
    }

    fn length(&mut self) -> usize {
        let bytes = self.take(8).try_into().expect("eight bytes were taken");
        usize::try_from(u64::from_le_bytes(bytes)).expect("lengths fit the memory they are in")
    }

    /// The next delta, copied once out of the network's buffer so that it does not pin it.
    fn delta(&mut self, weighted: bool) -> Delta {
        let length = self.length();
        let mut buffer = Buffer::from(self.take(length));
        let mut decoder = StreamDecoder::new();
        let batch = decoder.decode(&mut buffer).ok().flatten().expect("peers send whole batches");
        if !weighted {
            return Delta::insert(batch);
        }
        let (schema, mut columns, rows) = batch.into_parts();
        let weights = columns.pop().expect("a weighted delta has a weight column");
        let fields = schema.fields()[..columns.len()].to_vec();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)
            .expect("columns of a batch are a batch");
        let weights = weights.as_primitive::<Int64Type>().values().clone();
        Delta { batch, weights: Weights::Each(weights) }
    }

    fn deltas(&mut self, lists: Vec<(ObjectId, Vec<bool>)>) -> Vec<(ObjectId, Vec<Delta>)> {
        let lists = lists.into_iter();
        lists
            .map(|(id, list)| (id, list.into_iter().map(|weighted| self.delta(weighted)).collect()))
            .collect()
    }
}

fn report_form(report: &Report) -> ReportForm {
    let lists = |lists: &[(ObjectId, Vec<Delta>)]| {
        let weighted = |list: &Vec<Delta>| list.iter().map(|delta| !delta.insert_only()).collect();
        lists.iter().map(|(id, list)| (*id, weighted(list))).collect()
    };
    let row_form = |row: &ErrorRow| ErrorRowForm {
        state: row.state.code().to_owned(),
        message: row.message.clone(),
        expression: row.expression.clone(),
        row: row.row.clone(),
        weight: row.weight,
    };
    let error_form = |error: &Error| ErrorForm {
        state: error.state().code().to_owned(),
        message: error.message().to_owned(),
        detail: error.detail_text().map(str::to_owned),
        hint: error.hint_text().map(str::to_owned),
        position: error.position(),
    };
    let errors = report.errors.iter();
    let failed = report.failed.iter();
    ReportForm {
        contents: lists(&report.contents),
        errors: errors.map(|(id, rows)| (*id, rows.iter().map(row_form).collect())).collect(),
        changes: lists(&report.changes),
        failed: failed.map(|(id, error)| (*id, error_form(error))).collect(),
        sizes: report.sizes.clone(),
    }
}

fn report(form: ReportForm, reader: &mut Reader<'_>) -> Report {
    let state = |code: &str| SqlState::from_code(code).unwrap_or(SqlState::InternalError);
    let row = |form: ErrorRowForm| ErrorRow {
        state: state(&form.state),
        message: form.message,
        expression: form.expression,
        row: form.row,
        weight: form.weight,
    };
    let error = |form: ErrorForm| {
        let mut error = Error::new(state(&form.state), form.message).or_at(form.position);
        if let Some(detail) = form.detail {
            error = error.detail(detail);
        }
        match form.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    };
    // In the order in which `encode` lists the deltas.
    let contents = reader.deltas(form.contents);
    let changes = reader.deltas(form.changes);
    let (errors, failed) = (form.errors.into_iter(), form.failed.into_iter());
    Report {
        contents,
        errors: errors.map(|(id, rows)| (id, rows.into_iter().map(row).collect())).collect(),
        changes,
        failed: failed.map(|(id, form)| (id, error(form))).collect(),
        sizes: form.sizes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_wire() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
        let column = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).expect("one column");
        let deltas = vec![Delta::insert(batch.clone()), Delta::new(batch.clone(), vec![1, -2, 3])];
        let error = Error::syntax("no").detail("Because.").hint("Try.").at(7);
        let sent = Report {
            contents: vec![(ObjectId(1), deltas)],
            changes: vec![(ObjectId(2), vec![]), (ObjectId(3), vec![Delta::delete(batch)])],
            failed: vec![(ObjectId(4), error)],
            ..Report::default()
        };
        let bytes = encode(5, &Payload::Report(2, Box::new(sent.clone())));
        let (5, Payload::Report(2, received)) = decode(&bytes) else { panic!("another parcel") };
        assert_eq!(format!("{sent:?}"), format!("{received:?}"));
    }
}
