//! A vector in blocks of 64 K elements: growing never copies what is there, so that no tick pays for
//! the size of the state.

use std::ops::{Index, IndexMut};

/// Elements of a full block, and with it rows of a sealed chunk.
pub const BLOCK_ROWS: usize = 1 << BLOCK_BITS;
/// Binary logarithm of [`BLOCK_ROWS`].
pub const BLOCK_BITS: u32 = 16;

/// Makes room for `more` further elements in a block that will hold `full`, or more if it must. Small blocks
/// grow by doubling, for states of a few rows. Others get all their room at once: what is moved has to be
/// written to memory that nobody has touched yet, and room that is not used is never touched.
pub fn make_room<T>(block: &mut Vec<T>, more: usize, full: usize) {
    const SMALL_BYTES: usize = 1 << 15;
    let length = block.len() + more;
    if length > block.capacity() && length * size_of::<T>() > SMALL_BYTES {
        block.reserve_exact(full.max(length) - block.len());
    }
}

/// A growable vector that never moves full blocks.
///
/// # Invariants
/// 1. All blocks but the last have exactly [`BLOCK_ROWS`] elements (by construction in `push`).
#[derive(Clone, Debug, Default)]
pub struct SegmentedVec<T> {
    blocks: Vec<Vec<T>>,
}

impl<T: Clone> SegmentedVec<T> {
    /// An empty vector; allocates nothing.
    #[must_use]
    pub fn new() -> SegmentedVec<T> {
        SegmentedVec { blocks: vec![] }
    }

    /// An empty vector with room for `length` elements, at most a block.
    #[must_use]
    pub fn with_capacity(length: usize) -> SegmentedVec<T> {
        SegmentedVec { blocks: vec![Vec::with_capacity(length.min(BLOCK_ROWS))] }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK_ROWS;
        full + self.blocks.last().map_or(0, Vec::len)
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an element.
    pub fn push(&mut self, value: T) {
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK_ROWS => {
                make_room(block, 1, BLOCK_ROWS);
                block.push(value);
            }
            _ => self.push_block().push(value),
        }
    }

    fn push_block(&mut self) -> &mut Vec<T> {
        // The first block starts small, for states of a few rows; later ones are sure to fill.
        let capacity = if self.blocks.is_empty() { 0 } else { BLOCK_ROWS };
        self.blocks.push(Vec::with_capacity(capacity));
        self.blocks.last_mut().expect("just pushed")
    }

    /// Grows (never shrinks) to `length` elements, the new ones equal to `value`.
    pub fn grow(&mut self, length: usize, value: &T) {
        while self.len() < length {
            let room = match self.blocks.last() {
                Some(block) if block.len() < BLOCK_ROWS => block.len(),
                _ => {
                    self.push_block();
                    0
                }
            };
            let last = self.blocks.len() - 1;
            let target = (length - last * BLOCK_ROWS).min(BLOCK_ROWS);
            debug_assert!(target > room, "progress");
            let block = &mut self.blocks[last];
            make_room(block, target - block.len(), BLOCK_ROWS);
            block.resize(target, value.clone());
        }
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }

    /// The blocks in order, each of [`BLOCK_ROWS`] elements but the last.
    pub fn blocks(&self) -> impl Iterator<Item = &[T]> {
        self.blocks.iter().map(Vec::as_slice)
    }

    /// Bytes held; room that has never been used takes none.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.len() * size_of::<T>()
    }
}

impl<T> Index<u32> for SegmentedVec<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.blocks[(index >> BLOCK_BITS) as usize][(index as usize) & (BLOCK_ROWS - 1)]
    }
}

impl<T> IndexMut<u32> for SegmentedVec<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.blocks[(index >> BLOCK_BITS) as usize][(index as usize) & (BLOCK_ROWS - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushing_and_growing_keep_order_across_blocks() {
        let mut vector = SegmentedVec::new();
        for value in 0..100_000u32 {
            vector.push(value);
        }
        vector.grow(200_000, &7);
        assert_eq!(vector.len(), 200_000);
        assert_eq!(vector[99_999], 99_999);
        assert_eq!((vector[100_000], vector[199_999]), (7, 7));
        vector[65_536] = 1;
        assert_eq!(vector.iter().filter(|&&value| value == 1).count(), 2);
        assert_eq!(vector.blocks().map(<[u32]>::len).sum::<usize>(), 200_000);
    }
}
