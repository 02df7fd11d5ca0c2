//! Whether what cannot be read at the end of a log is a torn tail: not if a whole record stands behind it.
//!
//! A record may begin at any multiple of 8 and its length is arbitrary, so a torn tail of numbers can look
//! like millions of records, each megabytes long. Their checksums are computed from those of the
//! tail's beginnings: what is left to do per place does not depend on the length.

use super::record::{FRAME_SIZE, KNOWN_FLAGS};

/// CRC32C's polynomial, lowest bit first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Whether any whole record begins behind `at`: then what is at `at` is damage, not a torn tail.
pub(super) fn record_behind(bytes: &[u8], at: usize, seed: u32) -> bool {
    let start = (at + 1).next_multiple_of(8).min(bytes.len());
    let places = (start..bytes.len()).step_by(8);
    let mut likely = places.filter_map(|at| Some((at, plausible(bytes, at)?))).peekable();
    if likely.peek().is_none() {
        return false;
    }
    let (sums, zeros) = (Sums::new(bytes, start), Zeros::new());
    likely.any(|(at, length)| {
        let before = crc32c::crc32c_append(seed, &bytes[at..at + 4]) ^ sums.until(at + 8);
        let sum = zeros.append(before, length) ^ sums.until(at + 8 + length);
        bytes[at + 4..at + 8] == sum.to_le_bytes()
    })
}

/// The length of a record that may begin at `at`, by everything but its checksum.
fn plausible(bytes: &[u8], at: usize) -> Option<usize> {
    let frame = bytes.get(at..at + FRAME_SIZE)?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| frame[at + byte]));
    let length = number(0) as usize;
    let end = at.checked_add(8 + length)?.checked_next_multiple_of(8)?;
    let fits = length >= FRAME_SIZE - 8 && end <= bytes.len() && number(28) & !KNOWN_FLAGS == 0;
    fits.then_some(length)
}

/// Checksums of `bytes[start..]` up to any byte.
struct Sums<'a> {
    bytes: &'a [u8],
    start: usize,
    /// Up to every eighth byte.
    sums: Vec<u32>,
}

impl Sums<'_> {
    fn new(bytes: &[u8], start: usize) -> Sums<'_> {
        let mut sums = vec![0];
        let words = bytes[start..].chunks_exact(8);
        sums.extend(words.scan(0, |sum, word| {
            *sum = crc32c::crc32c_append(*sum, word);
            Some(*sum)
        }));
        Sums { bytes, start, sums }
    }

    fn until(&self, end: usize) -> u32 {
        let word = (end - self.start) / 8;
        crc32c::crc32c_append(self.sums[word], &self.bytes[self.start + 8 * word..end])
    }
}

/// A linear function of 32 bits, by its value for each of them.
type Matrix = [u32; 32];

/// What appending zeros to some bytes does to their checksum: 1, 2, 4, 8, … of them.
struct Zeros(Vec<Matrix>);

impl Zeros {
    fn new() -> Zeros {
        let bit: Matrix =
            std::array::from_fn(|index| if index == 0 { POLYNOMIAL } else { 1 << (index - 1) });
        let byte = square(&square(&square(&bit)));
        Zeros(std::iter::successors(Some(byte), |last| Some(square(last))).take(32).collect())
    }

    fn append(&self, sum: u32, count: usize) -> u32 {
        let powers = self.0.iter().enumerate().filter(|(power, _)| (count >> power) & 1 == 1);
        powers.fold(sum, |sum, (_, matrix)| apply(matrix, sum))
    }
}

fn square(matrix: &Matrix) -> Matrix {
    matrix.map(|value| apply(matrix, value))
}

fn apply(matrix: &Matrix, mut to: u32) -> u32 {
    let mut sum = 0;
    while to != 0 {
        sum ^= matrix[to.trailing_zeros() as usize];
        to &= to - 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::record::{COMMIT, Record};
    use super::*;
    use crate::types::Epoch;

    const SEED: u32 = 77;

    fn record(payload: Vec<u8>) -> Vec<u8> {
        let mut bytes = vec![];
        let record = Record { epoch: Epoch(5), count: 2, flags: COMMIT, payload };
        record.encode(SEED, 11, &mut bytes).unwrap();
        bytes
    }

    fn numbers(from: u64, count: u64) -> Vec<u8> {
        (from..from + count).flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn a_record_of_any_length_is_found_behind_damage() {
        for length in (0..60).chain([1000, 4097]) {
            let mut bytes = numbers(1, 40);
            bytes.extend(record(vec![7; length]));
            bytes.extend(numbers(1, 3));
            assert!(record_behind(&bytes, 0, SEED), "{length}");
            assert!(!record_behind(&bytes, 0, SEED + 1), "of another log, {length}");
            assert!(!record_behind(&bytes, 40 * 8, SEED), "behind its beginning, {length}");
            bytes[40 * 8 + 4] ^= 1;
            assert!(!record_behind(&bytes, 0, SEED), "damaged too, {length}");
        }
    }

    #[test]
    fn a_large_torn_tail_of_plausible_lengths_takes_no_time() {
        // Every place looks like a record about as long as half of the tail.
        let mut bytes = record(numbers(1_200_000, 300_000));
        bytes.truncate(bytes.len() - 8);
        let started = crate::clock::monotonic();
        assert!(!record_behind(&bytes, 0, SEED));
        let took = crate::clock::monotonic() - started;
        assert!(took.as_secs() < 20, "it reads the tail once, not once per place");
    }
}
