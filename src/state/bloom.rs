//! A Bloom filter: tells of most keys that they are not there, and of none that is. Blocked: all bits of a
//! key are in one word (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007).

/// Hashes that may be there. With 16 bits a key about one absent key in a hundred is taken for present.
#[derive(Clone, Debug)]
pub(super) struct Bloom {
    /// A power of two of words.
    words: Vec<u64>,
}

/// Keys per word.
const KEYS: usize = 4;

impl Bloom {
    /// A filter of these hashes.
    #[must_use]
    pub(super) fn new(hashes: &[u64]) -> Bloom {
        let mut words = vec![0; hashes.len().div_ceil(KEYS).next_power_of_two()];
        for &hash in hashes {
            let place = place(hash, words.len());
            words[place] |= bits(hash);
        }
        Bloom { words }
    }

    /// False only if `hash` is not among those it was made of.
    #[must_use]
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let bits = bits(hash);
        self.words[place(hash, self.words.len())] & bits == bits
    }

    /// Bytes held.
    #[must_use]
    pub(super) fn byte_size(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }
}

fn place(hash: u64, words: usize) -> usize {
    (hash >> 32) as usize & (words - 1)
}

/// Four bits chosen by bits 8 to 31: the lower ones choose the worker and say little here.
fn bits(hash: u64) -> u64 {
    1 << (hash >> 8 & 63) | 1 << (hash >> 14 & 63) | 1 << (hash >> 20 & 63) | 1 << (hash >> 26 & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_little_else() {
        let hash = |key: u64| key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ key.rotate_left(29);
        let hashes: Vec<u64> = (0..5000).map(hash).collect();
        let bloom = Bloom::new(&hashes);
        assert!(hashes.iter().all(|&hash| bloom.may_have(hash)));
        let taken = (5000..105_000).filter(|&key| bloom.may_have(hash(key))).count();
        assert!(taken < 1500, "{taken} of 100000 absent keys");
        assert!(!Bloom::new(&[]).may_have(1));
    }
}
