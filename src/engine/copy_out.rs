//! COPY … TO STDOUT: a query's rows as text or CSV, a batch at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::{StreamExt, stream};

use super::arguments::Arguments;
use super::copy_binary;
use super::response::{CopyChunk, Response};
use super::session::Session;
use crate::error::Result;
use crate::plan::write::{Known, columns_of};
use crate::sql::Parsed;
use crate::sql::statement::{Copy, CopyFormat, CopyOptions, CopyTarget, Name, Query};
use crate::types::text::{self, Style};

impl Session {
    /// COPY … TO STDOUT.
    pub(super) async fn copy_out(&mut self, copy: &Copy, parsed: &Parsed) -> Result<Response> {
        let query = match &copy.target {
            CopyTarget::Query(query) => query.clone(),
            CopyTarget::Table { name, columns } => Box::new(self.whole_table(name, columns)?),
        };
        let select = self.plan_query(&query, parsed, &Arguments::none())?;
        let schema = Arc::clone(&select.schema);
        let rows = self.run_select(&Arguments::none().bind(select)?, HashMap::new()).await?;
        if copy.options.format == CopyFormat::Binary {
            return Ok(copy_binary::response(&schema, rows));
        }
        let (options, style) = (copy.options.clone(), self.text_style());
        let header = options.header.then(|| Ok(header(&schema, &options)));
        let columns = schema.fields().len();
        let chunks = rows.map(move |batch| write(&batch?, &options, &style));
        let data = stream::iter(header).chain(chunks);
        Ok(Response::CopyOut { columns, binary: false, data: Box::pin(data) })
    }

    /// The query that reads the columns of a relation that COPY writes: all but generated ones.
    fn whole_table(&self, name: &Name, columns: &[(String, usize)]) -> Result<Query> {
        let scope = self.scope();
        let object = scope.object(name)?;
        let listed = if columns.is_empty() {
            let plain = object.columns().iter().filter(|column| column.generated.is_none());
            plain.map(|column| column.name.clone()).collect()
        } else {
            columns.iter().map(|(column, _)| column.clone()).collect::<Vec<_>>()
        };
        let relation = object
            .relation_name()
            .cloned()
            .unwrap_or_else(|| crate::types::QualifiedName::new(String::new(), object.name()));
        let known = Known { schema: &relation.schema, name: &relation.name, alias: &relation.name };
        columns_of(known, &listed)
    }
}

fn header(schema: &SchemaRef, options: &CopyOptions) -> CopyChunk {
    let mut line = vec![];
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            line.push(options.delimiter);
        }
        cell(Some(field.name().as_bytes()), options, &mut line);
    }
    line.push(b'\n');
    CopyChunk { ends: vec![line.len()], data: Bytes::from(line), rows: 0 }
}

fn write(batch: &RecordBatch, options: &CopyOptions, style: &Style) -> Result<CopyChunk> {
    let schema = batch.schema();
    let encode = |(column, field)| text::encode(column, field, style);
    let columns = itertools::zip_eq(batch.columns(), schema.fields())
        .map(|(column, field)| encode((column, field.as_ref())))
        .collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(batch.num_rows() * columns.len() * 8);
    let mut ends = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push(options.delimiter);
            }
            cell(column.get(row), options, &mut out);
        }
        out.push(b'\n');
        ends.push(out.len());
    }
    Ok(CopyChunk { data: Bytes::from(out), ends, rows: batch.num_rows() })
}

fn cell(value: Option<&[u8]>, options: &CopyOptions, out: &mut Vec<u8>) {
    match (value, options.format) {
        (None, _) => out.extend_from_slice(options.null.as_bytes()),
        (Some(bytes), CopyFormat::Csv) => csv_cell(bytes, options, out),
        (Some(bytes), _) => text_cell(bytes, options, out),
    }
}

fn text_cell(bytes: &[u8], options: &CopyOptions, out: &mut Vec<u8>) {
    for &byte in bytes {
        let escaped = match byte {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            byte if byte == options.delimiter => byte,
            byte => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escaped]);
    }
}

fn csv_cell(bytes: &[u8], options: &CopyOptions, out: &mut Vec<u8>) {
    let special = |&byte: &u8| {
        byte == options.delimiter || byte == options.quote || byte == b'\n' || byte == b'\r'
    };
    // A value that reads like null, or like the end of the data, must be quoted too.
    let ambiguous = bytes == options.null.as_bytes() || bytes == b"\\.";
    if !ambiguous && !bytes.iter().any(special) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(options.quote);
    for &byte in bytes {
        if byte == options.quote || byte == options.escape {
            out.push(options.escape);
        }
        out.push(byte);
    }
    out.push(options.quote);
}
