//! Ordered multisets by group: what min and max keep where rows can be taken back.

use std::collections::BTreeMap;

/// A type with a least value, so that a group's range in a shared order has a beginning.
pub trait Least: Ord + Clone {
    /// No value is below this one.
    fn least() -> Self;
}

impl Least for u32 {
    fn least() -> u32 {
        0
    }
}

impl Least for i64 {
    fn least() -> i64 {
        i64::MIN
    }
}

impl Least for i128 {
    fn least() -> i128 {
        i128::MIN
    }
}

impl Least for Box<[u8]> {
    fn least() -> Box<[u8]> {
        Box::default()
    }
}

impl<A: Least, B: Least> Least for (A, B) {
    fn least() -> (A, B) {
        (A::least(), B::least())
    }
}

/// For every group a multiset of values, in order. One tree for all groups: small groups cost no
/// allocation of their own, and neither do values of fixed width.
///
/// # Invariants
/// 1. No count is zero (entries are removed on reaching it). Counts may be negative for a while.
#[derive(Debug)]
pub struct OrderedMultiset<T> {
    counts: BTreeMap<(u32, T), i64>,
}

impl<T> Default for OrderedMultiset<T> {
    fn default() -> OrderedMultiset<T> {
        OrderedMultiset { counts: BTreeMap::new() }
    }
}

impl<T: Least> OrderedMultiset<T> {
    /// Adds `weight` to the count of `value` in `group`.
    pub fn add(&mut self, group: u32, value: T, weight: i64) {
        use std::collections::btree_map::Entry;
        match self.counts.entry((group, value)) {
            Entry::Vacant(entry) if weight != 0 => {
                entry.insert(weight);
            }
            Entry::Vacant(_) => {}
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += weight;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// The entries of a group, in order.
    pub fn entries(&self, group: u32) -> impl DoubleEndedIterator<Item = (&T, i64)> {
        let start = (group, T::least());
        let range = match group.checked_add(1) {
            Some(next) => self.counts.range(start..(next, T::least())),
            None => self.counts.range(start..),
        };
        range.map(|((_, value), count)| (value, *count))
    }

    /// The count of a value.
    #[must_use]
    pub fn count(&self, group: u32, value: &T) -> i64 {
        self.counts.get(&(group, value.clone())).copied().unwrap_or_default()
    }

    /// The least value of a group.
    #[must_use]
    pub fn first(&self, group: u32) -> Option<&T> {
        self.entries(group).find(|(_, count)| *count > 0).map(|(value, _)| value)
    }

    /// The greatest value of a group.
    #[must_use]
    pub fn last(&self, group: u32) -> Option<&T> {
        self.entries(group).rev().find(|(_, count)| *count > 0).map(|(value, _)| value)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}
