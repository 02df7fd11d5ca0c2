//! What has changed in a relation since it was last looked at.

use std::collections::BTreeMap;

/// Rows of a relation with how often they occur.
#[derive(Default)]
pub(super) struct Contents {
    rows: BTreeMap<String, i64>,
}

impl Contents {
    /// Replaces the rows and tells the difference: `- row` and `+ row`, by row, once per occurrence.
    pub(super) fn replace(&mut self, rows: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for row in rows {
            *counts.entry(row).or_default() += 1;
        }
        let mut changes: BTreeMap<&str, i64> = BTreeMap::new();
        for (row, count) in &counts {
            *changes.entry(row).or_default() += count;
        }
        for (row, count) in &self.rows {
            *changes.entry(row).or_default() -= count;
        }
        let mut lines = vec![];
        for (row, change) in changes {
            let sign = if change < 0 { '-' } else { '+' };
            lines.extend((0..change.abs()).map(|_| format!("{sign} {row}")));
        }
        self.rows = counts;
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_net() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        let mut contents = Contents::default();
        assert_eq!(contents.replace(rows(&["a", "b", "a"])), ["+ a", "+ a", "+ b"]);
        assert_eq!(contents.replace(rows(&["b", "a", "c"])), ["- a", "+ c"]);
        assert!(contents.replace(rows(&["c", "b", "a"])).is_empty());
    }
}
