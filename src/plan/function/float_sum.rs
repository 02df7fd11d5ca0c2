//! The exact sum of floats, rounded once: independent of order, and what was added can be taken back.

/// Floats that do not overlap and add up to the exact sum (Shewchuk's expansion, as in Python's
/// `math.fsum`).
#[derive(Clone, Debug, Default)]
pub(super) struct FloatSum {
    /// By increasing magnitude.
    parts: Vec<f64>,
    /// Infinities and NaNs seen: +inf, -inf, NaN.
    special: [i64; 3],
}

impl FloatSum {
    /// Adds `value`, or takes it back if `sign` is negative.
    pub(super) fn add(&mut self, value: f64, sign: i8) {
        if !value.is_finite() {
            let slot = if value.is_nan() { 2 } else { usize::from(value < 0.0) };
            self.special[slot] += i64::from(sign);
            return;
        }
        let mut rest = if sign < 0 { -value } else { value };
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let mut part = self.parts[index];
            if rest.abs() < part.abs() {
                std::mem::swap(&mut rest, &mut part);
            }
            let high = rest + part;
            let low = part - (high - rest);
            if low != 0.0 {
                self.parts[kept] = low;
                kept += 1;
            }
            rest = high;
        }
        self.parts.truncate(kept);
        if rest != 0.0 {
            self.parts.push(rest);
        }
    }

    /// The sum, correctly rounded.
    pub(super) fn value(&self) -> f64 {
        match self.special {
            [0, 0, 0] => {}
            [_, 0, 0] => return f64::INFINITY,
            [0, _, 0] => return f64::NEG_INFINITY,
            _ => return f64::NAN,
        }
        let mut parts = self.parts.iter().rev().copied();
        let Some(mut high) = parts.next() else { return 0.0 };
        let mut low = 0.0;
        let mut next = parts.next();
        while let Some(part) = next {
            let sum = high + part;
            low = part - (sum - high);
            high = sum;
            next = parts.next();
            if low != 0.0 {
                break;
            }
        }
        // Half-way cases round to even unless the parts that follow tip them.
        if let Some(part) = next
            && ((low < 0.0 && part < 0.0) || (low > 0.0 && part > 0.0))
        {
            let doubled = low * 2.0;
            let sum = high + doubled;
            if doubled == sum - high {
                high = sum;
            }
        }
        high
    }

    /// Floats whose exact sum is this one.
    pub(super) fn parts(&self) -> impl Iterator<Item = f64> {
        let special = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let special = itertools::zip_eq(special, self.special);
        let special = special.filter(|(_, count)| *count > 0).map(|(value, _)| value);
        self.parts.iter().copied().chain(special.collect::<Vec<_>>())
    }
}
