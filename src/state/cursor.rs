//! Enumerates the pairs of probing rows and the rows in the chains of equal keys.

use arrow::array::BooleanArray;
use itertools::Itertools;

use super::chain::{Chains, PART};
use super::index::NONE;
use super::key_groups::KeyGroups;
use crate::types::key::KeyBatch;
use crate::types::true_rows;

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
    /// No pairs, with room for some.
    #[must_use]
    pub fn with_capacity(pairs: usize) -> Matches {
        let numbers = || Vec::with_capacity(pairs);
        Matches { probe: numbers(), state: numbers(), weights: Vec::with_capacity(pairs) }
    }

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

    /// The pairs for which `mask` is true, of as many.
    #[must_use]
    pub fn filter(&self, mask: &BooleanArray) -> Matches {
        assert_eq!(mask.len(), self.len(), "an answer for every pair");
        let kept = true_rows(mask);
        let numbers = |of: &[u32]| kept.iter().map(|&pair| of[pair as usize]).collect();
        Matches {
            probe: numbers(&self.probe),
            state: numbers(&self.state),
            weights: kept.iter().map(|&pair| self.weights[pair as usize]).collect(),
        }
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
    groups: Option<&'a KeyGroups>,
    /// For each key from `first` on, up to [`PART`] of them, the rest of its chain.
    heads: Vec<u32>,
    first: usize,
    at: usize,
    /// Probing rows of the key at hand that have been paired with the head of its chain.
    done: usize,
}

impl<'a> Cursor<'a> {
    /// All pairs of rows with these keys and rows in the chains of equal keys.
    pub(super) fn new(
        chains: &'a Chains,
        keys: &'a KeyBatch,
        null_equals_null: bool,
    ) -> Cursor<'a> {
        Cursor {
            chains,
            keys,
            null_equals_null,
            wanted: None,
            groups: None,
            heads: vec![],
            first: 0,
            at: 0,
            done: 0,
        }
    }

    /// Skips the probing rows for which `wanted` is false.
    #[must_use]
    pub fn only(mut self, wanted: Vec<bool>) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Lets the keys be those of `groups`, whose rows then probe. Pairs come key by key, and of a key found
    /// row by found row.
    #[must_use]
    pub fn grouped(mut self, groups: Option<&'a KeyGroups>) -> Self {
        self.groups = groups;
        self
    }

    /// Appends up to `limit` further pairs to `matches`; false if there were none left.
    pub fn advance(&mut self, limit: usize, matches: &mut Matches) -> bool {
        let mut left = limit;
        loop {
            while let Some(&head) = self.heads.get(self.at) {
                if head == NONE {
                    self.at += 1;
                } else if left == 0 {
                    return true;
                } else {
                    left -= self.pair(head, left, matches);
                }
            }
            if !self.refill() {
                return left < limit;
            }
        }
    }

    /// Pairs the rows of the key at hand with `head`, at most `limit` of them, and returns how many.
    #[inline]
    fn pair(&mut self, head: u32, limit: usize, matches: &mut Matches) -> usize {
        let (key, weight) = (self.first + self.at, self.chains.weight(head));
        let Some(groups) = self.groups else {
            matches.probe.push(key as u32);
            matches.state.push(head);
            matches.weights.push(weight);
            self.heads[self.at] = self.chains.after(head);
            return 1;
        };
        let rows = &groups.rows(key)[self.done..];
        let now = rows.len().min(limit);
        matches.probe.extend_from_slice(&rows[..now]);
        matches.state.resize(matches.probe.len(), head);
        matches.weights.resize(matches.probe.len(), weight);
        self.done += now;
        if now == rows.len() {
            self.done = 0;
            self.heads[self.at] = self.chains.after(head);
        }
        now
    }

    /// Looks up the next part of the keys; false if there are none.
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
