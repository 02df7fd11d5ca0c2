//! The text and CSV formats of COPY: bytes to cells, a column at a time.

use crate::error::{Error, Result, SqlState};
use crate::sql::statement::{CopyFormat, CopyOptions};

/// Takes the data apart as they arrive.
pub(super) struct CopyReader {
    table: String,
    names: Vec<String>,
    options: CopyOptions,
    /// Bytes of records that are not complete yet.
    pending: Vec<u8>,
    /// How far `pending` has been searched for an end of record.
    searched: usize,
    /// Whether the search stands inside CSV quotes.
    quoted: bool,
    /// Number of the last line taken.
    line: u64,
    /// Lines within the record being searched.
    lines_in_record: u64,
    /// Whether `\.` has come.
    ended: bool,
    cells: Cells,
}

/// Decoded records: cells by column, their bytes end to end.
#[derive(Default)]
pub(super) struct Cells {
    bytes: Vec<u8>,
    columns: Vec<Vec<Option<(usize, usize)>>>,
    lines: Vec<u64>,
}

impl Cells {
    /// No records of so many columns.
    pub(super) fn new(columns: usize) -> Cells {
        Cells { columns: vec![vec![]; columns], ..Cells::default() }
    }

    /// Number of records.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Adds a record.
    pub(super) fn push(&mut self, values: &[Option<&[u8]>], line: u64) {
        for (column, value) in itertools::zip_eq(&mut self.columns, values) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(value.unwrap_or_default());
            column.push(value.map(|value| (start, start + value.len())));
        }
        self.lines.push(line);
    }

    /// The values of a column as they were sent.
    pub(super) fn bytes(&self, index: usize) -> Vec<Option<&[u8]>> {
        let value = |cell: &Option<(usize, usize)>| cell.map(|(from, to)| &self.bytes[from..to]);
        self.columns[index].iter().map(value).collect()
    }

    /// The line that a record began in.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or(0)
    }

    /// The texts of a column.
    ///
    /// # Errors
    /// 22021 if they are not UTF-8.
    pub(super) fn column(&self, index: usize) -> Result<Vec<Option<&str>>> {
        let text = |cell: &Option<(usize, usize)>| {
            let Some((start, end)) = *cell else { return Ok(None) };
            std::str::from_utf8(&self.bytes[start..end]).map(Some).map_err(|_| {
                Error::new(
                    SqlState::CharacterNotInRepertoire,
                    "invalid byte sequence for encoding \"UTF8\"",
                )
            })
        };
        self.columns[index].iter().map(text).collect()
    }
}

impl CopyReader {
    /// A reader of records with these columns.
    pub(super) fn new(table: &str, names: Vec<String>, options: CopyOptions) -> CopyReader {
        let cells = Cells::new(names.len());
        CopyReader {
            table: table.to_owned(),
            names,
            options,
            pending: vec![],
            searched: 0,
            quoted: false,
            line: 0,
            lines_in_record: 0,
            ended: false,
            cells,
        }
    }

    /// Complete records so far.
    pub(super) fn rows(&self) -> usize {
        self.cells.rows()
    }

    /// The complete records.
    pub(super) fn take(&mut self) -> Cells {
        std::mem::replace(&mut self.cells, Cells::new(self.names.len()))
    }

    /// Takes a piece of the data.
    ///
    /// # Errors
    /// 22P04 for a record that does not fit.
    pub(super) fn feed(&mut self, data: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(data);
        let mut pending = std::mem::take(&mut self.pending);
        let mut start = 0;
        while let Some(end) = self.find_end(&pending) {
            let mut record = &pending[start..end];
            if let [head @ .., b'\r'] = record {
                record = head;
            }
            self.record(record)?;
            start = end + 1;
            self.searched = start;
        }
        pending.drain(..start);
        self.searched -= start;
        self.pending = pending;
        Ok(())
    }

    /// The data are complete.
    ///
    /// # Errors
    /// 22P04 if the last record is not.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.quoted {
            return Err(self.bad("unterminated CSV quoted field", &self.pending));
        }
        let rest = std::mem::take(&mut self.pending);
        match rest.strip_suffix(b"\r").unwrap_or(&rest) {
            [] => Ok(()),
            record => self.record(record),
        }
    }

    /// The newline that ends the next record.
    fn find_end(&mut self, pending: &[u8]) -> Option<usize> {
        let csv = self.options.format == CopyFormat::Csv;
        while let Some(&byte) = pending.get(self.searched) {
            let at = self.searched;
            self.searched += 1;
            if byte == b'\n' {
                self.lines_in_record += 1;
                if !self.quoted {
                    return Some(at);
                }
            } else if csv
                && self.quoted
                && byte == self.options.escape
                && byte != self.options.quote
            {
                // An escaped quote does not end the quotes.
                self.searched += usize::from(pending.get(at + 1) == Some(&self.options.quote));
            } else if csv && byte == self.options.quote {
                self.quoted = !self.quoted;
            }
        }
        None
    }

    fn record(&mut self, record: &[u8]) -> Result<()> {
        let line = self.line + 1;
        self.line += self.lines_in_record.max(1);
        self.lines_in_record = 0;
        if self.ended || (self.options.header && line == 1) {
            return Ok(());
        }
        if record == b"\\." {
            self.ended = true;
            return Ok(());
        }
        let mut cells = std::mem::take(&mut self.cells);
        let count = match self.options.format {
            CopyFormat::Csv => self.csv(record, &mut cells),
            _ => self.text(record, &mut cells),
        };
        if count > self.names.len() {
            return Err(self.bad("extra data after last expected column", record));
        }
        if count < self.names.len() {
            let message = format!("missing data for column \"{}\"", self.names[count]);
            return Err(self.bad(&message, record));
        }
        cells.lines.push(line);
        self.cells = cells;
        Ok(())
    }

    /// Takes a record of the text format apart; returns the number of its cells.
    fn text(&self, record: &[u8], cells: &mut Cells) -> usize {
        let (mut column, mut start, mut at) = (0, 0, 0);
        loop {
            let here = record.get(at);
            if here == Some(&b'\\') {
                at += 2;
                continue;
            }
            let ended = here.is_none();
            if ended || here == Some(&self.options.delimiter) {
                let raw = &record[start..at.min(record.len())];
                let from = cells.bytes.len();
                let null = raw == self.options.null.as_bytes();
                if !null {
                    unescape(raw, &mut cells.bytes);
                }
                if let Some(values) = cells.columns.get_mut(column) {
                    values.push((!null).then_some((from, cells.bytes.len())));
                }
                column += 1;
                start = at + 1;
            }
            if ended {
                return column;
            }
            at += 1;
        }
    }

    /// Takes a record of CSV apart; returns the number of its cells.
    fn csv(&self, record: &[u8], cells: &mut Cells) -> usize {
        let CopyOptions { delimiter, quote, escape, .. } = self.options;
        let (mut column, mut at) = (0, 0);
        loop {
            let from = cells.bytes.len();
            let (mut inside, mut was_quoted) = (false, false);
            while let Some(&byte) = record.get(at) {
                if inside && byte == escape && record.get(at + 1).is_some_and(|&next| next == quote)
                {
                    cells.bytes.push(quote);
                    at += 1;
                } else if byte == quote {
                    inside = !inside;
                    was_quoted = true;
                } else if byte == delimiter && !inside {
                    break;
                } else {
                    cells.bytes.push(byte);
                }
                at += 1;
            }
            let null = !was_quoted && cells.bytes[from..] == *self.options.null.as_bytes();
            if let Some(values) = cells.columns.get_mut(column) {
                values.push((!null).then_some((from, cells.bytes.len())));
            }
            column += 1;
            if at >= record.len() {
                return column;
            }
            at += 1;
        }
    }

    fn bad(&self, message: &str, record: &[u8]) -> Error {
        let text = String::from_utf8_lossy(record);
        Error::new(SqlState::BadCopyFileFormat, message).context(format!(
            "COPY {}, line {}: \"{text}\"",
            self.table,
            self.line.max(1)
        ))
    }
}

/// Replaces the backslash sequences of the text format.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    if !raw.contains(&b'\\') {
        out.extend_from_slice(raw);
        return;
    }
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&escaped) = raw.get(at) else {
            out.push(b'\\');
            return;
        };
        at += 1;
        match escaped {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'0'..=b'7' => {
                let digits = raw[at - 1..].iter().take(3).take_while(|d| (b'0'..=b'7').contains(d));
                let count = digits.clone().count();
                let value = digits.fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                out.push((value & 0xff) as u8);
                at += count - 1;
            }
            b'x' => {
                let hex = raw[at..].iter().take(2).take_while(|d| d.is_ascii_hexdigit());
                let text: String = hex.map(|&digit| char::from(digit)).collect();
                match u8::from_str_radix(&text, 16) {
                    Ok(value) => out.push(value),
                    Err(_) => out.push(b'x'),
                }
                at += text.len();
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: CopyFormat, pieces: &[&str]) -> Result<Vec<Vec<Option<String>>>> {
        let (delimiter, null) = match format {
            CopyFormat::Csv => (b',', ""),
            _ => (b'\t', "\\N"),
        };
        let escape = if format == CopyFormat::Csv { b'"' } else { b'\\' };
        let options = CopyOptions {
            format,
            delimiter,
            null: null.to_owned(),
            header: false,
            quote: b'"',
            escape,
        };
        let mut reader = CopyReader::new("t", vec!["a".into(), "b".into()], options);
        for piece in pieces {
            reader.feed(piece.as_bytes())?;
        }
        reader.finish()?;
        let cells = reader.take();
        let columns = [cells.column(0)?, cells.column(1)?];
        let row = |row: usize| columns.iter().map(|c| c[row].map(str::to_owned)).collect();
        Ok((0..cells.rows()).map(row).collect())
    }

    fn shown(result: &Result<Vec<Vec<Option<String>>>>) -> String {
        match result {
            Ok(rows) => {
                let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".into());
                let row = |row: &Vec<Option<String>>| row.iter().map(cell).collect::<Vec<_>>();
                rows.iter().map(|r| row(r).join("|")).collect::<Vec<_>>().join(";")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn records_are_taken_apart_wherever_the_pieces_break() {
        let text = CopyFormat::Text;
        let csv = CopyFormat::Csv;
        let cases = [
            (text, "1\tx\n2\t\\N\n", "1|x;2|NULL"),
            (text, "a\\tb\tc\\nd\r\n\\.\nmore", "a\tb|c\nd"),
            (text, "\\101\\x42\t\\\\\n", "AB|\\"),
            (csv, "1,x\n2,\n3,\"\"\n", "1|x;2|NULL;3|"),
            (csv, "\"a,\"\"b\"\"\nc\",d\n", "a,\"b\"\nc|d"),
            (text, "1\n", "missing data for column \"b\""),
            (csv, "1,2,3\n", "extra data after last expected column"),
            (csv, "1,\"2\n", "unterminated CSV quoted field"),
        ];
        for (format, data, expected) in cases {
            assert_eq!(shown(&read(format, &[data])), expected, "{data:?}");
            let pieces: Vec<String> = data.chars().map(String::from).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(shown(&read(format, &pieces)), expected, "{data:?} byte by byte");
        }
    }
}
