//! Whether rows are those that a file expects. Files of other runners write a row per line or a value per
//! line, a digest instead of many values, and numbers and booleans in their own ways.

use arrow::datatypes::{DataType, SchemaRef};
use itertools::zip_eq;
use regex::Regex;

use super::record::Sort;

/// What a statement answered: rows as text.
#[derive(Default)]
pub(super) struct Answer {
    /// The command tag.
    pub(super) tag: String,
    /// The columns' names.
    pub(super) names: Vec<String>,
    /// What kind of values the columns hold.
    pub(super) kinds: Vec<Kind>,
    /// The cells, as a test file writes them.
    pub(super) rows: Vec<Vec<String>>,
}

/// What matters of a column's type for comparing texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Truth values.
    Boolean,
    /// Numbers with a fraction.
    Fraction,
    /// Points in time.
    Time,
    /// Arrays.
    List,
    /// Everything else.
    Text,
}

impl Kind {
    /// The kinds of a schema's columns.
    pub(super) fn all(schema: &SchemaRef) -> Vec<Kind> {
        let kind = |data_type: &DataType| match data_type {
            DataType::Boolean => Kind::Boolean,
            DataType::List(_) => Kind::List,
            DataType::Timestamp(..) => Kind::Time,
            other if other.is_floating() || other.is_decimal() => Kind::Fraction,
            _ => Kind::Text,
        };
        schema.fields().iter().map(|field| kind(field.data_type())).collect()
    }
}

impl Answer {
    /// The lines of the rows, sorted as `sort` says.
    pub(super) fn lines(&self, sort: Sort) -> Vec<String> {
        let rows = self.rows.iter();
        let mut lines: Vec<String> = match sort {
            Sort::Values => rows.flatten().cloned().collect(),
            Sort::No | Sort::Rows => rows.map(|row| row.join(" ")).collect(),
        };
        if sort != Sort::No {
            lines.sort();
        }
        lines
    }

    /// Whether these are the lines that are expected, character by character but for blanks.
    pub(super) fn is_exactly(&self, expected: &[String], sort: Sort) -> bool {
        let actual: Vec<String> = self.lines(sort).iter().map(|line| squeezed(line)).collect();
        in_order(expected, sort) == in_order(&actual, sort)
    }

    /// Whether these are the values that are expected, in any of the runners' spellings. `types` are the
    /// query's letters: a column of `R` is compared to the digits that the file has.
    pub(super) fn is_likely(&self, expected: &[String], types: &str, sort: Sort) -> bool {
        if let [line] = expected
            && let Some((count, digest)) = line.split_once(" values hashing to ")
        {
            let values = self.hashed(types, sort);
            return count.parse() == Ok(values.len()) && digest == hex(&values);
        }
        let columns = self.kinds.len();
        if sort == Sort::Values {
            let kinds: Vec<Kind> =
                std::iter::repeat_n(&self.kinds, self.rows.len()).flatten().copied().collect();
            let values: Vec<(&String, Kind)> = zip_eq(self.rows.iter().flatten(), kinds).collect();
            return paired(expected, &values, |wanted, (actual, kind)| same(wanted, actual, *kind));
        }
        let by_row: Option<Vec<Vec<String>>> =
            expected.iter().map(|line| cells(line, columns)).collect();
        let by_value = expected.len() == columns * self.rows.len();
        let wanted: Vec<Vec<String>> = match by_row {
            Some(rows) if rows.len() == self.rows.len() => rows,
            _ if columns > 0 && by_value => {
                expected.chunks(columns).map(<[String]>::to_vec).collect()
            }
            _ => return false,
        };
        // A column of `R` may be one of integers here.
        let letters: Vec<char> = types.chars().collect();
        let kind = |(column, kind): (usize, &Kind)| match letters.get(column) {
            Some('R') if *kind == Kind::Text => Kind::Fraction,
            _ => *kind,
        };
        let kinds: Vec<Kind> = self.kinds.iter().enumerate().map(kind).collect();
        let same_row = |wanted: &Vec<String>, actual: &Vec<String>| {
            zip_eq(zip_eq(wanted, actual), &kinds)
                .all(|((wanted, actual), kind)| same(wanted, actual, *kind))
        };
        match sort {
            Sort::No => {
                zip_eq(&wanted, &self.rows).all(|(wanted, actual)| same_row(wanted, actual))
            }
            Sort::Rows | Sort::Values => paired(&wanted, &self.rows, same_row),
        }
    }

    /// The values in SQLite's spelling and order, for a digest.
    fn hashed(&self, types: &str, sort: Sort) -> Vec<String> {
        let cell = |(text, letter): (&String, char)| match (letter, text.parse::<f64>()) {
            ('R', Ok(number)) => format!("{number:.3}"),
            ('I', Ok(number)) if text.contains('.') => format!("{:.0}", number.trunc()),
            _ if text == "t" => "1".to_owned(),
            _ if text == "f" => "0".to_owned(),
            _ => text.clone(),
        };
        let letters = || types.chars().chain(std::iter::repeat('T'));
        let mut rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().zip(letters()).map(cell).collect()).collect();
        if sort == Sort::Rows {
            rows.sort();
        }
        let mut values: Vec<String> = rows.into_iter().flatten().collect();
        if sort == Sort::Values {
            values.sort();
        }
        values
    }
}

fn hex(values: &[String]) -> String {
    let text: String = values.iter().map(|value| format!("{value}\n")).collect();
    format!("{:x}", md5::compute(text))
}

/// The cells of a line, which tabs separate or, if none is empty, blanks.
fn cells(line: &str, columns: usize) -> Option<Vec<String>> {
    let owned = |cells: Vec<&str>| cells.iter().map(|cell| (*cell).to_owned()).collect();
    let split: Vec<&str> = match line.contains('\t') || columns == 1 {
        true => line.split('\t').collect(),
        false => line.split_whitespace().collect(),
    };
    (split.len() == columns).then(|| owned(split))
}

/// Whether every one that is wanted has its own among the actual ones, in any order.
fn paired<W, A>(wanted: &[W], actual: &[A], same: impl Fn(&W, &A) -> bool) -> bool {
    let mut left: Vec<&A> = actual.iter().collect();
    let found = wanted.iter().all(|wanted| {
        let place = left.iter().position(|actual| same(wanted, actual));
        place.map(|place| left.swap_remove(place)).is_some()
    });
    found && left.is_empty()
}

/// Whether a cell is the one that is wanted.
fn same(wanted: &str, actual: &str, kind: Kind) -> bool {
    let (wanted, actual) = (squeezed(wanted), squeezed(actual));
    if let Some(pattern) = wanted.strip_prefix("<REGEX>:") {
        return whole(pattern, &actual);
    }
    if let Some(pattern) = wanted.strip_prefix("<!REGEX>:") {
        return !whole(pattern, &actual);
    }
    if wanted == actual {
        return true;
    }
    match kind {
        Kind::Boolean => match actual.as_str() {
            "t" => matches!(wanted.to_lowercase().as_str(), "true" | "1"),
            "f" => matches!(wanted.to_lowercase().as_str(), "false" | "0"),
            _ => false,
        },
        Kind::Fraction => near(&wanted, &actual),
        Kind::Time => wanted.replacen('T', " ", 1).trim_end_matches('Z') == actual,
        Kind::List => {
            let plain =
                |text: &str| text.replace('[', "{").replace(']', "}").replace([' ', '"', '\''], "");
            plain(&wanted) == plain(&actual)
        }
        Kind::Text => false,
    }
}

/// Whether a number is the one that is wanted, to as many digits as that has.
fn near(wanted: &str, actual: &str) -> bool {
    let (Ok(number), Ok(other)) = (wanted.parse::<f64>(), actual.parse::<f64>()) else {
        return false;
    };
    let digits = wanted.split_once('.').map_or(0, |(_, digits)| digits.len());
    number == other
        || (digits > 0 && format!("{other:.digits$}") == wanted)
        || (number - other).abs() <= 1e-9 * number.abs().max(other.abs())
}

/// Whether a pattern matches a text from its beginning to its end; one that is none matches nothing.
fn whole(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("(?s)^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(text))
}

/// Lines in the order of `sort`, so that a file may list them in any.
pub(super) fn in_order(lines: &[String], sort: Sort) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| squeezed(line)).collect();
    if sort != Sort::No {
        lines.sort();
    }
    lines
}

/// Runs of blanks count as one.
pub(super) fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kinds: &[Kind], rows: &[&[&str]]) -> Answer {
        let row = |row: &&[&str]| row.iter().map(|cell| (*cell).to_owned()).collect();
        Answer { kinds: kinds.to_vec(), rows: rows.iter().map(row).collect(), ..Answer::default() }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn rows_are_compared_in_any_spelling() {
        let two = answer(&[Kind::Boolean, Kind::Fraction], &[&["t", "2.5000"], &["f", "NULL"]]);
        let likely = |expected: &[&str], sort| two.is_likely(&lines(expected), "BR", sort);
        assert!(likely(&["true 2.500", "false NULL"], Sort::No));
        assert!(likely(&["true", "2.5", "false", "NULL"], Sort::No));
        assert!(likely(&["false NULL", "1\t2.5"], Sort::Rows));
        assert!(!likely(&["false NULL", "1\t2.5"], Sort::No));
        assert!(!likely(&["true 2.501", "false NULL"], Sort::No));
        assert!(!likely(&["true 2.5", "true NULL"], Sort::No));
        assert!(!likely(&["true 2.5"], Sort::No));
        assert!(!two.is_exactly(&lines(&["true 2.5", "false NULL"]), Sort::No));
        assert!(two.is_exactly(&lines(&["t  2.5000", "f NULL"]), Sort::No));
    }

    #[test]
    fn cells_may_be_patterns() {
        let one = answer(&[Kind::Text], &[&["abc d"]]);
        assert!(one.is_likely(&lines(&["<REGEX>:a.* d"]), "T", Sort::No));
        assert!(!one.is_likely(&lines(&["<REGEX>:b.*"]), "T", Sort::No));
        assert!(one.is_likely(&lines(&["<!REGEX>:b.*"]), "T", Sort::No));
    }

    #[test]
    fn many_values_are_told_by_their_digest() {
        let two = answer(&[Kind::Text, Kind::Fraction], &[&["b", "1.5"], &["a", "NULL"]]);
        let digest = hex(&lines(&["a", "NULL", "b", "1.500"]));
        let expected = |count: usize| lines(&[&format!("{count} values hashing to {digest}")]);
        assert!(two.is_likely(&expected(4), "TR", Sort::Rows));
        assert!(!two.is_likely(&expected(4), "TR", Sort::No));
        assert!(!two.is_likely(&expected(5), "TR", Sort::Rows));
        assert_eq!(hex(&lines(&["1", "2"])), "6ddb4095eb719e2a9f0a3f95677d24e0");
    }
}
