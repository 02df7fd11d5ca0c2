//! Metadata columns: what `INCLUDE` adds to the rows of a source.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};

use super::{Metadata, SourceSpec};
use crate::error::{Error, Result, SqlState};

/// Puts decoded columns and metadata columns together in the order of the source's schema.
#[derive(Clone, Debug)]
pub(super) struct Assembler {
    schema: SchemaRef,
    /// Per column: what metadata it shows, if any.
    metadata: Vec<Option<Metadata>>,
}

impl Assembler {
    pub(super) fn new(spec: &SourceSpec) -> Result<Assembler> {
        let mut metadata = vec![None; spec.schema.fields().len()];
        for (column, kind) in &spec.include {
            let index =
                spec.schema.index_of(column).map_err(|_| Error::undefined_column(column))?;
            metadata[index] = Some(*kind);
        }
        Ok(Assembler { schema: Arc::clone(&spec.schema), metadata })
    }

    /// Whether a column shows this.
    pub(super) fn wants(&self, kind: Metadata) -> bool {
        self.metadata.contains(&Some(kind))
    }

    /// Refuses metadata that the connector does not have.
    pub(super) fn refuse(&self, kind: Metadata, connector: &str) -> Result<()> {
        if !self.wants(kind) {
            return Ok(());
        }
        let name = format!("{kind:?}").to_lowercase();
        let message = format!("connector \"{connector}\" has no metadata \"{name}\"");
        Err(Error::new(SqlState::FeatureNotSupported, message)
            .hint("It has offset, partition and timestamp."))
    }

    /// The columns that are decoded.
    pub(super) fn decoded(&self) -> SchemaRef {
        let fields = itertools::zip_eq(self.schema.fields(), &self.metadata);
        let decoded = fields.filter(|(_, metadata)| metadata.is_none());
        Arc::new(Schema::new(decoded.map(|(field, _)| Arc::clone(field)).collect::<Vec<_>>()))
    }

    /// Adds the metadata columns to rows of [`Assembler::decoded`]; `offsets` begins with
    /// the rows' numbers.
    pub(super) fn assemble(
        &self,
        rows: &RecordBatch,
        offsets: impl Iterator<Item = u64>,
        file: &str,
        now_us: i64,
    ) -> Result<RecordBatch> {
        let count = rows.num_rows();
        let offsets: Option<ArrayRef> = self.wants(Metadata::Offset).then(|| {
            let offsets = offsets.take(count).map(u64::cast_signed).collect::<Vec<_>>();
            Arc::new(Int64Array::from(offsets)) as ArrayRef
        });
        let mut decoded = rows.columns().iter();
        let columns =
            itertools::zip_eq(self.schema.fields(), &self.metadata).map(|(field, metadata)| {
                let column: ArrayRef = match metadata {
                    None => Arc::clone(decoded.next().expect("one column per decoded field")),
                    Some(Metadata::Offset) => Arc::clone(offsets.as_ref().expect("it is wanted")),
                    Some(Metadata::File) => Arc::new(StringArray::from(vec![file; count])),
                    Some(Metadata::Partition) => Arc::new(Int32Array::from(vec![0; count])),
                    Some(Metadata::Timestamp) => Arc::new(
                        TimestampMicrosecondArray::from(vec![now_us; count]).with_timezone("UTC"),
                    ),
                };
                if column.data_type() == field.data_type() {
                    return Ok(column);
                }
                Ok(cast(&column, field.data_type())?)
            });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
