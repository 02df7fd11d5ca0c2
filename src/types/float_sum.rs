//! Sums of floats, exact until they are rounded once. Views and queries share them, to the last bit.

use super::exact_float::{ExactSum, split};

/// Infinities and not-a-numbers, counted, since they cannot be summed and taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Specials {
    nan: i64,
    plus: i64,
    minus: i64,
}

impl Specials {
    /// Adds a value that is not finite `weight` times.
    #[inline]
    pub fn add(&mut self, value: f64, weight: i64) {
        let count = match value {
            _ if value.is_nan() => &mut self.nan,
            _ if value > 0.0 => &mut self.plus,
            _ => &mut self.minus,
        };
        *count += weight;
    }

    /// The sum, if it is not a finite one.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        match (self.nan > 0, self.plus > 0, self.minus > 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Specials) {
        self.nan += other.nan;
        self.plus += other.plus;
        self.minus += other.minus;
    }

    /// Whether there are none.
    #[must_use]
    pub fn clear(&self) -> bool {
        *self == Specials::default()
    }

    /// Appends a form that [`Specials::read`] reads back.
    pub fn write(&self, to: &mut Vec<u8>) {
        [self.nan, self.plus, self.minus].iter().for_each(|count| to.extend(count.to_le_bytes()));
    }

    /// Reads what [`Specials::write`] wrote and advances `from`; `None` if it is cut short.
    pub fn read(from: &mut &[u8]) -> Option<Specials> {
        let mut count = || split(from).map(|bytes| i64::from_le_bytes(*bytes));
        Some(Specials { nan: count()?, plus: count()?, minus: count()? })
    }
}

/// The finite values' sum, and the others' counts.
#[derive(Clone, Debug, Default)]
pub struct FloatSum {
    sum: ExactSum,
    specials: Specials,
}

impl FloatSum {
    /// Adds `value` `weight` times.
    #[inline]
    pub fn add(&mut self, value: f64, weight: i64) {
        if value.is_finite() {
            self.sum.add_float(value, weight);
        } else {
            self.specials.add(value, weight);
        }
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &FloatSum) {
        self.sum.merge(&other.sum);
        self.specials.merge(&other.specials);
    }

    /// The sum; `None` if it is beyond `real`, where `narrow`, or `double precision`.
    #[must_use]
    pub fn total(&self, narrow: bool) -> Option<f64> {
        if let Some(special) = self.specials.sum() {
            return Some(special);
        }
        let total = self.sum.to_f64();
        let fits = if narrow { (total as f32).is_finite() } else { total.is_finite() };
        fits.then_some(total)
    }

    /// Whether this is exactly the state of no values.
    #[must_use]
    pub fn clear(&self) -> bool {
        self.specials.clear() && self.sum.zero()
    }

    /// Appends a form that [`FloatSum::read`] reads back.
    pub fn write(&self, to: &mut Vec<u8>) {
        self.sum.write(to);
        self.specials.write(to);
    }

    /// Reads what [`FloatSum::write`] wrote and advances `from`; `None` if it is cut short.
    pub fn read(from: &mut &[u8]) -> Option<FloatSum> {
        Some(FloatSum { sum: ExactSum::read(from)?, specials: Specials::read(from)? })
    }
}
