//! What a statement answers with.

use std::pin::Pin;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::activity::Ending;
use crate::error::{Error, Result, SqlState};

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
        /// Whether the data are binary.
        binary: bool,
    },
    /// `COPY … TO STDOUT`: already formatted data, in pieces.
    CopyOut {
        /// Number of columns.
        columns: usize,
        /// Whether the data are binary.
        binary: bool,
        /// The data; the command tag is `COPY` with the number of rows.
        data: Pin<Box<dyn Stream<Item = Result<CopyChunk>> + Send>>,
    },
    /// An empty query string.
    Empty,
}

/// A piece of `COPY … TO STDOUT`.
#[derive(Clone, Debug)]
pub struct CopyChunk {
    /// Formatted rows.
    pub data: bytes::Bytes,
    /// Where in `data` each row ends: clients get them one by one.
    pub ends: Vec<usize>,
    /// How many of them are counted: a header is not.
    pub rows: usize,
}

/// A notice or warning for the client.
#[derive(Clone, Debug)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// What it says: state, message, detail, hint.
    pub content: Error,
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

impl Response {
    /// A response without rows.
    pub(crate) fn done(tag: impl Into<String>) -> Response {
        Response::Done { tag: tag.into() }
    }

    /// A result set that is already there.
    pub(crate) fn batch(batch: RecordBatch, verb: &'static str, counted: bool) -> Response {
        let schema = batch.schema();
        let rows: RowStream = Box::pin(stream::iter([Ok(batch)]));
        Response::Rows { schema, rows, verb, counted }
    }

    /// The same, which keeps `ending` until its rows have been read or given up.
    pub(super) fn until_read(self, ending: Ending) -> Response {
        match self {
            Response::Rows { schema, rows, verb, counted } => {
                let rows: RowStream = Box::pin(rows.inspect(move |_| {
                    let _kept_as_long_as_the_rows = &ending;
                }));
                Response::Rows { schema, rows, verb, counted }
            }
            Response::CopyOut { columns, binary, data } => {
                let data = Box::pin(data.inspect(move |_| {
                    let _kept_as_long_as_the_rows = &ending;
                }));
                Response::CopyOut { columns, binary, data }
            }
            other => other,
        }
    }

    /// The same with all rows read.
    ///
    /// # Errors
    /// What reading the rows reports.
    pub(crate) async fn gathered(self) -> Result<Response> {
        match self {
            Response::Rows { schema, rows, verb, counted } => {
                let batches: Vec<RecordBatch> = rows.try_collect().await?;
                let rows: RowStream = Box::pin(stream::iter(batches.into_iter().map(Ok)));
                Ok(Response::Rows { schema, rows, verb, counted })
            }
            Response::CopyOut { columns, binary, data } => {
                let chunks: Vec<CopyChunk> = data.try_collect().await?;
                let data = Box::pin(stream::iter(chunks.into_iter().map(Ok)));
                Ok(Response::CopyOut { columns, binary, data })
            }
            other => Ok(other),
        }
    }

    /// Reads it to its end: the command tag, and the rows of a result set.
    ///
    /// # Errors
    /// What reading the rows reports; 55000 for a `COPY` that waits for data.
    pub async fn finish(self) -> Result<(String, Vec<RecordBatch>)> {
        match self {
            Response::Rows { rows, verb, counted, .. } => {
                let batches: Vec<RecordBatch> = rows.try_collect().await?;
                let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let tag = if counted { format!("{verb} {count}") } else { verb.to_owned() };
                Ok((tag, batches))
            }
            Response::Done { tag } => Ok((tag, vec![])),
            Response::CopyOut { data, .. } => {
                let count = data.try_fold(0, |sum, chunk| std::future::ready(Ok(sum + chunk.rows)));
                Ok((format!("COPY {}", count.await?), vec![]))
            }
            Response::CopyIn { .. } => Err(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                "COPY FROM STDIN waits for data",
            )),
            Response::Empty => Ok((String::new(), vec![])),
        }
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Response::Rows { schema, verb, .. } => write!(f, "Rows({verb}, {schema:?})"),
            Response::Done { tag } => write!(f, "Done({tag})"),
            Response::CopyIn { columns, .. } => write!(f, "CopyIn({columns})"),
            Response::CopyOut { columns, .. } => write!(f, "CopyOut({columns})"),
            Response::Empty => f.write_str("Empty"),
        }
    }
}
