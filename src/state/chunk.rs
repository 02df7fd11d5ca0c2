//! The rows of an arrangement, columnar, in chunks of 64 K that are never rewritten once full.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_empty_array};
use arrow::compute::{concat_batches, interleave, take};
use arrow::datatypes::SchemaRef;

use super::index::NONE;
use super::segmented::{BLOCK_BITS, BLOCK_ROWS};
use crate::error::Result;
use crate::types::{Selection, take_rows};

/// Pieces of similar size that are merged into one. Larger: fewer copies of a row, more pieces.
const FAN_IN: usize = 8;
/// Pieces with at least this many rows are left as they are: few enough, and copying them costs more.
const PIECE_ROWS: usize = 4096;
/// Chunks that row numbers can name: the last would hold the row number [`NONE`].
const CHUNKS_MAX: usize = (NONE >> BLOCK_BITS) as usize;

/// Rows by number: chunk in the high 16 bits, position in the chunk in the low 16.
///
/// # Invariants
/// 1. A row keeps its number and values until its chunk is released.
/// 2. Of a full chunk, no two pieces in a row are smaller than `PIECE_ROWS`, unless their strings
///    together are too long for one array (by `Chunk::seal`).
#[derive(Debug)]
pub struct Chunks {
    schema: SchemaRef,
    chunks: Vec<Chunk>,
    /// The chunk that takes new rows.
    open: Option<u32>,
    /// Released chunks, whose numbers are used again.
    free: Vec<u32>,
}

/// Up to 64 K rows as pieces in order.
#[derive(Debug, Default)]
struct Chunk {
    pieces: Vec<Piece>,
    /// Position of each piece's first row.
    starts: Vec<usize>,
    rows: usize,
    bytes: usize,
}

/// Neighboring rows: a batch, or some rows of one that other pieces share.
#[derive(Debug)]
struct Piece {
    shared: RecordBatch,
    /// Which rows of `shared`, in which order; `None`: all.
    selected: Option<UInt32Array>,
    /// A selection's rows by themselves, once somebody has asked for them.
    own: OnceLock<RecordBatch>,
}

impl Chunks {
    /// Most rows that one arrangement can hold.
    pub const ROWS_MAX: usize = CHUNKS_MAX * BLOCK_ROWS;

    /// No rows of `schema`.
    #[must_use]
    pub fn new(schema: SchemaRef) -> Chunks {
        Chunks { schema, chunks: vec![], open: None, free: vec![] }
    }

    /// Columns of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of chunks in use or released: all row numbers are below this times 64 K.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.chunks.len()).expect("at most CHUNKS_MAX chunks")
    }

    /// Whether `chunk` is full, so that no row will be added to it.
    #[must_use]
    pub fn sealed(&self, chunk: u32) -> bool {
        self.open != Some(chunk)
    }

    /// Rows in `chunk`, dead ones included.
    #[must_use]
    pub fn rows(&self, chunk: u32) -> usize {
        self.chunks[chunk as usize].rows
    }

    /// Bytes held.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes).sum()
    }

    /// Adds `rows` and appends their numbers to `numbers`. Large batches are shared, not copied.
    ///
    /// # Panics
    /// If there are more than [`Chunks::ROWS_MAX`] rows.
    pub fn append(&mut self, rows: &Selection, numbers: &mut Vec<u32>) {
        let mut done = 0;
        while done < rows.rows() {
            let open = self.open_chunk();
            let chunk = &mut self.chunks[open as usize];
            let length = (BLOCK_ROWS - chunk.rows).min(rows.rows() - done);
            let first = open << BLOCK_BITS | chunk.rows as u32;
            numbers.extend(first..first + length as u32);
            chunk.push(Piece::new(rows, done, length), &self.schema);
            if chunk.rows == BLOCK_ROWS {
                chunk.seal(&self.schema);
                self.open = None;
            }
            done += length;
        }
    }

    fn open_chunk(&mut self) -> u32 {
        if let Some(open) = self.open {
            return open;
        }
        let open = self.free.pop().unwrap_or_else(|| {
            assert!(self.chunks.len() < CHUNKS_MAX, "checked when rows are staged");
            self.chunks.push(Chunk::default());
            self.count() - 1
        });
        self.open = Some(open);
        open
    }

    /// Forgets all rows of a sealed chunk; their numbers may be given out again.
    pub fn release(&mut self, chunk: u32) {
        assert!(self.sealed(chunk), "the open chunk still takes rows");
        self.chunks[chunk as usize] = Chunk::default();
        self.free.push(chunk);
    }

    /// The rows of `chunk` in batches, each with the number of its first row; buffers are shared.
    ///
    /// # Errors
    /// If a column would be too long for an Arrow array.
    pub fn pieces(&self, chunk: u32) -> Result<Vec<(u32, RecordBatch)>> {
        let pieces = self.places(chunk).map(|(first, piece)| Ok((first, piece.batch()?.clone())));
        pieces.collect()
    }

    fn places(&self, chunk: u32) -> impl Iterator<Item = (u32, &Piece)> {
        let rows = &self.chunks[chunk as usize];
        itertools::zip_eq(&rows.starts, &rows.pieces)
            .map(move |(&start, piece)| (chunk << BLOCK_BITS | start as u32, piece))
    }

    /// Columns `columns` of the rows with numbers `rows`, all of one chunk: parts in order.
    ///
    /// # Errors
    /// Only what Arrow's take kernel reports.
    pub fn slices(&self, rows: Range<u32>, columns: &[usize]) -> Result<Vec<Vec<ArrayRef>>> {
        let (chunk, mut left) = (rows.start >> BLOCK_BITS, rows);
        let mut slices = vec![];
        for (first, piece) in self.places(chunk) {
            let end = (first + piece.rows() as u32).min(left.end);
            if left.start < end {
                let length = (end - left.start) as usize;
                slices.push(piece.columns((left.start - first) as usize, length, columns)?);
                left.start = end;
            }
        }
        Ok(slices)
    }

    /// Columns `columns` of the given rows, in that order.
    ///
    /// # Errors
    /// If a column of the result would be too long for an Arrow array.
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<Vec<ArrayRef>> {
        if rows.is_empty() || columns.is_empty() {
            let empty = columns.iter().map(|&column| self.schema.field(column).data_type());
            return Ok(empty.map(new_empty_array).collect());
        }
        // Only pieces that are asked for take part; the first of each touched chunk is noted here.
        let mut first_piece = vec![NONE; self.chunks.len()];
        let mut pieces: Vec<&Piece> = vec![];
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
        for &row in rows {
            let (number, offset) = ((row >> BLOCK_BITS) as usize, row as usize & (BLOCK_ROWS - 1));
            let chunk = &self.chunks[number];
            if first_piece[number] == NONE {
                first_piece[number] = pieces.len() as u32;
                pieces.extend(&chunk.pieces);
            }
            let piece = chunk.piece_of(offset);
            let place = chunk.pieces[piece].place(offset - chunk.starts[piece]);
            places.push((first_piece[number] as usize + piece, place));
        }
        if let [piece] = pieces[..] {
            return gather_from_one(&piece.shared, &places, columns);
        }
        columns
            .iter()
            .map(|&column| {
                let arrays: Vec<&dyn Array> =
                    pieces.iter().map(|piece| piece.shared.column(column).as_ref()).collect();
                Ok(interleave(&arrays, &places)?)
            })
            .collect()
    }
}

fn gather_from_one(
    piece: &RecordBatch,
    places: &[(usize, usize)],
    columns: &[usize],
) -> Result<Vec<ArrayRef>> {
    let first = places[0].1;
    if places.iter().enumerate().all(|(at, place)| place.1 == first + at) {
        return Ok(columns.iter().map(|&c| piece.column(c).slice(first, places.len())).collect());
    }
    let indices: UInt32Array = places.iter().map(|place| place.1 as u32).collect();
    columns.iter().map(|&column| Ok(take(piece.column(column), &indices, None)?)).collect()
}

impl Chunk {
    fn piece_of(&self, offset: usize) -> usize {
        if self.pieces.len() == 1 {
            return 0;
        }
        self.starts.partition_point(|&start| start <= offset) - 1
    }

    /// Adds a piece, then merges pieces of similar size, so that a row is copied a logarithmic number
    /// of times however small the batches are, and pieces stay few.
    fn push(&mut self, piece: Piece, schema: &SchemaRef) {
        self.bytes += piece.bytes();
        self.starts.push(self.rows);
        self.rows += piece.rows();
        self.pieces.push(piece);
        loop {
            let level = |piece: &Piece| piece.rows().ilog2() / FAN_IN.ilog2();
            let last = self.pieces.last().map_or(0, level);
            let small = self
                .pieces
                .iter()
                .rev()
                .take_while(|piece| level(piece) <= last && piece.rows() < PIECE_ROWS);
            let similar = small.count();
            let end = self.pieces.len();
            if similar < FAN_IN || !self.merge(end - similar..end, schema) {
                return;
            }
        }
    }

    fn seal(&mut self, schema: &SchemaRef) {
        let mut end = self.pieces.len();
        while end > 0 {
            let run = self.pieces[..end].iter().rev();
            let small = run.take_while(|piece| piece.rows() < PIECE_ROWS).count();
            if small > 1 {
                self.merge(end - small..end, schema);
            }
            // The piece before the run is a large one.
            end = end.saturating_sub(small + 1);
        }
        self.pieces.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    /// Makes one piece of several neighbors. Pieces whose strings together exceed an array's offsets
    /// stay apart: everything works with several pieces too.
    fn merge(&mut self, pieces: Range<usize>, schema: &SchemaRef) -> bool {
        let parts =
            self.pieces[pieces.clone()].iter().map(Piece::batch).collect::<Result<Vec<_>>>();
        let Ok(parts) = parts else { return false };
        let Ok(merged) = concat_batches(schema, parts) else { return false };
        self.starts.drain(pieces.start + 1..pieces.end);
        self.pieces.splice(pieces, [Piece::from(merged)]);
        true
    }
}

impl From<RecordBatch> for Piece {
    fn from(shared: RecordBatch) -> Piece {
        Piece { shared, selected: None, own: OnceLock::new() }
    }
}

impl Piece {
    /// `length` rows from `first` on.
    fn new(rows: &Selection, first: usize, length: usize) -> Piece {
        match rows.selected() {
            None => Piece::from(rows.shared().slice(first, length)),
            Some(selected) => {
                let selected = Some(selected.slice(first, length));
                Piece { shared: rows.shared().clone(), selected, own: OnceLock::new() }
            }
        }
    }

    fn rows(&self) -> usize {
        self.selected.as_ref().map_or_else(|| self.shared.num_rows(), UInt32Array::len)
    }

    /// Where in `shared` the row at `offset` stands.
    fn place(&self, offset: usize) -> usize {
        self.selected.as_ref().map_or(offset, |selected| selected.value(offset) as usize)
    }

    /// The rows by themselves; copied once if they are a selection.
    fn batch(&self) -> Result<&RecordBatch> {
        let Some(selected) = &self.selected else { return Ok(&self.shared) };
        if let Some(own) = self.own.get() {
            return Ok(own);
        }
        let own = take_rows(&self.shared, selected)?;
        Ok(self.own.get_or_init(|| own))
    }

    /// Columns `columns` of `length` rows from `first` on.
    fn columns(&self, first: usize, length: usize, columns: &[usize]) -> Result<Vec<ArrayRef>> {
        let selected = self.selected.as_ref().map(|selected| selected.slice(first, length));
        let column = |&index: &usize| {
            let column = self.shared.column(index);
            match &selected {
                None => Ok(column.slice(first, length)),
                Some(selected) => Ok(take(column, selected, None)?),
            }
        };
        columns.iter().map(column).collect()
    }

    /// Bytes of its rows alone; of shared ones its share.
    fn bytes(&self) -> usize {
        let columns = self.shared.columns().iter().map(Arc::as_ref);
        let sizes = columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0));
        let all: usize = sizes.sum();
        match &self.selected {
            None => all,
            Some(selected) => {
                all / self.shared.num_rows().max(1) * selected.len() + selected.len() * 4
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;
    use crate::types::Delta;

    /// Appends a batch, every third one as a selection of a longer one in reverse.
    fn append(chunks: &mut Chunks, batch: RecordBatch, rows: &mut Vec<u32>) {
        if !rows.len().is_multiple_of(3) {
            return chunks.append(&Delta::insert(batch).into(), rows);
        }
        let length = batch.num_rows() as u32;
        let reversed: UInt32Array = (0..length).rev().collect();
        let longer = concat_batches(&batch.schema(), [&batch, &batch]).unwrap();
        let longer = take_rows(&longer, &(0..2 * length).rev().collect()).unwrap();
        assert_eq!(&take_rows(&longer, &reversed).unwrap(), &batch);
        chunks.append(&Selection::of(Delta::insert(longer), reversed), rows);
    }

    #[test]
    fn rows_of_any_batch_size_are_found_again() {
        let fields =
            vec![Field::new("a", DataType::Int64, false), Field::new("b", DataType::Utf8, true)];
        let schema = Arc::new(Schema::new(fields));
        let mut chunks = Chunks::new(Arc::clone(&schema));
        let (mut rows, mut next) = (vec![], 0i64);
        for length in
            [1, 3, 10, 7000, 65536, 1, 1, 90_000, 5, 200].repeat(3).into_iter().chain([2; 500])
        {
            let values: Vec<i64> = (next..next + length).collect();
            let texts = values.iter().map(|value| (value % 3 != 0).then(|| value.to_string()));
            let texts: StringArray = texts.collect();
            let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(values)), Arc::new(texts)];
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
            append(&mut chunks, batch, &mut rows);
            next += length;
        }
        assert!((0..chunks.count()).all(|chunk| chunks.places(chunk).count() <= 6 * FAN_IN));
        let picked: Vec<usize> = (0..rows.len()).rev().step_by(17).collect();
        let numbers: Vec<u32> = picked.iter().map(|&at| rows[at]).collect();
        let columns = chunks.gather(&numbers, &[1, 0]).unwrap();
        let (texts, values) =
            (columns[0].as_string::<i32>(), columns[1].as_primitive::<Int64Type>());
        for (at, &row) in picked.iter().enumerate() {
            assert_eq!(values.value(at), row as i64);
            assert_eq!(texts.is_null(at), row % 3 == 0);
            assert!(texts.is_null(at) || texts.value(at) == row.to_string());
        }
    }
}
