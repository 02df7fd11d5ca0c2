//! Rows as order-preserving bytes and back: what operators keep that walk partitions in an order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::Result;
use crate::plan::node::SortColumn;
use crate::state::groups::ByteStore;
use crate::types::key::normalize;

/// How rows become bytes and back: the sort columns, then what else a row has, so that bytes compare
/// as rows do, ties broken by the whole row.
pub(super) struct RowForm {
    pub(super) order: Vec<SortColumn>,
    /// The columns behind the sort columns.
    rest: Vec<usize>,
    converter: RowConverter,
    /// Of the sort columns alone.
    order_converter: RowConverter,
    /// For every input column where it is in the converter's columns.
    places: Vec<usize>,
}

impl RowForm {
    pub(super) fn new(order: &[SortColumn], input: &SchemaRef) -> Result<RowForm> {
        // Floats equal in the order may differ as values: they stand behind it again, as they are.
        let float = |column: usize| input.field(column).data_type().is_floating();
        let ordered = |column: usize| {
            order.iter().position(|sort| sort.column == column).filter(|_| !float(column))
        };
        let rest: Vec<usize> =
            (0..input.fields().len()).filter(|&column| ordered(column).is_none()).collect();
        let places = (0..input.fields().len()).map(|column| {
            let behind = || rest.iter().position(|&other| other == column).expect("one or other");
            ordered(column).unwrap_or_else(|| order.len() + behind())
        });
        let places = places.collect();
        let type_of = |column: usize| input.field(column).data_type().clone();
        let sorted = order
            .iter()
            .map(|sort| SortField::new_with_options(type_of(sort.column), sort.options));
        let order_fields: Vec<SortField> = sorted.collect();
        let mut fields = order_fields.clone();
        fields.extend(rest.iter().map(|&column| SortField::new(type_of(column))));
        Ok(RowForm {
            order: order.to_vec(),
            rest,
            converter: RowConverter::new(fields)?,
            order_converter: RowConverter::new(order_fields)?,
            places,
        })
    }

    fn order_columns(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.order.iter().map(|sort| normalize(batch.column(sort.column))).collect()
    }

    fn columns(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        let mut columns = self.order_columns(batch);
        columns.extend(self.rest.iter().map(|&column| Arc::clone(batch.column(column))));
        columns
    }

    /// The bytes of every row of `batch`.
    pub(super) fn encode(&self, batch: &RecordBatch) -> Result<Rows> {
        Ok(self.converter.convert_columns(&self.columns(batch))?)
    }

    /// The bytes of the sort columns alone, with which those of the row begin.
    pub(super) fn encode_order(&self, batch: &RecordBatch) -> Result<Rows> {
        Ok(self.order_converter.convert_columns(&self.order_columns(batch))?)
    }

    /// The input's columns of the given rows.
    pub(super) fn decode(&self, rows: &[u32], store: &ByteStore) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let bytes = rows.iter().map(|&row| parser.parse(store.get(row)));
        let columns = self.converter.convert_rows(bytes)?;
        Ok(self.places.iter().map(|&place| plain_nulls(&columns[place])).collect())
    }
}

/// A time column with zero under its nulls: functions compute there too, and could overflow on what
/// a null is decoded to.
fn plain_nulls(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(_, _) if column.null_count() > 0 => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            let plain: PrimitiveArray<TimestampMicrosecondType> = values.iter().collect();
            Arc::new(plain.with_data_type(column.data_type().clone()))
        }
        _ => Arc::clone(column),
    }
}
