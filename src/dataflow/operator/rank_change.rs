//! What a tick's changes of a partition do to the rows that a ranking shows: a walk over the partition
//! in order, old and new positions side by side.

use std::ops::Range;

use crate::plan::node::RankKind;
use crate::state::ordered_rows::{Entry, OrderedRows};

/// The positions, or ranks, that are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Rows or ranks before it.
    pub(super) start: i64,
    /// Rows or ranks up to its end; `i64::MAX` for all.
    pub(super) end: i64,
    /// What is counted, and shown as a column.
    pub(super) rank: Option<RankKind>,
}

/// Rows put out, as parallel vectors.
#[derive(Default, Debug)]
pub(super) struct Changes {
    pub(super) rows: Vec<u32>,
    pub(super) ranks: Vec<i64>,
    pub(super) weights: Vec<i64>,
}

/// Which difference a walk finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    /// From before the tick to now.
    Tick,
    /// From nothing to now: the contents.
    Nothing,
}

impl Since {
    fn old(self, entry: &Entry) -> i64 {
        if self == Since::Tick { entry.old.max(0) } else { 0 }
    }
}

impl Changes {
    fn push(&mut self, row: u32, rank: i64, weight: i64) {
        if weight != 0 {
            self.rows.push(row);
            self.ranks.push(rank);
            self.weights.push(weight);
        }
    }
}

impl Window {
    /// Adds what changed in this tick; `peers` says whether two rows are equal in the order.
    pub(super) fn change(
        &self,
        rows: &OrderedRows,
        peers: impl Fn(u32, u32) -> bool,
        to: &mut Changes,
    ) {
        let Some(first) = rows.first_open() else { return };
        match self.rank {
            None | Some(RankKind::RowNumber) => self.walk_rows(rows, first, Since::Tick, to),
            Some(RankKind::Rank) => {
                let first = first_peer(rows, first, &peers);
                self.walk_ranks(rows, first, Since::Tick, peers, to);
            }
            // How many ranks lie before the change is not kept.
            Some(RankKind::DenseRank) => self.walk_ranks(rows, (0, 0), Since::Tick, peers, to),
        }
    }

    /// Adds everything shown.
    pub(super) fn contents(
        &self,
        rows: &OrderedRows,
        peers: impl Fn(u32, u32) -> bool,
        to: &mut Changes,
    ) {
        match self.rank {
            None | Some(RankKind::RowNumber) => self.walk_rows(rows, (0, 0), Since::Nothing, to),
            Some(RankKind::Rank | RankKind::DenseRank) => {
                self.walk_ranks(rows, (0, 0), Since::Nothing, peers, to);
            }
        }
    }

    fn walk_rows(
        &self,
        rows: &OrderedRows,
        (first_block, first_index): (usize, usize),
        since: Since,
        to: &mut Changes,
    ) {
        let mut open: usize = rows.blocks().iter().map(|block| block.open).sum();
        let mut new_before = rows_before(rows, (first_block, first_index));
        // Nothing is shown at or beyond the end: where "nothing" stands.
        let mut old_before = if since == Since::Tick { new_before } else { self.end };
        for (number, block) in rows.blocks().iter().enumerate().skip(first_block) {
            let first = if number == first_block { first_index } else { 0 };
            let whole = first == 0 && block.open == 0 && since == Since::Tick;
            if whole && self.stays(old_before, new_before, block.rows) {
                old_before += block.rows;
                new_before += block.rows;
                continue;
            }
            for entry in &block.entries[first..] {
                let unmoved = open == 0 && old_before == new_before && since == Since::Tick;
                if unmoved || old_before.min(new_before) >= self.end {
                    return;
                }
                let (old, new) = (since.old(entry), entry.new.max(0));
                let was = self.shown(old_before, old);
                let is = self.shown(new_before, new);
                if self.rank.is_some() {
                    let gone = was.clone().filter(|position| !is.contains(position));
                    gone.for_each(|position| to.push(entry.row, position + 1, -1));
                    let came = is.filter(|position| !was.contains(position));
                    came.for_each(|position| to.push(entry.row, position + 1, 1));
                } else {
                    to.push(entry.row, 0, is.end - is.start - (was.end - was.start));
                }
                old_before = old_before.saturating_add(old);
                new_before += new;
                open -= usize::from(entry.old != entry.new);
            }
        }
    }

    /// The positions that are shown of `count` rows after `before` others.
    fn shown(&self, before: i64, count: i64) -> Range<i64> {
        let start = before.max(self.start);
        start..before.saturating_add(count).min(self.end).max(start)
    }

    /// Whether unchanged rows show as before although they moved: they have no number, and are inside
    /// both before and after, or before the window both times.
    fn stays(&self, old_before: i64, new_before: i64, rows: i64) -> bool {
        let inside = |before: i64| before >= self.start && before.saturating_add(rows) <= self.end;
        let ahead = |before: i64| before.saturating_add(rows) <= self.start;
        self.rank.is_none()
            && (inside(old_before) && inside(new_before) || ahead(old_before) && ahead(new_before))
    }

    fn walk_ranks(
        &self,
        rows: &OrderedRows,
        (first_block, first_index): (usize, usize),
        since: Since,
        peers: impl Fn(u32, u32) -> bool,
        to: &mut Changes,
    ) {
        let dense = self.rank == Some(RankKind::DenseRank);
        let mut open: usize = rows.blocks().iter().map(|block| block.open).sum();
        let before = rows_before(rows, (first_block, first_index));
        let (mut old, mut new) = (Ranks::after(before, dense), Ranks::after(before, dense));
        let mut previous: Option<u32> = None;
        let blocks = rows.blocks()[first_block..].iter().enumerate();
        let entries = blocks.flat_map(|(number, block)| {
            &block.entries[if number == 0 { first_index } else { 0 }..]
        });
        for entry in entries {
            if !previous.is_some_and(|previous| peers(previous, entry.row)) {
                old.next_peers();
                new.next_peers();
                let unmoved = open == 0 && old == new && since == Since::Tick;
                let beyond =
                    new.rank > self.end && (old.rank > self.end || since == Since::Nothing);
                if unmoved || beyond {
                    return;
                }
            }
            previous = Some(entry.row);
            let (was, is) = (since.old(entry), entry.new.max(0));
            if old.rank == new.rank {
                to.push(entry.row, new.rank, self.weight(new.rank, is - was));
            } else {
                to.push(entry.row, old.rank, self.weight(old.rank, -was));
                to.push(entry.row, new.rank, self.weight(new.rank, is));
            }
            old.add(was);
            new.add(is);
            open -= usize::from(entry.old != entry.new);
        }
    }

    fn weight(&self, rank: i64, weight: i64) -> i64 {
        if rank > self.start && rank <= self.end { weight } else { 0 }
    }

    /// Where the rows begin that can never be shown if rows only come, if there are any.
    pub(super) fn surplus(
        &self,
        rows: &OrderedRows,
        peers: impl Fn(u32, u32) -> bool,
    ) -> Option<(usize, usize)> {
        if rows.rows() <= self.end {
            return None;
        }
        let ranked = matches!(self.rank, Some(RankKind::Rank | RankKind::DenseRank));
        let mut ranks = Ranks::after(0, self.rank == Some(RankKind::DenseRank));
        let mut previous: Option<u32> = None;
        let mut before = 0;
        for (number, block) in rows.blocks().iter().enumerate() {
            if !ranked && before + block.rows < self.end {
                before += block.rows;
                continue;
            }
            for (index, entry) in block.entries.iter().enumerate() {
                if ranked && !previous.is_some_and(|previous| peers(previous, entry.row)) {
                    ranks.next_peers();
                }
                if ranked && ranks.rank > self.end || !ranked && before >= self.end {
                    return Some((number, index));
                }
                previous = Some(entry.row);
                before += entry.new.max(0);
                ranks.add(entry.new.max(0));
            }
        }
        None
    }
}

/// The rank of the rows that a walk is at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ranks {
    rank: i64,
    /// Rows so far, or if dense: ranks given so far.
    before: i64,
    /// Rows so far that have the current rank.
    current: i64,
    dense: bool,
}

impl Ranks {
    fn after(before: i64, dense: bool) -> Ranks {
        Ranks { rank: 0, before, current: 0, dense }
    }

    fn next_peers(&mut self) {
        self.before += if self.dense { self.current.min(1) } else { self.current };
        self.current = 0;
        self.rank = self.before + 1;
    }

    fn add(&mut self, rows: i64) {
        self.current += rows;
    }
}

/// Rows before a place (of entries that have not changed).
fn rows_before(rows: &OrderedRows, (block, index): (usize, usize)) -> i64 {
    let blocks = rows.blocks().iter().take(block).map(|block| block.rows);
    let entries = rows.blocks().get(block).map_or(&[][..], |block| &block.entries[..index]);
    blocks.sum::<i64>() + entries.iter().map(|entry| entry.new.max(0)).sum::<i64>()
}

/// The first of the rows that are equal in the order to the one at a place.
fn first_peer(
    rows: &OrderedRows,
    (mut block, mut index): (usize, usize),
    peers: impl Fn(u32, u32) -> bool,
) -> (usize, usize) {
    let row = |block: usize, index: usize| rows.blocks()[block].entries[index].row;
    let this = row(block, index);
    loop {
        let before = match (block, index) {
            (0, 0) => return (0, 0),
            (_, 0) => (block - 1, rows.blocks()[block - 1].entries.len() - 1),
            _ => (block, index - 1),
        };
        if !peers(row(before.0, before.1), this) {
            return (block, index);
        }
        (block, index) = before;
    }
}
