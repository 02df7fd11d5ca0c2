//! The bytes of keys that are not of fixed width, in blocks that are not moved.

use super::segmented::make_room;

/// The bytes of keys, each behind its length.
#[derive(Debug, Default)]
pub(super) struct KeyBytes {
    blocks: Vec<Vec<u8>>,
    used: usize,
    garbage: usize,
}

impl KeyBytes {
    /// No key's place.
    pub(super) const NOWHERE: u64 = u64::MAX;
    const BLOCK_SIZE: usize = 1 << 18;
    const LENGTH_SIZE: usize = 4;

    /// The key at a place.
    pub(super) fn get(&self, place: u64) -> &[u8] {
        let block = &self.blocks[(place >> 32) as usize][(place & 0xffff_ffff) as usize..];
        let (length, rest) = block
            .split_first_chunk::<{ KeyBytes::LENGTH_SIZE }>()
            .expect("a key starts with its length");
        &rest[..u32::from_le_bytes(*length) as usize]
    }

    /// Adds a key and returns its place.
    pub(super) fn push(&mut self, key: &[u8]) -> u64 {
        let size = key.len() + KeyBytes::LENGTH_SIZE;
        if self.blocks.last().is_none_or(|block| block.len() + size > KeyBytes::BLOCK_SIZE) {
            // A key longer than a block has one to itself.
            self.blocks.push(vec![]);
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        make_room(block, size, KeyBytes::BLOCK_SIZE);
        let place = (number as u64) << 32 | block.len() as u64;
        block.extend_from_slice(
            &u32::try_from(key.len()).expect("a key is below 4 GB").to_le_bytes(),
        );
        block.extend_from_slice(key);
        self.used += size;
        place
    }

    /// Notes that the key at a place is no longer needed.
    pub(super) fn forget(&mut self, place: u64) {
        self.garbage += self.get(place).len() + KeyBytes::LENGTH_SIZE;
    }

    /// Whether copying what is needed is worth it.
    pub(super) fn mostly_garbage(&self) -> bool {
        self.garbage > KeyBytes::BLOCK_SIZE && self.garbage * 2 > self.used
    }

    /// Bytes held; room that has never been used takes none.
    pub(super) fn byte_size(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }
}
