//! Byte strings of one size by number: a place follows from the number, and no string costs an allocation.

use crate::state::segmented::{BLOCK_BITS, BLOCK_ROWS, make_room};

/// Byte strings of equal size by dense number.
///
/// # Invariants
/// 1. Block `n` holds the strings of the numbers from `n * BLOCK_ROWS` on; all blocks but the last are full.
/// 2. A number is either in use or in `free` (kept by `insert`, `remove`).
#[derive(Debug)]
pub(super) struct SizedStore {
    size: usize,
    blocks: Vec<Vec<u8>>,
    numbers: usize,
    free: Vec<u32>,
}

impl SizedStore {
    /// No strings, of `size` bytes each.
    pub(super) fn new(size: usize) -> SizedStore {
        SizedStore { size, blocks: vec![], numbers: 0, free: vec![] }
    }

    /// Keeps `bytes` and returns their number: a freed one, else the next.
    ///
    /// # Panics
    /// If the size is not the store's.
    pub(super) fn insert(&mut self, bytes: &[u8]) -> u32 {
        if let Some(number) = self.free.pop() {
            let start = self.start(number);
            let block = &mut self.blocks[number as usize >> BLOCK_BITS];
            block[start..start + self.size].copy_from_slice(bytes);
            return number;
        }
        assert_eq!(bytes.len(), self.size, "strings of one size");
        let number = u32::try_from(self.numbers).expect("fewer than 2^32 strings");
        if self.numbers.is_multiple_of(BLOCK_ROWS) {
            self.blocks.push(vec![]);
        }
        let block = self.blocks.last_mut().expect("there is room for the number");
        make_room(block, self.size, self.size * BLOCK_ROWS);
        block.extend_from_slice(bytes);
        self.numbers += 1;
        number
    }

    /// The bytes of string `number`.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &[u8] {
        let start = self.start(number);
        &self.blocks[number as usize >> BLOCK_BITS][start..start + self.size]
    }

    /// Frees string `number`, which is in use.
    pub(super) fn remove(&mut self, number: u32) {
        self.free.push(number);
    }

    /// One more than the greatest number ever given.
    pub(super) fn numbers(&self) -> usize {
        self.numbers
    }

    /// Bytes held; room that has never been used takes none.
    pub(super) fn byte_size(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// Where in its block a string starts.
    fn start(&self, number: u32) -> usize {
        (number as usize & (BLOCK_ROWS - 1)) * self.size
    }
}
