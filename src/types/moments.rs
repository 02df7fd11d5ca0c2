//! Variance and standard deviation from exact sums of values and of their squares: the textbook
//! formula, which only rounding makes a bad one. Views and queries share it, to the last bit.

use super::exact_float::{ExactSum, Limbs, split};
use super::float_sum::Specials;

/// Sums of a group's finite values and of their squares.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    sum: ExactSum,
    squares: ExactSum,
    specials: Specials,
    count: i64,
}

impl Moments {
    /// Adds `value` `weight` times.
    #[inline]
    pub fn add_float(&mut self, value: f64, weight: i64) {
        self.count += weight;
        if value.is_finite() {
            self.sum.add_float(value, weight);
            self.squares.add_float_square(value, weight);
        } else {
            self.specials.add(value, weight);
        }
    }

    /// Adds `value` `weight` times.
    #[inline]
    pub fn add_integer(&mut self, value: i128, weight: i64) {
        self.count += weight;
        self.sum.add_integer(value, weight);
        self.squares.add_integer_square(value, weight);
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Moments) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.specials.merge(&other.specials);
        self.count += other.count;
    }

    /// The variance, of a sample or of a population; `None` of too few values, infinite on overflow.
    ///
    /// The sum of squared deviations is rounded once, and divided once, as Postgres does.
    #[must_use]
    pub fn variance(&self, sample: bool) -> Option<f64> {
        let count = u64::try_from(self.count).ok().filter(|count| *count > u64::from(sample))?;
        if self.specials.sum().is_some() {
            return Some(f64::NAN);
        }
        if self.sum.to_f64().is_infinite() {
            return Some(f64::INFINITY);
        }
        // Σx² − (Σx)²/n, as (n·Σx² − (Σx)²) / n.
        let mut deviations = Limbs::default();
        deviations.add_multiple(&self.squares, count);
        deviations.subtract_square(&self.sum);
        Some(deviations.part_to_f64(count) / (count - u64::from(sample)) as f64)
    }

    /// Whether this is exactly the state of no values.
    #[must_use]
    pub fn clear(&self) -> bool {
        self.count == 0 && self.specials.clear() && self.sum.zero() && self.squares.zero()
    }

    /// Appends a form that [`Moments::read`] reads back.
    pub fn write(&self, to: &mut Vec<u8>) {
        self.sum.write(to);
        self.squares.write(to);
        self.specials.write(to);
        to.extend(self.count.to_le_bytes());
    }

    /// Reads what [`Moments::write`] wrote and advances `from`; `None` if it is cut short.
    pub fn read(from: &mut &[u8]) -> Option<Moments> {
        Some(Moments {
            sum: ExactSum::read(from)?,
            squares: ExactSum::read(from)?,
            specials: Specials::read(from)?,
            count: i64::from_le_bytes(*split(from)?),
        })
    }
}
