//! Outside → in: sources that are polled for Arrow batches and can be read again from any position.
//!
//! A source is a log that somebody else keeps: the engine remembers only how far it has read. What a
//! reader returns is a function of the position alone, whatever the sizes of the polls, so that a new
//! view over a running source, and a restart, read the same rows again.

mod datagen;
mod file;
mod format;
mod generator;
mod metadata;
mod nexmark;
mod options;
mod pace;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How far a source has been read: opaque text that only the connector understands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position(pub String);

/// What a metadata column of `INCLUDE` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Metadata {
    /// Number of the row in the source, from 0; rows that could not be decoded are counted.
    Offset,
    /// Path of the file.
    File,
    /// Partition of the source, always 0 where there is one only.
    Partition,
    /// Time when the row was read.
    Timestamp,
}

/// What to do with a row that cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OnError {
    /// [`SourceReader::poll`] fails.
    Fail,
    /// It is left out and reported in [`Polled::bad`]: to be counted, or kept in a dead-letter table.
    Skip,
}

/// What `CREATE SOURCE` says.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// `connector = …`.
    pub connector: String,
    /// The other options of `WITH`, keys in lower case.
    pub options: BTreeMap<String, String>,
    /// `ENCODE …`, in lower case, if given.
    pub encode: Option<String>,
    /// Options of `ENCODE`, keys in lower case.
    pub encode_options: BTreeMap<String, String>,
    /// All columns of the source, metadata columns included.
    pub schema: SchemaRef,
    /// The metadata columns, by name in `schema`.
    pub include: Vec<(String, Metadata)>,
    /// What to do with a row that cannot be decoded.
    pub on_error: OnError,
}

/// A row that could not be decoded.
#[derive(Clone, Debug)]
pub struct BadRow {
    /// Its bytes, as text as far as they are text.
    pub payload: String,
    /// What is wrong with it.
    pub error: Error,
    /// Its number in the source, as in [`Metadata::Offset`].
    pub offset: u64,
}

/// What a poll brought.
#[derive(Clone, Debug)]
pub struct Polled {
    /// Rows, in the source's schema; none if there is nothing to read now.
    pub batch: Option<RecordBatch>,
    /// Where reading goes on after these rows.
    pub position: Position,
    /// Rows that could not be decoded.
    pub bad: Vec<BadRow>,
    /// The source has ended: polling again brings nothing.
    pub done: bool,
    /// When to poll again, microseconds since the Unix epoch; none: at once.
    pub next_poll_us: Option<i64>,
}

/// Reads a source on from a position.
pub trait SourceReader: Send {
    /// The next rows, at most `rows_max`; never waits.
    ///
    /// # Errors
    /// If the outside fails, or a row cannot be decoded and the source says FAIL. The position has
    /// not moved then.
    fn poll(&mut self, rows_max: usize, now_us: i64) -> Result<Polled>;
}

/// Names of the connectors.
const CONNECTORS: [&str; 3] = ["file", "datagen", "nexmark"];

/// The columns of a source whose DDL names none, metadata columns left out.
///
/// # Errors
/// If the connector or its options are wrong, or it has no columns of its own.
pub fn columns(spec: &SourceSpec) -> Result<SchemaRef> {
    match spec.connector.as_str() {
        "file" => file::columns(spec),
        "nexmark" => nexmark::columns(spec),
        "datagen" => Err(Error::syntax(
            "a source with connector \"datagen\" needs a list of columns",
        )
        .hint("Name the columns and their types: CREATE SOURCE name (column type, …) WITH ….")),
        other => Err(unknown(other)),
    }
}

/// Opens a source after `position`, or at its beginning. Checks everything that `CREATE SOURCE` can be
/// wrong about.
///
/// # Errors
/// 22023 with a hint for wrong options, 58P01 for a missing file, 42501 for an unreadable one.
pub fn open(spec: &SourceSpec, position: Option<&Position>) -> Result<Box<dyn SourceReader>> {
    open_between(spec, position, None)
}

/// Opens a source at its beginning, to end at `until` exactly, as fast as it can be read.
///
/// # Errors
/// As [`open`]; 55000 if the outside no longer has the rows read before `until`.
pub fn open_until(spec: &SourceSpec, until: &Position) -> Result<Box<dyn SourceReader>> {
    open_between(spec, None, Some(until))
}

fn open_between(
    spec: &SourceSpec,
    position: Option<&Position>,
    until: Option<&Position>,
) -> Result<Box<dyn SourceReader>> {
    match spec.connector.as_str() {
        "file" => file::open(spec, position, until),
        "datagen" => datagen::open(spec, position, until),
        "nexmark" => nexmark::open(spec, position, until),
        other => Err(unknown(other)),
    }
}

fn unknown(connector: &str) -> Error {
    if connector.is_empty() {
        return Error::invalid_parameter("a source needs the option \"connector\"")
            .hint(format!("The connectors are {}.", CONNECTORS.join(", ")));
    }
    let error = Error::unsupported(format!("connector \"{connector}\""))
        .did_you_mean(connector, CONNECTORS);
    if error.hint_text().is_some() {
        return error;
    }
    error.hint(format!("The connectors are {}.", CONNECTORS.join(", ")))
}

#[cfg(test)]
mod tests;
