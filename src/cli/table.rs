//! Result sets as psql draws them: aligned, or one line per column.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use itertools::zip_eq;

use crate::error::Result;
use crate::types::text::{self, Style};

/// Rows of a result set as text.
pub(super) struct Table {
    schema: SchemaRef,
    style: Style,
    rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// An empty table with these columns.
    pub(super) fn new(schema: &SchemaRef, style: Style) -> Table {
        Table { schema: SchemaRef::clone(schema), style, rows: vec![] }
    }

    /// Adds rows.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let cells = zip_eq(batch.columns(), self.schema.fields())
            .map(|(column, field)| text::encode(column, field, &self.style))
            .collect::<Result<Vec<_>>>()?;
        let cell = |column: &text::Cells, row: usize| column.text(row).map(str::to_owned);
        let row = |row| cells.iter().map(|column| cell(column, row)).collect();
        self.rows.extend((0..batch.num_rows()).map(row));
        Ok(())
    }

    /// The rows; null is `None`.
    pub(super) fn into_rows(self) -> Vec<Vec<Option<String>>> {
        self.rows
    }

    /// A line per row, columns below their names, numbers to the right.
    pub(super) fn aligned(&self) -> String {
        let names: Vec<&str> =
            self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
        for row in &self.rows {
            for (width_max, cell) in zip_eq(&mut widths, row) {
                let lines = cell.as_deref().unwrap_or_default().lines();
                *width_max = lines.map(width).fold(*width_max, usize::max);
            }
        }
        let mut out = String::new();
        let header = zip_eq(&names, &widths).map(|(name, width)| centered(name, *width));
        line(&mut out, header);
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        out.push_str(&rules.join("+"));
        out.push('\n');
        for row in &self.rows {
            self.row(&mut out, row, &widths);
        }
        let count = self.rows.len();
        out.push_str(&format!("({count} row{})\n\n", if count == 1 { "" } else { "s" }));
        out
    }

    /// One row; a value of several lines makes several, each but the last marked with `+`.
    fn row(&self, out: &mut String, row: &[Option<String>], widths: &[usize]) {
        let split: Vec<Vec<&str>> = row
            .iter()
            .map(|cell| cell.as_deref().unwrap_or_default().split('\n').collect())
            .collect();
        let height = split.iter().map(Vec::len).max().unwrap_or(1);
        for number in 0..height {
            let last = split.len().saturating_sub(1);
            for (index, lines) in split.iter().enumerate() {
                let text = lines.get(number).copied().unwrap_or_default();
                let more = number + 1 < lines.len();
                let gap = " ".repeat(widths[index].saturating_sub(width(text)));
                let right = right_aligned(self.schema.field(index).data_type());
                let cell = if right { format!("{gap}{text}") } else { format!("{text}{gap}") };
                let end = if more { "+" } else { " " };
                let cell = format!(" {cell}{end}");
                out.push_str(if index == last { cell.trim_end_matches(' ') } else { &cell });
                if index != last {
                    out.push('|');
                }
            }
            out.push('\n');
        }
    }

    /// A line per column, rows apart.
    pub(super) fn expanded(&self) -> String {
        let names: Vec<&str> =
            self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let label = names.iter().map(|name| width(name)).max().unwrap_or(0);
        let mut out = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            out.push_str(&format!("-[ RECORD {} ]-\n", number + 1));
            for (name, cell) in zip_eq(&names, row) {
                let gap = " ".repeat(label.saturating_sub(width(name)));
                let text = cell.as_deref().unwrap_or_default();
                let below = format!("\n{} | ", " ".repeat(label));
                let text = text.replace('\n', &below);
                out.push_str(format!("{name}{gap} | {text}").trim_end_matches(' '));
                out.push('\n');
            }
        }
        if self.rows.is_empty() {
            out.push_str("(0 rows)\n");
        }
        out.push('\n');
        out
    }
}

/// Characters of a text; wide ones are not known.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn centered(text: &str, to: usize) -> String {
    let gap = to.saturating_sub(width(text));
    let left = gap / 2;
    format!(" {}{text}{} ", " ".repeat(left), " ".repeat(gap - left))
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    let joined = cells.collect::<Vec<_>>().join("|");
    out.push_str(joined.trim_end_matches(' '));
    out.push('\n');
}

fn right_aligned(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    #[test]
    fn tables_look_as_in_psql() {
        let id: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(300)]));
        let name: ArrayRef = Arc::new(StringArray::from(vec!["a\nb", "", "ccc"]));
        let batch = RecordBatch::try_from_iter([("id", id), ("a name", name)]).unwrap();
        let mut table = Table::new(&batch.schema(), Style::default());
        table.add(&batch).unwrap();
        assert_eq!(
            table.aligned(),
            " id  | a name\n-----+--------\n   1 | a     +\n     | b\n     |\n 300 | ccc\n(3 rows)\n\n"
        );
        assert!(
            table.expanded().starts_with("-[ RECORD 1 ]-\nid     | 1\na name | a\n       | b\n")
        );
    }
}
