//! Multisets of rows as text, floats within a tolerance.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A cell: its text, and its value if it is a float.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(String),
    Float(f64),
}

/// Rows in a canonical order.
#[derive(Clone, Debug)]
pub struct Rows(Vec<Vec<Cell>>);

impl Rows {
    /// The rows of a result.
    pub fn of(batches: &[RecordBatch]) -> Rows {
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = vec![];
        for batch in batches {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| {
                    let formatter = ArrayFormatter::try_new(column, &options).expect("printable");
                    let text = formatter.value(row).to_string();
                    match column.data_type() {
                        DataType::Float64 | DataType::Float32 if column.is_valid(row) => {
                            Cell::Float(text.parse().unwrap_or(f64::NAN))
                        }
                        _ => Cell::Text(text),
                    }
                });
                rows.push(cells.collect::<Vec<_>>());
            }
        }
        rows.sort_by_key(|row| row.iter().map(Cell::rough).collect::<Vec<_>>());
        Rows(rows)
    }

    /// Whether both hold the same rows as often.
    pub fn same(&self, other: &Rows) -> bool {
        self.0.len() == other.0.len()
            && itertools::zip_eq(&self.0, &other.0).all(|(left, right)| {
                itertools::zip_eq(left, right).all(|(left, right)| left.same(right))
            })
    }

    /// The rows, one a line.
    pub fn text(&self) -> String {
        let line = |row: &Vec<Cell>| {
            let cells: Vec<String> = row.iter().map(Cell::rough).collect();
            format!("    {}\n", cells.join(" | "))
        };
        self.0.iter().map(line).collect()
    }
}

impl Cell {
    /// Text that is equal for floats that differ in the last places only.
    fn rough(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Float(value) => format!("{value:.6e}"),
        }
    }

    fn same(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Float(left), Cell::Float(right)) => {
                left == right
                    || (left.is_nan() && right.is_nan())
                    || (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-3)
            }
            _ => self == other,
        }
    }
}
