//! Enumerates the pairs of probing rows and the rows in the chains of equal keys.

use itertools::Itertools;

use super::chain::{Chains, PART};
use super::index::NONE;
use crate::types::key::KeyBatch;

/// Pairs found by probing, as parallel vectors.
#[derive(Default, Debug)]
pub struct Matches {
    /// Row of the probing batch.
    pub probe: Vec<u32>,
    /// Row found.
    pub state: Vec<u32>,
    /// Its weight (never 0).
    pub weights: Vec<i64>,
}

impl Matches {
    /// Number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.probe.len()
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.probe.is_empty()
    }

    /// Forgets the pairs, keeps the memory.
    pub fn clear(&mut self) {
        self.probe.clear();
        self.state.clear();
        self.weights.clear();
    }
}

/// An enumeration of the pairs of probing rows and rows with equal keys, in bounded steps.
pub struct Cursor<'a> {
    chains: &'a Chains,
    keys: &'a KeyBatch,
    null_equals_null: bool,
    wanted: Option<Vec<bool>>,
    /// For each probing row from `first` on, up to [`PART`] of them, the rest of its chain.
    heads: Vec<u32>,
    first: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// All pairs of rows with these keys and rows in the chains of equal keys.
    pub(super) fn new(
        chains: &'a Chains,
        keys: &'a KeyBatch,
        null_equals_null: bool,
    ) -> Cursor<'a> {
        let (heads, first, at) = (vec![], 0, 0);
        Cursor { chains, keys, null_equals_null, wanted: None, heads, first, at }
    }

    /// Skips the probing rows for which `wanted` is false.
    #[must_use]
    pub fn only(mut self, wanted: Vec<bool>) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Appends up to `limit` further pairs to `matches`; false if there were none left.
    pub fn advance(&mut self, limit: usize, matches: &mut Matches) -> bool {
        let mut left = limit;
        loop {
            while let Some(head) = self.heads.get_mut(self.at) {
                let probe = (self.first + self.at) as u32;
                while *head != NONE {
                    if left == 0 {
                        return true;
                    }
                    left -= 1;
                    matches.probe.push(probe);
                    matches.state.push(*head);
                    matches.weights.push(self.chains.weight(*head));
                    *head = self.chains.after(*head);
                }
                self.at += 1;
            }
            if !self.refill() {
                return left < limit;
            }
        }
    }

    /// Looks up the next part of the probing rows; false if there are none.
    fn refill(&mut self) -> bool {
        self.first += self.heads.len();
        self.at = 0;
        self.heads.clear();
        let part = self.first..(self.first + PART).min(self.keys.hashes.len());
        self.chains.find_part(self.keys, part.clone(), self.null_equals_null, &mut self.heads);
        for (row, head) in part.clone().zip_eq(&mut self.heads) {
            let wanted = self.wanted.as_ref().is_none_or(|wanted| wanted[row]);
            *head = if *head == NONE || !wanted { NONE } else { self.chains.head(*head) };
        }
        !part.is_empty()
    }
}
