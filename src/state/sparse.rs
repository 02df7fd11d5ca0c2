//! Numbers by row of which most are never set: a block of 64 K is there only once something in it is.

use super::segmented::{BLOCK_BITS, BLOCK_ROWS, make_room};

/// A vector of any length in which every element is `default` until it is set.
#[derive(Clone, Debug)]
pub struct Sparse<T> {
    default: T,
    /// Of each block a prefix; the rest is `default`.
    blocks: Vec<Vec<T>>,
}

impl<T: Copy + PartialEq> Sparse<T> {
    /// Nothing but `default`.
    #[must_use]
    pub fn new(default: T) -> Sparse<T> {
        Sparse { default, blocks: vec![] }
    }

    /// The element at `row`.
    #[must_use]
    #[inline]
    pub fn get(&self, row: u32) -> T {
        let block = self.blocks.get((row >> BLOCK_BITS) as usize);
        let element = block.and_then(|block| block.get(row as usize & (BLOCK_ROWS - 1)));
        element.copied().unwrap_or(self.default)
    }

    /// Sets the element at `row`.
    #[inline]
    pub fn set(&mut self, row: u32, value: T) {
        let (block, offset) = ((row >> BLOCK_BITS) as usize, row as usize & (BLOCK_ROWS - 1));
        if let Some(element) =
            self.blocks.get_mut(block).and_then(|elements| elements.get_mut(offset))
        {
            *element = value;
        } else if value != self.default {
            self.extend(block, offset, value);
        }
    }

    /// Sets an element behind the prefix of its block.
    fn extend(&mut self, block: usize, offset: usize, value: T) {
        if self.blocks.len() <= block {
            self.blocks.resize(block + 1, vec![]);
        }
        let elements = &mut self.blocks[block];
        make_room(elements, offset + 1 - elements.len(), BLOCK_ROWS);
        elements.resize(offset, self.default);
        elements.push(value);
    }

    /// Sets all elements of a block of 64 K back to the default, and frees it.
    pub fn clear_block(&mut self, block: u32) {
        if let Some(elements) = self.blocks.get_mut(block as usize) {
            *elements = vec![];
        }
    }

    /// Bytes held; room that has never been used takes none.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.blocks.iter().map(|block| block.len() * size_of::<T>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_there_and_all_else_is_the_default() {
        let mut numbers = Sparse::new(7u32);
        numbers.set(3, 7);
        assert_eq!(numbers.byte_size(), 0);
        numbers.set(200_000, 1);
        numbers.set(5, 2);
        numbers.set(4, 3);
        assert_eq!([3, 4, 5, 6, 199_999, 200_000].map(|row| numbers.get(row)), [7, 3, 2, 7, 7, 1]);
        assert_eq!(numbers.get(u32::MAX), 7);
        numbers.clear_block(3);
        assert_eq!([5, 200_000].map(|row| numbers.get(row)), [2, 7]);
    }
}
