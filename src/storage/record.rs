//! Frames of a log: the header of a segment file, the header of a record, and their checksums.
//! `docs/disk-format.md` draws them.

use std::ops::Range;

use crate::error::{Error, Result, SqlState};
use crate::types::Epoch;

/// Bytes of a segment's fixed header.
const HEADER_SIZE: usize = 48;
/// Bytes of a record before its payload.
pub(super) const FRAME_SIZE: usize = 32;
/// First bytes of every segment file.
const MAGIC: &[u8; 8] = b"MLSTREAM";
/// Version of the format that this build writes, and the newest that it reads.
const VERSION: u16 = 1;

/// The epoch is complete with this record; without it, the epoch log says whether it is.
pub(super) const COMMIT: u32 = 1;
/// The payload's last column holds weights.
pub(super) const WEIGHTS: u32 = 2;
/// Every record of this epoch and of earlier ones is committed, in all logs.
pub(super) const FLOOR: u32 = 4;

/// All logs were closed in order; the next start takes this record away.
pub(super) const CLOSED: u32 = 8;

/// All flags there are.
pub(super) const KNOWN_FLAGS: u32 = COMMIT | WEIGHTS | FLOOR | CLOSED;

/// What a log holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Definitions.
    Catalog = 1,
    /// Which epochs are complete, and how far sources were read.
    Epochs = 2,
    /// Changes of a table.
    Table = 3,
    /// All rows of a table as of one epoch.
    Base = 4,
}

/// Header of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// What the log holds.
    pub(super) kind: Kind,
    /// Random number of the log, part of every checksum.
    pub(super) log_id: u64,
    /// Offset of the segment's first row.
    pub(super) base_offset: u64,
    /// When the segment was begun, microseconds since the Unix epoch.
    pub(super) created_us: i64,
    /// Schema of the payloads as an Arrow IPC message; empty where payloads are not Arrow.
    pub(super) schema: Vec<u8>,
}

impl Header {
    /// The header's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(padded(HEADER_SIZE + self.schema.len()));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.kind as u16).to_le_bytes());
        let schema_size = u32::try_from(self.schema.len()).expect("a schema is far below 4 GiB");
        bytes.extend_from_slice(&schema_size.to_le_bytes());
        bytes.extend_from_slice(&self.log_id.to_le_bytes());
        bytes.extend_from_slice(&self.base_offset.to_le_bytes());
        bytes.extend_from_slice(&self.created_us.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), &self.schema);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.schema);
        bytes.resize(padded(bytes.len()), 0);
        bytes
    }

    /// Reads a segment's header; `path` is for messages.
    ///
    /// # Errors
    /// XX001 if it is damaged (it was durable before the file got its name), 0A000 if a newer
    /// version wrote it.
    pub(super) fn decode(bytes: &[u8], path: &str) -> Result<Header> {
        if bytes.len() < HEADER_SIZE || &bytes[..8] != MAGIC {
            return Err(damaged(path, 0, "it does not begin with a segment header"));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version > VERSION {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                format!("file \"{path}\" was written by a newer version"),
            )
            .detail(format!(
                "It has format version {version}; this build reads up to {VERSION}."
            )));
        }
        let schema_end = HEADER_SIZE + u32_at(bytes, 12) as usize;
        let schema = bytes
            .get(HEADER_SIZE..schema_end)
            .ok_or_else(|| damaged(path, 0, "its header is cut off"))?;
        if crc32c::crc32c_append(crc32c::crc32c(&bytes[..40]), schema) != u32_at(bytes, 40) {
            return Err(damaged(path, 0, "the checksum of its header is wrong"));
        }
        let kind = match u16::from_le_bytes([bytes[10], bytes[11]]) {
            1 => Kind::Catalog,
            2 => Kind::Epochs,
            3 => Kind::Table,
            4 => Kind::Base,
            _ => return Err(damaged(path, 10, "it is of an unknown kind")),
        };
        Ok(Header {
            kind,
            log_id: u64_at(bytes, 16),
            base_offset: u64_at(bytes, 24),
            created_us: u64_at(bytes, 32).cast_signed(),
            schema: schema.to_vec(),
        })
    }

    /// Bytes of the header in the file; records follow.
    pub(super) fn size(&self) -> usize {
        padded(HEADER_SIZE + self.schema.len())
    }

    /// What every checksum of the segment starts from, so that bytes of another file, or of an
    /// older life of this one, never pass.
    pub(super) fn seed(&self) -> u32 {
        crc32c::crc32c_append(
            crc32c::crc32c(&self.log_id.to_le_bytes()),
            &self.base_offset.to_le_bytes(),
        )
    }
}

/// A record to be written.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) epoch: Epoch,
    /// Rows in it.
    pub(super) count: u32,
    pub(super) flags: u32,
    pub(super) payload: Vec<u8>,
}

impl Record {
    /// Appends the record's bytes to `out`.
    ///
    /// # Errors
    /// 54000 if the payload does not fit a record.
    pub(super) fn encode(&self, seed: u32, offset: u64, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let length = u32::try_from(FRAME_SIZE - 8 + self.payload.len()).map_err(|_| {
            Error::new(SqlState::ProgramLimitExceeded, "change is larger than 4 GiB")
                .hint("Write fewer rows per statement.")
        })?;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.payload);
        let crc = checksum(seed, length, &out[start + 8..]);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        out.resize(start + padded(out.len() - start), 0);
        Ok(())
    }
}

/// A record found in a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
    pub(super) count: u32,
    pub(super) flags: u32,
    /// Where its payload is in the file.
    pub(super) payload: Range<usize>,
    /// Where the next record begins.
    pub(super) end: usize,
}

impl Found {
    /// Whether the record has this flag.
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The record at `at`, if a whole one with a right checksum is there.
pub(super) fn record_at(bytes: &[u8], at: usize, seed: u32) -> Option<Found> {
    let frame = bytes.get(at..at + FRAME_SIZE)?;
    let length = u32_at(frame, 0) as usize;
    let end = at.checked_add(padded(8 + length))?;
    if length < FRAME_SIZE - 8 || end > bytes.len() {
        return None;
    }
    let covered = &bytes[at + 8..at + 8 + length];
    if checksum(seed, u32_at(frame, 0), covered) != u32_at(frame, 4) {
        return None;
    }
    Some(Found {
        epoch: Epoch(u64_at(frame, 8)),
        offset: u64_at(frame, 16),
        count: u32_at(frame, 24),
        flags: u32_at(frame, 28),
        payload: at + FRAME_SIZE..at + 8 + length,
        end,
    })
}

/// XX001 for `path` at byte `at`.
pub(super) fn damaged(path: &str, at: usize, what: &str) -> Error {
    let message = format!("file \"{path}\" is damaged at byte {at}: {what}");
    Error::new(SqlState::DataCorrupted, message)
        .hint("Restore the data directory from a backup, and check the disk.")
}

/// The length is covered too: a flipped bit in it must not pass because padding is all zeros.
fn checksum(seed: u32, length: u32, covered: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &length.to_le_bytes()), covered)
}

fn padded(size: usize) -> usize {
    size.next_multiple_of(8)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let schema = b"schema".to_vec();
        Header { kind: Kind::Table, log_id: 7, base_offset: 9, created_us: -3, schema }
    }

    #[test]
    fn header_comes_back_and_every_flipped_bit_is_noticed() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), header().size());
        assert_eq!(Header::decode(&bytes, "f").unwrap(), header());
        for bit in (0..54 * 8).filter(|bit| !(44 * 8..48 * 8).contains(bit)) {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bytes, "f").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn record_comes_back_and_every_flipped_bit_is_noticed() {
        let payload = b"hello".to_vec();
        let record = Record { epoch: Epoch(5), count: 2, flags: COMMIT, payload };
        let mut bytes = Vec::new();
        record.encode(header().seed(), 11, &mut bytes).unwrap();
        let found = record_at(&bytes, 0, header().seed()).unwrap();
        assert_eq!((found.epoch, found.offset, found.count), (Epoch(5), 11, 2));
        assert_eq!(&bytes[found.payload], b"hello");
        assert_eq!(found.end, bytes.len());
        assert!(record_at(&bytes, 0, header().seed() ^ 1).is_none());
        for bit in 0..37 * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(record_at(&bytes, 0, header().seed()).is_none(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|cut| record_at(&bytes[..cut], 0, header().seed()).is_none()));
    }
}
