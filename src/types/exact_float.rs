//! Exact sums of binary numbers: what float sums, averages and variances keep, so that taking a value
//! back restores the earlier result bit for bit.
//!
//! A sum is an integer times a power of two. While it fits it lives in an `i128` beside its exponent;
//! values too far apart (1e300 and 1e-300) go to a list of limbs. The split never shows: both parts are
//! exact, and the result is rounded once, from their exact sum.

use itertools::Itertools;

/// Bits that the small part may use: the sign and one bit for the carry of an addition stay free.
const SMALL_BITS: u32 = 126;
/// Bits of a limb of [`Limbs`].
const LIMB_BITS: i32 = 32;
/// Additions after which limbs are carried, well before 64 bits overflow.
const ADDITIONS_MAX: u32 = 1 << 30;

/// An exact sum of numbers `±m·2^e`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactSum {
    small: i128,
    exponent: i32,
    large: Option<Box<Limbs>>,
}

/// A number of any size: `Σ limbs[i]·2^(32·(base+i))`, limbs signed and carried lazily.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limbs {
    base: i32,
    limbs: Vec<i64>,
    additions: u32,
}

/// A finite float as `(negative, mantissa, exponent)`: exactly `±mantissa·2^exponent`.
#[must_use]
pub fn decompose(value: f64) -> (bool, u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let biased = i32::try_from((bits >> 52) & 0x7ff).expect("eleven bits");
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased - 1075) };
    if mantissa == 0 {
        return (false, 0, 0);
    }
    // Without trailing zeros values of one magnitude share an exponent more often.
    let zeros = mantissa.trailing_zeros();
    (value.is_sign_negative(), mantissa >> zeros, exponent + zeros.cast_signed())
}

/// `value·2^exponent`, for a value whose product is exact, zero or infinite.
fn scale(value: f64, exponent: i32) -> f64 {
    let power = |exponent: i32| 2f64.powi(exponent.clamp(-1000, 1000));
    let (first, rest) = (exponent / 3, exponent - 2 * (exponent / 3));
    value * power(first) * power(first) * power(rest)
}

/// The float nearest to `±Σ digits[i]·2^(32·(base+i))`, or a little above that if there is a `rest`.
fn rounded(negative: bool, digits: &[u32], base: i32, rest: bool) -> f64 {
    // Three full limbs hold at least 65 bits; what is below only matters as "not zero".
    let kept = digits.len().saturating_sub(4);
    let sticky = rest || digits[..kept].iter().any(|digit| *digit != 0);
    let top = digits[kept..].iter().rev().fold(0u128, |top, &d| top << 32 | u128::from(d));
    let value = scale((top | u128::from(sticky)) as f64, LIMB_BITS * (base + kept as i32));
    if negative { -value } else { value }
}

impl ExactSum {
    /// Adds `±magnitude·2^exponent`.
    #[inline]
    pub fn add(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        if magnitude == 0 {
            return;
        }
        if self.small == 0 {
            self.exponent = exponent;
        }
        let bits = 128 - magnitude.leading_zeros();
        let shift = i64::from(exponent) - i64::from(self.exponent);
        if shift >= 0 && i64::from(bits) + shift <= i64::from(SMALL_BITS) {
            self.add_small(negative, magnitude << shift, exponent - shift as i32);
        } else if shift < 0 && self.make_room(-shift) && bits <= SMALL_BITS {
            self.exponent = exponent;
            self.add_small(negative, magnitude, exponent);
        } else {
            self.large.get_or_insert_default().add(negative, magnitude, exponent);
        }
    }

    /// Adds `value·weight`, a finite value.
    #[inline]
    pub fn add_float(&mut self, value: f64, weight: i64) {
        let (negative, mantissa, exponent) = decompose(value);
        let magnitude = u128::from(mantissa) * u128::from(weight.unsigned_abs());
        self.add(negative != (weight < 0), magnitude, exponent);
    }

    /// Adds `value²·weight`, a finite value.
    #[inline]
    pub fn add_float_square(&mut self, value: f64, weight: i64) {
        let (_, mantissa, exponent) = decompose(value);
        self.add_product(u128::from(mantissa).pow(2), weight, 2 * exponent);
    }

    /// Adds `value²·weight`.
    pub fn add_integer_square(&mut self, value: i128, weight: i64) {
        let magnitude = value.unsigned_abs();
        let (high, low) = (magnitude >> 64, magnitude & u128::from(u64::MAX));
        self.add_product(low * low, weight, 0);
        if high != 0 {
            self.add_product(high * low, weight, 65);
            self.add_product(high * high, weight, 128);
        }
    }

    /// Adds `value·weight`.
    #[inline]
    pub fn add_integer(&mut self, value: i128, weight: i64) {
        let negative = (value < 0) != (weight < 0);
        let magnitude = value.unsigned_abs();
        match magnitude.checked_mul(u128::from(weight.unsigned_abs())) {
            Some(product) => self.add(negative, product, 0),
            None => {
                self.add_product(magnitude, if negative { -1 } else { 1 } * weight.abs(), 0);
            }
        }
    }

    /// Adds `±magnitude·|weight|·2^exponent`, with the sign of `weight`, whatever the size.
    fn add_product(&mut self, magnitude: u128, weight: i64, exponent: i32) {
        let (negative, factor) = (weight < 0, u128::from(weight.unsigned_abs()));
        if let Some(product) = magnitude.checked_mul(factor) {
            self.add(negative, product, exponent);
        } else {
            self.add(negative, (magnitude & u128::from(u64::MAX)) * factor, exponent);
            self.add(negative, (magnitude >> 64) * factor, exponent + 64);
        }
    }

    /// Whether the sum is exactly zero.
    #[must_use]
    pub fn zero(&self) -> bool {
        match self.large {
            None => self.small == 0,
            Some(_) => self.whole().carried().0.is_empty(),
        }
    }

    /// The float nearest to the sum (ties to even); infinite if it is beyond all floats.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        if self.large.is_none() {
            return scale(self.small as f64, self.exponent);
        }
        self.whole().to_f64()
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &ExactSum) {
        if let Some(large) = &other.large {
            large.add_to(self.large.get_or_insert_default());
        }
        self.add(other.small < 0, other.small.unsigned_abs(), other.exponent);
    }

    fn whole(&self) -> Limbs {
        let mut whole = self.large.as_deref().cloned().unwrap_or_default();
        whole.add(self.small < 0, self.small.unsigned_abs(), self.exponent);
        whole
    }

    /// Appends a form that [`ExactSum::read`] reads back.
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.small.to_le_bytes());
        to.extend(self.exponent.to_le_bytes());
        let large = self.large.as_deref();
        to.extend(large.map_or(0, |large| large.base).to_le_bytes());
        let limbs = large.map_or(&[][..], |large| &large.limbs);
        to.extend(u32::try_from(limbs.len()).expect("some hundred limbs").to_le_bytes());
        limbs.iter().for_each(|limb| to.extend(limb.to_le_bytes()));
    }

    /// Reads what [`ExactSum::write`] wrote and advances `from`; `None` if it is cut short.
    pub fn read(from: &mut &[u8]) -> Option<ExactSum> {
        let small = i128::from_le_bytes(*split(from)?);
        let exponent = i32::from_le_bytes(*split(from)?);
        let base = i32::from_le_bytes(*split(from)?);
        let count = u32::from_le_bytes(*split(from)?);
        let limbs: Option<Vec<i64>> =
            (0..count).map(|_| split(from).map(|bytes| i64::from_le_bytes(*bytes))).collect();
        let limbs = limbs?;
        // Limbs may have been saved uncarried.
        let additions = ADDITIONS_MAX;
        let large = (count > 0).then(|| Box::new(Limbs { base, limbs, additions }));
        Some(ExactSum { small, exponent, large })
    }

    /// Adds to the small part at its own exponent; moves it to the limbs if it overflows.
    #[inline]
    fn add_small(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        let value = magnitude.cast_signed();
        let sum = if negative { self.small - value } else { self.small + value };
        self.small = sum;
        if sum.unsigned_abs() >> SMALL_BITS != 0 {
            let large = self.large.get_or_insert_default();
            large.add(sum < 0, sum.unsigned_abs(), exponent);
            self.small = 0;
        }
    }

    /// Makes the small part `shift` bits longer, if it fits.
    fn make_room(&mut self, shift: i64) -> bool {
        let bits = i64::from(128 - self.small.unsigned_abs().leading_zeros());
        let fits = bits + shift <= i64::from(SMALL_BITS);
        if fits {
            self.small <<= shift;
        }
        fits
    }
}

impl Limbs {
    /// Adds `±magnitude·2^exponent`.
    pub fn add(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        if magnitude == 0 {
            return;
        }
        let first = exponent.div_euclid(LIMB_BITS);
        let shift = exponent.rem_euclid(LIMB_BITS);
        // Shifted by up to 31 bits a magnitude takes five limbs.
        self.cover(first, first + 5);
        if self.additions >= ADDITIONS_MAX {
            self.carry();
            self.cover(first, first + 5);
        }
        self.additions += 1;
        let at = usize::try_from(first - self.base).expect("covered");
        let (low, high) = ((magnitude << shift), (magnitude >> 1) >> (127 - shift));
        for (place, limb) in self.limbs[at..at + 5].iter_mut().enumerate() {
            let part = if place < 4 { (low >> (32 * place)) as u32 } else { high as u32 };
            *limb += if negative { -i64::from(part) } else { i64::from(part) };
        }
    }

    fn add_to(&self, total: &mut Limbs) {
        for (limb, exponent) in self.limbs.iter().zip_eq(self.exponents()) {
            total.add(*limb < 0, u128::from(limb.unsigned_abs()), exponent);
        }
    }

    /// Adds `n·sum`.
    pub fn add_multiple(&mut self, sum: &ExactSum, n: u64) {
        let whole = sum.whole();
        for (limb, exponent) in whole.limbs.iter().zip_eq(whole.exponents()) {
            self.add(*limb < 0, u128::from(limb.unsigned_abs()) * u128::from(n), exponent);
        }
    }

    /// Takes `sum²` off.
    pub fn subtract_square(&mut self, sum: &ExactSum) {
        let (_, digits, base) = sum.whole().signed_digits();
        for (i, a) in digits.iter().enumerate() {
            for (j, b) in digits.iter().enumerate() {
                let exponent = LIMB_BITS * (2 * base + (i + j) as i32);
                self.add(true, u128::from(*a) * u128::from(*b), exponent);
            }
        }
    }

    /// The float nearest to the number (ties to even).
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let (negative, digits, base) = self.signed_digits();
        rounded(negative, &digits, base, false)
    }

    /// The float nearest to the `n`-th part of the number (ties to even).
    #[must_use]
    pub fn part_to_f64(&self, n: u64) -> f64 {
        let (negative, digits, base) = self.signed_digits();
        // Four more digits, of which a divisor of two takes away two at most.
        let mut rest = 0u128;
        let mut quotient: Vec<u32> = std::iter::chain(digits.iter().rev(), &[0; 4])
            .map(|&digit| {
                let dividend = rest << LIMB_BITS | u128::from(digit);
                rest = dividend % u128::from(n);
                (dividend / u128::from(n)) as u32
            })
            .collect();
        quotient.reverse();
        while quotient.last() == Some(&0) {
            quotient.pop();
        }
        rounded(negative, &quotient, base - 4, rest != 0)
    }

    fn exponents(&self) -> impl ExactSizeIterator<Item = i32> + use<> {
        let base = self.base;
        (0..self.limbs.len()).map(move |place| LIMB_BITS * (base + place as i32))
    }

    /// Makes limbs `first..end` exist.
    fn cover(&mut self, first: i32, end: i32) {
        if self.limbs.is_empty() {
            self.base = first;
        }
        if first < self.base {
            let missing = usize::try_from(self.base - first).expect("positive");
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.base = first;
        }
        let length = usize::try_from(end - self.base).expect("first is at or above the base");
        if length > self.limbs.len() {
            self.limbs.resize(length, 0);
        }
    }

    /// The same number with all limbs in `0..2^32` but the top one, which is -1 or positive.
    fn carried(&self) -> (Vec<i64>, i32) {
        let mut limbs = Vec::with_capacity(self.limbs.len() + 2);
        let mut carry = 0;
        for limb in &self.limbs {
            let value = limb + carry;
            limbs.push(value & 0xffff_ffff);
            carry = value >> LIMB_BITS;
        }
        while carry != 0 && carry != -1 {
            limbs.push(carry & 0xffff_ffff);
            carry >>= LIMB_BITS;
        }
        if carry == -1 {
            limbs.push(-1);
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        (limbs, self.base)
    }

    fn carry(&mut self) {
        (self.limbs, self.base) = self.carried();
        self.additions = 0;
    }

    /// Sign and magnitude: `(negative, digits from low to high, position of the first digit)`.
    fn signed_digits(&self) -> (bool, Vec<u32>, i32) {
        let (limbs, base) = self.carried();
        let negative = limbs.last() == Some(&-1);
        let mut carry = i64::from(negative);
        let mut digits: Vec<u32> = Vec::with_capacity(limbs.len());
        for limb in limbs {
            // Two's complement: invert and add one.
            let digit = if negative { (!limb & 0xffff_ffff) + carry } else { limb };
            carry = i64::from(negative && digit >> LIMB_BITS != 0);
            digits.push(digit as u32);
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        (negative, digits, base)
    }
}

/// The first `N` bytes, if there are as many, taken off `from`.
pub fn split<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|&value| sum.add_float(value, 1));
        sum
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[0.1, 0.2]).to_f64(), 0.1 + 0.2);
        assert_eq!(sum(&[1e300, 1.0, -1e300]).to_f64(), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).to_f64(), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).to_f64(), f64::INFINITY);
        assert_eq!(sum(&[5e-324, 5e-324, 1e308, -1e308]).to_f64(), 1e-323);
        assert_eq!(sum(&[-1e308, -1e-308]).to_f64(), -1e308);
        assert_eq!(sum(&[9007199254740992.0, 1.0, 1e-300]).to_f64(), 9007199254740994.0);
        assert!(sum(&[1e300, 1e-300, -1e300, -1e-300]).zero());
    }

    #[test]
    fn taking_all_back_but_one_restores_it() {
        let mut rng = StdRng::seed_from_u64(7);
        for range in [1, 40, 1000] {
            let values: Vec<f64> = (0..500)
                .map(|_| rng.random_range(-1.0..1.0) * 2f64.powi(rng.random_range(-range..range)))
                .collect();
            let mut total = sum(&values);
            let forward = total.to_f64();
            let backward: Vec<f64> = values.iter().rev().copied().collect();
            assert_eq!(forward.to_bits(), sum(&backward).to_f64().to_bits());
            for value in &values[1..] {
                total.add_float(*value, -1);
            }
            let mut bytes = Vec::new();
            total.write(&mut bytes);
            let read = ExactSum::read(&mut &bytes[..]).expect("complete");
            assert_eq!(read.to_f64().to_bits(), values[0].to_bits());
            total.add_float(values[0], -1);
            assert!(total.zero());
        }
    }

    #[test]
    fn parts_are_rounded_once() {
        let part = |values: &[f64], n| sum(values).whole().part_to_f64(n);
        assert_eq!(part(&[1.0], 3), 1.0 / 3.0);
        assert_eq!(part(&[-1e300], 1 << 62), -1e300 / 2f64.powi(62));
        assert_eq!(part(&[7e-300, 1e300], 7), 1e300 / 7.0);
        // Half-way between two floats but for the rest.
        assert_eq!(part(&[3.0, 3.0 * 2f64.powi(-53)], 3), 1.0);
        assert_eq!(part(&[3.0, 3.0 * 2f64.powi(-53), 1e-200], 3), 1.0 + f64::EPSILON);
        assert_eq!(part(&[], 9), 0.0);
    }

    #[test]
    fn squares_are_exact() {
        for value in [3.0, 1e200, -1.1, 5e-324] {
            let (mut square, mut single) = (ExactSum::default(), ExactSum::default());
            square.add_float_square(value, 4);
            single.add_float(value, 2);
            let mut difference = Limbs::default();
            difference.add_multiple(&square, 1);
            difference.subtract_square(&single);
            assert_eq!(difference.to_f64(), 0.0, "{value}");
        }
        let mut square = ExactSum::default();
        square.add_integer_square(i128::from(u64::MAX) * 10, 3);
        assert_eq!(square.to_f64(), 300.0 * 2f64.powi(128));
    }
}
