//! What a statement answers with.

use std::pin::Pin;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;

use crate::error::Result;

/// Rows of an answer, a batch at a time, all of the response's schema.
pub type RowStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// The answer of one statement.
pub enum Response {
    /// A result set. The command tag is `verb` followed by the number of rows sent
    /// (`SELECT 3`, `INSERT 0 3`, `FETCH 3`), or `verb` alone when `counted` is false (`SHOW`, `EXPLAIN`).
    Rows {
        /// Columns.
        schema: SchemaRef,
        /// Rows.
        rows: RowStream,
        /// First words of the command tag.
        verb: &'static str,
        /// Whether the tag ends with the row count.
        counted: bool,
    },
    /// No rows; the complete command tag, such as `INSERT 0 1` or `CREATE TABLE`.
    Done {
        /// The tag.
        tag: String,
    },
    /// `COPY … FROM STDIN`: the client sends data now; see [`crate::engine`] for how to feed it.
    CopyIn {
        /// Number of columns expected (for the protocol's CopyInResponse).
        columns: usize,
    },
    /// `COPY … TO STDOUT`: already formatted data, in pieces.
    CopyOut {
        /// Number of columns.
        columns: usize,
        /// The text.
        data: Pin<Box<dyn Stream<Item = Result<bytes::Bytes>> + Send>>,
    },
    /// An empty query string.
    Empty,
}

/// A notice or warning for the client.
#[derive(Clone, Debug)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// What it says: state, message, detail, hint.
    pub content: crate::error::Error,
}

/// Where a session stands, as in ReadyForQuery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionStatus {
    /// Not in a transaction block.
    Idle,
    /// In a block.
    Active,
    /// In a failed block.
    Failed,
}
