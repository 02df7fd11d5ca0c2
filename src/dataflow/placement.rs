//! On which worker a node's rows are.

use std::collections::HashSet;

/// Column lists by the hash of any of which all rows are on the worker that owns them. Empty: rows
/// may be anywhere.
pub(super) type Placements = Vec<Vec<usize>>;

/// Placements of which every column stays where it is.
pub(super) fn kept(placements: &Placements, stays: impl Fn(usize) -> bool) -> Placements {
    moved(placements, |keys| keys.iter().all(|&key| stays(key)).then(|| keys.to_vec()))
}

/// Placements after their columns have moved; those of which a column is gone are lost.
pub(super) fn moved(
    placements: &Placements,
    new: impl Fn(&[usize]) -> Option<Vec<usize>>,
) -> Placements {
    let mut seen = HashSet::new();
    placements
        .iter()
        .filter_map(|keys| new(keys))
        .filter(|keys| seen.insert(keys.clone()))
        .collect()
}

/// Where each of `keys` stands in `columns`.
pub(super) fn positions(columns: &[usize], keys: &[usize]) -> Option<Vec<usize>> {
    keys.iter().map(|key| columns.iter().position(|column| column == key)).collect()
}
