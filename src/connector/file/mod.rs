//! Files as sources: one file, a glob, or a folder in name order.
//!
//! Options: `path`, `format` (or `ENCODE`, or the file's extension), `follow` (default false: the source
//! ends with its files; true: it waits for them to grow and for new ones), `rate` in rows per second,
//! and those of the encoding. A file that grows is read up to its last complete record.

mod content;
mod listing;
mod position;
mod reader;
mod table;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::datatypes::SchemaRef;

use self::listing::Listing;
use self::reader::FileReader;
use super::metadata::Assembler;
use super::options::Options;
use super::{Position, SourceReader, SourceSpec};
use crate::connector::format::TextFormat;
use crate::error::{Error, Result, SqlState};

/// How files are encoded.
#[derive(Clone, Debug)]
enum Encoding {
    /// Records of text.
    Text(TextFormat),
    /// Parquet.
    Parquet,
    /// Arrow's IPC file format.
    Arrow,
}

/// Names of encodings, and the extensions that mean them.
const ENCODINGS: &[(&str, &[&str])] = &[
    ("csv", &["csv", "tsv"]),
    ("json", &["json", "ndjson", "jsonl"]),
    ("parquet", &["parquet"]),
    ("arrow", &["arrow", "ipc", "feather"]),
];

pub(super) fn open(
    spec: &SourceSpec,
    position: Option<&Position>,
    until: Option<&Position>,
) -> Result<Box<dyn SourceReader>> {
    let owner = "connector \"file\"";
    // ENCODE's options may stand in WITH as well; a key in both is taken from ENCODE.
    let mut given: BTreeMap<String, String> = spec.options.clone();
    given.extend(spec.encode_options.clone());
    let mut options = Options::new(owner, &given);
    let path = options.required("path")?;
    let follow = options.flag("follow", false)?;
    let rate = options.rate("rate")?;
    let name = encoding_name(spec, options.text("format"), path)?;
    let assembler = Assembler::new(spec)?;
    let encoding = match name {
        "parquet" => Encoding::Parquet,
        "arrow" => Encoding::Arrow,
        _ => Encoding::Text(TextFormat::new(name, &assembler.decoded(), &mut options)?),
    };
    options.finish()?;
    let listing = Listing::open(path, follow)?;
    let rate = rate.filter(|_| until.is_none());
    let mut reader = FileReader::new(listing, encoding, assembler, spec.on_error, rate);
    reader.seek(position, until)?;
    Ok(Box::new(reader))
}

/// The columns that the first file says it has.
pub(super) fn columns(spec: &SourceSpec) -> Result<SchemaRef> {
    let mut options = Options::new("connector \"file\"", &spec.options);
    let path = options.required("path")?;
    let name = encoding_name(spec, options.text("format"), path)?;
    let first = Listing::open(path, false)?.after(None)?;
    match (name, first) {
        ("parquet", Some(file)) => table::parquet_schema(&file),
        ("arrow", Some(file)) => table::arrow_schema(&file),
        _ => Err(Error::syntax(format!("a source with format \"{name}\" needs a list of columns"))
            .hint("Name the columns and their types: CREATE SOURCE name (column type, …) ….")),
    }
}

fn encoding_name(spec: &SourceSpec, option: Option<&str>, path: &str) -> Result<&'static str> {
    if path.ends_with(".gz") || path.ends_with(".zst") || path.ends_with(".bz2") {
        return Err(Error::unsupported("reading compressed text files")
            .hint("Decompress the files first, or use Parquet."));
    }
    let names = || ENCODINGS.iter().map(|(name, _)| *name);
    let choice = spec.encode.as_deref().or(option).map(str::to_lowercase);
    if let Some(choice) = choice {
        let known = |(name, extensions): &&(&str, &[&str])| {
            *name == choice || extensions.contains(&choice.as_str())
        };
        return ENCODINGS.iter().find(known).map(|(name, _)| *name).ok_or_else(|| {
            Error::unsupported(format!("format \"{choice}\" of files"))
                .hint(format!("The formats are {}.", names().collect::<Vec<_>>().join(", ")))
        });
    }
    // Of several files the first one tells.
    let first = match Path::new(path).is_dir() {
        true => Listing::open(path, true)?.after(None)?,
        false => None,
    };
    let extension = Path::new(first.as_deref().unwrap_or(path))
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase());
    let known = |extension: String| {
        ENCODINGS.iter().find(|(_, extensions)| extensions.contains(&extension.as_str()))
    };
    extension.and_then(known).map(|(name, _)| *name).ok_or_else(|| {
        Error::invalid_parameter(format!("the format of \"{path}\" is not clear from its name"))
            .hint("Say it with FORMAT PLAIN ENCODE CSV, or with the option format = 'csv'.")
    })
}

/// Opens a file to read it.
fn open_file(path: &str) -> Result<File> {
    let opened = File::open(path).and_then(|file| {
        let is_folder = file.metadata()?.is_dir();
        if is_folder { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    opened.map_err(|error| file_error(&error, "open", path))
}

fn file_error(error: &std::io::Error, attempt: &str, path: &str) -> Error {
    let state = match error.kind() {
        std::io::ErrorKind::NotFound => SqlState::UndefinedFile,
        std::io::ErrorKind::PermissionDenied => SqlState::InsufficientPrivilege,
        _ => SqlState::IoError,
    };
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    Error::new(state, format!("could not {attempt} file \"{path}\": {text}"))
}

#[cfg(test)]
mod tests;
