//! Byte strings by number, in large blocks: no allocation per string, and the room of a freed one is
//! used again.

use std::collections::BTreeMap;

use crate::state::segmented::{SegmentedVec, make_room};

/// Bytes of a block; a longer string gets a block of its own.
const BLOCK_SIZE: usize = 1 << 20;
/// Strings take a multiple of this, so that a freed place fits many.
const GRAIN: usize = 16;

/// Byte strings by dense number.
///
/// # Invariants
/// 1. A number is either in use or in `free`, under its place's capacity (kept by `insert`, `remove`).
/// 2. Places do not overlap (places come from the end of a block, or whole from `free`).
#[derive(Debug, Default)]
pub struct ByteStore {
    blocks: Vec<Vec<u8>>,
    places: SegmentedVec<Place>,
    free: BTreeMap<usize, Vec<u32>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    block: u32,
    offset: u32,
    size: u32,
}

fn capacity(size: usize) -> usize {
    size.next_multiple_of(GRAIN)
}

impl ByteStore {
    /// Keeps `bytes` and returns their number: a freed one if one has fitting room, else the next.
    pub fn insert(&mut self, bytes: &[u8]) -> u32 {
        let reused = self.free.get_mut(&capacity(bytes.len())).and_then(Vec::pop);
        let number = reused.unwrap_or_else(|| {
            let number = u32::try_from(self.places.len()).expect("fewer than 2^32 strings");
            let place = self.append(bytes);
            self.places.push(place);
            number
        });
        if reused.is_some() {
            let place = &mut self.places[number];
            place.size = narrow(bytes.len());
            let start = place.offset as usize;
            self.blocks[place.block as usize][start..start + bytes.len()].copy_from_slice(bytes);
        }
        number
    }

    /// The bytes of string `number`.
    #[must_use]
    #[inline]
    pub fn get(&self, number: u32) -> &[u8] {
        let Place { block, offset, size } = self.places[number];
        &self.blocks[block as usize][offset as usize..offset as usize + size as usize]
    }

    /// Frees string `number`, which is in use.
    pub fn remove(&mut self, number: u32) {
        let size = self.places[number].size as usize;
        self.free.entry(capacity(size)).or_default().push(number);
    }

    /// One more than the greatest number ever given.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.places.len()
    }

    /// Numbers in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.values().map(Vec::len).sum::<usize>()
    }

    /// Whether no number is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held; room that has never been used takes none.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.places.byte_size() + self.blocks.iter().map(Vec::len).sum::<usize>()
    }

    /// Puts `bytes` behind all others.
    fn append(&mut self, bytes: &[u8]) -> Place {
        let room = capacity(bytes.len());
        if self.blocks.last().is_none_or(|block| block.len() + room > BLOCK_SIZE) {
            self.blocks.push(vec![]);
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let offset = block.len();
        make_room(block, room, BLOCK_SIZE);
        block.extend_from_slice(bytes);
        block.resize(offset + room, 0);
        Place { block: narrow(number), offset: narrow(offset), size: narrow(bytes.len()) }
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 strings and blocks, of less than 4 GB each")
}
