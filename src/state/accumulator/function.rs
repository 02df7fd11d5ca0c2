//! The aggregate functions that can be kept up to date.

/// An aggregate function; argument and result types choose its form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// Rows, or non-null arguments.
    Count,
    /// Sum.
    Sum,
    /// Mean.
    Average,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// Whether all are true.
    And,
    /// Whether any is true.
    Or,
    /// Variance, or its root.
    Variance {
        /// Divides by `n - 1` instead of `n`.
        sample: bool,
        /// Standard deviation.
        root: bool,
    },
}
